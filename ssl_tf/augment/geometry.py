"""Shifts, flips, quarter turns and tiles."""

import math

import tensorflow as tf

from ssl_tf.augment import crop, planes
from ssl_tf.ops import draws


def shift(images, rows, columns, flip):
    """Moves each image by whole pixels, mirrored at its edges, then flips it.

        out[r, c] = in[r + rows, c + columns]

    Places outside are filled by mirroring *including* the edge pixel.

    Args:
        images: `[B, H, W, C]`, any type.
        rows: `[B]` int32, |rows| <= H.
        columns: `[B]` int32, |columns| <= W.
        flip: `[B]` bool, left and right exchanged after the shift.

    Returns:
        As `images`.

    Source:
        SSAL, Keras code (SciPy's "reflect" is NumPy's "symmetric").
    """
    height, width = images.shape[1:3]
    down = mirror(tf.range(height)[None] + rows[:, None], height)
    across = tf.range(width)[None]
    across = tf.where(flip[:, None], width - 1 - across, across)
    across = mirror(across + columns[:, None], width)
    moved = tf.gather(images, down, axis=1, batch_dims=1)
    return tf.gather(moved, across, axis=2, batch_dims=1)


def mirror(places, length):
    """Places in [-length, 2 length) folded back into [0, length), edges doubled."""
    places = tf.where(places < 0, -1 - places, places)
    return tf.where(places >= length, 2 * length - 1 - places, places)


def random_shift(seeds, pixels):
    """`[B]` int32: magnitude uniform in 0 ... pixels times a random sign.

    So 0 is twice as likely as any other value, as in SSAL's Keras code, whose setting
    "5" means at most 4.
    """
    size, sign = draws.split(seeds, 2)
    size = draws.integers(size, 1, pixels + 1)[:, 0]
    return size * (2 * draws.integers(sign, 1, 2)[:, 0] - 1)


def shift_flip(images, seeds, pixels, flipping=True):
    """Random shift by up to `pixels` on each axis; half of the images flipped."""
    a, b, c = draws.split(seeds, 3)
    rows, columns = random_shift(a, pixels), random_shift(b, pixels)
    flipped = random_flip(c) & flipping
    return shift(images, rows, columns, flipped)


def random_flip(seeds):
    """`[B]` bool, true for one half."""
    return draws.uniform(seeds)[:, 0] < 0.5


def flip(images, seeds):
    """Left and right exchanged in half of the images."""
    chosen = random_flip(seeds)
    if images.shape[0] == 1:  # most often from `from_files`: spare half of the work
        return tf.cond(chosen[0], lambda: mirrored(images), lambda: images)
    return draws.choose(chosen, mirrored(images), images)


def mirrored(images):
    """`[B, H, W, C]` with left and right exchanged.

    As `[B * H, W, C]`, which TensorFlow reverses 20 times faster on a CPU.
    """
    rows = tf.reshape(images, [-1, *images.shape[2:]])
    return tf.reshape(tf.reverse(rows, [1]), [-1, *images.shape[1:]])


def quarter(images, turns):
    """`[B, H, W, C]` turned clockwise by a multiple of 90 degrees.

    Args:
        images: square for odd `turns`, if they share a batch with others.
        turns: int.
    """
    turns %= 4
    if turns == 0:
        return images
    if turns == 2:
        return tf.reverse(images, [1, 2])
    turned = tf.transpose(images, [0, 2, 1, 3])
    return tf.reverse(turned, [2 if turns == 1 else 1])


def tile_boxes(side):
    """`[9, 4]` ints of the tiles of a square, row by row: top, left, height, width.

    Where 3 does not divide the side, pixels between the tiles are lost: 32 pixels
    give spans [0, 10), [11, 21), [22, 31).

    Source:
        ScatSimCLR, code: centre minus half a tile is rounded up, plus half cut off.
    """
    half = side / 3 / 2
    spans = []
    for number in range(3):
        centre = 2 * half * number + half
        first = math.ceil(centre - half)
        spans.append((first, int(centre + half) - first))
    return [(a, c, b, d) for a, b in spans for c, d in spans]


def tiles(images, size):
    """Nine tiles of each square image, row by row, each brought to `size`.

    Args:
        images: `[B, S, S, 3]` float32 in [0, 1].
        size: int, pixels.

    Returns:
        `[B, 9, size, size, 3]` float32 in [0, 1], whole multiples of 1 / 255, as
        PIL's bilinear filter gives them.
    """
    levels = tf.round(images * 255)
    found = []
    for box in tile_boxes(images.shape[1]):
        top, left, height, width = box
        cut = levels[:, top : top + height, left : left + width]
        found.append(planes.back(crop.whole(cut, size, "bilinear")))
    return tf.stack(found, axis=1) * (1 / 255)
