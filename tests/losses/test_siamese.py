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


@pytest.mark.parametrize("kind, slack", [("", 1e-6), ("_f64", 1e-12)])
def test_both_terms_and_their_gradients_are_the_authors(golden, kind, slack):
    take = lambda name: golden[name].astype("f8" if kind else "f4")
    p1, p2 = (tf.Variable(take(name)) for name in ("p1", "p2"))
    z1, z2 = (tf.constant(take(name)) for name in ("z1", "z2"))
    with tf.GradientTape() as tape:
        first = tf.reduce_mean(negative_cosine(p1, z2))
        second = tf.reduce_mean(negative_cosine(p2, z1))
        loss = (first + second) / 2
    for ours, name in (
        (first, "D_p1_z2"),
        (second, "D_p2_z1"),
        (loss, "loss"),
        (loss, "loss_normalise_variant"),
    ):
        assert abs(float(ours) - golden[name + kind]) <= slack, name
    for ours, name in zip(tape.gradient(loss, [p1, p2]), ("grad_p1", "grad_p2")):
        np.testing.assert_allclose(ours, golden[name + kind], rtol=0, atol=slack)


def test_short_vectors_are_divided_by_the_floor_and_have_finite_gradients(golden):
    p, z = tf.Variable(golden["edge_p"]), tf.constant(golden["edge_z"])
    with tf.GradientTape() as tape:
        rows = negative_cosine(p, z)
    np.testing.assert_allclose(-rows, golden["edge_cos_rowwise"], atol=1e-6)
    assert np.isfinite(tape.gradient(rows, p)).all()
    # The study's other form floors a norm at 1e-12, which only a zero falls below.
    lengths = [np.linalg.norm(x, axis=1) for x in (p.numpy(), z.numpy())]
    short = np.prod([np.minimum(x / 1e-8, 1) for x in lengths], axis=0)
    whole = np.divide(-rows, short, out=np.zeros(4, "f4"), where=short > 0)
    np.testing.assert_allclose(whole, golden["edge_normalise_rowwise"], atol=1e-6)


def test_narrow_numbers_are_compared_in_float32():
    p = tf.constant([[3.0, 4.0]], tf.bfloat16)
    assert negative_cosine(p, p).dtype == tf.float32


def test_equal_directions_give_minus_one_at_any_length():
    p = np.array([[3.0, 4.0], [0.5, 0.0], [0.0, 2.0]], np.float32)
    z = np.array([[6.0, 8.0], [-1.0, 0.0], [1.0, 0.0]], np.float32)
    np.testing.assert_allclose(negative_cosine(p, z), [-1, 1, 0], atol=1e-7)
