"""Overlap of boxes, and boxes as corrections of other boxes."""

import math

from keras import ops

LARGEST = math.log(1000.0 / 16.0)  # of a decoded logarithm of a scale
RPN_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
ROI_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def sides(boxes):
    """`[..., 2]` widths and heights of boxes `[..., 4]`, pixels."""
    return boxes[..., 2:] - boxes[..., :2]


def iou(first, second):
    """Intersection over union of all pairs.

    Args:
        first: `[..., M, 4]` boxes.
        second: `[..., N, 4]` boxes; leading axes broadcast.

    Returns:
        `[..., M, N]` float32 in [0, 1]; 0 where boxes do not meet, also for empty ones.
    """
    first, second = (ops.cast(boxes, "float32") for boxes in (first, second))
    first, second = first[..., :, None, :], second[..., None, :, :]
    low = ops.maximum(first[..., :2], second[..., :2])
    high = ops.minimum(first[..., 2:], second[..., 2:])
    common = ops.maximum(high - low, 0.0)
    common = common[..., 0] * common[..., 1]
    areas = [ops.prod(sides(boxes), axis=-1) for boxes in (first, second)]
    met = common > 0
    union = ops.where(met, areas[0] + areas[1] - common, 1.0)
    return ops.where(met, common / union, 0.0)


def encode(source, target, weights=RPN_WEIGHTS):
    """The correction `(dx, dy, dw, dh)` that makes `target` of `source`.

        dx = w_x (x_t - x_s) / width_s,    dw = w_w log(width_t / width_s)

    and likewise for y and the heights; x, y are centres.

    Args:
        source: `[..., 4]` boxes with sides > 0.
        target: `[..., 4]` boxes; an empty one gives values that are not finite.
        weights: four floats.

    Returns:
        `[..., 4]`.

    Source:
        Girshick et al., R-CNN, arXiv:1311.2524, app. C; Ren et al., Faster R-CNN,
        arXiv:1506.01497, eq. 2.
    """
    source, target = (ops.cast(boxes, "float32") for boxes in (source, target))
    size, wanted = sides(source), sides(target)
    middle, place = source[..., :2] + 0.5 * size, target[..., :2] + 0.5 * wanted
    shift, scale = (place - middle) / size, ops.log(wanted / size)
    deltas = ops.concatenate([shift, scale], axis=-1)
    return deltas * ops.convert_to_tensor(weights, "float32")


def decode(deltas, source, weights=RPN_WEIGHTS):
    """The boxes that corrections make of `source`; the inverse of `encode`.

    Logarithms of scales are held below log(1000 / 16); there is no lower limit.

    Args:
        deltas: `[..., 4]`.
        source: `[..., 4]` boxes; leading axes broadcast.
        weights: four floats.

    Returns:
        `[..., 4]` float32.

    Source:
        As `encode`; the limit is Detectron2's.
    """
    deltas = ops.cast(deltas, "float32") / ops.convert_to_tensor(weights, "float32")
    size = sides(source)
    middle = source[..., :2] + 0.5 * size + deltas[..., :2] * size
    half = 0.5 * ops.exp(ops.minimum(deltas[..., 2:], LARGEST)) * size
    return ops.concatenate([middle - half, middle + half], axis=-1)


def clip(boxes, heights_widths):
    """Boxes cut at the borders of their images.

    Args:
        boxes: `[B, N, 4]`.
        heights_widths: `[B, 2]`, pixels, the true sizes, without padding.

    Returns:
        `[B, N, 4]` float32.
    """
    height, width = ops.split(ops.cast(heights_widths, "float32"), 2, axis=-1)
    limit = ops.concatenate([width, height, width, height], axis=-1)
    return ops.clip(boxes, 0.0, limit[:, None, :])
