"""The weights behind the golden arrays: each a function of its name alone."""

import re
import zlib

import numpy as np

# Our layer name -> the role in the golden manifest, first match.
ROLES = [
    (r"head", "head.fc"),
    (r"head_norm", "head.bn"),
    (r"branch(\d+)_head", r"aux\1.fc"),
    (r"branch(\d+)_(\d+)_dense", r"aux\1.\2.dense"),
    (r"branch(\d+)_(\d+)_(conv|norm)", r"aux\1.\2.cbr.\3"),
    (r"branch(\d+)_(\d+)_(b\d.*)_(conv|norm)", r"aux\1.\2.inception.\3.\4"),
    (r"transition(\d)_(conv|norm)", r"trans\1.\2"),
    (r"stem_(conv|norm)", r"stem.\1"),
    (r"stage(\d)_block(\d+)_se(\d)", r"{stage}\1.{block}\2.se.fc\3"),
    (r"stage(\d)_block(\d+)_(\w+?)_norm", r"{stage}\1.{block}\2.bn\3"),
    (r"stage(\d)_block(\d+)_(\w+)", r"{stage}\1.{block}\2.\3"),
]
WORDS = {
    "preact_resnet": ("stage", "block"),
    "wrn": ("group", "block"),
    "densenet": ("dense", "layer"),
}


def role(path, family):
    """`stage1_block2_conv1/kernel` -> `group1.block2.conv1/kernel` (wide ResNets)."""
    layer, weight = path.split("/")[-2:]
    stage, block = WORDS[family]
    for pattern, to in ROLES:
        if re.fullmatch(pattern, layer):
            name = re.sub(pattern, to, layer).format(stage=stage, block=block)
            return f"{re.sub('norm', 'bn', name)}/{weight}"
    raise KeyError(path)


def keras_value(name, shape):
    """The golden weight of a role path such as `stem.conv/kernel`."""
    draw = np.random.RandomState(zlib.crc32(name.encode()) & 0xFFFFFFFF)
    layer, kind = name.rsplit("/", 1)
    if kind == "kernel":
        scale = 1.0 if layer.endswith("fc") else 2.0
        value = draw.randn(*shape) * np.sqrt(scale / np.prod(shape[:-1]))
    elif kind == "gamma":
        value = 0.5 + 0.5 * draw.rand(*shape)
    elif kind == "moving_variance":
        value = 0.5 + draw.rand(*shape)
    else:
        value = 0.1 * draw.randn(*shape)
    return value.astype(np.float32)


def fill(method, family):
    """Gives every weight of a method its golden value."""
    for variable in method.weights:
        name = role(variable.path, family)
        variable.assign(keras_value(name, tuple(variable.shape)))


def torch_value(key, shape):
    """The golden weight of a state-dict key such as `layer1.0.conv1.weight`."""
    draw = np.random.RandomState(zlib.crc32(key.encode()) & 0xFFFFFFFF)
    if key.endswith("running_var"):
        value = 0.5 + draw.rand(*shape)
    elif key.endswith(("running_mean", "bias")):
        value = 0.1 * draw.randn(*shape)
    elif len(shape) == 1:
        value = 0.5 + 0.5 * draw.rand(*shape)
    else:
        scale = 1.0 if len(shape) == 2 else 2.0
        value = draw.randn(*shape) * np.sqrt(scale / np.prod(shape[1:]))
    return value.astype(np.float32)
