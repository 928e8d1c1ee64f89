"""PyTorch checkpoints to `{name: array}`, without PyTorch and without running them."""

import io
import struct
import zipfile
import zlib
from collections import Counter

from ssl_tf.errors import BadInput, have
from ssl_tf.ops import unpickle
from ssl_tf.ops.unpickle import Inert
from ssl_tf.weights.files import LIMIT, dtype, mapped, recognise
from ssl_tf.weights.torch_tensors import ELEMENTS, Array, Storage, Tensor, array, known

# Where a checkpoint usually keeps the weights, beside optimizer and epoch.
STATES = ("model_state", "model_state_dict", "state_dict", "model")
ALIKE = 0.9  # share of names that make an entry a second copy of the weights
KNOWN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
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
    try:
        tree, raw, little = opened(path)
        found = flat(chosen(tree, key))
        return {name: array(name, x, raw, little) for name, x in found.items()}
    except BadInput as error:
        raise BadInput(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None


def copies(path):
    """Names of the entry that `read` takes, and of those that hold the same once more.

    Averages ("ema", "teacher") usually do; what an optimizer keeps does not.
    """
    tree, _, _ = opened(path)
    entries = {k: v for k, v in tree.items() if isinstance(v, dict) and holds(v)}
    main = next((name for name in STATES if name in entries), None)
    if main is None:
        return [""]
    wanted = ends(entries.pop(main))
    enough = ALIKE * wanted.total()
    alike = lambda entry: (wanted & ends(entry)).total() >= enough
    return [main, *(str(name) for name, entry in entries.items() if alike(entry))]


def ends(entry):
    """How often a last part of a name, such as `conv1.weight`, is in an entry."""
    try:
        return Counter(".".join(name.split(".")[-2:]) for name in flat(entry))
    except BadInput:
        return Counter()


def opened(path):
    """`(tree, {storage key: bytes}, little-endian or not)` of a file; see `read`."""
    start = recognise(path)
    if start[257:262] == b"ustar":
        raise BadInput(
            f"{path}: is of PyTorch's oldest form (tar); load it in PyTorch, save it "
            "again and convert that file."
        )
    container = zipped if start.startswith(b"PK\3\4") else legacy
    return container(path, mapped(path))


def zipped(path, data):
    """`(tree, {storage key: bytes}, little-endian or not)` of the zip container."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise BadInput(f"is a damaged zip file ({error}).") from None
    total = sum(info.file_size for info in infos.values() if info.compress_type)
    if total > LIMIT:
        raise BadInput(f"holds {total} bytes, compressed; {LIMIT} is the limit.")
    roots = [name for name in infos if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise BadInput("is a zip file, but no PyTorch checkpoint.")
    prefix = roots[0].removesuffix("data.pkl")
    order = infos.get(f"{prefix}byteorder")
    order = b"little" if order is None else bytes(content(data, order))
    if order not in (b"little", b"big"):
        raise BadInput(f"has numbers in an unknown byte order, {order[:20]}.")
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
    tree = unpickle.load(main, known(), persistent, "data.pkl")
    return tree, raw, order == b"little"


def content(data, info):
    """The bytes of one member of a zip file, as a view if it is not compressed.

    A checksum of 0 is none: PyTorch writes files without on request.
    """
    start = info.header_offset
    if data[start : start + 4] != b"PK\3\4" or len(data) < start + 30:
        raise BadInput(f"{info.filename}: is damaged; download the file again.")
    start += 30 + sum(struct.unpack_from("<HH", data, start + 26))
    view = memoryview(data)[start : start + info.compress_size]
    if info.flag_bits & 1 or info.compress_type not in KNOWN:
        raise BadInput(
            f"{info.filename}: is encrypted or compressed otherwise than by deflate; "
            "load the file in PyTorch and save it again."
        )
    if info.compress_type:
        view = inflated(view, info.file_size)
    if len(view) != info.file_size or info.CRC not in (0, zlib.crc32(view)):
        raise BadInput(f"{info.filename}: is damaged; download the file again.")
    return view


def inflated(packed, size):
    """At most one byte more than `size` of what was packed; fewer if it is damaged."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        return memoryview(unpacker.decompress(packed, size + 1))
    except zlib.error:
        return memoryview(b"")


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
    """The same of the container from before PyTorch 1.6."""
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
    return tree, raw, True


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
    return next((tree[name] for name in STATES if holds(tree.get(name))), tree)


def holds(entry):
    """Whether there is a tensor in an entry of plain dicts."""
    found, todo = 0, [entry]
    while todo and found < NAMES:
        value, found = todo.pop(), found + 1
        if isinstance(value, (Tensor, Array)):
            return True
        if isinstance(value, dict):
            todo += value.values()
    return False


def flat(tree):
    """`{name: Tensor or Array}` of nested dicts, without recursion.

    Texts, numbers and objects without tensors are no weights and left out.

    Raises:
        BadInput: no tensors; a foreign object made of some; names twice or too many.
    """
    found, todo, strange = {}, [("", tree)], ""
    while todo:
        name, value = todo.pop()
        if isinstance(value, Inert):
            what = f"{repr(name) if name else 'the entry'} is a {value.path}"
            if made_of_tensors(value):
                raise BadInput(f"{what}, which is not read.")
            strange = f"; {what}"
        if isinstance(value, dict):
            inner = [(f"{name}.{key}".lstrip("."), x) for key, x in value.items()]
            todo += reversed(inner)
        elif isinstance(value, Tensor) or isinstance(value, Array) and value.numeric:
            if name in found:
                raise BadInput(f"{name!r} stands twice.")
            found[name] = value
        if len(todo) + len(found) > NAMES or name.count(".") > 100:
            raise BadInput("has more names than any checkpoint.")
    if not found:
        raise BadInput(f"holds no tensors there{strange}.")
    return found


def made_of_tensors(value):
    """Whether a foreign object was given tensors, at any depth."""
    seen, todo = 0, [value]
    while todo:
        value, seen = todo.pop(), seen + 1
        if isinstance(value, (Tensor, Array, Storage)) or seen > NAMES:
            return True
        if isinstance(value, Inert):
            todo += [value.args, value.state, value.items]
        elif isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, (list, tuple)):
            todo += value
    return False
