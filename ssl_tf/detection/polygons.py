"""Which pixels a polygon covers, by COCO's rule.

Vertices are put on a grid of fifths of pixels: v = trunc(5 x + 0.5). Every edge is
drawn on it as a digital line with one point a step along its longer side, the other
coordinate rounded half up. Column c of pixels is decided between the fifths 5 c + 2 and
5 c + 3, where the pixels' centres are: wherever the outline steps over that line, in
either direction, the upper (smaller) of the step's two heights is the height h of a
crossing, and rows from ceil((h + 0.5) / 5 - 0.5) on, held within the grid, change
sides. A pixel is covered if an odd number of crossings is at or above it.

Each edge steps over each such line once or never, so that the step has a closed form in
integers. (COCO's program multiplies by a rounded slope instead. Where a point of a line
is exactly halfway between two fifths, the two can differ by a fifth of a pixel.)

Source:
    COCO API, pycocotools 2.0: masks of polygons.
"""

import math

import keras
from keras import ops

FINE = 5  # points a pixel
FAR = 2.0**20  # fifths; keeps integers within range
# JAX has 64 bits only on demand; 32 are enough for polygons of up to 3,000 pixels.
WIDE = "int64" if keras.backend.backend() == "tensorflow" else "int32"


def edges(vertices, lengths):
    """Both ends of all edges, in fifths of pixels.

    Args:
        vertices: `[..., V, 2]` float32 (x, y).
        lengths: `[...]` integers, how many of them there are.

    Returns:
        Integers x, y of the first ends, x, y of the second ends, `[..., V]` each;
        beyond `lengths` both are the first vertex.
    """
    fine = ops.clip(FINE * ops.cast(vertices, "float32") + 0.5, -FAR, FAR)
    fine = ops.cast(fine, "int32")  # towards zero
    lengths = ops.expand_dims(ops.cast(lengths, "int32"), -1)
    there = ops.arange(vertices.shape[-2], dtype="int32") < lengths
    fine = ops.where(ops.expand_dims(there, -1), fine, fine[..., :1, :])
    second = ops.roll(fine, -1, axis=-2)
    ends = [fine[..., 0], fine[..., 1], second[..., 0], second[..., 1]]
    return [ops.cast(x, WIDE) for x in ends]


def crossings(ends, width):
    """Where edges step over the middle of columns.

    Args:
        ends: as `edges` returns them.
        width: int, columns.

    Returns:
        `(crosses, height)`, `[..., V, width]` bool and integers: the height in fifths,
        of any value where `crosses` is false.
    """
    x1, y1, x2, y2 = [ops.expand_dims(x, -1) for x in ends]
    line = ops.cast(FINE * ops.arange(width) + FINE // 2, WIDE)  # last fifth before
    crosses = ops.logical_and(ops.minimum(x1, x2) <= line, ops.maximum(x1, x2) > line)
    flat = ops.abs(x2 - x1) >= ops.abs(y2 - y1)
    swap = ops.where(flat, x1 > x2, y1 > y2)
    x1, x2 = ops.where(swap, x2, x1), ops.where(swap, x1, x2)
    y1, y2 = ops.where(swap, y2, y1), ops.where(swap, y1, y2)
    run, rise = x2 - x1, y2 - y1

    def rounded(t):
        span = ops.maximum(run, 1)
        return y1 + ops.floor_divide(2 * rise * t + span, 2 * span)

    along = ops.where(ops.logical_and(crosses, flat), line - x1, 0)
    shallow = ops.minimum(rounded(along), rounded(along + 1))
    # The first t at which x1 + round(run * t / rise) is on the other side.
    goal = ops.where(crosses, line + 1 - x1, 0)
    span, lean = ops.maximum(rise, 1), ops.maximum(ops.abs(run), 1)
    right = ops.floor_divide(span * (2 * goal - 1) - 1, 2 * lean) + 1
    left = ops.floor_divide(span * (1 - 2 * goal), 2 * lean) + 1
    steep = y1 + ops.where(run > 0, right, left) - 1
    return crosses, ops.where(flat, shallow, steep)


def rasterise(vertices, lengths, height, width):
    """The union of the polygons of each instance, as COCO's `frPyObjects` draws it.

    Args:
        vertices: `[N, Q, V, 2]` float32 (x, y) in pixels: N instances of up to Q
            polygons of up to V vertices, which may lie outside.
        lengths: `[N, Q]` integers, vertices of each polygon, 0 where there is none.
        height, width: ints, of the grid.

    Returns:
        `[N, height, width]` bool.
    """
    number, most = vertices.shape[:2]
    crosses, level = crossings(edges(vertices, lengths), width)  # [N, Q, V, W]
    row = ops.clip(ops.floor_divide(level + FINE // 2, FINE), 0, height)
    shape = (number, most, 1, width)
    polygon = ops.reshape(ops.arange(math.prod(shape), dtype="int32"), shape)
    place = polygon * (height + 1) + ops.cast(row, "int32")
    changes = ops.segment_sum(
        ops.reshape(ops.cast(crosses, "int32"), (-1,)),
        ops.reshape(place, (-1,)),
        math.prod(shape) * (height + 1),
    )
    changes = ops.reshape(changes, (number, most, width, height + 1))
    inside = ops.cumsum(changes, axis=-1)[..., :height] % 2 > 0
    return ops.transpose(ops.any(inside, axis=1), (0, 2, 1))


def within(vertices, lengths, boxes, size, least=0.1):
    """Polygons seen through boxes, on grids of `size` x `size` pixels.

    Args:
        vertices: `[N, Q, V, 2]`, pixels of the image.
        lengths: `[N, Q]` integers.
        boxes: `[N, 4]`.
        size: int.
        least: pixels; a box is taken to be no thinner than this.

    Returns:
        `[N, size, size]` bool.
    """
    boxes = ops.cast(boxes, "float32")[:, None, None, :]
    shares = size / ops.maximum(boxes[..., 2:] - boxes[..., :2], least)
    return rasterise((vertices - boxes[..., :2]) * shares, lengths, size, size)
