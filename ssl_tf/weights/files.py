"""Weight files to `{name: array}`: Keras 2 HDF5, NPZ, safetensors, PyTorch."""

import json
import math
import mmap
import struct
import zipfile
from typing import NamedTuple

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


class KerasLayer(NamedTuple):
    """One layer of a Keras 2 file.

    Attributes:
        name: its name in the file.
        kind: its class, such as "Conv2D"; guessed from its weights if the file
            holds no model.
        weights: `{"kernel": array, ...}`, by last path component, in file order.
        config: its hyper-parameters, or `{}`.
        inputs: names of the layers that feed it, or `()`.
    """

    name: str
    kind: str
    weights: dict
    config: dict
    inputs: tuple


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


def keras_layers(path):
    """The layers of a Keras 2 HDF5 file, in the file's order.

    Reads both whole models (`model.save`) and plain weights (`save_weights`).

    Returns:
        list of `KerasLayer`, also those without weights.

    Raises:
        BadInput: not such a file, damaged, or it points outside of itself.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            about = described(file.attrs.get("model_config"))
            names = texts(group, "layer_names")
            if len(set(names)) < len(names):
                raise BadInput("has two layers of the same name.")
            found = [layer(group, name, about.get(name, {})) for name in names]
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    except Exception as error:  # noqa: BLE001 - h5py raises several kinds
        why = " ".join(str(error).split())[:120]
        raise BadInput(f"{path}: is no readable HDF5 file ({why}).") from None
    total = sum(x.nbytes for one in found for x in one.weights.values())
    if total > LIMIT:
        raise BadInput(f"{path}: holds {total} bytes of weights; {LIMIT} is the limit.")
    return found


def described(text):
    """`{layer name: its entry in model_config}`; `{}` for plain weights."""
    if text is None:
        return {}
    config = json.loads(text)["config"]
    entries = config["layers"] if isinstance(config, dict) else config
    # Sequential models repeat a layer's name in its config only.
    return {entry.get("name") or entry["config"]["name"]: entry for entry in entries}


def texts(group, name):
    """A list of names kept as attribute, in pieces if it was too long for one."""
    pieces = [group.attrs[name]] if name in group.attrs else []
    while f"{name}{len(pieces)}" in group.attrs:
        pieces.append(group.attrs[f"{name}{len(pieces)}"])
    if not pieces:
        raise BadInput(f"has no {name}; it is not a Keras 2 file.")
    return [x.decode() if isinstance(x, bytes) else str(x) for p in pieces for x in p]


def layer(group, name, entry):
    """A `KerasLayer` from its group and its entry in the model's config."""
    weights = {}
    for path in texts(member(group, name), "weight_names"):
        last = path.rpartition("/")[2].partition(":")[0]
        if last in weights:
            raise BadInput(f"layer {name!r} has two weights {last!r}.")
        weights[last] = numbers(member(group, f"{name}/{path}"), f"{name}/{path}")
    kind = entry.get("class_name") or guessed(weights)
    nodes = entry.get("inbound_nodes") or [[]]
    inputs = tuple(str(source[0]) for source in nodes[0])
    return KerasLayer(name, kind, weights, entry.get("config") or {}, inputs)


def member(group, path):
    """What lies at `path` in this very file: links to other files are not followed."""
    import h5py

    here = group
    for part in path.split("/"):
        if not isinstance(here.get(part, getlink=True), h5py.HardLink):
            raise BadInput(f"{path!r} is missing or a link to elsewhere.")
        here = here[part]
    return here


def numbers(dataset, name):
    """A dataset as array, if its numbers really lie in the file."""
    size = math.prod(dataset.shape) * dataset.dtype.itemsize
    if dataset.external or dataset.is_virtual or dataset.dtype.kind not in "fiub":
        raise BadInput(f"{name!r} holds no numbers of its own.")
    if size > LIMIT or (size and not dataset.id.get_storage_size()):
        raise BadInput(f"{name!r} claims {size} bytes that are not there.")
    return dataset[()]


def guessed(weights):
    """The class of a layer by its weights."""
    if "moving_mean" in weights:
        return "BatchNormalization"
    rank = np.ndim(weights.get("kernel", 0))
    return {4: "Conv2D", 2: "Dense"}.get(rank, "")


def flat(layers):
    """`{layer/weight: array}` of `KerasLayer`s."""
    return {f"{one.name}/{w}": x for one in layers for w, x in one.weights.items()}


def keras_h5(path, key):
    return flat(keras_layers(path))


def npz(path, key):
    """The arrays of an NPZ; pickled objects are refused."""
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(info.file_size for info in archive.infolist())
        if total > LIMIT:
            raise BadInput(f"{path}: holds {total} bytes; {LIMIT} is the limit.")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
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


FORMS = {"keras_h5": keras_h5, "npz": npz, "safetensors": safetensors, "torch": pytorch}
