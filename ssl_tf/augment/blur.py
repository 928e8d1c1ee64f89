"""Gaussian blur, every image with a width of its own: a matrix for each axis."""

import functools
import math

import numpy as np
import tensorflow as tf

PASSES = 3


def gaussian(planes, sigma, taps):
    """The Gaussian at `taps` pixels, its sum made 1, edges reflected.

    Args:
        planes: `[B, 3, H, W]` float32.
        sigma: `[B]` float32, pixels.
        taps: odd int, of both axes; half of it is less than the image's sides.

    Source:
        OpenCV's GaussianBlur (border "reflect 101") and torchvision's are both this;
        they differ in the number of taps that their users choose.
    """
    far = tf.range(taps // 2 + 1, dtype=tf.float32)
    row = tf.exp(-0.5 * (far / sigma[:, None]) ** 2)  # [B, taps // 2 + 1]
    return apply(planes, row / total(row), "reflect")


def boxes(planes, sigma, widest, rounding=False):
    """PIL's blur: three box averages in turn along each axis, edges repeated.

    Args:
        planes: `[B, 3, H, W]` float32; levels in [0, 255] if `rounding`.
        sigma: `[B]` float32, pixels: PIL's "radius".
        widest: float, no sigma is larger.
        rounding: to whole numbers after each average, as PIL.

    Source:
        Gwosdek et al., Theoretical Foundations of Gaussian Convolution by Extended Box
        Filtering, 2011; PIL's documented use of it.
    """
    radius = box_radius(sigma)
    reach = int((math.sqrt(12 * widest**2 / PASSES + 1) - 1) / 2) + 1
    far = tf.range(reach + 1, dtype=tf.float32)
    row = tf.clip_by_value(radius[:, None] + 1 - far, 0.0, 1.0)
    return apply(planes, row / total(row), "repeat", PASSES, rounding)


def box_radius(sigma):
    """Half the length of a box, less the middle pixel, that blurs by sigma in three."""
    variance = sigma**2 / PASSES
    whole = tf.floor((tf.sqrt(12 * variance + 1) - 1) / 2)
    part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    return whole + part / (6 * (variance - (whole + 1) ** 2))


def total(row):
    """`[B, 1]`: what half a symmetric row of weights sums to on both sides."""
    return 2 * tf.reduce_sum(row, axis=1, keepdims=True) - row[:, :1]


def apply(planes, row, edges, passes=1, rounding=False):
    """Averages along the columns, then the rows.

    Args:
        planes: `[B, 3, H, W]` float32.
        row: `[B, reach + 1]` float32, weights of pixels 0 ... reach away.
        edges: "reflect" or "repeat".
        passes: int, times along each axis.
        rounding: after each time.
    """
    height, width = planes.shape[2:]
    across = matrices(row, width, edges)  # [B, W, W]
    down = across if height == width else matrices(row, height, edges)
    for _ in range(passes):
        wide = tf.reshape(planes, [-1, 3 * height, width])
        wide = tf.matmul(wide, across, transpose_b=True)
        wide = tf.floor(wide + 0.5) if rounding else wide
        planes = tf.reshape(wide, [-1, 3, height, width])
    for _ in range(passes):
        planes = tf.matmul(down[:, None], planes)
        planes = tf.floor(planes + 0.5) if rounding else planes
    return planes


def matrices(row, length, edges):
    """`[B, length, length]`: which share of each pixel goes into which."""
    counts = reached(length, row.shape[1] - 1, edges)
    return tf.reshape(tf.matmul(row, counts), [-1, length, length])


@functools.cache
def reached(length, reach, edges):
    """`[reach + 1, length * length]` float32: how often one pixel meets another.

    The first axis is how far apart they are. At the edge a pixel meets one more than
    once, since the image goes on beyond it: reflected without doubling the edge, or
    with the edge repeated.
    """
    counts = np.zeros([reach + 1, length, length], np.float32)
    mode = {"reflect": "reflect", "repeat": "edge"}[edges]
    beyond = np.pad(np.arange(length), reach, mode)
    for offset in range(-reach, reach + 1):
        to = np.arange(length)
        np.add.at(counts, (abs(offset), to, beyond[to + reach + offset]), 1)
    return counts.reshape(reach + 1, -1)
