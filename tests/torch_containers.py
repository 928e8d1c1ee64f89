"""PyTorch checkpoints written byte by byte, well-formed or not, without PyTorch."""

import math
import pickle
import struct
import zipfile

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"long": 8}}


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def plain(value):
    """The opcodes of a str, int, bool, None or a flat tuple of them."""
    return pickle.dumps(value, 2)[2:-1]


def group(*parts):
    """A tuple of objects given as opcodes."""
    return b"(" + b"".join(parts) + b"t"


def storage(key, count, kind="Float", *view):
    """A persistent id; `view` is the legacy container's sixth field."""
    parts = [plain("storage"), named("torch", f"{kind}Storage"), plain(key)]
    return group(*parts, plain("cpu"), plain(count), *map(plain, view)) + b"Q"


def ordered(*pairs):
    """An `OrderedDict` of (key, opcodes)."""
    items = b"".join(plain(key) + value for key, value in pairs)
    return named("collections", "OrderedDict") + b")R(" + items + b"u"


def tensor(held, shape, offset=0, strides=None):
    """A call of `_rebuild_tensor_v2` on a storage."""
    if strides is None:
        strides = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
    numbers = [plain(x) for x in (offset, tuple(shape), tuple(strides), False)]
    arguments = group(held, *numbers, ordered())
    return named("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def whole(body):
    return b"\x80\x02" + body + b"."


def write_zip(path, body, storages, *, compression=zipfile.ZIP_STORED, more=()):
    """The container of PyTorch 1.6 and later.

    Args:
        path: file.
        body: opcodes of the main object.
        storages: `{key: bytes}`.
        compression: of all members; PyTorch stores them.
        more: further (name, bytes).
    """
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", whole(body))
        archive.writestr("archive/byteorder", "little")
        for key, content in storages.items():
            archive.writestr(f"archive/data/{key}", content)
        archive.writestr("archive/version", "3\n")
        for name, content in more:
            archive.writestr(name, content)


def write_legacy(path, body, storages, *, keys=None):
    """The container from before PyTorch 1.6.

    Args:
        path: file.
        body: opcodes of the main object.
        storages: `{key: (elements, bytes)}`.
        keys: the list of storages, if it is not theirs.
    """
    with open(path, "wb") as file:
        for head in (MAGIC, 1001, SYSTEM):
            pickle.dump(head, file, 2)
        file.write(whole(body))
        pickle.dump(list(storages) if keys is None else keys, file, 2)
        for count, content in storages.values():
            file.write(struct.pack("<q", count) + content)


def write_state(path, state, *, legacy=False, key="model_state", more=()):
    """A checkpoint `{key: state, "epoch": 90, ...}` of `{name: array}`.

    Args:
        path: file.
        state: `{name: array}`.
        legacy: the older container.
        key: the state's; `None` makes the state the whole file.
        more: further pairs of a name and a str, int, bool or None, or opcodes.
    """
    kinds = {"float32": "Float", "int64": "Long"}
    view = [None] * legacy
    pairs, storages = [], {}
    for i, (name, array) in enumerate(state.items()):
        held = storage(str(i), array.size, kinds[str(array.dtype)], *view)
        pairs.append((name, tensor(held, array.shape)))
        content = array.tobytes()
        storages[str(i)] = (array.size, content) if legacy else content
    body = ordered(*pairs)
    if key is not None:
        code = lambda value: value if isinstance(value, bytes) else plain(value)
        rest = [(name, code(value)) for name, value in (("epoch", 90), *more)]
        body = ordered((key, body), *rest)
    (write_legacy if legacy else write_zip)(path, body, storages)
