"""Stochastic depth: whole images skip a branch, the same ones wherever computed."""

import numpy as np
import pytest

from ssl_tf.layers.stochastic_depth import StochasticDepth
from ssl_tf.ops import chance

KEYS = np.array([5, -7, 123456789, 5], np.int32)


def skip(layer, keys, shape=(6, 3)):
    with chance.keyed(keys):
        return np.asarray(layer(np.ones((len(keys), *shape), "f4"), training=True))


def test_an_image_is_kept_whole_or_dropped_whole():
    values = skip(StochasticDepth(0.4, name="a"), np.arange(64, dtype=np.int32))
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / 0.6)}
    np.testing.assert_array_equal(values.min((1, 2)), values.max((1, 2)))


def test_the_draw_depends_on_the_image_not_on_its_neighbours():
    layer = StochasticDepth(0.5, name="a")
    keys = np.arange(40, dtype=np.int32)
    whole = skip(layer, keys)
    np.testing.assert_array_equal(whole[20:], skip(layer, keys[20:]))
    np.testing.assert_array_equal(*skip(layer, KEYS)[[0, 3]])
    assert not np.array_equal(whole, skip(StochasticDepth(0.5, name="b"), keys))


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_share_of_skipping_images_is_the_rate_and_the_mean_stays(rate):
    values = skip(StochasticDepth(rate, name="a"), np.arange(4096, dtype=np.int32), ())
    assert abs((values == 0).mean() - rate) < 0.02
    assert abs(values.mean() - 1) < 0.05


def test_outside_of_a_keyed_step_keras_draws_whole_images_too(rng):
    layer = StochasticDepth(0.5, seed=3)
    x = rng.random((32, 4, 5)).astype("f4") + 1
    first, second = (np.asarray(layer(x, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)
    kept = first.any((1, 2))
    assert 0 < kept.sum() < 32
    np.testing.assert_allclose(first[kept], 2 * x[kept], rtol=1e-6)
    np.testing.assert_array_equal(layer(x), x)
    clone = StochasticDepth.from_config(layer.get_config())
    assert (clone.rate, clone.seed) == (0.5, 3)
