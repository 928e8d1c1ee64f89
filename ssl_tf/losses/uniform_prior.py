"""Self-Classifier's loss: views agree on a class, and all classes are used alike."""

from keras import ops

from ssl_tf.ops import distribute

WHOLE = 2  # the first views, large crops; two of the others are never compared


def uniform_prior(heads, row=0.1, column=0.05, epsilon=1e-12):
    """Cross-entropy between views under a uniform prior of the classes.

    Of each view's logits S `[N, C]`, N images over all replicas:

        a = softmax of S / column over the images,   t = a / max(sum_c a, eps)
        r = softmax of S / row over the classes,     q = r / max(sum_n r, eps)
        l = log(N / C q + eps)

    and the loss of image n is the mean of -sum_c t_i l_j over all ordered pairs of
    views i, j of which at least one is among the first two, and over all heads.
    Gradients flow through both, t and l. Constant logits give ln C.

    The pairs are not formed: for each j the targets of its partners are summed first.
    Replicas exchange two sums and a maximum for each class and view, not logits.

    Args:
        heads: list over classifiers of lists over V >= 2 views of logits `[B, C_h]`,
            this replica's images, the two large crops first.
        row: temperature of the predictions, > 0.
        column: temperature of the targets, > 0.
        epsilon: floor of both sums, and what is added within the logarithm.

    Returns:
        `[B]` float32, in nats; its mean over all replicas is the paper's loss.

    Source:
        Amrani et al., arXiv:2103.10994, sec. 3 and 4, by the authors' code: spec 1.
    """
    widths = [head[0].shape[-1] for head in heads]
    starts = [sum(widths[:i]) for i in range(len(widths))]
    apart = lambda x: [x[..., i : i + c] for i, c in zip(starts, widths)]
    logits = [ops.concatenate(views, axis=-1) for views in zip(*heads)]
    logits = ops.cast(ops.stack(logits), "float32")  # [V, B, sum of C_h]
    a = over_images(logits, column)
    r = [ops.softmax(part / row, axis=-1) for part in apart(logits)]
    r = ops.concatenate(r, axis=-1)
    a_sum, r_sum = ops.unstack(
        distribute.total(ops.stack([ops.sum(a, axis=1), ops.sum(r, axis=1)]))
    )  # [V, sum of C_h]
    a = a / ops.expand_dims(a_sum, 1)
    q = r / ops.expand_dims(ops.maximum(r_sum, epsilon), 1)
    images = ops.shape(logits)[1] * distribute.replicas()
    loss = 0.0
    for target, share, width in zip(apart(a), apart(q), widths):
        whole = ops.sum(target, axis=-1, keepdims=True)
        t = target / ops.maximum(whole, epsilon)
        logs = ops.log(share * (ops.cast(images, "float32") / width) + epsilon)
        loss = loss - paired(t, logs)
    return loss / (len(heads) * pairs(logits.shape[0]))


def over_images(logits, temperature):
    """`exp((S - max) / temperature)`, the maximum of a column over all replicas."""
    top = ops.stop_gradient(ops.max(logits, axis=1))  # [V, C]
    top = ops.max(distribute.gather(ops.expand_dims(top, 0)), axis=0)
    return ops.exp((logits - ops.expand_dims(top, 1)) / temperature)


def paired(t, logs):
    """`[B]`: sum over pairs of views and over classes of t_i l_j.

    Args:
        t: `[V, B, C]`, targets.
        logs: `[V, B, C]`, logarithms of the predictions.
    """
    first, second = t[0], t[1]
    rest = ops.sum(t[WHOLE:], axis=0)
    product = (second + rest) * logs[0] + (first + rest) * logs[1]
    product = product + (first + second) * ops.sum(logs[WHOLE:], axis=0)
    return ops.sum(product, axis=-1)


def pairs(views):
    """How many ordered pairs of so many views are compared: 2 of 2, 26 of 8."""
    rest = views - WHOLE
    return views * (views - 1) - rest * (rest - 1)
