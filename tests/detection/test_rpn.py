"""Region proposals and their losses: Detectron2's numbers, padding, the definition."""

import json

import numpy as np
import pytest
import tensorflow as tf
from given import golden

from ssl_tf.detection import anchors, rpn
from ssl_tf.detection.boxes import iou


def test_losses_and_gradients_are_detectron2s():
    with golden("detection", "rpn_losses") as wanted:
        logits, deltas = tf.constant(wanted["logits"]), tf.constant(wanted["deltas"])
        divisor = int(wanted["batch_size_per_image"])
        assert divisor == rpn.SAMPLES
        labels = wanted["labels"].astype("i4")
        with tf.GradientTape() as tape:
            tape.watch([logits, deltas])
            objectness = rpn.objectness_loss(logits, labels)
            box = rpn.box_loss(deltas, wanted["anchors"], wanted["matched_gt"], labels)
            loss = tf.reduce_mean(objectness + box)
        assert objectness.shape == box.shape == (2,)
        found = np.mean(objectness), np.mean(box)
        truth = wanted["loss_rpn_cls"], wanted["loss_rpn_loc"]
        np.testing.assert_allclose(found, truth, rtol=1e-5)
        for ours, name in zip(
            tape.gradient(loss, [logits, deltas]), ("logits", "deltas")
        ):
            theirs = wanted[f"grad_{name}"]
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_an_anchor_without_a_true_box_has_no_part_in_loss_and_gradient():
    """The logarithm of an empty box' side is not finite."""
    deltas, nothing = tf.ones((1, 3, 4)), np.zeros((1, 3, 4), "f4")
    cells = np.float32([[0, 0, 4, 4]] * 3)
    with tf.GradientTape() as tape:
        tape.watch(deltas)
        loss = rpn.box_loss(deltas, cells, nothing, np.int32([[0, -1, 0]]))
    np.testing.assert_array_equal(loss, [0])
    np.testing.assert_array_equal(tape.gradient(loss, deltas), nothing)


@pytest.fixture(scope="module")
def tiny():
    """`(arrays, settings, logits [2, N], deltas [2, N, 4], anchors [N, 4])`."""
    with golden("detection", "tiny_model") as archive:
        names = [n for n in archive.files if n.startswith(("rpn_", "props_", "gt_"))]
        arrays = {name: archive[name] for name in names}
        settings = json.loads(str(archive["config_json"]))
    logits = np.moveaxis(arrays["rpn_logits_train"], 1, -1)
    deltas = np.moveaxis(arrays["rpn_deltas_train"], 1, -1)
    sizes = settings["anchor_sizes"], settings["ratios"]
    cells = anchors.grid_anchors(*logits.shape[1:3], 16, *sizes)
    return arrays, settings, logits.reshape(2, -1), deltas.reshape(2, -1, 4), cells


@pytest.mark.parametrize("compiled", [False, True])
def test_proposals_of_a_whole_model_are_detectron2s(tiny, compiled):
    arrays, settings, logits, deltas, cells = tiny
    counts = settings["pre_nms_train"], settings["post_nms_train"]

    @tf.function(jit_compile=compiled)
    def function(logits, deltas):
        return rpn.proposals(logits, deltas, cells, [[96, 112], [88, 120]], *counts)

    found = function(logits, deltas)
    for i in range(2):
        valid = found.valid[i].numpy()
        truth = arrays[f"props_train{i}"], arrays[f"props_logit_train{i}"]
        assert valid.sum() == len(truth[0])
        boxes, scores = found.boxes[i][valid], found.logits[i][valid]
        np.testing.assert_allclose(boxes, truth[0], rtol=0, atol=1e-3)
        np.testing.assert_allclose(scores, truth[1], rtol=0, atol=1e-5)


def test_boxes_outside_and_values_that_are_not_finite_are_no_proposals():
    cells = np.float32([[0, 0, 4, 4], [20, 20, 30, 30], [0, 0, 8, 2], [8, 8, 9, 9]])
    deltas = np.zeros((1, 4, 4), "f4")
    deltas[0, 3, 2] = np.nan
    logits = np.float32([[1, 9, 2, 8]])
    found = rpn.proposals(logits, deltas, cells, [[16, 20]], 4, 3)
    np.testing.assert_array_equal(found.valid, [[True, True, False]])
    np.testing.assert_array_equal(found.logits, [[2, 1, 0]])
    np.testing.assert_array_equal(found.boxes[0, :2], [[0, 0, 8, 2], [0, 0, 4, 4]])


def test_targets_are_true_boxes_of_sampled_anchors(tiny, rng):
    arrays, _, logits, _, cells = tiny
    truth = np.zeros((2, 3, 4), "f4")
    truth[0, :2], truth[1, :1] = arrays["gt_boxes0"], arrays["gt_boxes1"]
    valid = np.any(truth != 0, axis=-1)
    uniform = rng.random(logits.shape, np.float32)
    found = rpn.targets(cells, truth, valid, uniform, total=32)
    labels = np.asarray(found.labels)
    assert np.all((labels == 1).sum(1) <= 16) and np.all((labels >= 0).sum(1) == 32)
    for i in range(2):
        overlap = np.asarray(iou(truth[i], cells))[:, found.index[i]]
        nearest = truth[i][overlap.argmax(0)]
        objects = labels[i] == 1
        np.testing.assert_array_equal(
            np.asarray(found.boxes[i])[objects], nearest[objects]
        )
        assert np.all(overlap.max(0)[labels[i] == 0] < 0.3) and objects.any()
