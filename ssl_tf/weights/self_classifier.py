"""Names of Self-Classifier's official PyTorch checkpoints."""

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.weights import trunks
from ssl_tf.weights.port import Rule, dense, linear, norm


def column(gain):
    """Weight norm's lengths `[C, 1]` as `[C]`."""
    if np.ndim(gain) != 2 or np.shape(gain)[1] != 1:
        raise BadInput(f"shape {list(np.shape(gain))} is no column")
    return gain[:, 0]


HEADS = [
    Rule(r"cls_(\d+)\.weight_g", "head{1}/gain", column),
    Rule(r"cls_(\d+)\.weight_v", "head{1}/direction", dense),
]


def handles(method):
    """Whether the authors' code can have written a file of this method."""
    return method.name == "self_classifier"


def rules(method):
    """Rules for backbone, projection and heads; `port` adds that none is left empty.

    The file's queue of past embeddings is no part of its weights: the method must have
    none, see `settled`.

    Source:
        arXiv:2103.10994, by its code: spec 8.
    """
    trunk = trunks.prefixed(trunks.rules(method.backbone), r"backbone\.")
    return [*trunk, *projection(method.mlp), *HEADS, trunks.COUNTERS]


def projection(mlp):
    """PyTorch numbers all layers, activations too; an only one has no number."""
    names = {layer.name for layer in mlp.layers}
    depth = sum(name.startswith("mlp_dense") for name in names)
    if depth == 1:
        return linear(r"mlp_head\.mlp", "mlp_dense1")
    step = 3 if "mlp_norm1" in names else 2
    found = []
    for i in range(depth):
        found += linear(rf"mlp_head\.mlp\.{step * i}", f"mlp_dense{i + 1}")
        if f"mlp_norm{i + 1}" in names:
            found += norm(rf"mlp_head\.mlp\.{step * i + 1}", f"mlp_norm{i + 1}")
    return found


def settled(spec):
    """A config without the queue, which only training needs and no file gives."""
    if spec["method"].get("name") != "self_classifier":
        return spec
    return spec | {"method": spec["method"] | {"queue": 0}}
