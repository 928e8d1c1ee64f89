"""Tensors and NumPy arrays as the pickle of a PyTorch checkpoint describes them."""

import math
import re

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.ops.unpickle import inert
from ssl_tf.weights.files import dtype

KINDS = {
    "Bool": "bool",
    "Byte": "uint8",
    "Char": "int8",
    "Short": "int16",
    "Int": "int32",
    "Long": "int64",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Float": "float32",
    "Double": "float64",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}
# Types without a storage class of their own: their storages count bytes.
UNTYPED = ("uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2")
ELEMENTS = (*KINDS.values(), *UNTYPED)


# Elements of a tensor that repeats those of a smaller storage, as `expand` makes it.
EXPANDED = 2**24


class Built:
    """Base of all that a checkpoint may build: keeps no state it is handed."""

    def __setstate__(self, state):
        pass


class Table(Built, dict):
    """`OrderedDict` of a checkpoint.

    Python 2 hands it all pairs at once. They are taken out of the list, so that a file
    cannot fill the memory by handing the same list over and over.
    """

    def __init__(self, pairs=None):
        super().__init__(pairs or ())
        if pairs:
            pairs.clear()


class Tensor(Built):
    """What `_rebuild_tensor_v2` is asked for; checked by `array`, not here."""

    storage = offset = shape = strides = kind = None

    def __init__(self, storage, offset, shape, strides, *rest):
        self.storage, self.offset = storage, offset
        self.shape, self.strides = shape, strides


class Typed(Tensor):
    """What `_rebuild_tensor_v3` is asked for: it names the type of its elements."""

    def __init__(self, storage, offset, shape, strides, grad, hooks, kind, *rest):
        super().__init__(storage, offset, shape, strides)
        self.kind = kind


class Parameter(Built):
    """Its tensor."""

    def __new__(cls, tensor, *rest):
        return tensor


class Kind(Built):
    """`numpy.dtype` of numbers; `text` is "f4" or "<f4", `None` for any other."""

    def __init__(self, text, *rest):
        plain = isinstance(text, str) and re.fullmatch(r"[<>|=]?[biufc]\d{1,2}", text)
        self.text = text if plain else None

    def __setstate__(self, state):
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if self.text and order in ("<", ">"):
            self.text = order + self.text.lstrip("<>|=")


class Array(Built):
    """An array or a number of NumPy; checked by `array`, not here."""

    shape = kind = raw = None
    fortran = False

    @property
    def numeric(self):
        """Whether it holds numbers, no texts or objects."""
        return getattr(self.kind, "text", None) is not None

    def __setstate__(self, state):
        if isinstance(state, tuple) and len(state) == 5:
            _, self.shape, self.kind, self.fortran, self.raw = state

    @classmethod
    def number(cls, kind, raw=None):
        """What `scalar` is asked for."""
        self = cls()
        self.shape, self.kind, self.raw = (), kind, raw
        return self

    @classmethod
    def empty(cls, *arguments):
        """What `_reconstruct` is asked for: its state follows."""
        return cls()

    @classmethod
    def of_buffer(cls, raw, kind, shape, order):
        """What `_frombuffer` is asked for."""
        self = cls()
        self.shape, self.kind, self.raw, self.fortran = shape, kind, raw, order == "F"
        return self


def encoded(text, encoding):
    """`_codecs.encode`, by which old protocols write bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise BadInput("holds texts of an unknown encoding.")
    return text.encode("latin1")


def no_bytes():
    """How protocol 2 writes b""; any argument is an error."""
    return b""


def subclass(make, kind, arguments, state):
    """`_rebuild_from_type_v2`: a tensor with attributes, which are dropped."""
    if make not in (Tensor, Typed, Parameter):
        return inert("torch._tensor._rebuild_from_type_v2")(arguments)
    return make(*arguments)


class Storage(Built):
    """A row of numbers somewhere in the file.

    Attributes:
        key: its name there.
        kind: name of a dtype.
        count: int, elements it claims.
        first: int, element of `key` it starts at.
    """

    def __init__(self, key, kind, count, first=0):
        self.key, self.kind, self.count, self.first = key, kind, count, first


def known():
    """The few globals a checkpoint may name; dtypes become their names."""
    storages = {
        f"torch{part}.{name}Storage": kind
        for part in ("", ".cuda")
        for name, kind in KINDS.items()
    }
    return {
        **storages,
        **{f"torch.{kind}": kind for kind in UNTYPED},
        "torch.storage.UntypedStorage": "uint8",
        "collections.OrderedDict": Table,
        "torch._utils._rebuild_tensor_v2": Tensor,
        "torch._utils._rebuild_tensor_v3": Typed,
        "torch._utils._rebuild_parameter": Parameter,
        "torch._utils._rebuild_parameter_with_state": Parameter,
        "torch._tensor._rebuild_from_type_v2": subclass,
        "numpy.dtype": Kind,
        "numpy.ndarray": Array,
        "_codecs.encode": encoded,
        "__builtin__.bytes": no_bytes,
        **{
            f"numpy.{core}.{name}": made
            for core in ("core", "_core")
            for name, made in (
                ("multiarray.scalar", Array.number),
                ("multiarray._reconstruct", Array.empty),
                ("numeric._frombuffer", Array.of_buffer),
            )
        },
    }


def array(name, tensor, raw, little=True):
    """A `Tensor` as array, a view of its storage; or an `Array`.

    Args:
        name: in the checkpoint, for messages.
        tensor: `Tensor` or `Array`.
        raw: `{storage key: bytes}`.
        little: whether numbers in storages are little-endian.

    Raises:
        BadInput: it reaches beyond its storage, or is larger than it.
    """
    if isinstance(tensor, Array):
        return of_numpy(name, tensor)
    storage, shape, strides = tensor.storage, tensor.shape, tensor.strides
    numbers = lambda x: isinstance(x, tuple) and all(type(n) is int for n in x)
    if not (isinstance(storage, Storage) and numbers((tensor.offset,))):
        raise BadInput(f"{name!r} is no plain tensor.")
    if not (numbers(shape) and numbers(strides) and len(shape) == len(strides) <= 32):
        raise BadInput(f"{name!r} has no plain shape.")
    if tensor.kind not in (None, *UNTYPED):
        raise BadInput(f"{name!r} has elements of an unknown kind.")
    kind, size = dtype(tensor.kind or storage.kind), dtype(storage.kind).itemsize
    extent = math.prod(n or 1 for n in shape)
    if min((*shape, *strides, tensor.offset)) < 0 or extent > 2**40:
        raise BadInput(f"{name!r} has a negative or absurd shape, stride or offset.")
    if 0 in shape:
        return np.zeros(shape, kind)
    held = memoryview(raw.get(storage.key, b""))[storage.first * size :]
    count = storage.count * size // kind.itemsize
    last = tensor.offset + sum((n - 1) * s for n, s in zip(shape, strides))
    wide = extent > max(count, EXPANDED)
    if len(held) < storage.count * size or last >= count or wide:
        raise BadInput(
            f"{name!r} of shape {list(shape)} needs element {last} of {count} in its "
            f"storage, which has {len(held) // kind.itemsize}."
        )
    row = np.frombuffer(held, kind, count)
    row = (row if little else row.byteswap())[tensor.offset :]
    steps = [s * kind.itemsize for s in strides]
    return np.lib.stride_tricks.as_strided(row, shape, steps, writeable=False)


def of_numpy(name, given):
    """An `Array` as array.

    Raises:
        BadInput: it holds no numbers, or another count of bytes than its shape says.
    """
    shape, raw = given.shape, given.raw
    raw = raw.encode("latin1") if isinstance(raw, str) else raw  # Python 2's
    fits = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
    if not (fits and isinstance(raw, (bytes, bytearray)) and len(shape) <= 32):
        raise BadInput(f"{name!r} is an array of NumPy's that holds no plain numbers.")
    try:
        order = "F" if given.fortran else "C"
        return np.frombuffer(raw, given.kind.text).reshape(shape, order=order)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{name!r} is a damaged array of NumPy's ({error}).") from None
