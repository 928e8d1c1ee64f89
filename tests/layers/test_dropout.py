"""Dropout: a mask an image, the same wherever the image is computed."""

import keras
import numpy as np
import pytest

from ssl_tf.layers.dropout import Dropout
from ssl_tf.ops import chance

KEYS = np.array([5, -7, 123456789, 5], np.int32)


def drop(layer, keys, shape=(40, 3)):
    with chance.keyed(keys):
        return np.asarray(layer(np.ones((len(keys), *shape), "f4"), training=True))


def test_the_mask_depends_on_the_image_not_on_its_neighbours():
    layer = Dropout(0.4, name="a")
    whole = drop(layer, KEYS)
    np.testing.assert_array_equal(whole[0], whole[3])
    np.testing.assert_array_equal(whole[1:2], drop(layer, KEYS[1:2]))
    assert not np.array_equal(whole[0], whole[1])


def test_layers_draw_different_masks():
    assert not np.array_equal(
        drop(Dropout(0.4, name="a"), KEYS), drop(Dropout(0.4, name="b"), KEYS)
    )


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_of_zeros_is_the_rate_and_the_mean_stays(rate):
    keys = np.arange(64, dtype=np.int32)
    values = drop(Dropout(rate, name="a"), keys, (50, 20))
    assert abs((values == 0).mean() - rate) < 0.01
    kept = values[values > 0]
    np.testing.assert_allclose(kept, 1 / (1 - rate), rtol=1e-5)


def test_neighbouring_keys_and_elements_are_uncorrelated():
    with chance.keyed(np.arange(256, dtype=np.int32)):
        draws = np.asarray(chance.uniform("x", (64,)))
    assert draws.min() >= 0 and draws.max() < 1
    assert abs(draws.mean() - 0.5) < 0.01 and abs(draws.var() - 1 / 12) < 0.005
    rows = np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]
    columns = np.corrcoef(draws[:, :-1].ravel(), draws[:, 1:].ravel())[0, 1]
    assert abs(rows) < 0.03 and abs(columns) < 0.03


def test_outside_of_a_keyed_step_keras_draws(rng):
    layer = Dropout(0.5, seed=3)
    x = rng.random((4, 100)).astype("f4") + 1
    first, second = layer(x, training=True), layer(x, training=True)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(layer(x), x)
    clone = Dropout.from_config(layer.get_config())
    assert isinstance(clone, keras.layers.Layer) and clone.rate == 0.5
