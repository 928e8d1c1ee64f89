"""Region proposals: what they are learned from, and how anchors become proposals."""

from typing import NamedTuple

from keras import ops

from ssl_tf.detection.boxes import RPN_WEIGHTS, clip, decode, encode, iou, sides
from ssl_tf.detection.matching import RPN_THRESHOLDS, match
from ssl_tf.detection.nms import non_maximum_suppression
from ssl_tf.detection.sampling import choose, gather

SAMPLES = 256  # anchors an image, the divisor of both losses


class Targets(NamedTuple):
    """index `[B, S]` of anchors; labels `[B, S]` 1, 0, -1; boxes `[B, S, 4]`, true."""

    index: object
    labels: object
    boxes: object


class Proposals(NamedTuple):
    """boxes `[B, K, 4]`, logits `[B, K]` descending, valid `[B, K]` bool; or zeros."""

    boxes: object
    logits: object
    valid: object


def targets(anchors, truth, valid, uniform, total=SAMPLES, share=0.5):
    """The anchors an image is asked about, at most `share` of them objects.

    Args:
        anchors: `[N, 4]`.
        truth: `[B, G, 4]` true boxes, none empty.
        valid: `[B, G]` bool.
        uniform: `[B, N]` random numbers in [0, 1).
        total: int, anchors an image.
        share: float in [0, 1].

    Returns:
        `Targets`.

    Source:
        Ren et al., Faster R-CNN, arXiv:1506.01497, sec. 3.1.3.
    """
    index, label = match(iou(truth, anchors), valid, RPN_THRESHOLDS, low_quality=True)
    sample = choose(label, uniform, int(total * share), total)
    boxes = gather(truth, gather(index, sample.index))
    return Targets(sample.index, sample.labels, boxes)


def objectness_loss(logits, labels, divisor=SAMPLES):
    """Binary cross-entropy of sampled anchors.

    Args:
        logits: `[B, S]`.
        labels: `[B, S]` integers: 1 object, 0 background, -1 does not count.
        divisor: the sum is divided by this, however many count.

    Returns:
        `[B]` float32, nats.

    Source:
        Ren et al., Faster R-CNN, arXiv:1506.01497, eq. 1; the constant divisor is
        Detectron2's.
    """
    logits = ops.cast(logits, "float32")
    loss = ops.softplus(logits) - ops.cast(labels == 1, "float32") * logits
    return ops.sum(ops.where(labels >= 0, loss, 0.0), axis=-1) / divisor


def box_loss(deltas, anchors, boxes, labels, divisor=SAMPLES):
    """Absolute error of the corrections of anchors that are objects.

    Args:
        deltas: `[B, S, 4]`.
        anchors: `[B, S, 4]` or `[S, 4]`.
        boxes: `[B, S, 4]`, the true ones.
        labels, divisor: see `objectness_loss`.

    Returns:
        `[B]` float32.
    """
    objects = (labels == 1)[..., None]
    wanted = ops.where(objects, encode(anchors, boxes, RPN_WEIGHTS), 0.0)
    loss = ops.abs(ops.cast(deltas, "float32") - wanted)
    return ops.sum(ops.where(objects, loss, 0.0), axis=(-2, -1)) / divisor


def proposals(logits, deltas, anchors, sizes, before, after, threshold=0.7):
    """The best boxes of each image, without near copies and without gradient.

    The `before` highest logits are decoded, clipped, dropped if empty or not finite,
    and thinned by non-maximum suppression; the `after` best are left.

    Args:
        logits: `[B, N]`, B static.
        deltas: `[B, N, 4]`.
        anchors: `[N, 4]`.
        sizes: `[B, 2]` true heights and widths, pixels.
        before: int, 12000 in training and 6000 in tests.
        after: int K, 2000 in training and 1000 in tests.
        threshold: IoU above which the lower box goes.

    Returns:
        `Proposals`.

    Source:
        Ren et al., Faster R-CNN, arXiv:1506.01497, sec. 3.3; the numbers are those of
        Detectron2's C4 models.
    """
    logits = ops.cast(ops.stop_gradient(logits), "float32")
    if logits.shape[1] is None:
        space = ((0, 0), (0, before))
        logits = ops.pad(logits, space, constant_values=-float("inf"))
    else:
        before = min(before, logits.shape[1])
    logits, index = ops.top_k(logits, before)
    index = ops.minimum(index, ops.shape(anchors)[0] - 1)
    deltas = gather(ops.stop_gradient(deltas), index)
    boxes = decode(deltas, ops.take(anchors, index, axis=0), RPN_WEIGHTS)
    finite = ops.logical_and(
        ops.isfinite(logits), ops.all(ops.isfinite(boxes), axis=-1)
    )
    boxes = clip(ops.where(finite[..., None], boxes, 0.0), sizes)
    valid = ops.logical_and(finite, ops.all(sides(boxes) > 0, axis=-1))
    kept, mask = non_maximum_suppression(boxes, logits, valid, threshold, after)
    boxes = ops.where(mask[..., None], gather(boxes, kept), 0.0)
    return Proposals(boxes, ops.where(mask, gather(logits, kept), 0.0), mask)
