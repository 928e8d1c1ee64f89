"""Monitors of collapse and the online monitors."""

import re

import given
import numpy as np
import pytest
import small
import tensorflow as tf

from ssl_tf.backbones.scatsimclr import scatsimclr
from ssl_tf.data import pipeline
from ssl_tf.data.noise import digits
from ssl_tf.data.source import subset
from ssl_tf.errors import BadInput
from ssl_tf.evaluation.collapse import effective_rank, spread
from ssl_tf.evaluation.online import Online
from ssl_tf.methods.simclr import SimCLR


def test_the_spread_of_even_directions_is_one_and_of_a_point_zero(rng):
    assert abs(float(spread(rng.normal(size=(5000, 64)))) - 1) < 0.01
    point = np.ones((8, 64)) * rng.uniform(1, 9, (8, 1))
    assert float(spread(point)) < 1e-6


def test_the_spread_is_that_of_the_equation_and_ignores_lengths(rng):
    z = rng.normal(size=(9, 5)).astype(np.float32) + 1
    rows = np.array([row / np.sqrt((row**2).sum()) for row in z])
    expected = np.mean([np.std(rows[:, d]) for d in range(5)]) * np.sqrt(5)
    np.testing.assert_allclose(spread(z), expected, rtol=1e-5)
    lengths = rng.uniform(0.1, 9, (9, 1)).astype(np.float32)
    np.testing.assert_allclose(spread(z * lengths), expected, rtol=1e-5)


def test_the_spread_of_two_opposite_vectors_can_be_checked_in_the_head():
    # Deviations 1 and 0 in the two dimensions: their mean times sqrt(2).
    np.testing.assert_allclose(spread([[3.0, 0], [-5, 0]]), np.sqrt(2) / 2, rtol=1e-6)


def test_the_spread_compiles(rng):
    z = rng.normal(size=(6, 4)).astype(np.float32)
    compiled = tf.function(spread, jit_compile=True)
    np.testing.assert_allclose(compiled(z), spread(z), rtol=1e-5)


def test_the_effective_rank_counts_equal_directions(rng):
    rows = np.linalg.qr(rng.normal(size=(50, 7)))[0]  # 7 equal singular values
    np.testing.assert_allclose(effective_rank(rows), 7, rtol=1e-9)
    np.testing.assert_allclose(effective_rank(rows @ np.diag([3] + [0] * 6)), 1)
    assert effective_rank(np.zeros((4, 3))) == 1


def test_the_effective_rank_of_two_to_one_can_be_checked_in_the_head():
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    np.testing.assert_allclose(effective_rank(np.diag([2.0, 1.0])), np.exp(entropy))


@pytest.fixture(scope="module")
def splits():
    parts = []
    for split, count in (("train", 300), ("test", 100)):
        source = subset(digits(split), slice(count))
        normal = pipeline.Normal((0.5,) * 3, (0.25,) * 3)
        parts.append(pipeline.Images(source, normal, 32))
    return parts


class Flat:
    """A method whose feature is the image itself."""

    def representations(self, images):
        return {"features": tf.reshape(images, [-1, 32 * 32 * 3])[:, ::16]}


@pytest.mark.parametrize("xla", [False, True])
def test_online_monitors_tell_digits_apart_and_repeat_themselves(splits, xla):
    monitor = Online(Flat(), *splits, bank=256, queries=90, batch_size=64, xla=xla)
    found = monitor()
    assert found["knn"] > 0.85 and found["probe"] > 0.85
    assert 1 < found["effective_rank"] < 192 and 0 < found["spread"] <= 1
    assert monitor() == found
    assert monitor.function.experimental_get_tracing_count() == 1


def test_online_knn_is_that_of_the_evaluation_on_the_same_images(splits):
    from ssl_tf.evaluation import knn

    monitor = Online(Flat(), *splits, bank=10**6, queries=10**6, k=7)
    exact = knn(Flat(), *splits, k=[7])
    assert monitor()["knn"] == exact["k7.accuracy"]


def test_online_monitors_follow_the_weights_and_leave_them_alone():
    method = small.supervised()
    normal = pipeline.Normal()
    draw = np.random.default_rng(0)
    label = draw.integers(0, small.CLASSES, 40)
    images = given.images(label, small.CLASSES)
    pixels = draw.integers(0, 256, (40, *small.SHAPE), np.uint8)
    images = images._replace(
        source=images.source._replace(images=pixels),
        normal=normal,
        size=small.SHAPE[0],
    )
    monitor = Online(method, images, images, k=3, probe=0)
    first = monitor()
    kept = [w.numpy() for w in method.weights]
    assert "probe" not in first and monitor() == first
    for weight in method.backbone.trainable_weights:
        weight.assign(weight * 0)
    assert monitor()["effective_rank"] == 1
    assert len(kept) == len(method.weights)


def test_without_labels_only_the_monitors_of_collapse_are_left(splits):
    train, test = splits
    bare = train.source._replace(label=np.full(train.source.size, -1, np.int32))
    found = Online(Flat(), train._replace(source=bare), test, bank=64, queries=64)()
    assert set(found) == {"effective_rank", "spread"}


def test_kept_coefficients_give_the_same_and_the_scattering_runs_once(splits):
    backbone = scatsimclr((32, 32, 3), 8, 2, 2, width=8)
    method = SimCLR(backbone, head=[8, 4])
    more = {"bank": 60, "queries": 40, "batch_size": 32, "probe": 0}
    kept = Online(method, *splits, coefficients_mib=2, **more)
    plain = Online(method, *splits, **more)
    assert kept.bank.shape == (60, 8, 8, 3 * 9)
    for _ in range(2):
        found, expected = kept(), plain()
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-4)
        for weight in backbone.trainable_weights:
            weight.assign(weight * 1.1 + 0.01)
    message = (
        "coefficients: 100 images x 8 x 8 x 27 x 4 bytes = 1 MiB, more than the limit "
        "of 0.5; take 75 images or fewer, or keep none."
    )
    with pytest.raises(BadInput, match=re.escape(message)):
        Online(method, *splits, coefficients_mib=0.5, **more)
    with pytest.raises(BadInput, match="give 'features', not 'z'"):
        Online(method, *splits, coefficients_mib=2, level="z", **more)
    with pytest.raises(BadInput, match="has no layer 'scattering'"):
        Online(small.supervised(), *splits, coefficients_mib=2, **more)


def test_online_monitors_answer_under_a_strategy(two_replicas, splits):
    with two_replicas.scope():
        scale = tf.Variable(2.0)

    class Scaled(Flat):
        def representations(self, images):
            return super().representations(images * scale)

    found = Online(Scaled(), *splits, bank=200, queries=50, probe=0)()
    alone = Online(Flat(), *splits, bank=200, queries=50, probe=0)()
    assert found["knn"] == alone["knn"]
