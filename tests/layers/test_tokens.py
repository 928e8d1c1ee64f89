"""Class tokens and position tables, and tables for another grid."""

import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.errors import BadInput
from ssl_tf.layers.tokens import ClassToken, PositionTable, between, resized


def test_every_image_gets_the_same_class_token_first(rng):
    layer, x = ClassToken(), rng.random((3, 4, 5)).astype("f4")
    y = np.asarray(layer(x))
    np.testing.assert_array_equal(y[:, 0], np.tile(layer.token, (3, 1)))
    np.testing.assert_array_equal(y[:, 1:], x)


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 5)])
def test_a_table_adds_its_own_value_at_each_place(rng, shape):
    layer, x = PositionTable(), rng.random((2, *shape)).astype("f4")
    y = np.asarray(layer(x))
    assert layer.table.shape == shape
    np.testing.assert_allclose(y - x, np.stack([layer.table] * 2), atol=1e-6)


def test_two_values_become_four_by_quarters():
    # Centres of the new places lie at -1/4, 1/4, 3/4, 5/4 of the old grid.
    np.testing.assert_allclose(between(2, 4) @ [0.0, 4.0], [0, 1, 3, 4])
    # Without antialiasing a smaller grid takes its neighbours only.
    np.testing.assert_allclose(between(8, 2) @ np.arange(8.0), [1.5, 5.5])


@pytest.mark.parametrize("old, new", [(14, 6), (6, 14), (7, 7), (5, 1), (1, 3)])
def test_maps_are_resized_as_tensorflow_does(rng, old, new):
    table = rng.normal(size=(old, old + 1, 3)).astype("f4")
    theirs = tf.image.resize(table, (new, new + 2), "bilinear", antialias=False)
    ours = resized(table, (new, new + 2, 3))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_class_tokens_row_is_kept_and_the_others_are_a_map(rng):
    table = rng.normal(size=(1 + 16, 3)).astype("f4")
    found = resized(table, (1 + 36, 3))
    np.testing.assert_array_equal(found[0], table[0])
    grid = resized(table[1:].reshape(4, 4, 3), (6, 6, 3))
    np.testing.assert_array_equal(found[1:].reshape(6, 6, 3), grid)


def test_tables_of_this_grid_or_another_width_stay_as_they_are(rng):
    table = rng.normal(size=(1 + 16, 3))
    assert resized(table, (17, 3)) is table
    assert resized(table, (37, 4)) is table


def test_grids_that_are_no_squares_are_refused():
    with pytest.raises(BadInput, match="positions for 15 patches, 36 are wanted"):
        resized(np.zeros((16, 3)), (37, 3))
