"""Negative cosine similarity of a view's prediction and another view."""

import keras
from keras import ops

FLOOR = 1e-8  # of a norm, as PyTorch's cosine similarity has it


def negative_cosine(p, z):
    """`-<p, z> / (max(|p|, 1e-8) max(|z|, 1e-8))` `[B]` in [-1, 1].

    In float32, also of narrower numbers; of float64 in float64.

    Args:
        p: `[B, D]`, predictions.
        z: `[B, D]`, what they are to resemble.

    Source:
        SimSiam, arXiv:2011.10566, eq. 1.
    """
    kind = keras.backend.result_type(p.dtype, z.dtype, "float32")
    p, z = ops.cast(p, kind), ops.cast(z, kind)
    return -ops.sum(p * z, axis=-1) / (length(p) * length(z))


def length(x):
    """Euclidean norm of the rows, not below the floor; its gradient is finite."""
    squared = ops.sum(ops.square(x), axis=-1)
    return ops.sqrt(ops.maximum(squared, FLOOR**2))
