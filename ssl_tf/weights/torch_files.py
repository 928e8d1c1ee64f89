"""PyTorch checkpoints to `{name: array}`, without PyTorch and without running them."""

import io
import struct
import zipfile
import zlib

from ssl_tf.errors import BadInput, have
from ssl_tf.ops import unpickle
from ssl_tf.ops.unpickle import Inert
from ssl_tf.weights.files import dtype, mapped, recognise
from ssl_tf.weights.torch_tensors import ELEMENTS, Storage, Tensor, array, known

# Where a checkpoint usually keeps the weights, beside optimizer and epoch.
STATES = ("model_state", "model_state_dict", "state_dict", "model")
MAGIC = 0x1950A86A20F9469CFC6C
NAMES = 100_000


def read(path, key=None):
    """The tensors of a checkpoint, zip container (1.6 on) or the older one.

    Args:
        path: file.
        key: str, which entry of the checkpoint; `None` takes the first of `STATES`,
            or all of it.

    Returns:
        `{name: array}`, nested names joined by dots. Views of the mapped file.

    Raises:
        BadInput: no checkpoint, damaged, or of the tar form of before 2017; or one of
            the tensors asked for is of a kind unknown here.
    """
    start = recognise(path)
    if start[257:262] == b"ustar":
        raise BadInput(
            f"{path}: is of PyTorch's oldest form (tar); load it in PyTorch, save it "
            "again and convert that file."
        )
    data = mapped(path)
    try:
        container = zipped if start.startswith(b"PK\3\4") else legacy
        tree, raw = container(path, data)
        found = flat(chosen(tree, key))
        return {name: array(name, tensor, raw) for name, tensor in found.items()}
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None


def zipped(path, data):
    """`(tree, {storage key: bytes})` of the zip container."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise BadInput(f"is a damaged zip file ({error}).") from None
    roots = [name for name in infos if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise BadInput("is a zip file, but no PyTorch checkpoint.")
    prefix = roots[0].removesuffix("data.pkl")
    order = infos.get(f"{prefix}byteorder")
    if order is not None and bytes(content(data, order)) != b"little":
        raise BadInput("was written on a big-endian machine.")
    raw = {}

    def persistent(pid):
        storage = stored(pid)
        name = f"{prefix}data/{storage.key}"
        if name not in infos:
            raise BadInput(f"storage {storage.key!r} is missing.")
        if storage.key not in raw:
            raw[storage.key] = content(data, infos[name])
        return storage

    main = io.BytesIO(content(data, infos[roots[0]]))
    return unpickle.load(main, known(), persistent, "data.pkl"), raw


def content(data, info):
    """The bytes of one member of a zip file, as a view; it must not be compressed."""
    start = info.header_offset
    if data[start : start + 4] != b"PK\3\4" or len(data) < start + 30:
        raise BadInput(f"{info.filename}: is damaged; download the file again.")
    start += 30 + sum(struct.unpack_from("<HH", data, start + 26))
    size = info.file_size
    if info.compress_type or info.flag_bits & 1 or info.compress_size != size:
        raise BadInput(f"{info.filename}: is compressed or encrypted.")
    view = memoryview(data)[start : start + size]
    if len(view) != size or zlib.crc32(view) != info.CRC:
        raise BadInput(f"{info.filename}: is damaged; download the file again.")
    return view


def stored(pid):
    """A `Storage` from a persistent id of either container."""
    match pid:
        case ("storage", str(kind), str(key), _, int(count), *view):
            if kind not in ELEMENTS or count < 0:
                raise BadInput(f"storage {key!r} claims {count} of {kind[:40]!r}.")
        case _:
            raise BadInput(f"names an unknown object {str(pid)[:60]!r}.")
    match view:
        case [] | [None]:
            return Storage(key, kind, count)
        case [(str(), int(first), int(size))] if 0 <= first <= first + size <= count:
            return Storage(key, kind, size, first)
    raise BadInput(f"storage {key!r} is viewed out of its bounds.")


def legacy(path, data):
    """`(tree, {storage key: bytes})` of the container from before PyTorch 1.6."""
    kinds = {}

    def persistent(pid):
        if isinstance(pid, tuple) and pid[:1] == ("module",) and len(pid) > 1:
            return pid[1]
        storage = stored(pid)
        claim = (storage.kind, pid[4])
        if kinds.setdefault(storage.key, claim) != claim:
            raise BadInput(f"storage {storage.key!r} has two types or sizes.")
        return storage

    head = lambda: unpickle.load(data, {}, what="its head")
    try:
        magic = head()
    except BadInput:
        magic = None
    if magic != MAGIC:
        raise BadInput("is no PyTorch checkpoint.")
    protocol, system = head(), head()
    little = isinstance(system, dict) and system.get("little_endian", True)
    if protocol != 1001 or little is not True:
        raise BadInput("is of an unknown protocol or from a big-endian machine.")
    tree = unpickle.load(data, known(), persistent, "its pickle")
    keys = unpickle.load(data, {}, what="its list of storages")
    raw, here = {}, data.tell()
    if not isinstance(keys, list):
        raise BadInput("has no list of storages.")
    for key in keys:
        if not isinstance(key, str) or key not in kinds:
            raise BadInput(f"stores {str(key)[:60]!r}, which nothing names.")
        kind, count = kinds[key]
        size = count * dtype(kind).itemsize
        if data[here : here + 8] != struct.pack("<q", count):
            raise BadInput(f"storage {key!r} has another size than {count}.")
        raw[key] = memoryview(data)[here + 8 : here + 8 + size]
        here += 8 + size
    return tree, raw


def chosen(tree, key):
    """The part of a checkpoint that holds the weights."""
    if isinstance(tree, Inert):
        raise BadInput(
            f"is a whole pickled {tree.path}; save its state_dict() and convert that."
        )
    if not isinstance(tree, dict):
        raise BadInput("holds no names.")
    if key is not None:
        if key not in tree:
            raise BadInput(f"has no entry {key!r}. Have: {have(list(tree)[:20])}.")
        return tree[key]
    return next((tree[n] for n in STATES if isinstance(tree.get(n), dict)), tree)


def flat(tree):
    """`{name: Tensor}` of nested dicts, without recursion."""
    found, todo = {}, [("", tree)]
    while todo:
        name, value = todo.pop()
        if isinstance(value, Inert):
            what = repr(name) if name else "the entry"
            raise BadInput(f"{what} is a {value.path}, which is not read.")
        if isinstance(value, dict):
            inner = [(f"{name}.{key}".lstrip("."), x) for key, x in value.items()]
            todo += reversed(inner)
        elif isinstance(value, Tensor):
            if name in found:
                raise BadInput(f"{name!r} stands twice.")
            found[name] = value
        if len(todo) + len(found) > NAMES or name.count(".") > 100:
            raise BadInput("has more names than any checkpoint.")
    if not found:
        raise BadInput("holds no tensors there.")
    return found
