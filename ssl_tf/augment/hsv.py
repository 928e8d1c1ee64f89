"""G-SimCLR's colour changes: TensorFlow's own, on values that may leave [0, 1]."""

import tensorflow as tf

from ssl_tf.augment import hue
from ssl_tf.augment.planes import luma
from ssl_tf.ops import draws

LUMA = (0.2989, 0.5870, 0.1140)  # TensorFlow's, not quite PIL's


def jitter(planes, seeds, strength):
    """Brightness, contrast, saturation, hue in this order; cut to [0, 1] at the end.

    Args:
        planes: `[B, 3, H, W]` float32 in [0, 1].
        seeds: `[B]` uint64; images of equal seeds are changed alike.
        strength: float; 0.2 for CIFAR, 1 for ImageNet.

    Source:
        G-SimCLR's notebooks (arXiv:2009.12007).
    """
    unit = draws.uniform(seeds, 4, -1.0, 1.0)
    bright, turn = 0.8 * strength * unit[:, 0], 0.2 * strength * unit[:, 3]
    factors = tf.maximum(1 + 0.8 * strength * unit[:, 1:3], 0.0)
    planes = contrast(brightness(planes, bright), factors[:, 0])
    planes = hue.turned(saturation(planes, factors[:, 1]), turn)
    return tf.clip_by_value(planes, 0.0, 1.0)


def brightness(planes, offset):
    """`[B, 3, H, W]` plus `[B]`."""
    return planes + offset[:, None, None, None]


def contrast(planes, factor):
    """Distance from each plane's own mean times `[B]`."""
    height, width = planes.shape[2:]
    rows = tf.reshape(planes, [-1, 3, height * width])
    mean = tf.reduce_mean(rows, axis=2)[..., None, None]
    factor = factor[:, None, None, None]
    return (planes - mean) * factor + mean


def saturation(planes, factor):
    """HSV's saturation times `[B]` factors >= 0, at most 1; hue and value stay.

    A pixel whose largest value is not above 0 becomes grey of that value.
    """
    high = tf.reduce_max(planes, axis=1, keepdims=True)
    spread = high - tf.reduce_min(planes, axis=1, keepdims=True)
    most = tf.maximum(high, 0.0) / tf.maximum(spread, hue.TINY)
    ratio = tf.minimum(factor[:, None, None, None], most)
    return high - ratio * (high - planes)


def grey(planes):
    """`[B, 3, H, W]` with the luma in all three planes."""
    return tf.stack([luma(planes, LUMA)] * 3, axis=1)
