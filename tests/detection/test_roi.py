"""The box head: Detectron2's losses and detections, ragged batches, padding."""

import numpy as np
import pytest
import tensorflow as tf
from given import golden

from ssl_tf.detection import roi
from ssl_tf.detection.inference import detections, rescale


def ragged(x, counts, length):
    """`[B, length, ...]` of concatenated rows, zeros behind each image's own."""
    parts = np.split(x, np.cumsum(counts)[:-1])
    rest = [(0, 0)] * (x.ndim - 1)
    return np.stack([np.pad(p, [(0, length - len(p)), *rest]) for p in parts])


def flat(x, counts):
    return np.concatenate([np.asarray(row)[:n] for row, n in zip(x, counts)])


@pytest.mark.parametrize("length", [9, 14])
def test_losses_and_gradients_of_ragged_images_are_detectron2s(length):
    with golden("detection", "roi_losses") as wanted:
        counts = wanted["per_image"]
        names = ("scores", "deltas", "proposals", "gt_boxes", "gt_classes")
        rows = [ragged(wanted[name], counts, length) for name in names]
        scores, deltas, boxes, truth, classes = rows
        valid = np.arange(length) < counts[:, None]
        scores, deltas = tf.constant(scores), tf.constant(deltas)
        with tf.GradientTape() as tape:
            tape.watch([scores, deltas])
            of_class = roi.class_loss(scores, classes, valid)
            of_box = roi.box_loss(deltas, boxes, truth, classes, valid)
            loss = tf.reduce_mean(of_class + of_box)
        assert of_class.shape == of_box.shape == (2,)
        found = np.mean(of_class), np.mean(of_box)
        theirs = wanted["loss_cls"], wanted["loss_box_reg"]
        np.testing.assert_allclose(found, theirs, rtol=1e-5)
        for ours, name in zip(tape.gradient(loss, [scores, deltas]), names):
            theirs = wanted[f"grad_{name}"]
            np.testing.assert_allclose(flat(ours, counts), theirs, rtol=0, atol=1e-6)
            assert np.all(np.isfinite(ours))
            assert not np.any(np.asarray(ours)[~valid])


def test_a_batch_without_regions_has_no_loss():
    nothing = np.zeros((2, 3), bool)
    scores, classes = np.ones((2, 3, 5), "f4"), np.zeros((2, 3), "i4")
    np.testing.assert_array_equal(roi.class_loss(scores, classes, nothing), [0, 0])


def test_regions_are_proposals_and_true_boxes_with_their_classes():
    boxes = np.float32([[[0, 0, 10, 9], [50, 50, 60, 60], [0, 0, 10, 8], [0, 0, 9, 9]]])
    valid = np.array([[True, True, True, False]])
    truth = np.float32([[[0, 0, 10, 10], [20, 20, 30, 30], [0, 0, 10, 10]]])
    there = np.array([[True, True, False]])
    uniform = np.float32([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]])
    classes = np.int32([[2, 1, 0]])
    found = roi.sample(boxes, valid, truth, classes, there, uniform, 3, 6, share=0.5)
    np.testing.assert_array_equal(found.valid, [[True] * 4 + [False] * 2])
    np.testing.assert_array_equal(found.objects, [[True] * 3 + [False] * 3])
    np.testing.assert_array_equal(found.classes, [[1, 2, 2, 3, 3, 3]])
    np.testing.assert_array_equal(found.matched[0, :3], [1, 0, 0])
    np.testing.assert_array_equal(found.boxes[0, 0], truth[0, 1])
    np.testing.assert_array_equal(found.boxes[0, 1:4], [truth[0, 0], *boxes[0, 2:0:-1]])
    np.testing.assert_array_equal(found.boxes[0, 4:], np.zeros((2, 4)))


def test_images_without_true_boxes_give_background_alone(rng):
    boxes = rng.uniform(0, 9, (1, 5, 4)).astype("f4")
    found = roi.sample(
        *(boxes, np.ones((1, 5), bool), np.zeros((1, 2, 4), "f4")),
        *(np.zeros((1, 2), "i4"), np.zeros((1, 2), bool)),
        *(rng.random((1, 7), np.float32), 4, 6),
    )
    assert np.sum(found.valid) == 5 and not np.any(found.objects)
    assert np.all(found.classes == 4)


@pytest.mark.parametrize("length,compiled", [(9, False), (14, True)])
def test_detections_are_detectron2s(length, compiled):
    with golden("detection", "box_inference") as wanted:
        counts = wanted["per_image"]
        names = ("scores", "deltas", "proposals")
        rows = [ragged(wanted[name], counts, length) for name in names]
        valid = np.arange(length) < counts[:, None]
        size = np.tile(wanted["image_hw"], (2, 1))
        keep = int(wanted["topk"])
        assert (wanted["score_thresh"], wanted["nms_thresh"]) == (0.05, 0.5)

        @tf.function(jit_compile=compiled)
        def function(scores, deltas, boxes):
            return detections(scores, deltas, boxes, valid, size, keep=keep)

        found = function(*rows)
        for i in range(2):
            assert np.all(found.valid[i]) and len(found.scores[i]) == keep
            np.testing.assert_array_equal(found.classes[i], wanted[f"classes{i}"])
            np.testing.assert_array_equal(found.region[i], wanted[f"roi_index{i}"])
            close = {"rtol": 0, "atol": 1e-3}
            np.testing.assert_allclose(found.boxes[i], wanted[f"boxes{i}"], **close)
            close = {"rtol": 0, "atol": 1e-5}
            np.testing.assert_allclose(found.scores[i], wanted[f"scores{i}"], **close)
        original = np.tile(wanted["post_hw"], (2, 1))
        boxes, valid = rescale(found.boxes, found.valid, size, original)
        assert np.all(valid[0])
        np.testing.assert_allclose(boxes[0], wanted["post_boxes0"], rtol=0, atol=1e-3)
        scores = wanted["post_scores0"]  # of the boxes that are left, in their order
        np.testing.assert_allclose(found.scores[0], scores, rtol=0, atol=1e-5)


def test_boxes_that_rescaling_empties_are_dropped():
    given = np.float32([[[0, 0, 10, 10], [10, 0, 20, 10]]])
    boxes, valid = rescale(given, np.ones((1, 2), bool), [[20, 10]], [[10, 20]])
    np.testing.assert_array_equal(boxes, [[[0, 0, 20, 5], [20, 0, 20, 5]]])
    np.testing.assert_array_equal(valid, [[True, False]])
