"""Which true box a candidate belongs to, and whether it counts as one."""

from keras import ops

RPN_THRESHOLDS = (0.3, 0.7)
ROI_THRESHOLDS = (0.5, 0.5)


def match(overlaps, valid, thresholds, low_quality=False):
    """The best true box of every candidate, and its label.

    With v the highest overlap of a candidate: 0 if v < low, 1 if v >= high, else -1.
    With `low_quality`, a candidate that has the highest overlap of any true box becomes
    1 too, ties included; it stays matched to its own best box. A true box that meets no
    candidate has the highest overlap 0 and so makes positives of all that meet none of
    its kind: leave empty boxes out beforehand.

    Args:
        overlaps: `[..., G, N]` IoU of true boxes and candidates.
        valid: `[..., G]` bool, which true boxes there are.
        thresholds: `(low, high)`.
        low_quality: bool.

    Returns:
        `(index, label)`, both `[..., N]` int32: the first best true box, 0 where there
        is none; 1 object, 0 background, -1 neither.

    Source:
        Ren et al., Faster R-CNN, arXiv:1506.01497, sec. 3.1.2.
    """
    low, high = thresholds
    there = ops.expand_dims(valid, -1)
    overlaps = ops.where(there, overlaps, -1.0)
    index = ops.cast(ops.argmax(overlaps, axis=-2), "int32")
    best = ops.max(overlaps, axis=-2)
    label = ops.where(best >= high, 1, ops.where(best < low, 0, -1))
    if low_quality:
        # A compiler may compute overlaps twice: >= forgives what == would not.
        top = overlaps >= ops.max(overlaps, axis=-1, keepdims=True)
        chosen = ops.any(ops.logical_and(top, there), axis=-2)
        label = ops.where(chosen, 1, label)
    return index, ops.cast(label, "int32")
