"""Non-maximum suppression: Detectron2's choice, and the definition in a loop."""

import numpy as np
import pytest
import tensorflow as tf
from given import golden

from ssl_tf.detection.boxes import iou
from ssl_tf.detection.nms import non_maximum_suppression as nms


def one(boxes, scores, threshold, keep, classes=None, **options):
    """Kept places of one image's boxes."""
    valid = np.ones((1, len(boxes)), bool)
    classes = None if classes is None else classes[None]
    found = nms(boxes[None], scores[None], valid, threshold, keep, classes, **options)
    index, kept = (np.asarray(x)[0] for x in found)
    return index[kept]


@pytest.mark.parametrize("tile", [7, 256])
@pytest.mark.parametrize("threshold", [30, 50, 70])
def test_kept_boxes_are_those_of_the_golden_arrays(threshold, tile):
    with golden("detection", "nms") as wanted:
        given, limit = (wanted["boxes"], wanted["scores"]), threshold / 100
        found = one(*given, limit, 54, tile=tile)
        np.testing.assert_array_equal(found, wanted[f"keep_{threshold}"])
        found = one(*given, limit, 54, wanted["classes"], tile=tile)
        np.testing.assert_array_equal(found, wanted[f"keep_cls_{threshold}"])
        found = one(*given, limit, 5, tile=tile)
        np.testing.assert_array_equal(found, wanted[f"keep_{threshold}"][:5])


def test_an_overlap_of_exactly_the_threshold_is_kept():
    with golden("detection", "nms") as wanted:
        found = one(wanted["eq_boxes"], wanted["eq_scores"], 0.5, 3)
        np.testing.assert_array_equal(found, wanted["eq_keep_50"])


def by_loop(boxes, scores, valid, threshold, keep):
    """The definition: a box at a time."""
    overlap, kept = np.asarray(iou(boxes, boxes)), []
    for i in np.argsort(-scores, kind="stable"):
        if valid[i] and not any(overlap[i, j] > threshold for j in kept):
            kept.append(i)
    return kept[:keep]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_batch_in_a_graph_is_the_loop_over_each_image(rng, compiled):
    """Chains of suppression across tiles, ties, padding, images that end early."""
    corner = rng.uniform(0, 60, (3, 100, 2)).astype("f4")
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (3, 100, 2))], -1)
    boxes = boxes.astype("f4")
    boxes[0] = [[x, 0, x + 10, 10] for x in range(100)]  # each one meets the next ones
    scores = rng.integers(0, 40, (3, 100)).astype("f4")
    scores[0] = -np.arange(100)
    valid = rng.random((3, 100)) < 0.9

    @tf.function(jit_compile=compiled)
    def function(boxes, scores, valid):
        return nms(boxes, scores, valid, 0.4, 30, tile=16)

    index, kept = (x.numpy() for x in function(boxes, scores, valid))
    for i in range(3):
        wanted = by_loop(boxes[i], scores[i], valid[i], 0.4, 30)
        np.testing.assert_array_equal(index[i][kept[i]], wanted)
        np.testing.assert_array_equal(index[i][~kept[i]], 0)


def test_no_valid_box_keeps_nothing():
    boxes, valid = np.ones((2, 3, 4), "f4"), np.zeros((2, 3), bool)
    _, kept = nms(boxes, np.ones((2, 3), "f4"), valid, 0.5, 4)
    assert not np.any(kept)
