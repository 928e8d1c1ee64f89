"""Changes of brightness, contrast and saturation, in an order of each image's own.

All three are affine maps of colour, x -> f x + (1 - f) y, cut to [0, 1] after each:
y is black for brightness, the image's mean luma for contrast, the pixel's own luma for
saturation.
"""

import functools
import itertools

import numpy as np
import tensorflow as tf

from ssl_tf.ops import draws

LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as PIL's conversion to grey
TO_GREY = np.repeat(np.array(LUMA, np.float32)[:, None], 3, 1)  # x @ TO_GREY is grey
LARGE = 96 * 96  # pixels from which on one image at a time stays in the CPU's cache
ORDERS = list(itertools.permutations(range(3)))


def grey(images):
    """`[B, H, W, 1]` luma of `[B, H, W, 3]`."""
    return tf.reduce_sum(images * tf.constant(LUMA), axis=-1, keepdims=True)


def brightness(image, factor):
    """`[H, W, 3]` in [0, 1]; factor 0 is black, 1 the image itself."""
    return tf.minimum(image * factor, 1.0)


def contrast(image, factor):
    """`[H, W, 3]` in [0, 1]; factor 0 is the image's mean luma, a flat grey."""
    mean = tf.reduce_sum(channel_means(image[None])[0] * LUMA)
    return tf.clip_by_value(image * factor + (1 - factor) * mean, 0.0, 1.0)


def saturation(image, factor):
    """`[H, W, 3]` in [0, 1]; factor 0 is the grey image."""
    mixed = tf.matmul(tf.reshape(image, [-1, 3]), mixing(factor, 1 - factor))
    return tf.clip_by_value(tf.reshape(mixed, image.shape), 0.0, 1.0)


CHANGES = (brightness, contrast, saturation)


def jitter(images, seeds, strength):
    """The three changes, each by a factor in [1 - strength, 1 + strength].

    Every image draws its own factors and its own order.

    Args:
        images: `[B, H, W, 3]` float32 in [0, 1], of static size.
        seeds: `[B]` uint64.
        strength: float in [0, 1].

    Source:
        torchvision's ColorJitter without hue, on PIL images; we do not round to 8 bits
        between the changes.
    """
    a, b = draws.split(seeds, 2)
    order = draws.permutations(a, len(CHANGES))  # [B, 3]
    factors = draws.uniform(b, len(CHANGES), 1 - strength, 1 + strength)
    if images.shape[1] * images.shape[2] < LARGE:
        return together(images, order, factors)
    if images.shape[0] == 1:
        return alone(images[0], order[0], factors[0])[None]
    return tf.map_fn(
        lambda parts: alone(*parts),
        (images, order, factors),
        fn_output_signature=tf.TensorSpec(images.shape[1:], images.dtype),
    )


def alone(image, order, factors):
    """`[H, W, 3]` changed in turn: one branch of the graph for each order."""

    def changed(turns):
        return functools.reduce(lambda x, i: CHANGES[i](x, factors[i]), turns, image)

    number = 2 * order[0] + tf.cast(order[1] > order[2], tf.int32)  # place in ORDERS
    branches = [functools.partial(changed, turns) for turns in ORDERS]
    return tf.switch_case(number, branches)


def together(images, order, factors):
    """The same on a batch of small images: each turn is one batched matrix product.

    Args:
        images: `[B, H, W, 3]` float32 in [0, 1].
        order: `[B, 3]` int32, which change comes first, second, third.
        factors: `[B, 3]` float32 of brightness, contrast and saturation.
    """
    height, width = images.shape[1:3]
    flat = [-1, height * width * 3]
    for turn in range(len(CHANGES)):
        which = order[:, turn]
        factor = tf.gather(factors, which, axis=1, batch_dims=1)  # [B]
        rest = 1 - factor
        mean = tf.reduce_sum(channel_means(images) * LUMA, axis=1)
        mean = tf.where(which == 1, rest * mean, 0.0)[:, None]
        matrix = mixing(factor, tf.where(which == 2, rest, 0.0))  # [B, 3, 3]
        pixels = tf.reshape(images, [-1, height * width, 3])
        mixed = tf.reshape(tf.matmul(pixels, matrix), flat) + mean
        mixed = tf.clip_by_value(mixed, 0.0, 1.0)
        images = tf.reshape(mixed, [-1, height, width, 3])
    return images


def mixing(own, luma):
    """`[..., 3, 3]`: x @ it is `own` of the colour and `luma` of its grey."""
    own, luma = own[..., None, None], luma[..., None, None]
    return own * tf.eye(3) + luma * TO_GREY


def channel_means(images):
    """`[B, 3]` of `[B, H, W, 3]`; row sums first, which a CPU adds fast."""
    height, width = images.shape[1:3]
    sums = tf.reduce_sum(tf.reshape(images, [-1, height, width * 3]), axis=1)
    return tf.reduce_sum(tf.reshape(sums, [-1, width, 3]), axis=1) / (height * width)
