"""Weight files to `{name: array}`: Keras 2 HDF5, NPZ, safetensors, PyTorch."""

import json
import math
import mmap
import struct
import zipfile

import numpy as np

from ssl_tf.errors import BadInput, have

# No released checkpoint of the papers comes near; a file that claims more is wrong.
LIMIT = 4 * 2**30

SAFE_KINDS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}


def read(path, form, key=None):
    """The arrays of a weight file, in file order.

    Args:
        path: file.
        form: "keras_h5", "torch", "safetensors" or "npz".
        key: str, PyTorch only: which entry of the checkpoint; `None` takes the usual
            ones.

    Returns:
        `{name: array}`. Keras names are `layer/weight`. Arrays of PyTorch files and
        safetensors are views of the mapped file.

    Raises:
        BadInput: no such file, not of this form, or damaged.
    """
    if form not in FORMS:
        raise BadInput(f"--from {form}: unknown. Have: {have(FORMS)}.")
    recognise(path)
    return FORMS[form](path, key)


def recognise(path):
    """Raises BadInput for what people download instead of a checkpoint."""
    try:
        with open(path, "rb") as file:
            start = file.read(512)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}).") from None
    if not start:
        raise BadInput(f"{path}: is empty; download it again.")
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise BadInput(f"{path}: is a web page; open the link in a browser instead.")
    if start.startswith(b"version https://git-lfs"):
        raise BadInput(f"{path}: is a Git LFS pointer; run `git lfs pull` for it.")
    return start


def mapped(path):
    """A file as read-only memory, with `read`, `seek` and `tell`."""
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def dtype(name):
    """A NumPy dtype, little-endian; also those NumPy lacks, such as bfloat16."""
    if name.startswith(("bfloat", "float8")):
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name).newbyteorder("<")


def keras_h5(path, key):
    from ssl_tf.weights import keras_files

    return keras_files.flat(keras_files.keras_layers(path))


def npz(path, key):
    """The arrays of an NPZ; pickled objects are refused."""
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(info.file_size for info in archive.infolist())
        if total > LIMIT:
            raise BadInput(f"{path}: holds {total} bytes; {LIMIT} is the limit.")
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
        if not all(isinstance(array, np.ndarray) for array in found.values()):
            raise BadInput(f"{path}: holds no arrays of NumPy's; is it --from torch?")
        return found
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - zipfile and NumPy raise several kinds
        why = " ".join(str(error).split())[:120]
        raise BadInput(f"{path}: is no readable NPZ file ({why}).") from None


def safetensors(path, key):
    """The tensors of a safetensors file.

    Source:
        The format's own description: 8 bytes length, JSON header, one buffer that the
        tensors fill without holes or overlaps.
    """
    data = mapped(path)
    try:
        length = struct.unpack_from("<Q", data)[0]
        start = 8 + length
        if start > min(len(data), 100_000_000):
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(data[8:start], object_pairs_hook=without_twins)
        header.pop("__metadata__", None)
        end, found = start, {}
        for name, about in sorted(header.items(), key=lambda x: x[1]["data_offsets"]):
            first, last = about["data_offsets"]
            if about["dtype"] not in SAFE_KINDS:
                raise ValueError(f"{name!r} is of {about['dtype']}; save it as F32")
            kind, shape = dtype(SAFE_KINDS[about["dtype"]]), about["shape"]
            if any(type(n) is not int or n < 0 for n in shape):
                raise ValueError(f"{name!r} has shape {shape}")
            size = math.prod(shape) * kind.itemsize
            if start + first != end or last - first != size or start + last > len(data):
                raise ValueError(f"{name!r} lies at {first} to {last}")
            view, end = memoryview(data)[end : start + last], start + last
            found[name] = np.frombuffer(view, kind).reshape(shape)
        if end != len(data):
            raise ValueError(f"{len(data) - end} bytes too many")
    except Exception as error:  # noqa: BLE001 - a foreign file may fail in any way
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise BadInput(f"{path}: is no readable safetensors file ({why}).") from None
    return found


def without_twins(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def pytorch(path, key):
    from ssl_tf.weights import torch_files

    return torch_files.read(path, key)


def copies(path):
    """See `torch_files.copies`."""
    from ssl_tf.weights import torch_files

    return torch_files.copies(path)


FORMS = {"keras_h5": keras_h5, "npz": npz, "safetensors": safetensors, "torch": pytorch}
