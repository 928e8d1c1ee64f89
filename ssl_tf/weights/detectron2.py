"""A ResNet-50's weights as Detectron2 reads them: its names, its layout, a pickle."""

import pickle
import re

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.ops import unpickle
from ssl_tf.weights import trunks
from ssl_tf.weights.port import addresses, target

BLOCKS, WIDTH, EPSILON = (3, 4, 6, 3), 64, 1e-5
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
AUTHOR = "ssl_tf"

# torchvision's names to Detectron2's, after `stem.` before those outside of the stages.
RENAMED = [
    (r"^layer(\d)", lambda match: f"res{int(match[1]) + 1}"),
    (r"\bbn(\d)", r"conv\1.norm"),
    (r"\bdownsample\.0\b", "shortcut"),
    (r"\bdownsample\.1\b", "shortcut.norm"),
]


def shapes():
    """`{torchvision's name: shape}` of its ResNet-50 without classifier, in its order.

    318 names: 53 convolutions and as many batch norms of five arrays.
    """
    found, incoming = {}, WIDTH

    def unit(conv, norm, shape):
        found[f"{conv}.weight"] = shape
        counter = lambda part: part == "num_batches_tracked"
        found.update({f"{norm}.{p}": () if counter(p) else shape[:1] for p in NORM})

    unit("conv1", "bn1", (WIDTH, 3, 7, 7))
    for stage, count in enumerate(BLOCKS):
        inner = WIDTH * 2**stage
        for block in range(count):
            name = f"layer{stage + 1}.{block}"
            unit(f"{name}.conv1", f"{name}.bn1", (inner, incoming, 1, 1))
            unit(f"{name}.conv2", f"{name}.bn2", (inner, inner, 3, 3))
            unit(f"{name}.conv3", f"{name}.bn3", (4 * inner, inner, 1, 1))
            if block == 0:
                down, shape = f"{name}.downsample", (4 * inner, incoming, 1, 1)
                unit(f"{down}.0", f"{down}.1", shape)
            incoming = 4 * inner
    return found


def key(name):
    """Detectron2's name of a weight that torchvision calls `name`.

    Source:
        Self-Classifier's converter, after MoCo's: arXiv:2103.10994, spec 5.6.
    """
    name = name if "layer" in name else f"stem.{name}"
    for pattern, to in RENAMED:
        name = re.sub(pattern, to, name)
    return name


def arrays(backbone):
    """`{Detectron2's name: array}`, in torchvision's order.

    Counters of batches, which Keras does not keep, are 0: nothing here depends on them.

    Raises:
        BadInput: no torchvision ResNet-50 of full width with the ImageNet stem.
    """
    refuse(backbone)
    ours, found = addresses(backbone), {}
    for name, shape in shapes().items():
        path, _ = target(name, np.broadcast_to(np.float32(0), shape), trunks.RESNET)
        value = np.zeros((), np.int64)
        if path:
            value = np.asarray(ours[path])
            value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value
        if value.shape != shape:
            raise BadInput(
                f"--to detectron2: {path} is {list(value.shape)}, Detectron2's "
                f"ResNet-50 has {list(shape)}; width and stem must be torchvision's."
            )
        found[key(name)] = value
    return found


def refuse(backbone):
    """Raises BadInput for another network than torchvision's ResNet-50."""
    if backbone.name != "resnet50":
        raise BadInput(
            "--to detectron2: takes torchvision's ResNet-50; this backbone is "
            f"{backbone.name}. onnx and savedmodel take any."
        )
    found = {x.epsilon for x in backbone.layers if hasattr(x, "epsilon")}
    if found != {EPSILON}:
        raise BadInput(
            f"--to detectron2: batch norms have epsilon {sorted(found)}, Detectron2's "
            f"{EPSILON}."
        )


class Pickler(pickle.Pickler):
    """Writes arrays by `numpy.ndarray` alone, which every NumPy has."""

    def reducer_override(self, value):
        if type(value) is not np.ndarray:
            return NotImplemented
        kind = value.dtype.newbyteorder("<").str
        raw = bytearray(np.ascontiguousarray(value).astype(kind, copy=False).tobytes())
        return np.ndarray, (value.shape, kind, raw)


def write(path, found):
    """Writes `{name: array}` as Detectron2's checkpointer takes it."""
    tree = {"model": found, "__author__": AUTHOR, "matching_heuristics": True}
    with open(path, "wb") as file:
        Pickler(file, protocol=4).dump(tree)


def read(path):
    """What `write` wrote, `{name: array}`; nothing else is called."""
    known = {"numpy.ndarray": np.ndarray, "builtins.bytearray": bytearray}
    with open(path, "rb") as file:
        return unpickle.load(file, known, what=str(path))["model"]
