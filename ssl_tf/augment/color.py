"""Changes of brightness, contrast and saturation, in an order of each image's own."""

import tensorflow as tf

from ssl_tf.ops import draws

LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as PIL's conversion to grey


def grey(images):
    """`[B, H, W, 1]` luma of `[B, H, W, 3]`."""
    return tf.reduce_sum(images * tf.constant(LUMA), axis=-1, keepdims=True)


def blend(images, other, factor):
    """`factor` of the image and 1 - `factor` of `other`, cut to [0, 1]."""
    factor = factor[:, None, None, None]
    return tf.clip_by_value(other + factor * (images - other), 0.0, 1.0)


def brightness(images, factor):
    """Factor 0 is black, 1 the image itself."""
    return blend(images, tf.zeros([]), factor)


def contrast(images, factor):
    """Factor 0 is the image's mean luma, a flat grey."""
    return blend(images, tf.reduce_mean(grey(images), [1, 2, 3], keepdims=True), factor)


def saturation(images, factor):
    """Factor 0 is the grey image."""
    return blend(images, grey(images), factor)


CHANGES = (brightness, contrast, saturation)


def jitter(images, seeds, strength):
    """The three changes, each by a factor in [1 - strength, 1 + strength].

    Every image draws its own factors and its own order.

    Args:
        images: `[B, H, W, 3]` float32 in [0, 1].
        seeds: `[B]` uint64.
        strength: float in [0, 1].

    Source:
        torchvision's ColorJitter without hue, on PIL images; we do not round to 8 bits
        between the changes.
    """
    a, b = draws.split(seeds, 2)
    order = draws.permutations(a, len(CHANGES))  # [B, 3]
    factors = draws.uniform(b, len(CHANGES), 1 - strength, 1 + strength)
    for turn in range(len(CHANGES)):
        changed = images
        for i, change in enumerate(CHANGES):
            mine = (order[:, turn] == i)[:, None, None, None]
            changed = tf.where(mine, change(images, factors[:, i]), changed)
        images = changed
    return images
