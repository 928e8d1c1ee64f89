"""Shifts and flips, pixel by pixel."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from augment import golden
from ssl_tf.augment import geometry
from ssl_tf.ops import draws

GOLDEN = Path(__file__).parents[1] / "golden/ssal/augment_keras.npz"


def seeds(count, start=0):
    return draws.seeds(start, 0, tf.range(count), 0)


def moved(image, row, column, flip):
    """out[r, c] = in[r + row, c + column], mirrored at the edges; then the flip."""
    height, width = image.shape[:2]
    fold = lambda i, n: -1 - i if i < 0 else 2 * n - 1 - i if i >= n else i
    out = np.empty_like(image)
    for r in range(height):
        for c in range(width):
            out[r, c] = image[fold(r + row, height), fold(c + column, width)]
    return out[:, ::-1] if flip else out


def test_the_authors_images_come_out_exactly():
    with np.load(GOLDEN) as golden:
        x, out = golden["x"], golden["out"]
        rows, columns, flip = golden["params_tx_ty_flip"].astype(np.int32).T
    shifted = geometry.shift(tf.constant(x), rows, columns, flip > 0)
    np.testing.assert_array_equal(shifted, out)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_a_shift_equals_the_loops(rng, kind):
    x = rng.integers(0, 256, (6, 5, 7, 3)).astype(kind)
    rows = np.array([0, 5, -5, 1, -2, 3], np.int32)
    columns = np.array([0, -7, 7, 3, 1, -4], np.int32)
    flip = np.array([0, 0, 1, 1, 0, 1], bool)
    expected = [moved(*each) for each in zip(x, rows, columns, flip)]
    np.testing.assert_array_equal(
        geometry.shift(tf.constant(x), rows, columns, flip), expected
    )


def test_random_shifts_are_within_reach_and_zero_twice_as_often():
    drawn = geometry.random_shift(seeds(40_000), 3).numpy()
    share = np.bincount(drawn + 3, minlength=7) / len(drawn)
    np.testing.assert_allclose(share, [1 / 8] * 3 + [1 / 4] + [1 / 8] * 3, atol=0.01)


def test_shift_flip_moves_images_and_flips_only_if_asked_to(rng):
    x = tf.constant(rng.integers(0, 256, (64, 6, 6, 3), np.uint8))
    assert not np.array_equal(geometry.shift_flip(x, seeds(64), 2), x)
    still = geometry.shift_flip(x, seeds(64), 0, flipping=False)
    np.testing.assert_array_equal(still, x)
    flipped = geometry.shift_flip(x, seeds(64), 0).numpy()
    for before, after in zip(x.numpy(), flipped):
        same, turned = np.array_equal(after, before), before[:, ::-1]
        assert same or np.array_equal(after, turned)


def test_half_of_the_images_are_flipped(rng):
    x = rng.random((400, 3, 4, 3)).astype(np.float32)
    flipped = geometry.flip(tf.constant(x), seeds(400)).numpy()
    turned = [np.array_equal(a, b[:, ::-1]) for a, b in zip(flipped, x)]
    same = [np.array_equal(a, b) for a, b in zip(flipped, x)]
    assert all(t != s for t, s in zip(turned, same)) and 160 < sum(turned) < 240


@pytest.mark.parametrize(
    "change",
    [geometry.flip, lambda x, s: geometry.shift_flip(x, s, 2)],
    ids=["flip", "shift_flip"],
)
def test_an_image_does_not_know_its_neighbours(rng, change):
    x = tf.constant(rng.random((12, 6, 6, 3)).astype(np.float32))
    whole = change(x, seeds(12)).numpy()
    for i in range(12):
        alone = change(x[i : i + 1], seeds(12)[i : i + 1])
        np.testing.assert_array_equal(alone[0], whole[i])


def test_quarter_turns_are_scatsimclrs_four_labels(rng):
    found = golden.load("scatsimclr/rotation_valid")
    for label in range(4):
        turned = geometry.quarter(tf.constant(found["img"][None]), label)[0]
        np.testing.assert_array_equal(turned, found["rot"][label])
    wide = rng.random((2, 3, 5, 1))
    for turns in range(4):
        expected = np.rot90(wide, -turns, axes=(1, 2))
        np.testing.assert_array_equal(geometry.quarter(wide, turns), expected)


@pytest.mark.parametrize("side", [32, 96])
def test_tiles_are_scatsimclrs(side):
    found = golden.load("scatsimclr/jigsaw")
    left, top, right, bottom = found[f"boxes{side}"].T
    expected = np.stack([top, left, bottom - top, right - left], axis=1)
    np.testing.assert_array_equal(geometry.tile_boxes(side), expected)
    image = tf.constant(found[f"img{side}"][None] / np.float32(255))
    ours = 255 * geometry.tiles(image, side).numpy()[0]
    dealt = ours[found[f"perm{side}"]].transpose(0, 3, 1, 2)
    assert np.abs(dealt - found[f"patches{side}_u8"]).max() < 1.01
    np.testing.assert_allclose(ours, np.round(ours), 0, 1e-4)


def test_the_middle_tile_of_thirds_is_cut_where_one_expects_it():
    assert geometry.tile_boxes(9)[4] == (3, 3, 3, 3)
    assert geometry.tile_boxes(32)[8] == (22, 22, 9, 9)
