"""Class tokens and position tables, and tables for another grid."""

import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.errors import BadInput
from ssl_tf.layers.tokens import (
    ClassToken,
    FirstToken,
    PositionTable,
    Tokens,
    bicubic,
    bilinear,
    resized,
)


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
    np.testing.assert_allclose(bilinear(2, 4) @ [0.0, 4.0], [0, 1, 3, 4])
    # Without antialiasing a smaller grid takes its neighbours only.
    np.testing.assert_allclose(bilinear(8, 2) @ np.arange(8.0), [1.5, 5.5])


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


def test_a_map_is_a_row_of_tokens_and_the_first_is_kept_as_one(rng):
    x = rng.random((2, 3, 4, 5)).astype("f4")
    np.testing.assert_array_equal(Tokens()(x), x.reshape(2, 12, 5))
    np.testing.assert_array_equal(FirstToken()(x[:, 0]), x[:, 0, :1])


def by_taps(grid, new):
    """DINO's interpolation, written out: 16 neighbours of each new place."""

    def weight(x, a=-0.75):
        x = abs(x)
        if x < 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0

    old = len(grid)
    out = np.zeros((new, new, grid.shape[-1]))
    for i in range(new):
        for j in range(new):
            y, x = ((k + 0.5) / ((new + 0.1) / old) - 0.5 for k in (i, j))
            for r in range(int(np.floor(y)) - 1, int(np.floor(y)) + 3):
                for c in range(int(np.floor(x)) - 1, int(np.floor(x)) + 3):
                    value = grid[np.clip(r, 0, old - 1), np.clip(c, 0, old - 1)]
                    out[i, j] += weight(y - r) * weight(x - c) * value
    return out


@pytest.mark.parametrize("old, new", [(14, 6), (4, 2), (4, 7), (3, 1)])
def test_positions_of_another_size_are_dinos_interpolation(rng, old, new):
    tokens, maps = PositionTable(), PositionTable()
    tokens.build((None, 1 + old * old, 3))
    tokens.table.assign(rng.normal(size=tokens.table.shape))
    grid = tokens.table.numpy()[1:].reshape(old, old, 3)
    expected = by_taps(grid.astype("f8"), new)
    found = np.asarray(tokens(np.zeros((1, 1 + new * new, 3), "f4")))[0]
    np.testing.assert_array_equal(found[0], tokens.table[0])
    np.testing.assert_allclose(found[1:].reshape(new, new, 3), expected, atol=1e-5)
    maps.build((None, old, old, 3))
    maps.table.assign(grid)
    found = np.asarray(maps(np.zeros((1, new, new, 3), "f4")))[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_interpolation_keeps_constants_and_shifts_by_its_tenth():
    # At the same size, which is never interpolated, places lie (i + 1/2) 4 / 4.1 - 1/2.
    matrix = bicubic(4, 4)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(
        bicubic(14, 6)[2:4] @ np.arange(14.0),
        (np.arange(2, 4) + 0.5) * 14 / 6.1 - 0.5,
        atol=0.12,  # cubics of a = -3/4 are not exact on lines
    )
