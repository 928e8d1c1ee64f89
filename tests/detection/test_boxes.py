"""Boxes, anchors, matching and sampling: Detectron2's numbers and ones for the head."""

import numpy as np
import pytest
import tensorflow as tf
from given import golden

from ssl_tf.detection import anchors, boxes, matching, sampling


def test_anchors_are_detectron2s():
    with golden("detection", "anchors") as wanted:
        np.testing.assert_allclose(
            anchors.cell_anchors(), wanted["cell_anchors"], rtol=0, atol=1e-4
        )
        found = anchors.grid_anchors(*(int(n) for n in wanted["grid_hw"]))
        np.testing.assert_allclose(found, wanted["anchors_3x4"], rtol=0, atol=1e-4)


def test_anchors_go_by_row_column_anchor_and_start_in_the_corner():
    found = np.asarray(anchors.grid_anchors(2, 3, 16, (4, 8), (1.0,)))
    np.testing.assert_array_equal(found[0], (-2, -2, 2, 2))
    np.testing.assert_array_equal(found[1], (-4, -4, 4, 4))
    np.testing.assert_array_equal(found[2], (14, -2, 18, 2))
    np.testing.assert_array_equal(found[6], (-2, 14, 2, 18))


@pytest.mark.parametrize("kind", ["rpn", "roi"])
def test_box_coding_is_detectron2s(kind):
    with golden("detection", "box_coding") as wanted:
        source, target = wanted["src"], wanted["tgt"]
        weights = boxes.RPN_WEIGHTS if kind == "rpn" else boxes.ROI_WEIGHTS
        np.testing.assert_array_equal(weights, wanted[f"weights_{kind}"])
        np.testing.assert_allclose(boxes.LARGEST, wanted["scale_clamp"])
        deltas = boxes.encode(source, target, weights)
        close = {"rtol": 1e-5, "atol": 1e-4}
        np.testing.assert_allclose(deltas, wanted[f"deltas_{kind}"], **close)
        back = boxes.decode(deltas, source, weights)
        np.testing.assert_allclose(back, wanted[f"roundtrip_{kind}"], **close)
        raw = wanted[f"raw_deltas_{kind}"].reshape(-1, 3, 4)
        found = boxes.decode(raw, source[:, None], weights)
        found = np.asarray(found).reshape(-1, 12)
        np.testing.assert_allclose(
            found, wanted[f"decoded_{kind}"], rtol=1e-4, atol=1e-4
        )


def test_overlap_of_boxes_for_the_head():
    first = np.float32([[0, 0, 2, 2], [1, 1, 1, 1], [0, 0, 0, 4]])
    second = np.float32([[1, 0, 3, 2], [2, 2, 4, 4], [1, 1, 1, 1]])
    found = boxes.iou(first, second)
    np.testing.assert_allclose(found, [[1 / 3, 0, 0], [0, 0, 0], [0, 0, 0]])


def test_boxes_are_cut_at_their_own_image():
    given = np.float32([[[-1, -1, 9, 9]], [[-1, -1, 9, 9]]])
    found = boxes.clip(given, [[4, 6], [8, 2]])
    np.testing.assert_array_equal(found, [[[0, 0, 6, 4]], [[0, 0, 2, 8]]])


def test_matching_is_detectron2s():
    rpn, roi = matching.RPN_THRESHOLDS, matching.ROI_THRESHOLDS
    with golden("detection", "matching") as wanted:
        overlap = np.asarray(boxes.iou(wanted["gt"], wanted["anchors"]))
        np.testing.assert_allclose(overlap, wanted["iou"], rtol=0, atol=1e-6)
        near = boxes.iou(wanted["gt"], wanted["proposals"])
        np.testing.assert_allclose(near, wanted["iou_roi"], rtol=0, atol=1e-6)
        cases = [
            (overlap, rpn, True, "rpn_match", "rpn_label"),
            (overlap, rpn, False, "rpn_match", "rpn_label_no_lowq"),
            (near, roi, False, "roi_match", "roi_label"),
            (wanted["q"], rpn, True, "q_match", "q_label_rpn"),
            (wanted["q"], rpn, False, "q_match", "q_label_rpn_no_lowq"),
            (wanted["q"], roi, False, "q_match", "q_label_roi"),
            (wanted["zero_row_q"], rpn, True, "zero_row_match", "zero_row_label"),
        ]
        for given, thresholds, low_quality, index, label in cases:
            valid = np.ones(len(given), bool)
            found = matching.match(given, valid, thresholds, low_quality)
            np.testing.assert_array_equal(found[0], wanted[index])
            np.testing.assert_array_equal(found[1], wanted[label])
        none = np.zeros(2, bool)
        for low_quality in (True, False):
            found = matching.match(wanted["q"], none, rpn, low_quality)
            np.testing.assert_array_equal(found[0], wanted["empty_match"])
            np.testing.assert_array_equal(found[1], wanted["empty_label"])


def test_compiled_matching_with_padded_truth_is_the_same():
    with golden("detection", "matching") as wanted:
        given, cells = wanted["gt"], wanted["anchors"]
        padded = np.concatenate([np.zeros_like(given), given, given[:1]])
        valid = np.array([False] * 4 + [True] * 4 + [False])

        @tf.function(jit_compile=True)
        def compiled(truth):
            overlaps = boxes.iou(truth, cells)
            return matching.match(overlaps, valid, matching.RPN_THRESHOLDS, True)

        index, label = compiled(tf.constant(padded))
        np.testing.assert_array_equal(label, wanted["rpn_label"])
        some = wanted["iou"].max(0) > 0
        np.testing.assert_array_equal(index[some] - 4, wanted["rpn_match"][some])


@pytest.mark.parametrize(
    "given,wanted",
    [
        ((300, 5000, 128, 256), (128, 128)),
        ((10, 5000, 128, 256), (10, 246)),
        ((10, 100, 128, 256), (10, 100)),
        ((200, 1800, 128, 512), (128, 384)),
        ((40, 300, 128, 512), (40, 300)),
        ((600, 0, 128, 512), (128, 0)),
    ],
)
def test_samples_are_objects_first_and_as_many_as_there_are(rng, given, wanted):
    objects, others, positives, total = given
    label = np.repeat([1, 0, -1], [objects, others, 500])
    label = rng.permutation(label)[None]
    uniform = rng.random(label.shape, np.float32)
    found = sampling.choose(label, uniform, positives, total)
    index, valid, positive = (np.asarray(x)[0] for x in found)
    assert len(index) == total
    np.testing.assert_array_equal(label[0, index[positive]], 1)
    np.testing.assert_array_equal(label[0, index[valid & ~positive]], 0)
    assert (positive.sum(), (valid & ~positive).sum()) == wanted
    assert len(set(index[valid])) == valid.sum()
    np.testing.assert_array_equal(np.sort(positive)[::-1], positive)
    np.testing.assert_array_equal(np.sort(valid)[::-1], valid)
    labels = np.asarray(found.labels)[0]
    np.testing.assert_array_equal(labels == -1, ~valid)


def test_every_candidate_is_chosen_equally_often(rng):
    label = np.tile(np.repeat([1, 0], [4, 8]), (4000, 1))
    uniform = rng.random(label.shape, np.float32)
    index, valid, _ = (np.asarray(x) for x in sampling.choose(label, uniform, 2, 6))
    times = np.bincount(index[valid], minlength=12) / 4000
    np.testing.assert_allclose(times, 0.5, atol=0.04)
