"""PIL's colour arithmetic: whole grey levels before and after every change.

Levels are float32 that hold whole numbers in [0, 255]; all sums here are exact in it.
"""

import tensorflow as tf

from ssl_tf.augment import hue
from ssl_tf.augment.planes import luma

# PIL's weights of red, green and blue in 1 / 2^16; one half is added before the cut.
LUMA = (19595, 38470, 7471)


def levels(planes):
    """[0, 1] to whole levels."""
    return tf.round(planes * 255)


def mixed(planes, which, factor):
    """Brightness, contrast or saturation; see `jitter.mixed`.

    Args:
        planes: `[B, 3, H, W]` levels.
        which: `[B]` int32: 0 mixes with black, 1 with the rounded mean of the grey
            image, 2 with the grey image.
        factor: `[B]` float32; 1 is the image itself.

    Source:
        PIL's Image.blend, which cuts the fraction off.
    """
    level = grey_level(planes)  # [B, H, W]
    sums = tf.reduce_sum(level, axis=2)  # exact up to 65,793 columns
    count = level.shape[1] * level.shape[2]
    mean = tf.reduce_sum(tf.cast(sums, tf.float64), axis=1) / count
    mean = tf.cast(tf.floor(mean + 0.5), tf.float32)
    of_mean = tf.where(which == 1, mean, 0.0)
    of_luma = tf.cast(which == 2, tf.float32)
    base = level * of_luma[:, None, None] + of_mean[:, None, None]
    base = base[:, None]
    blended = base + factor[:, None, None, None] * (planes - base)
    return tf.floor(tf.clip_by_value(blended, 0.0, 255.0))


def grey_level(planes):
    """`[B, H, W]` levels: PIL's conversion to "L"."""
    return tf.floor((luma(planes, LUMA) + 32768) * 2**-16)


def grey(planes):
    """`[B, 3, H, W]`, the grey level in all three."""
    return tf.stack([grey_level(planes)] * 3, axis=1)


def turned(planes, shift):
    """Hue moved round PIL's circle of 255 steps.

    Args:
        planes: `[B, 3, H, W]` levels.
        shift: `[B]` float32, in turns; 255 of it, cut towards 0, modulo 256.

    Source:
        PIL's conversions between RGB and 8-bit HSV; torchvision's adjust_hue.
    """
    red, green, blue = tf.unstack(planes, axis=1)
    high = tf.maximum(tf.maximum(red, green), blue)
    spread = high - tf.minimum(tf.minimum(red, green), blue)
    turns = sextant(red, green, blue, high, tf.maximum(spread, 1.0)) / 6
    step = byte(turns - tf.floor(turns))
    part = byte(spread / tf.maximum(high, 1.0)) * (1 / 255)  # saturation
    moved = step + tf.math.floormod(truncated(255 * shift), 256.0)[:, None, None]
    moved = moved - 256 * tf.floor(moved * (1 / 256))
    moved *= 6 / 255
    kept = lambda start: 1 - part * (1 - hue.wave(moved + start))
    new = [tf.floor(high * kept(start) + 0.5) for start in hue.STARTS]
    return tf.stack(new, axis=1)


def sextant(red, green, blue, high, spread):
    """Hue in [-1, 5] with PIL's roundings: a level hangs on the last bit."""
    red_part, green_part, blue_part = ((high - x) / spread for x in (red, green, blue))
    by_red, by_green = red >= high, green >= high
    plus = tf.where(by_red, blue_part, tf.where(by_green, red_part, green_part))
    minus = tf.where(by_red, green_part, tf.where(by_green, blue_part, red_part))
    start = tf.where(by_red, 0.0, tf.where(by_green, 2.0, 4.0))
    plus, minus, start = (tf.cast(x, tf.float64) for x in (plus, minus, start))
    return tf.cast(start + plus - minus, tf.float32)


def byte(share):
    """The whole part of the exact 255 x; its rounded value may be one too large."""
    wide = share * 256  # exact, as is all below but for the first difference
    whole = tf.floor(wide - share)
    return whole - tf.cast(wide - whole < share, tf.float32)


def truncated(x):
    """The fraction cut off, towards 0."""
    return tf.sign(x) * tf.floor(tf.abs(x))
