"""A random choice of objects and background, of static size."""

from typing import NamedTuple

from keras import ops


class Sample(NamedTuple):
    """Chosen candidates: objects first, then background, then padding.

    index: `[B, S]` int32, 0 where padded. valid, positive: `[B, S]` bool.
    """

    index: object
    valid: object
    positive: object

    @property
    def labels(self):
        """`[B, S]` int32: 1 object, 0 background, -1 padding."""
        label = ops.cast(self.positive, "int32")
        return ops.where(self.valid, label, -1)


def choose(labels, uniform, positives, total):
    """Up to `positives` objects and as much background as fills up `total`, at random.

    Without replacement; every subset is as probable as any other. A background that is
    too small leaves padding, it is not made up by more objects.

    Args:
        labels: `[B, N]` integers: 1 object, 0 background, -1 neither.
        uniform: `[B, N]` random numbers in [0, 1), the only source of chance.
        positives: int, the most objects an image gets.
        total: int, the most candidates an image gets.

    Returns:
        `Sample` with S = min(total, N), or S = total where N is not static.
    """
    if labels.shape[-1] is None:
        labels = ops.pad(labels, ((0, 0), (0, total)), constant_values=-1)
        uniform = ops.pad(uniform, ((0, 0), (0, total)))
    else:
        total = min(total, labels.shape[-1])
    first, found = ranked(labels == 1, uniform, min(positives, total))
    objects = ops.sum(ops.cast(found, "int32"), axis=-1, keepdims=True)
    second, free = ranked(labels == 0, uniform, total)
    room = ops.arange(total, dtype="int32") < total - objects
    free = ops.logical_and(free, room)
    index = ops.concatenate([first, second], axis=-1)
    taken = ops.concatenate([found, free], axis=-1)
    positive = ops.concatenate([found, ops.zeros_like(free)], axis=-1)
    # `top_k` puts the earlier of two equals first.
    valid, place = ops.top_k(ops.cast(taken, "int32"), total)
    valid = valid > 0
    index, positive = (
        ops.take_along_axis(x, place, axis=-1) for x in (index, positive)
    )
    return Sample(ops.where(valid, index, 0), valid, ops.logical_and(positive, valid))


def ranked(mask, uniform, k):
    """`(index [B, k] int32, found [B, k] bool)` of the largest draws within a mask."""
    draws, index = ops.top_k(ops.where(mask, uniform, -1.0), k)
    return ops.cast(index, "int32"), draws >= 0


def gather(x, index):
    """`[B, S, ...]` rows of `x` `[B, N, ...]` at `index` `[B, S]`."""
    for _ in range(len(x.shape) - 2):
        index = ops.expand_dims(index, -1)
    return ops.take_along_axis(x, index, axis=1)
