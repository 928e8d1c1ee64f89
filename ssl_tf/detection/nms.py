"""Greedy non-maximum suppression of many boxes, exact and of static shape."""

from keras import ops

from ssl_tf.detection.boxes import iou
from ssl_tf.detection.sampling import gather


def non_maximum_suppression(
    boxes, scores, valid, threshold, keep, classes=None, tile=256
):
    """The boxes that no kept box of a higher score overlaps by more than a threshold.

    In descending order of scores, the earlier of equals first, a box is kept unless its
    IoU with a kept box is > `threshold`; the first `keep` are returned.

    The boxes are taken a tile at a time: each tile against the list of kept boxes, then
    against itself (`settle`). Memory is `B * (keep + tile) * tile` numbers, and the
    loop ends when every image has what it may keep.

    Args:
        boxes: `[B, N, 4]`; B and N are static.
        scores: `[B, N]`, above -inf.
        valid: `[B, N]` bool; other boxes neither suppress nor are kept.
        threshold: float in [0, 1].
        keep: int > 0.
        classes: `[B, N]` integers or `None`; boxes of two classes do not meet.
        tile: int > 0, changes speed and memory only.

    Returns:
        `(index [B, keep] int32, kept [B, keep] bool)`, descending in score; index 0
        where nothing is kept. No gradient.
    """
    batch, count = boxes.shape[:2]
    tile = min(tile, count)
    tiles = -(-count // tile)
    if classes is None:
        classes = ops.zeros((batch, count), "int32")
    scores = ops.where(valid, ops.stop_gradient(scores), -float("inf"))
    order = ops.cast(ops.top_k(scores, count)[1], "int32")
    columns = (ops.stop_gradient(boxes), ops.cast(classes, "int32"), valid)
    columns = [padded(gather(x, order), tiles * tile) for x in columns]
    listed = ops.arange(keep, dtype="int32")

    def unfinished(turn, kept, found):
        return ops.logical_and(turn < tiles, ops.any(found < keep))

    def step(turn, kept, found):
        start = turn * tile
        here, own, alive = [rows(x, start, tile) for x in columns]
        earlier, their = gather(columns[0], kept), gather(columns[1], kept)
        hit = meets(earlier, their, here, own, threshold)
        hit = ops.logical_and(hit, (listed < found[:, None])[:, :, None])
        alive = ops.logical_and(alive, ops.logical_not(ops.any(hit, axis=1)))
        alive = settle(alive, meets(here, own, here, own, threshold))
        return turn + 1, *append(kept, found, alive, start)

    nothing = ops.zeros((batch, keep), "int32"), ops.zeros((batch,), "int32")
    turn = ops.convert_to_tensor(0, "int32")
    _, kept, found = ops.while_loop(unfinished, step, (turn, *nothing))
    mask = listed < found[:, None]
    return ops.where(mask, gather(order, ops.minimum(kept, count - 1)), 0), mask


def padded(x, count):
    """`[B, N, ...]` filled up with zeros to `[B, count, ...]`."""
    space = [(0, 0)] * len(x.shape)
    space[1] = (0, count - x.shape[1])
    return ops.pad(x, space)


def rows(x, start, count):
    """`[B, count, ...]` of `x` `[B, N, ...]` from `start` on."""
    rest = x.shape[2:]
    return ops.slice(x, (0, start, *[0] * len(rest)), (x.shape[0], count, *rest))


def meets(boxes, classes, others, their_classes, threshold):
    """`[B, M, N]` bool: same class and IoU > threshold."""
    same = classes[:, :, None] == their_classes[:, None, :]
    return ops.logical_and(iou(boxes, others) > threshold, same)


def settle(alive, meeting):
    """Of boxes in descending order, those that greedy suppression keeps.

    "Kept unless an earlier kept box meets it" is applied to all at once until nothing
    changes. After i rounds the first i boxes are right, so that it ends at the greedy
    answer; few rounds are needed, as chains of suppression are short.

    Args:
        alive: `[B, T]` bool, the boxes that take part.
        meeting: `[B, T, T]` bool, symmetric.

    Returns:
        `[B, T]` bool.
    """
    place = ops.arange(alive.shape[1], dtype="int32")
    meeting = ops.logical_and(meeting, place[:, None] < place[None, :])

    def unsettled(kept, changed):
        return changed

    def round_of(kept, changed):
        hit = ops.any(ops.logical_and(kept[:, :, None], meeting), axis=1)
        now = ops.logical_and(alive, ops.logical_not(hit))
        return now, ops.any(now != kept)

    return ops.while_loop(unsettled, round_of, (alive, ops.convert_to_tensor(True)))[0]


def append(kept, found, alive, start):
    """The list of kept places with those of a tile behind it, as far as there is room.

    Args:
        kept: `[B, K]` int32, 0 from `found` on.
        found: `[B]` int32.
        alive: `[B, T]` bool, the kept ones of the tile.
        start: the place of the tile's first box.

    Returns:
        `(kept, found)`.
    """
    (batch, keep), tile = kept.shape, alive.shape[1]
    new = ops.cast(alive, "int32")
    slot = found[:, None] + ops.cumsum(new, axis=1) - 1
    slot = ops.where(alive, ops.minimum(slot, keep), keep)  # the last one is dropped
    slot = slot + (keep + 1) * ops.arange(batch, dtype="int32")[:, None]
    place = ops.broadcast_to(start + ops.arange(tile, dtype="int32"), (batch, tile))
    added = ops.segment_sum(
        ops.reshape(place, (-1,)), ops.reshape(slot, (-1,)), batch * (keep + 1)
    )
    added = ops.reshape(added, (batch, keep + 1))[:, :keep]
    return kept + added, ops.minimum(found + ops.sum(new, axis=1), keep)
