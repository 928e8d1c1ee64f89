"""The box head: regions to learn from, and their losses."""

from typing import NamedTuple

from keras import ops

from ssl_tf.detection.boxes import ROI_WEIGHTS, encode, iou
from ssl_tf.detection.matching import ROI_THRESHOLDS, match
from ssl_tf.detection.parts import average
from ssl_tf.detection.sampling import choose, gather


class Regions(NamedTuple):
    """Sampled regions, objects first, then background, then padding.

    boxes: `[B, R, 4]`. classes: `[B, R]` int32, K for background and padding.
    matched: `[B, R]` int32, the true box. valid, objects: `[B, R]` bool.
    """

    boxes: object
    classes: object
    matched: object
    valid: object
    objects: object


def sample(
    boxes, valid, truth, classes, there, uniform, background, total=512, share=0.25
):
    """The regions an image's box head learns from; its true boxes are candidates too.

    Args:
        boxes: `[B, N, 4]` proposals.
        valid: `[B, N]` bool.
        truth: `[B, G, 4]` true boxes.
        classes: `[B, G]` integers in [0, K).
        there: `[B, G]` bool, which true boxes there are.
        uniform: `[B, N + G]` random numbers in [0, 1).
        background: int K, the number of classes.
        total: int, regions an image.
        share: at most this share of `total` are objects.

    Returns:
        `Regions` with R = min(total, N + G); an object is at a place below
        `total * share`. No gradient.

    Source:
        Girshick, Fast R-CNN, arXiv:1504.08083, sec. 2.3; the numbers are Detectron2's.
    """
    boxes = ops.concatenate([ops.stop_gradient(boxes), truth], axis=1)
    valid = ops.concatenate([valid, there], axis=1)
    matched, label = match(iou(truth, boxes), there, ROI_THRESHOLDS)
    label = ops.where(valid, label, -1)
    chosen = choose(label, uniform, int(total * share), total)
    matched = gather(matched, chosen.index)
    own = ops.cast(gather(classes, matched), "int32")
    return Regions(
        ops.where(chosen.valid[..., None], gather(boxes, chosen.index), 0.0),
        ops.where(chosen.positive, own, background),
        matched,
        chosen.valid,
        chosen.positive,
    )


def shares(losses, counted, valid):
    """`[B]` sums of `[B, R]` losses, whose mean over images is the mean over regions.

    Regions of all replicas count; the authors' losses are means of each device's own.

    Args:
        losses: `[B, R]`.
        counted: `[B, R]` bool, losses that are summed.
        valid: `[B, R]` bool, regions that are averaged over.
    """
    regions = average(ops.sum(ops.cast(valid, "float32"), axis=1))
    regions = ops.where(regions > 0, regions, 1.0)
    return ops.sum(ops.where(counted, losses, 0.0), axis=1) / regions


def class_loss(scores, classes, valid):
    """Softmax cross-entropy, averaged over the regions of all images.

    Args:
        scores: `[B, R, K + 1]` logits, background last.
        classes: `[B, R]` integers in [0, K].
        valid: `[B, R]` bool.

    Returns:
        `[B]` float32, nats, see `shares`.

    Source:
        Girshick, Fast R-CNN, arXiv:1504.08083, sec. 2.3.
    """
    scores = ops.cast(scores, "float32")
    wanted = ops.one_hot(classes, scores.shape[-1], dtype="float32")
    losses = -ops.sum(wanted * ops.log_softmax(scores, axis=-1), axis=-1)
    return shares(losses, valid, valid)


def box_loss(deltas, boxes, truth, classes, valid):
    """Absolute error of the true class' corrections of regions with an object.

    The sum is divided by the number of all regions, background included.

    Args:
        deltas: `[B, R, 4 K]`, four numbers a class.
        boxes: `[B, R, 4]`, the regions.
        truth: `[B, R, 4]`, their true boxes.
        classes: `[B, R]` integers in [0, K], K for background.
        valid: `[B, R]` bool.

    Returns:
        `[B]` float32, see `shares`.
    """
    count = deltas.shape[-1] // 4
    deltas = ops.reshape(ops.cast(deltas, "float32"), (*deltas.shape[:2], count, 4))
    plane = ops.one_hot(classes, count, dtype="float32")  # zeros for background
    own = ops.sum(deltas * plane[..., None], axis=-2)
    objects = ops.logical_and(valid, classes < count)
    wanted = encode(boxes, truth, ROI_WEIGHTS)
    wanted = ops.where(objects[..., None], wanted, 0.0)
    losses = ops.sum(ops.abs(own - wanted), axis=-1)
    return shares(losses, objects, valid)
