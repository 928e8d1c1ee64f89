"""Files laid out as G-SimCLR's notebooks write them, filled with golden weights."""

import json

import h5py
import keras
import numpy as np
from hash_weights import GOLDEN, value

TRAINABLE = ("kernel", "bias", "gamma", "beta")


def layout(model):
    """Rows of `cifar_simclr` or `cifar_ae`: name, class, inputs, weights, setting.

    A last, sixth entry are the rows of the model that stands there.
    """
    return json.loads((GOLDEN / "h5_layers.json").read_text())[model]


def stock_resnet(size=64):
    """The rows of SimCLR on Keras' own ResNet-50, from that model itself."""
    stock = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(size, size, 3)
    )
    rows = []
    for layer in stock.layers:
        given = layer.input if isinstance(layer.input, list) else [layer.input]
        fed = [x._keras_history.operation.name for x in given]
        kinds = [(v.name, list(v.shape)) for v in layer.weights]
        setting = getattr(layer, "epsilon", None) or list(
            getattr(layer, "strides", None) or []
        )
        fed = [] if type(layer).__name__ == "InputLayer" else fed
        rows.append([layer.name, type(layer).__name__, fed, kinds, setting])
    head = [["input_2", "InputLayer", [], [], None]]
    head.append(["resnet50", "Functional", ["input_2"], [], None, rows])
    pooled = "global_average_pooling2d"
    head.append([pooled, "GlobalAveragePooling2D", ["resnet50"], [], None])
    before, width = pooled, 2048
    for i, units in enumerate((256, 128, 50)):
        name = f"dense_{i}" if i else "dense"
        kinds = [("kernel", [width, units]), ("bias", [units])]
        head.append([name, "Dense", [before], kinds, None])
        before, width = name, units
    return head


def write_h5(path, rows, *, model=False, exchange=()):
    """A Keras 2 HDF5 file.

    Args:
        path: file.
        rows: from `layout` or `stock_resnet`.
        model: write a whole model, as `model.save` does; else weights only.
        exchange: pairs of layers of the inner model whose arrays trade places.
    """
    k = 0
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if model else file
        group.attrs["layer_names"] = [row[0].encode() for row in rows]
        group.attrs["backend"] = b"tensorflow"
        group.attrs["keras_version"] = b"2.4.0"
        for row in rows:
            inner = row[5] if len(row) > 5 else [row]
            arrays, k = numbered(inner, k, dict(exchange))
            write_group(group.create_group(row[0]), arrays, nested=len(row) > 5)
        if model:
            config = {"name": "functional_5", **described(rows)}
            told = {"class_name": "Functional", "config": config}
            file.attrs["model_config"] = json.dumps(told)
            file.create_group("optimizer_weights").attrs["weight_names"] = [b"iter:0"]


def numbered(rows, k, exchange):
    """`({(layer, kind): array}, next number)`, tensors numbered row by row."""
    arrays = {}
    for name, _, _, weights, *_ in rows:
        for kind, shape in weights:
            arrays[name, kind] = value(k, kind, shape)
            k += 1
    for a, b in exchange.items() if len(rows) > 1 else ():
        for kind in ("kernel", "bias"):
            arrays[a, kind], arrays[b, kind] = arrays[b, kind], arrays[a, kind]
    return arrays, k


def write_group(group, arrays, nested):
    """A layer's arrays; a model's have all that is trainable first."""
    names = list(arrays)
    if nested:
        names.sort(key=lambda name: name[1] not in TRAINABLE)  # stable
    paths = [f"{layer}/{kind}:0" for layer, kind in names]
    group.attrs["weight_names"] = [path.encode() for path in paths]
    for path, name in zip(paths, names):
        group[path] = arrays[name]


def described(rows):
    """What `model.get_config()` says, as far as a reader may want it."""
    entries = []
    for name, kind, inputs, _, setting, *inner in rows:
        config = {"name": name}
        if isinstance(setting, list) and kind == "Conv2D":
            config["strides"] = setting
        if isinstance(setting, float):
            config["epsilon"] = setting
        if inner:
            config |= described(inner[0])
        nodes = [[[source, 0, 0, {}] for source in inputs]] if inputs else []
        entries.append(
            {
                "name": name,
                "class_name": kind,
                "config": config,
                "inbound_nodes": nodes,
            }
        )
    ends = [[rows[-1][0], 0, 0]]
    return {"layers": entries, "output_layers": ends}


def renamed(rows, names):
    """Rows with other names for some layers, inside models, too."""
    new = lambda name: names.get(name, name)
    return [
        [
            new(row[0]),
            row[1],
            [new(x) for x in row[2]],
            *row[3:5],
            *(renamed(inner, names) for inner in row[5:]),
        ]
        for row in rows
    ]


def close(ours, theirs, tolerance=1e-5):
    return np.abs(np.asarray(ours) - theirs).max() <= tolerance * np.abs(theirs).max()
