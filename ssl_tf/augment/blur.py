"""Gaussian blur, every image with a width of its own: banded matrix products."""

import functools
import math

import numpy as np
import tensorflow as tf

PASSES = 3
BLOCK = 96  # pixels of a side that one matrix serves


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
    far = tf.range(taps // 2 + 1, dtype=tf.float64)
    # In 64 bits: the last of 32 hangs on an element's place in the tensor.
    row = tf.exp(-0.5 * (far / tf.cast(sigma, tf.float64)[:, None]) ** 2)
    row = tf.cast(row / total(row), tf.float32)  # [B, taps // 2 + 1]
    planes = across(planes, row, reflected)
    return down(planes, row, reflected)


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
    reach = int((math.sqrt(12 * widest**2 / PASSES + 1) - 1) / 2) + 1
    far = tf.range(reach + 1, dtype=tf.float32)
    row = tf.clip_by_value(box_radius(sigma)[:, None] + 1 - far, 0.0, 1.0)
    row /= total(row)
    for along in (across, down):
        for _ in range(PASSES):
            planes = along(planes, row, repeated)
            planes = tf.floor(planes + 0.5) if rounding else planes
    return planes


def box_radius(sigma):
    """Half the length of a box, less the middle pixel, that blurs by sigma in three."""
    variance = sigma**2 / PASSES
    whole = tf.floor((tf.sqrt(12 * variance + 1) - 1) / 2)
    part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    return whole + part / (6 * (variance - (whole + 1) ** 2))


def total(row):
    """`[B, 1]`: what half a symmetric row of weights sums to on both sides."""
    return 2 * tf.reduce_sum(row, axis=1, keepdims=True) - row[:, :1]


def across(planes, row, beyond):
    """Weighted averages along each line of pixels.

    Args:
        planes: `[B, 3, H, W]` float32.
        row: `[B, reach + 1]` float32, weights of pixels 0 ... reach away.
        beyond: `reflected` or `repeated`, what there is beyond the edges.
    """
    height, width = planes.shape[2:]
    reach = row.shape[1] - 1
    wide = tf.reshape(beyond(planes, reach, 3), [-1, 3 * height, width + 2 * reach])
    parts = []
    for start in range(0, width, BLOCK):
        size = min(BLOCK, width - start)
        matrix = band(row, size)  # [B, size + 2 reach, size]
        parts.append(tf.matmul(wide[:, :, start : start + size + 2 * reach], matrix))
    return tf.reshape(tf.concat(parts, axis=2), [-1, 3, height, width])


def down(planes, row, beyond):
    """The same along each column."""
    height, reach = planes.shape[2], row.shape[1] - 1
    high = beyond(planes, reach, 2)
    parts = []
    for start in range(0, height, BLOCK):
        size = min(BLOCK, height - start)
        matrix = band(row, size)[:, None]
        part = high[:, :, start : start + size + 2 * reach]
        parts.append(tf.matmul(matrix, part, transpose_a=True))
    return tf.concat(parts, axis=2)


def reflected(planes, reach, axis):
    """`reach` more pixels on both sides of an axis, the edge itself not doubled."""
    length = planes.shape[axis]
    sizes = [1, reach, length - 2 * reach - 2, reach, 1]
    if sizes[2] < 0:  # the two ends overlap
        places = np.pad(np.arange(length), reach, "reflect")
        return tf.gather(planes, places, axis=axis)
    _, first, _, last, _ = tf.split(planes, sizes, axis)
    ends = (tf.reverse(end, [axis]) for end in (first, last))
    return tf.concat([next(ends), planes, next(ends)], axis)


def repeated(planes, reach, axis):
    """`reach` more pixels on both sides of an axis, all like the edge."""
    length = planes.shape[axis]
    first, _, last = tf.split(planes, [1, length - 2, 1], axis)
    return tf.concat([first] * reach + [planes] + [last] * reach, axis)


def band(row, size):
    """`[B, size + 2 reach, size]`: which share of each pixel goes into which."""
    reach = row.shape[1] - 1
    return tf.gather(tf.pad(row, [[0, 0], [0, 1]]), distances(size, reach), axis=1)


@functools.cache
def distances(size, reach):
    """`[size + 2 reach, size]` ints: how far apart, at most reach + 1."""
    apart = np.arange(size + 2 * reach)[:, None] - reach - np.arange(size)
    return np.minimum(np.abs(apart), reach + 1)
