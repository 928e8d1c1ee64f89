"""Cross-entropy and hits of a softmax classifier."""

from keras import ops


def cross_entropy(logits, labels, smoothing=0.0):
    """Cross-entropy of integer labels, computed from logits.

        - sum_c t_c log softmax(logits)_c

    With smoothing s the target is 1 - s for the true class and s / (C - 1) for each
    other one.

    Args:
        logits: `[B, C]`.
        labels: `[B]` integers in [0, C).
        smoothing: float in [0, 1).

    Returns:
        `[B]` float32, nats, >= 0.

    Source:
        SSAL, arXiv:2101.03057, sec. 3; the smoothing is the authors' code's, which
        leaves 1 - s, not Keras' 1 - s + s / C, on the true class.
    """
    logits = ops.cast(logits, "float32")
    classes = logits.shape[-1]
    log_p = ops.log_softmax(logits, axis=-1)
    return -ops.sum(smooth(labels, classes, smoothing) * log_p, axis=-1)


def smooth(labels, classes, smoothing=0.0):
    """`[B, C]` float32 targets: 1 - s on the true class, s / (C - 1) elsewhere."""
    hot = ops.one_hot(labels, classes, dtype="float32")
    others = smoothing / max(classes - 1, 1)
    return hot * (1.0 - smoothing - others) + others


def hit(scores, labels, k=1):
    """`[B]` float32, 1 where the label is among the `k` highest scores.

    Ties are counted for the label only if it comes first, as `argmax` does.
    """
    labels = ops.cast(labels, "int32")
    own = ops.take_along_axis(scores, ops.expand_dims(labels, -1), axis=-1)
    order = ops.expand_dims(ops.arange(scores.shape[-1], dtype="int32"), 0)
    earlier = ops.logical_and(scores == own, order < ops.expand_dims(labels, -1))
    ahead = ops.sum(ops.cast(ops.logical_or(scores > own, earlier), "int32"), axis=-1)
    return ops.cast(ahead < k, "float32")
