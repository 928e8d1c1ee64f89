"""SimSiam's loss against the authors' numbers and its equation."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.losses.siamese import negative_cosine

GOLDEN = Path(__file__).parents[1] / "golden" / "simsiam" / "a_simsiam_loss.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as archive:
        return {name: archive[name] for name in archive.files}


def test_both_terms_and_their_gradients_are_the_authors(golden):
    p1, p2 = (tf.Variable(golden[name]) for name in ("p1", "p2"))
    z1, z2 = (tf.constant(golden[name]) for name in ("z1", "z2"))
    with tf.GradientTape() as tape:
        first = tf.reduce_mean(negative_cosine(p1, z2))
        second = tf.reduce_mean(negative_cosine(p2, z1))
        loss = (first + second) / 2
    for ours, name in ((first, "D_p1_z2"), (second, "D_p2_z1"), (loss, "loss")):
        assert abs(float(ours) - golden[name]) <= 1e-6, name
    for ours, name in zip(tape.gradient(loss, [p1, p2]), ("grad_p1", "grad_p2")):
        np.testing.assert_allclose(ours, golden[name], atol=1e-6)


def test_short_vectors_are_divided_by_the_floor_and_have_finite_gradients(golden):
    p, z = tf.Variable(golden["edge_p"]), tf.constant(golden["edge_z"])
    with tf.GradientTape() as tape:
        rows = negative_cosine(p, z)
    np.testing.assert_allclose(-rows, golden["edge_cos_rowwise"], atol=1e-6)
    assert np.isfinite(tape.gradient(rows, p)).all()


def test_equal_directions_give_minus_one_at_any_length():
    p = np.array([[3.0, 4.0], [0.5, 0.0], [0.0, 2.0]], np.float32)
    z = np.array([[6.0, 8.0], [-1.0, 0.0], [1.0, 0.0]], np.float32)
    np.testing.assert_allclose(negative_cosine(p, z), [-1, 1, 0], atol=1e-7)
