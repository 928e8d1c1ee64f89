"""Batch norm against its definition; its three constants are independent."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.layers.norm import BatchNorm, recorded, weighted


def by_hand(x, gamma, beta, epsilon):
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta, mean, variance


@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 2, 5)])
@pytest.mark.parametrize("unbiased", [False, True])
def test_it_normalises_and_keeps_running_statistics(rng, shape, unbiased):
    x = rng.normal(3, 2, shape).astype("f4")
    layer = BatchNorm(momentum=0.7, epsilon=1e-2, unbiased=unbiased)
    layer.build((None, *shape[1:]))
    layer.gamma.assign(rng.normal(size=5))
    layer.beta.assign(rng.normal(size=5))
    gamma, beta = layer.gamma.numpy(), layer.beta.numpy()
    expected, mean, variance = by_hand(x.astype("f8"), gamma, beta, 1e-2)
    np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-4)
    count = x.size // 5
    kept = variance * count / (count - 1) if unbiased else variance
    np.testing.assert_allclose(layer.moving_mean, 0.3 * mean, rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, 0.7 + 0.3 * kept, rtol=1e-4)


def test_at_inference_it_uses_the_running_statistics(rng):
    layer = BatchNorm(epsilon=0.0)
    layer.build((None, 2))
    layer.moving_mean.assign([1.0, 2.0])
    layer.moving_variance.assign([4.0, 9.0])
    np.testing.assert_allclose(layer(np.array([[3.0, 5.0]])), [[1.0, 1.0]], rtol=1e-6)


def test_without_scale_and_shift_it_has_no_such_weights():
    layer = BatchNorm(center=False, scale=False)
    layer.build((None, 3))
    assert [v.name for v in layer.weights] == ["moving_mean", "moving_variance"]


def test_gradients_flow_through_the_moments(rng):
    """The fused kernel's gradient against differences of the definition."""
    x = rng.normal(size=(8, 3)).astype("f8")
    weight = rng.normal(size=(8, 3))
    layer = BatchNorm(epsilon=1e-3)
    layer.build((None, 3))

    def loss(x):
        return float((by_hand(x, 1.0, 0.0, 1e-3)[0] * weight).sum())

    with tf.GradientTape() as tape:
        given = tf.constant(x, tf.float32)
        tape.watch(given)
        total = tf.reduce_sum(layer(given, training=True) * weight.astype("f4"))
    ours = tape.gradient(total, given)
    for place in [(0, 0), (3, 1), (7, 2)]:
        step = np.zeros_like(x)
        step[place] = 1e-5
        slope = (loss(x + step) - loss(x - step)) / 2e-5
        np.testing.assert_allclose(ours[place], slope, rtol=1e-3, atol=1e-4)


def test_replicas_with_different_means_share_exact_moments(two_replicas):
    """Large offsets cancel in sums of squares; packed moments do not."""
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("f4") + 1000
    x[4:] += 3
    with two_replicas.scope():
        layer = BatchNorm(epsilon=1e-5)
        layer.build((None, 4))

    @tf.function
    def step():
        def run():
            place = tf.distribute.get_replica_context().replica_id_in_sync_group
            half = tf.constant(x.reshape(2, 4, 4))[place]
            with keras.StatelessScope() as scope:
                y = layer(half, training=True)
            return y, scope.get_current_value(layer.moving_variance)

        return two_replicas.run(run)

    parts, kept = step()
    ours = np.concatenate([np.asarray(p) for p in parts.values])
    expected, _, variance = by_hand(x.astype("f8"), 1.0, 0.0, 1e-5)
    np.testing.assert_allclose(ours, expected, atol=1e-3)
    expected = 0.9 + 0.1 * variance * 8 / 7
    for value in kept.values:
        np.testing.assert_allclose(value, expected, rtol=1e-4)


def test_rows_of_weight_zero_change_no_moment_and_get_no_say(rng):
    rows = rng.normal(2, 3, (6, 2, 2, 3)).astype(np.float32)
    filled = np.concatenate([rows, 1e3 * np.ones((2, 2, 2, 3), np.float32)])
    plain, other = BatchNorm(momentum=0.0), BatchNorm(momentum=0.0)
    expected = plain(rows, training=True)
    with weighted(tf.constant([1.0] * 6 + [0.0] * 2)):
        found = other(filled, training=True)
    np.testing.assert_allclose(found[:6], expected, atol=1e-5)
    for ours, theirs in zip(other.weights, plain.weights):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_weighted_rows_of_replicas_share_exact_moments(two_replicas, rng):
    rows = rng.normal(2, 3, (8, 5)).astype(np.float32)
    weights = np.array([1, 0, 1, 1, 0, 0, 1, 1], np.float32)
    with two_replicas.scope():
        layer = BatchNorm(momentum=0.0)
        layer.build((None, 5))

    def step(rows, weights):
        with weighted(weights):
            return layer(rows, training=True)

    def run():
        mine = lambda x: two_replicas.experimental_distribute_values_from_function(
            lambda c: tf.constant(np.split(x, 2)[c.replica_id_in_sync_group])
        )
        return two_replicas.run(step, (mine(rows), mine(weights)))

    tf.function(run)()
    chosen = rows[weights > 0]
    np.testing.assert_allclose(layer.moving_mean, chosen.mean(0), rtol=1e-5)
    unbiased = chosen.var(0, ddof=1)
    np.testing.assert_allclose(layer.moving_variance, unbiased, rtol=1e-5)


def test_recording_leaves_the_running_statistics_alone(rng):
    rows = rng.normal(2, 3, (8, 5)).astype(np.float32)
    layer = BatchNorm(name="mine")
    with recorded() as found:
        layer(rows, training=True)
    mean, variance, count = found["mine"]
    np.testing.assert_allclose(mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(variance, rows.var(0), rtol=1e-4)
    assert float(count) == 8
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(5))
