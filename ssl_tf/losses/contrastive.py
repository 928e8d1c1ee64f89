"""NT-Xent: tell an image's other views from all other images of the global batch."""

from keras import ops

from ssl_tf.ops import distribute

FLOOR = 1e-12  # of a squared norm, so that a zero vector has a gradient
NEVER = -1e9  # the logit of an anchor with itself


def unit(z, floor=FLOOR):
    """Rows of unit length, float32: z / sqrt(max(|z|^2, floor)).

    Args:
        z: `[B, D]`, any float type.
        floor: float > 0.
    """
    z = ops.cast(z, "float32")
    squared = ops.sum(ops.square(z), axis=-1, keepdims=True)
    return z * ops.rsqrt(ops.maximum(squared, floor))


def nt_xent(views, temperature):
    """Normalised temperature-scaled cross-entropy, and whether each positive won.

    Every view of every image is an anchor. Its loss is

        - s(a, p) / t + log sum_k exp(s(a, k) / t)

    with k over all vectors of the global batch but the anchor, averaged over its
    positives p, the image's other views. With two views this is SimCLR's loss.

    Args:
        views: list of V >= 2 arrays `[B, D]`, unit vectors (or raw ones for a plain
            dot product), this replica's images; the others' are gathered.
        temperature: t > 0.

    Returns:
        `(loss [B], match [B])` float32: the mean over an image's anchors, in nats, and
        the share of them whose positives all beat every negative.

    Source:
        Chen et al., arXiv:2002.05709, eq. 1 and alg. 1; G-SimCLR and ScatSimCLR sum
        over anchors and divide by their number, which the mean over images equals.
    """
    views = [ops.cast(z, "float32") for z in views]
    count, size = len(views), ops.shape(views[0])[0]
    everyone = [distribute.gather(z) for z in views]  # V of [G, D]
    bank = ops.concatenate(everyone, axis=0)  # [V G, D]
    width = ops.shape(everyone[0])[0]
    own = distribute.place() * size + ops.arange(size)  # my columns of each view
    mine = ops.expand_dims(own, 1) == ops.expand_dims(ops.arange(width), 0)  # [B, G]
    losses, matches = [], []
    for v, anchor in enumerate(views):
        logits = ops.matmul(anchor, ops.transpose(bank)) / temperature
        themselves = [mine if w == v else ops.zeros_like(mine) for w in range(count)]
        logits = ops.where(ops.concatenate(themselves, axis=1), NEVER, logits)
        others = ops.where(ops.tile(mine, (1, count)), NEVER, logits)
        partition = ops.logsumexp(logits, axis=1)
        strongest = ops.max(others, axis=1)
        positives = [
            ops.sum(anchor * z, axis=1) / temperature
            for w, z in enumerate(views)
            if w != v
        ]
        losses.append(partition - sum(positives) / (count - 1))
        weakest = ops.min(ops.stack(positives), axis=0)
        matches.append(ops.cast(weakest > strongest, "float32"))
    return sum(losses) / count, sum(matches) / count


def spread(z):
    """How far unit vectors are from collapsing into one: 0 collapsed, 1 uniform.

        sqrt(D) * mean over dimensions of the standard deviation over the batch

    of `z` `[B, D]`, which are made unit vectors and gathered from all replicas.

    Source:
        Chen and He, arXiv:2011.10566, fig. 2, where it is compared with 1 / sqrt(D).
    """
    z = distribute.gather(unit(ops.stop_gradient(z)))
    deviation = ops.sqrt(ops.maximum(ops.var(z, axis=0), 0.0))
    return ops.mean(deviation) * z.shape[-1] ** 0.5
