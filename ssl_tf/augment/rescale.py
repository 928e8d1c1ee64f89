"""Whole images scaled and mirrored, and their boxes and outlines with them.

Boxes are `[..., 4]`, x1, y1, x2, y2 in pixels; points are `[..., 2]`, x, y. Filling
(zeros, repeated corners) stays of no area under everything here.
"""

import numpy as np
import tensorflow as tf
from PIL import Image


def new_size(height, width, short, longest):
    """int32 `[2]`: height and width after scaling.

    The shorter side becomes `short`, unless the longer one would exceed `longest`, to
    which it is then scaled. Halves are rounded up.

    Args:
        height: int, pixels; or a scalar tensor, as all of them.
        width: likewise.
        short: likewise.
        longest: likewise.

    Source:
        Self-Classifier's detection transfer, as Detectron2 resizes its shortest edge.
    """
    height, width, short, longest = (
        tf.cast(x, tf.float64) for x in (height, width, short, longest)
    )
    scale = short / tf.minimum(height, width)
    down = tf.where(height < width, short, scale * height)
    across = tf.where(height < width, scale * width, short)
    again = tf.minimum(longest / tf.maximum(down, across), 1.0)
    new = tf.floor(tf.stack([down * again, across * again]) + 0.5)
    return tf.cast(new, tf.int32)


def resized(image, size):
    """uint8 `[h', w', 3]`: one image by PIL's triangle filter; in NumPy.

    Args:
        image: `[h, w, 3]` uint8.
        size: new height and width.
    """
    height, width = (int(side) for side in size)
    picture = Image.fromarray(np.asarray(image))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))


def mirrored(image):
    """`[..., h, w, 3]` with left and right exchanged."""
    return tf.reverse(image, [-2])


def scaled_points(points, old, new):
    """Points of an image of size `old`, in the same image of size `new`.

    Args:
        points: `[..., 2]` float.
        old: height and width.
        new: height and width.
    """
    points = tf.convert_to_tensor(points)
    ratio = tf.cast(new, tf.float64) / tf.cast(old, tf.float64)
    return points * tf.cast(tf.reverse(ratio, [0]), points.dtype)


def scaled_boxes(boxes, old, new):
    """`scaled_points` for boxes `[..., 4]`."""
    return as_points(scaled_points, boxes, old, new)


def mirrored_points(points, width):
    """Points of the mirrored image: x becomes `width - x`."""
    x, y = tf.unstack(tf.convert_to_tensor(points), axis=-1)
    return tf.stack([tf.cast(width, x.dtype) - x, y], axis=-1)


def mirrored_boxes(boxes, width):
    """Boxes of the mirrored image; left and right change places."""
    x1, y1, x2, y2 = tf.unstack(tf.convert_to_tensor(boxes), axis=-1)
    width = tf.cast(width, x1.dtype)
    return tf.stack([width - x2, y1, width - x1, y2], axis=-1)


def clipped(boxes, size):
    """Boxes cut to an image of `size`, height and width."""
    boxes = tf.convert_to_tensor(boxes)
    top = tf.cast(tf.reverse(tf.convert_to_tensor(size), [0]), boxes.dtype)
    return tf.clip_by_value(boxes, 0.0, tf.concat([top, top], 0))


def without_empty(boxes, label, least):
    """`label` `[...]` with -1 where a side of the box `[..., 4]` is `least` at most."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return tf.where(tf.reduce_min(sides, axis=-1) > least, label, -1)


def as_points(change, boxes, *arguments):
    """`change` of the two corners of boxes `[..., 4]`."""
    boxes = tf.convert_to_tensor(boxes)
    corners = tf.reshape(boxes, tf.concat([tf.shape(boxes)[:-1], [2, 2]], 0))
    return tf.reshape(change(corners, *arguments), tf.shape(boxes))
