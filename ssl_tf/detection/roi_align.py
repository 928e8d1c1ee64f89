"""Features of regions: averages of bilinear samples, as two small matrix products."""

from keras import ops


def bin_weights(low, high, size, cells, samples):
    """What each cell of one axis gives to each bin of a region.

    A region from `low` to `high` has bins of width (high - low) / size and in each of
    them g = ceil((high - low) / size) equidistant samples; no sample, no weight. Those
    outside [-1, cells] count as zeros, the others are read at the nearest place in
    [0, cells - 1], linearly between two cells.

    Args:
        low, high: `[...]` float32, in cells, 0 the centre of the first one.
        size: int, bins.
        cells: of the feature map, an integer or a scalar.
        samples: int, no region has more samples a bin than that.

    Returns:
        `[..., size, cells]` float32.
    """
    low, high = low[..., None, None], high[..., None, None]  # [..., bin, sample]
    width = (high - low) / size
    count = ops.ceil(width)
    bins = ops.arange(size, dtype="float32")[:, None]
    turn = ops.arange(samples, dtype="float32")[None, :]
    some = ops.maximum(count, 1.0)
    centre = low + bins * width + (turn + 0.5) * width / some
    cell = ops.cast(ops.arange(cells), "float32")
    last = ops.cast(cells, "float32") - 1.0
    inside = ops.logical_and(centre >= -1.0, centre <= last + 1.0)
    counts = ops.logical_and(inside, turn < count)
    centre = ops.clip(centre, 0.0, last)[..., None]
    near = ops.relu(1.0 - ops.abs(centre - cell))
    near = ops.where(counts[..., None], near, 0.0)
    return ops.sum(near, axis=-2) / some


def weights(boxes, size, scale, height, width, samples):
    """`(down [..., R, P, H], across [..., R, P, W])` of boxes `[..., R, 4]`."""
    x1, y1, x2, y2 = [boxes[..., i] * scale - 0.5 for i in range(4)]
    per_axis = [samples or -(-cells // size) + 1 for cells in (height, width)]
    down = bin_weights(y1, y2, size, height, per_axis[0])
    return down, bin_weights(x1, x2, size, width, per_axis[1])


def roi_align(features, boxes, size, scale=1 / 16, chunk=None, samples=None):
    """Features of regions on grids of `size` x `size` bins.

    ROIAlign with half-pixel centres and as many samples a bin as its width in cells,
    written as `down X across^T` for each region and channel. The gradient flows to the
    features alone, and nothing but the boxes is kept for it.

    Args:
        features: `[B, H, W, C]`, padding included.
        boxes: `[B, R, 4]`, pixels of the image.
        size: int P, bins along each side.
        scale: cells a pixel.
        chunk: int or `None`; so many regions of one image are computed at a time (the
            last chunk is padded), `None` for all of the batch at once. Changes memory,
            `chunk * P * W * C` numbers at a time, and nothing else.
        samples: the most samples a bin has along one axis; by default what a box as
            large as the feature map needs.

    Returns:
        `[B, R, P, P, C]` of the features' type. Empty and inverted boxes give zeros.

    Source:
        He et al., Mask R-CNN, arXiv:1703.06870, sec. 3; the half pixel and the number
        of samples are Detectron2's ROIAlignV2.
    """
    height, width = ops.shape(features)[1:3]

    def both(boxes):
        pair = weights(boxes, size, scale, height, width, samples)
        return [ops.cast(w, features.dtype) for w in pair]

    def pooled(features, boxes):
        down, across = both(boxes)
        rows = ops.einsum("brph,bhwc->brpwc", down, features)
        return ops.einsum("brqw,brpwc->brpqc", across, rows)

    def spread(upstream, boxes):
        down, across = both(boxes)
        rows = ops.einsum("brqw,brpqc->brpwc", across, upstream)
        return ops.einsum("brph,brpwc->bhwc", down, rows)

    @ops.custom_gradient
    def align(features, boxes):
        def gradient(*args, upstream=None):
            upstream = args[-1] if upstream is None else upstream
            back = scattered(spread, upstream, boxes, chunk)
            return ops.cast(back, features.dtype), ops.zeros_like(boxes)

        return gathered(pooled, features, boxes, chunk), gradient

    boxes = ops.cast(ops.stop_gradient(boxes), "float32")
    return align(features, boxes)


def chunks(x, size):
    """`[B, n, size, ...]` of `x` `[B, R, ...]`, filled up with zeros."""
    batch, count = x.shape[:2]
    number = -(-count // size)
    space = [(0, 0)] * len(x.shape)
    space[1] = (0, number * size - count)
    return ops.reshape(ops.pad(x, space), (batch, number, size, *x.shape[2:]))


def gathered(pooled, features, boxes, chunk):
    """`pooled(features, boxes)`, a chunk of one image at a time."""
    if chunk is None:
        return pooled(features, boxes)
    batch, count = boxes.shape[:2]
    parts = chunks(boxes, chunk)  # [B, n, chunk, 4]
    number = parts.shape[1]

    def one(given):
        place, part = given
        image = ops.take(features, place, axis=0)
        return pooled(image[None], part[None])[0]

    places = ops.repeat(ops.arange(batch, dtype="int32"), number)
    parts = ops.reshape(parts, (batch * number, chunk, 4))
    found = ops.map(one, (places, parts))  # [B * n, chunk, P, P, C]
    rest = found.shape[2:]
    return ops.reshape(found, (batch, number * chunk, *rest))[:, :count]


def scattered(spread, upstream, boxes, chunk):
    """The gradient of `gathered`: `[B, H, W, C]`."""
    if chunk is None:
        return spread(upstream, boxes)
    parts = chunks(boxes, chunk), chunks(upstream, chunk)
    number = parts[0].shape[1]

    def one(given):
        boxes, upstream = given

        def add(turn, total):
            part = ops.take(upstream, turn, axis=0), ops.take(boxes, turn, axis=0)
            return total + spread(part[0][None], part[1][None])[0]

        first = spread(upstream[:1], boxes[:1])[0]
        return ops.fori_loop(1, number, add, first)

    return ops.map(one, parts)
