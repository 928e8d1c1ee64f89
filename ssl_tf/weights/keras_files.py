"""Keras 2 HDF5 files, layer by layer; models within models are laid flat."""

import json
import math
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.weights.files import LIMIT, recognise


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


def keras_layers(path):
    """The layers of a Keras 2 HDF5 file, in the file's order.

    Reads both whole models (`model.save`) and plain weights (`save_weights`).

    Returns:
        list of `KerasLayer`, also those without weights.

    Raises:
        BadInput: not such a file, damaged, or it points outside of itself.
    """
    import h5py

    if recognise(path).startswith(b"PK\3\4"):
        raise BadInput(
            f"{path}: is an archive, as Keras 3 writes; this reads HDF5 of Keras 2, "
            "save_weights('x.h5', save_format='h5')."
        )
    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            about = described(file.attrs.get("model_config"))
            names = texts(group, "layer_names")
            if len(set(names)) < len(names):
                raise BadInput("has two layers of the same name.")
            found = [
                one
                for name in names
                for one in laid_flat(group, name, about.get(name, {}))
            ]
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
    return by_name(config["layers"] if isinstance(config, dict) else config)


def by_name(entries):
    """`{layer name: entry}`; Sequential models repeat it in its config only."""
    return {entry.get("name") or entry["config"]["name"]: entry for entry in entries}


def texts(group, name):
    """A list of names kept as attribute, in pieces if it was too long for one."""
    pieces = [group.attrs[name]] if name in group.attrs else []
    while f"{name}{len(pieces)}" in group.attrs:
        pieces.append(group.attrs[f"{name}{len(pieces)}"])
    if not pieces:
        raise BadInput(f"has no {name}; it is not a Keras 2 file.")
    return [x.decode() if isinstance(x, bytes) else str(x) for p in pieces for x in p]


def laid_flat(group, name, entry):
    """`KerasLayer`s of one group: a layer, or those of a whole model in its place.

    A model's layers are called `model/layer`, come in the order in which their first
    weights lie in the file, and are fed by what feeds the model. Keras 2 writes all
    trainable weights first and the moving statistics behind them.
    """
    weights = {}
    for path in texts(member(group, name), "weight_names"):
        parent, _, last = path.rpartition("/")
        own, last = weights.setdefault(parent, {}), last.partition(":")[0]
        if last in own:
            raise BadInput(f"layer {name!r} has two weights {last!r}.")
        own[last] = numbers(member(group, f"{name}/{path}"), f"{name}/{path}")
    inner = nested(entry)
    if len(weights) <= 1 and not inner:
        return [layer(name, next(iter(weights.values()), {}), entry)]
    named = {PurePosixPath(parent).name: own for parent, own in weights.items()}
    if len(named) < len(weights):
        raise BadInput(f"model {name!r} has two layers of the same name.")
    found = [layer(inside, own, inner.get(inside, {})) for inside, own in named.items()]
    found += [layer(n, {}, about) for n, about in inner.items() if n not in named]
    outer, put = layer(name, {}, entry), lambda inside: f"{name}/{inside}"
    found = [
        one._replace(
            name=put(one.name),
            inputs=outer.inputs
            if one.kind == "InputLayer"
            else tuple(map(put, one.inputs)),
        )
        for one in found
    ]
    ends = (entry.get("config") or {}).get("output_layers") or []
    return [*found, outer._replace(inputs=tuple(put(str(end[0])) for end in ends))]


def layer(name, weights, entry):
    """A `KerasLayer` from its weights and its entry in the model's config."""
    kind = entry.get("class_name") or guessed(weights)
    nodes = entry.get("inbound_nodes") or [[]]
    inputs = tuple(str(source[0]) for source in nodes[0])
    return KerasLayer(name, kind, weights, entry.get("config") or {}, inputs)


def nested(entry):
    """`{layer: its entry}` of a model that stands where a layer could; else `{}`."""
    config = entry.get("config") or {}
    listed = config.get("layers") if isinstance(config, dict) else None
    return by_name(listed or [])


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
