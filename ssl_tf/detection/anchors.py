"""The boxes a region proposal network starts from."""

import numpy as np
from keras import ops

SIZES = (32, 64, 128, 256, 512)  # square roots of areas, pixels
RATIOS = (0.5, 1.0, 2.0)  # height / width


def cell_anchors(sizes=SIZES, ratios=RATIOS):
    """`[S * R, 4]` float32 anchors of one cell, centred at 0; index = R * size + ratio.

    Args:
        sizes: square roots of their areas, pixels.
        ratios: heights over widths.
    """
    anchors = []
    for size in sizes:
        for ratio in ratios:
            width = size / np.sqrt(ratio)
            height = ratio * width
            anchors.append((-width / 2, -height / 2, width / 2, height / 2))
    return np.asarray(anchors, "float32")


def grid_anchors(height, width, stride=16, sizes=SIZES, ratios=RATIOS):
    """Anchors of all cells of a feature map, in the order row, column, anchor.

    The first cell's centre is the image's corner (0, 0), not the middle of its cell.

    Args:
        height, width: of the feature map, padding included.
        stride: pixels a cell.
        sizes, ratios: see `cell_anchors`.

    Returns:
        `[height * width * S * R, 4]` float32, also boxes that leave the image.

    Source:
        Ren et al., Faster R-CNN, arXiv:1506.01497, sec. 3.1.1; sizes and the offset of
        0 are Detectron2's.
    """
    cell = ops.convert_to_tensor(cell_anchors(sizes, ratios))
    y = ops.cast(ops.arange(height), "float32")[:, None, None] * stride
    x = ops.cast(ops.arange(width), "float32")[None, :, None] * stride
    columns = [x + cell[:, 0], y + cell[:, 1], x + cell[:, 2], y + cell[:, 3]]
    whole = 0.0 * (x + y)  # [H, W, 1]
    return ops.reshape(ops.stack([c + whole for c in columns], axis=-1), (-1, 4))
