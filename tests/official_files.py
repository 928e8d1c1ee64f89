"""Files laid out as the authors' code writes them, filled with golden weights."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
from golden_weights import keras_value

from ssl_tf import config

GOLDEN = Path(__file__).parent / "golden" / "ssal"
WEIGHTS = {
    "Conv2D": ("kernel", "bias"),
    "Dense": ("kernel", "bias"),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}
COUNTED = r"(conv2d|batch_normalization|dense|activation|add|concatenate)(?:_(\d+))?"

# Golden model -> our backbone, our config's branches, where they hang.
MODELS = {
    "resnet18_ssal_x2_paper_table1": ({"name": "preact_resnet18"}, "resnet18", None),
    "resnet50_ssal": ({"name": "preact_resnet50"}, "resnet50", None),
    "wrn10-2_ssal_tiny": (
        {"name": "wide_resnet", "depth": 10, "width": 2},
        "wrn28_10",
        ["stem_relu", "pool1", "stage2_block1"],
    ),
    "se-wrn10-2_tiny": (
        {"name": "wide_resnet", "depth": 10, "width": 2, "se": True},
        None,
        None,
    ),
    "se-wrn16-8_baseline": ({"name": "se_wrn16_8"}, None, None),
    "wrn28-10_ssal": ({"name": "wrn28_10"}, "wrn28_10", None),
    "densenet22-12_ssal_tiny": (
        {"name": "densenet", "depth": 22, "growth": 12},
        "densenet190",
        ["stage1_block3", "transition1", "transition2"],
    ),
    "densenet190-40_ssal": ({"name": "densenet190"}, "densenet190", None),
}


def spec(model):
    """Our config of a golden model on CIFAR-100."""
    backbone, arch, taps = MODELS[model]
    method = "supervised" if arch is None else "ssal"
    found = config.load(config.find(method, arch or "resnet18", "cifar100"))
    found["backbone"] = backbone
    for branch, tap in zip(found["method"].get("branches", []), taps or []):
        branch["tap"] = tap
    return found


def layout(model):
    """The layers of one of the authors' models, in the order of making."""
    keys = ("role", "name", "kind", "place", "inbound", "shapes", "setting", "scope")
    rows = json.loads((GOLDEN / f"h5_{model}.json").read_text())["layers"]
    return [dict(zip(keys, [*row, ""])) for row in rows]


def renumbered(name, first):
    """`conv2d_3` -> `conv2d_10` for first = 7: other models were made before."""
    counted = re.fullmatch(COUNTED, name)
    if not counted or not first:
        return name
    return f"{counted[1]}_{int(counted[2] or 0) + first}"


def write_h5(path, layers, *, first=7, model=True, pieces=1, value=keras_value):
    """A Keras 2 HDF5 file as tf.keras 1.15 writes it.

    Args:
        path: file.
        layers: from `layout`.
        first: int, how far layers of each class were counted before.
        model: write a whole model; else weights only.
        pieces: int, how many attributes the list of layers is cut into.
        value: (role path, shape) -> array.

    Returns:
        `{name in the file: role}` of the layers with weights.
    """
    names = [renumbered(one["name"], first) for one in layers]
    order = sorted(range(len(layers)), key=lambda i: layers[i]["place"])
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if model else file
        ordered = np.array([names[i].encode() for i in order])
        if pieces == 1:
            group.attrs["layer_names"] = ordered
        else:
            for i, part in enumerate(np.array_split(ordered, pieces)):
                group.attrs[f"layer_names{i}"] = part
        group.attrs["backend"] = b"tensorflow"
        group.attrs["keras_version"] = b"2.2.4-tf"
        for i in order:
            write_layer(group.create_group(names[i]), names[i], layers[i], value)
        if model:
            file.attrs["model_config"] = json.dumps(described(layers, names, order))
            file.attrs["keras_version"] = b"2.2.4-tf"
            file.create_group("optimizer_weights").attrs["weight_names"] = [b"iter:0"]
    return {n: one["role"] for n, one in zip(names, layers) if one["shapes"]}


def write_layer(group, name, one, value):
    scope = one["scope"].replace(one["name"], name) or name
    paths = []
    for weight, shape in zip(WEIGHTS.get(one["kind"], ()), one["shapes"]):
        paths.append(f"{scope}/{weight}:0")
        group[paths[-1]] = value(f"{one['role']}/{weight}", shape)
    group.attrs["weight_names"] = [path.encode() for path in paths]


def described(layers, names, order):
    """What `model.get_config()` says, as far as a reader may want it."""
    entries = []
    for i in order:
        one, settings = layers[i], {"name": names[i]}
        if one["kind"] == "Conv2D":
            settings["strides"] = [one["setting"]] * 2
        if one["kind"] == "BatchNormalization":
            settings["epsilon"] = one["setting"]
        sources = [[names[j], 0, 0, {}] for j in one["inbound"]]
        entries.append(
            {
                "name": names[i],
                "class_name": one["kind"],
                "config": settings,
                "inbound_nodes": [sources] if sources else [],
            }
        )
    return {"class_name": "Model", "config": {"name": "model", "layers": entries}}
