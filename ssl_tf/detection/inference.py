"""From the box head's outputs to detections."""

import math
from typing import NamedTuple

from keras import ops

from ssl_tf.detection.boxes import ROI_WEIGHTS, clip, decode, sides
from ssl_tf.detection.nms import non_maximum_suppression
from ssl_tf.detection.sampling import gather


class Detections(NamedTuple):
    """An image's objects, descending in score, padded with zeros.

    boxes: `[B, D, 4]`. scores: `[B, D]` in [0, 1]. classes: `[B, D]` int32. region:
    `[B, D]` int32, the proposal it came from. valid: `[B, D]` bool.
    """

    boxes: object
    scores: object
    classes: object
    region: object
    valid: object


def detections(
    scores, deltas, boxes, valid, sizes, threshold=0.05, overlap=0.5, keep=100
):
    """The best boxes of all classes; within a class none covers another.

    Every proposal is a candidate for each class with that class' corrections. Those of
    a probability > `threshold` go through non-maximum suppression class by class.

    Args:
        scores: `[B, R, K + 1]` logits, background last.
        deltas: `[B, R, 4 K]`.
        boxes: `[B, R, 4]` proposals.
        valid: `[B, R]` bool.
        sizes: `[B, 2]` heights and widths of the images, pixels.
        threshold: probability in [0, 1).
        overlap: IoU above which the lower of two boxes goes.
        keep: int D, detections an image.

    Returns:
        `Detections`.

    Source:
        Girshick, Fast R-CNN, arXiv:1504.08083, sec. 3; the numbers are Detectron2's.
    """
    batch, regions, count = scores.shape
    count -= 1
    scores = ops.softmax(ops.cast(scores, "float32"), axis=-1)[..., :count]
    deltas = ops.reshape(deltas, (batch, regions, count, 4))
    found = decode(deltas, boxes[:, :, None, :], ROI_WEIGHTS)
    finite = ops.logical_and(
        ops.all(ops.isfinite(found), axis=(2, 3)), ops.all(ops.isfinite(scores), axis=2)
    )
    valid = ops.logical_and(valid, finite)[..., None]
    found = ops.reshape(ops.where(valid[..., None], found, 0.0), (batch, -1, 4))
    found = clip(found, sizes)
    scores = ops.where(ops.logical_and(valid, scores > threshold), scores, -1.0)
    scores = ops.reshape(scores, (batch, -1))

    scores, place = ops.top_k(scores, candidates(regions, count, threshold))
    place = ops.cast(place, "int32")
    found, classes = gather(found, place), place % count
    index, mask = non_maximum_suppression(
        found, scores, scores > threshold, overlap, keep, classes
    )
    columns = [gather(x, index) for x in (scores, classes, place // count)]
    columns = [ops.where(mask, x, 0) for x in columns]
    return Detections(
        ops.where(mask[..., None], gather(found, index), 0.0), *columns, mask
    )


def candidates(regions, classes, threshold):
    """How many of an image's scores can be above a threshold: they add up to 1 each."""
    most = classes if threshold <= 0 else min(classes, math.ceil(1 / threshold))
    return regions * most


def rescale(boxes, valid, sizes, originals):
    """Detections in the pixels of the images as they were before resizing.

    Args:
        boxes: `[B, D, 4]`.
        valid: `[B, D]` bool.
        sizes: `[B, 2]` heights and widths of the resized images.
        originals: `[B, 2]` those of the original ones.

    Returns:
        `(boxes [B, D, 4], valid [B, D])`: clipped; what has become empty is not valid.
    """
    ratio = ops.cast(originals, "float32") / ops.cast(sizes, "float32")
    ratio = ops.flip(ratio, axis=-1)  # x, y
    boxes = clip(
        boxes * ops.concatenate([ratio, ratio], axis=-1)[:, None, :], originals
    )
    return boxes, ops.logical_and(valid, ops.all(sides(boxes) > 0, axis=-1))
