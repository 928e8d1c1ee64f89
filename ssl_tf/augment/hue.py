"""Turning the hue: the largest and smallest of a pixel's three values stay."""

import tensorflow as tf

STARTS = (0, 4, 2)  # of red, green and blue on a circle of 6
TINY = 1e-20  # keeps 0 / 0 at 0 where a pixel is grey


def turned(planes, shift):
    """Hue moved round the circle.

    Args:
        planes: `[B, 3, H, W]` float32, of any range.
        shift: `[B]` float32, in turns.

    Returns:
        As `planes`.

    Source:
        Smith, Color Gamut Transform Pairs, 1978 (HSV); valid outside [0, 1] too, as
        G-SimCLR needs it (its images are cut to [0, 1] after the last change only).
    """
    red, green, blue = tf.unstack(planes, axis=1)
    hue, low, spread = hexagon(red, green, blue)
    hue += 6 * shift[:, None, None]
    return tf.stack([low + spread * wave(hue + start) for start in STARTS], axis=1)


def hexagon(red, green, blue):
    """Hue in [-1, 5], smallest value and spread of planes `[B, H, W]`."""
    high = tf.maximum(tf.maximum(red, green), blue)
    low = tf.minimum(tf.minimum(red, green), blue)
    spread = high - low
    part = tf.maximum(spread, TINY)
    hue = tf.where(green >= high, (blue - red) / part + 2, (red - green) / part + 4)
    return tf.where(red >= high, (green - blue) / part, hue), low, spread


def wave(hue):
    """1 for a third of the circle, 0 for a third, straight in between; period 6."""
    place = hue - 6 * tf.floor(hue * (1 / 6))
    return tf.clip_by_value(tf.abs(place - 3) - 1, 0.0, 1.0)
