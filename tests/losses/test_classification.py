"""Binary cross-entropy: the equation, its gradient at 0, the study's numbers."""

import given
import numpy as np
import tensorflow as tf

from ssl_tf.losses.classification import binary_cross_entropy, binary_hit

GOLDEN = given.golden("simsiam", "d_metrics")


def test_it_is_the_mean_over_the_attributes_of_minus_log_p(rng):
    x, y = rng.normal(size=(5, 7)) * 3, rng.integers(0, 2, (5, 7))
    p = 1 / (1 + np.exp(-x))
    naive = [-np.mean(np.where(b, np.log(a), np.log(1 - a))) for a, b in zip(p, y)]
    np.testing.assert_allclose(binary_cross_entropy(x, y), naive, rtol=1e-5)


def test_not_knowing_costs_log_2_and_large_scores_stay_finite():
    found = binary_cross_entropy(np.zeros((2, 3)), np.array([[0, 1, 0], [1, 1, 1]]))
    np.testing.assert_allclose(found, np.log(2), rtol=1e-6)
    found = binary_cross_entropy(np.array([[1e4, -1e4]]), np.array([[0, 0]]))
    np.testing.assert_allclose(found, 5e3)


def test_loss_and_gradient_are_the_studys_at_a_logit_of_0_too():
    assert GOLDEN["logits"][0, 0] == 0
    x = tf.constant(GOLDEN["logits"])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_mean(binary_cross_entropy(x, GOLDEN["y"]))
    np.testing.assert_allclose(loss, GOLDEN["bce_loss"], atol=1e-6)
    gradient = tape.gradient(loss, x)
    np.testing.assert_allclose(gradient, GOLDEN["bce_grad"], atol=1e-8)


def test_hits_are_shares_of_the_attributes_and_0_tells_none():
    logits = np.array([[2.0, -1.0, 0.0, 5.0], [-1.0, -1.0, -1.0, 0.0]])
    found = binary_hit(logits, np.array([[1, 0, 1, 0], [0, 0, 0, 0]]))
    np.testing.assert_allclose(found, [0.5, 1.0])
    found = binary_hit(GOLDEN["logits"], GOLDEN["y"])
    np.testing.assert_allclose(
        np.mean(found), GOLDEN["ordinary_binary_accuracy"], rtol=1e-6
    )
