"""Losses and hits of classifiers: one class an image, or many attributes."""

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


def binary_cross_entropy(logits, labels):
    """Mean cross-entropy of an image's attributes, computed from logits.

        mean_a [ log(1 + exp(x_a)) - y_a x_a ]

    Args:
        logits: `[B, A]`.
        labels: `[B, A]` of 0 and 1.

    Returns:
        `[B]` float32, nats, >= 0.

    Source:
        Papastratis, arXiv:2112.02297, by its code: torch's BCE with logits, averaged
        over the batch and the labels.
    """
    logits = ops.cast(logits, "float32")
    # Not from max(x, 0) and |x|, whose gradients at x = 0 add up to another one.
    losses = ops.softplus(logits) - ops.cast(labels, "float32") * logits
    return ops.mean(losses, axis=-1)


def binary_hit(logits, labels):
    """`[B]` float32: share of an image's attributes that are told right.

    An attribute is told where its logit is above 0; a probability of exactly 1/2 is
    none.
    """
    right = (logits > 0) == (labels > 0)
    return ops.mean(ops.cast(right, "float32"), axis=-1)
