"""Images as planes `[B, 3, H, W]`: colours are whole rows, which a CPU reads fast."""

import tensorflow as tf

from ssl_tf.ops import draws


def of(images):
    """`[B, H, W, 3]` to `[B, 3, H, W]`."""
    return tf.transpose(images, [0, 3, 1, 2])


def back(planes):
    """`[B, 3, H, W]` to `[B, H, W, 3]`."""
    return tf.transpose(planes, [0, 2, 3, 1])


def flip(planes, seeds):
    """Left and right exchanged in half of the images."""
    return some(seeds, 0.5, lambda x: tf.reverse(x, [3]), planes)


def luma(planes, weights):
    """`[B, H, W]`: red, green and blue summed with `weights`."""
    red, green, blue = tf.unstack(planes, axis=1)
    return red * weights[0] + green * weights[1] + blue * weights[2]


def column(values):
    """`[B]` to `[B, 1, 1, 1]`, a value an image."""
    return values[:, None, None, None]


def grouped(place, changes, planes, *given):
    """Each image goes through the one of several changes that its `place` says.

    Only the images of a group are computed, and what happens to an image does not
    depend on the others.

    Args:
        place: `[B]` int32, position in `changes`.
        changes: list of `(planes [b, 3, H, W], *given [b, ...]) -> planes`, or `None`
            for no change.
        planes: `[B, 3, H, W]`.
        given: tensors `[B, ...]`, dealt out with the images.
    """
    changes = [change or (lambda x, *rest: x) for change in changes]
    if planes.shape[0] == 1:
        branches = [lambda c=change: c(planes, *given) for change in changes]
        done = tf.switch_case(place[0], branches)
        return tf.ensure_shape(done, planes.shape)
    count = len(changes)
    deal = lambda x: tf.dynamic_partition(x, place, count)
    rows = deal(tf.range(tf.shape(place)[0]))
    parts = zip(changes, deal(planes), *(deal(x) for x in given))
    done = [change(*part) for change, *part in parts]
    return tf.ensure_shape(tf.dynamic_stitch(rows, done), planes.shape)


def some(seeds, p, change, planes, *given):
    """`change` for a share `p` of the images; see `grouped`."""
    if p <= 0:
        return planes
    if p >= 1:
        return change(planes, *given)
    chosen = draws.uniform(seeds)[:, 0] < p
    return grouped(tf.cast(chosen, tf.int32), [None, change], planes, *given)
