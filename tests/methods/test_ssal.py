"""What only SSAL promises."""

import numpy as np
import pytest
import small
import tensorflow as tf
from keras import ops

from ssl_tf.errors import BadInput
from ssl_tf.losses.classification import cross_entropy, hit
from ssl_tf.losses.joint import joint_log_scores, joint_prediction
from ssl_tf.methods.ssal import SSAL, Branch


def by_hand(fine, coarse, groups, power):
    """The joint prediction as three loops."""
    joint = np.zeros_like(fine)
    for n in range(len(fine)):
        for c in range(fine.shape[1]):
            value = fine[n, c]
            for q, members in zip(coarse, groups):
                value *= q[n, members[c]] ** power
            joint[n, c] = value
        joint[n] /= joint[n].sum()
    return joint


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("power", [1.0, 0.4])
def test_joint_prediction_is_the_product_and_its_log_ranks_alike(rng, power):
    logits = rng.normal(size=(5, 6)), [rng.normal(size=(5, 3)), rng.normal(size=(5, 2))]
    groups = [small.PAIRS, small.THIRDS]
    fine, coarse = softmax(logits[0]), [softmax(q) for q in logits[1]]
    expected = by_hand(fine, coarse, groups, power)
    ours = joint_prediction(fine.astype("f4"), coarse, groups, power)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)
    scores = joint_log_scores(*logits, groups, power)
    np.testing.assert_allclose(ops.softmax(scores, axis=-1), expected, rtol=1e-5)


def test_a_certain_branch_rules_out_the_classes_of_other_groups():
    fine = np.array([[0.4, 0.1, 0.3, 0.1, 0.05, 0.05]], "f4")
    group = np.array([[0.0, 1.0]], "f4")  # the second three classes
    joint = np.asarray(joint_prediction(fine, [group], [small.THIRDS], 1.0))
    np.testing.assert_allclose(joint, [[0, 0, 0, 0.5, 0.25, 0.25]], atol=1e-6)


def test_the_loss_is_the_weighted_sum_of_the_cross_entropies():
    method, batch = small.ssal(), small.batches()[0]
    fine, pairs, thirds = method.outputs(batch["views"][0])
    label = batch["label"]
    expected = (
        cross_entropy(fine, label)
        + 0.5 * cross_entropy(pairs, np.array(small.PAIRS)[label])
        + 0.7 * cross_entropy(thirds, np.array(small.THIRDS)[label])
    )
    ours = method.objective(batch, training=False)
    np.testing.assert_allclose(ours["loss"], expected, rtol=1e-5)
    joint = np.asarray(method.joint(batch["views"][0]))
    np.testing.assert_array_equal(ours["joint_accuracy"], joint.argmax(axis=1) == label)


def test_branches_train_the_trunk():
    method, batch = small.ssal(), small.batches()[0]
    variable = method.backbone.get_layer("stem_conv").kernel
    with tf.GradientTape() as tape:
        thirds = method.outputs(batch["views"][0], training=True)[2]
        loss = ops.mean(cross_entropy(thirds, np.zeros(8, "i4")))
    assert np.abs(tape.gradient(loss, variable.value)).max() > 0


def test_hit_counts_the_first_of_equal_scores_as_argmax_does():
    scores = np.array([[1.0, 1.0, 0.0]] * 3, "f4")
    np.testing.assert_array_equal(hit(scores, np.array([0, 1, 2])), [1, 0, 0])
    np.testing.assert_array_equal(hit(scores, np.array([0, 1, 2]), 2), [1, 1, 0])


def test_smoothing_leaves_one_minus_s_on_the_true_class():
    # Uniform logits: the loss is log C whatever the targets are.
    loss = cross_entropy(np.zeros((2, 4), "f4"), np.array([1, 3]), 0.1)
    np.testing.assert_allclose(loss, np.log(4), rtol=1e-6)
    sharp = np.array([[0.0, 50.0, 0, 0]], "f4")
    loss = cross_entropy(sharp, np.array([1]), 0.1)
    np.testing.assert_allclose(loss, 0.1 * 50, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tap": "stage9_block1"}, "no layer 'stage9_block1'"),
        ({"groups": [0, 1]}, "2 groups for 6 classes"),
        ({"groups": [0, 0, 0, 2, 2, 2]}, "every group 0 to 2"),
    ],
)
def test_a_branch_that_does_not_fit_is_refused(changes, message):
    branch = Branch("stage1_block2", small.small_blocks(), small.PAIRS, 0.5)
    with pytest.raises(BadInput, match=message):
        SSAL(small.tiny_densenet(), 6, [branch._replace(**changes)])


def test_branches_out_of_network_order_are_refused():
    late = Branch("transition2", small.small_blocks(), small.PAIRS)
    early = Branch("stage1_block1", small.small_blocks(), small.PAIRS)
    with pytest.raises(BadInput, match="network order"):
        SSAL(small.tiny_densenet(), 6, [late, early])
