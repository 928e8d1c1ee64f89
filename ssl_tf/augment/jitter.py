"""Brightness, contrast, saturation and hue, in an order of each image's own."""

from typing import NamedTuple

import tensorflow as tf

from ssl_tf.augment import eight_bit, hue, planes
from ssl_tf.augment.color import LUMA
from ssl_tf.ops import draws
from ssl_tf.schema import Fraction, NonNegative

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


class Strength(NamedTuple):
    """Half widths of the ranges that factors and the shift of hue are drawn from.

    The first three are of factors around 1, cut at 0; hue is in turns.
    """

    brightness: NonNegative = 0.8
    contrast: NonNegative = 0.8
    saturation: NonNegative = 0.8
    hue: Fraction = 0.2

    def scaled(self, by):
        return Strength(*(by * each for each in self))


def jitter(images, seeds, strength, p=1.0, rounding=False):
    """All four changes with factors of each image's own, for a share of the images.

    Args:
        images: `[B, 3, H, W]` float32 in [0, 1], or levels in [0, 255] if `rounding`.
        seeds: `[B]` uint64.
        strength: `Strength`.
        p: share of the images.
        rounding: PIL's arithmetic, which rounds to 8 bits after each change.

    Source:
        torchvision's ColorJitter as documented, in RandomApply with probability p.
    """
    a, b, c = draws.split(seeds, 3)
    order = draws.permutations(a, 4)  # [B, 4]
    factors = drawn(b, strength)
    chosen = draws.uniform(c)[:, 0] < p
    return changed(images, order, factors, chosen, rounding)


def drawn(seeds, strength):
    """`[B, 4]` factors of brightness, contrast, saturation, and the shift of hue."""
    low = [max(0.0, 1 - each) for each in strength[:3]] + [-strength.hue]
    high = [1 + each for each in strength[:3]] + [strength.hue]
    low, high = (tf.constant(end, tf.float32) for end in (low, high))
    return low + draws.uniform(seeds, 4) * (high - low)


def changed(images, order, factors, chosen, rounding=False):
    """The four changes in turn.

    Args:
        images: `[B, 3, H, W]`, see `jitter`.
        order: `[B, 4]` int32, which change comes first, second, ...
        factors: `[B, 4]` float32 by change: three factors, and turns of the hue.
        chosen: `[B]` bool, which images to change at all.
        rounding: see `jitter`.
    """
    mix, turn = (eight_bit.mixed, eight_bit.turned) if rounding else (mixed, hue.turned)

    turned = lambda x, which, factor: turn(x, factor)

    def change(number, x):
        which = order[:, number]
        factor = tf.gather(factors, which, axis=1, batch_dims=1)
        kind = tf.cast(which == HUE, tf.int32)
        kind = tf.where(chosen, kind, 2)
        return number + 1, planes.grouped(kind, [mix, turned, None], x, which, factor)

    # A loop of the graph, not of Python: four times less of it to build.
    shapes = tf.TensorShape([]), images.shape
    given = tf.constant(0), images
    return tf.while_loop(lambda number, x: number < 4, change, given, shapes)[1]


def mixed(images, which, factor):
    """x -> f x + (1 - f) y: black, the mean luma, or each pixel's luma for y.

    Args:
        images: `[B, 3, H, W]` float32 in [0, 1].
        which: `[B]` int32, BRIGHTNESS, CONTRAST or SATURATION.
        factor: `[B]` float32.
    """
    height, width = images.shape[2:]
    rows = tf.reshape(images, [-1, 3, height * width])
    luma = tf.constant(LUMA)
    mean = tf.reduce_sum(tf.reduce_mean(rows, axis=2) * luma, axis=1)  # [B]
    rest = 1 - factor
    offset = tf.where(which == CONTRAST, rest * mean, 0.0)
    own = tf.where(which == SATURATION, rest, 0.0)
    matrix = factor[:, None, None] * tf.eye(3) + own[:, None, None] * luma
    rows = tf.matmul(matrix, rows) + offset[:, None, None]
    return tf.reshape(tf.clip_by_value(rows, 0.0, 1.0), [-1, 3, height, width])


def grey(images):
    """`[B, 3, H, W]` with its luma in all three planes."""
    return tf.stack([planes.luma(images, LUMA)] * 3, axis=1)
