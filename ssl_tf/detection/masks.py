"""Masks of regions: the true ones, the loss, and the way back to the image."""

from keras import ops

from ssl_tf.detection import polygons
from ssl_tf.detection.parts import average
from ssl_tf.detection.sampling import gather


def targets(vertices, lengths, matched, boxes, size):
    """The true masks of regions, seen through their own boxes.

    Args:
        vertices: `[B, G, Q, V, 2]` polygons of the true objects, see `polygons`.
        lengths: `[B, G, Q]` integers.
        matched: `[B, F]` integers, the true object of each region.
        boxes: `[B, F, 4]`, the regions as proposed.
        size: int P.

    Returns:
        `[B, F, P, P]` bool.

    Source:
        He et al., Mask R-CNN, arXiv:1703.06870, sec. 3; drawn as in Detectron2.
    """
    batch, regions = matched.shape
    vertices, lengths = gather(vertices, matched), gather(lengths, matched)
    flat = [
        ops.reshape(x, (batch * regions, *x.shape[2:]))
        for x in (vertices, lengths, boxes)
    ]
    return ops.reshape(polygons.within(*flat, size), (batch, regions, size, size))


def mask_loss(logits, classes, wanted, objects):
    """Cross-entropy of pixels in the true class' plane, over regions with an object.

    Args:
        logits: `[B, F, P, P, K]`.
        classes: `[B, F]` integers; of any value where there is no object.
        wanted: `[B, F, P, P]` bool.
        objects: `[B, F]` bool, which regions count.

    Returns:
        `[B]` float32, nats: each image's sum over the mean number of pixels an image
        has, so that the mean over images is the mean over all pixels of all regions; 0
        without any.

    Source:
        He et al., Mask R-CNN, arXiv:1703.06870, sec. 3.
    """
    logits = ops.cast(logits, "float32")
    plane = ops.one_hot(classes, logits.shape[-1], dtype="float32")
    logits = ops.sum(logits * plane[:, :, None, None, :], axis=-1)
    loss = ops.softplus(logits) - ops.cast(wanted, "float32") * logits
    loss = ops.where(objects, ops.mean(loss, axis=(2, 3)), 0.0)
    regions = average(ops.sum(ops.cast(objects, "float32"), axis=1))
    return ops.sum(loss, axis=1) / ops.where(regions > 0, regions, 1.0)


def paste(probabilities, boxes, height, width, threshold=0.5):
    """Masks of boxes as masks of the whole image.

    A pixel's centre is mapped into the box' grid and read bilinearly, with zeros around
    the grid.

    Args:
        probabilities: `[N, P, P]`.
        boxes: `[N, 4]`, pixels of the image, which they may leave.
        height, width: ints, of the image.
        threshold: a pixel of at least this is set.

    Returns:
        `[N, height, width]` bool; on the way as many float32.

    Source:
        Detectron2's pasting, whose grid has its samples in the middle of its cells.
    """
    size = probabilities.shape[-1]
    down = resampling(boxes[:, 1], boxes[:, 3], size, height)
    across = resampling(boxes[:, 0], boxes[:, 2], size, width)
    rows = ops.einsum("nyp,npq->nyq", down, ops.cast(probabilities, "float32"))
    return ops.einsum("nyq,nxq->nyx", rows, across) >= threshold


def resampling(low, high, size, pixels):
    """`[N, pixels, size]` linear weights of a box' bins for the pixels of an axis."""
    low, high = low[:, None], high[:, None]
    centre = ops.arange(pixels, dtype="float32") + 0.5
    place = (centre - low) / ops.maximum(high - low, 1e-6) * size - 0.5
    bins = ops.arange(size, dtype="float32")
    return ops.relu(1.0 - ops.abs(place[..., None] - bins))
