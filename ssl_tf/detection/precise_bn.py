"""Mean and variance over many batches, pooled as if they were one.

The running averages of batch norm follow the last batches; before an evaluation they
are replaced by these.
"""

from typing import NamedTuple

from keras import ops


class Moments(NamedTuple):
    """count: elements a channel, float32. mean, variance: `[C]`, variance biased."""

    count: object
    mean: object
    variance: object


def moments(x):
    """`Moments` of one batch `[..., C]`, channels last."""
    axes = tuple(range(len(x.shape) - 1))
    x = ops.cast(x, "float32")
    count = ops.cast(ops.size(x) // x.shape[-1], "float32")
    return Moments(count, *ops.moments(x, axes))


def pool(first, second):
    """`Moments` of two sets of elements together.

    The biased variance is E[x^2] - E[x]^2 over all elements, from the variances within
    the sets and the distance of their means.

    Source:
        Wu and Johnson, Rethinking "Batch" in BatchNorm, arXiv:2105.07576, sec. 3; with
        sets weighted by their elements as in fvcore's precise batch norm.
    """
    count = first.count + second.count
    share = second.count / count
    apart = second.mean - first.mean
    within = first.variance + (second.variance - first.variance) * share
    variance = within + apart * apart * share * (1.0 - share)
    return Moments(count, first.mean + apart * share, variance)
