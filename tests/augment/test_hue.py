"""Turning the hue, against the standard library's HSV and by symmetry."""

import colorsys

import numpy as np
import pytest

from augment import golden
from ssl_tf.augment import hue


def turned(image, turns):
    return golden.by_planes(hue.turned, image, turns)


@pytest.mark.parametrize("turns", [0.0, 0.04, -0.2, 0.5, 1.3])
def test_a_turn_is_an_addition_to_hsvs_hue(rng, turns):
    image = rng.random((6, 7, 3)).astype(np.float32)
    expected = np.empty(image.shape)
    for place in np.ndindex(6, 7):
        h, s, v = colorsys.rgb_to_hsv(*image[place].tolist())
        expected[place] = colorsys.hsv_to_rgb((h + turns) % 1, s, v)
    np.testing.assert_allclose(turned(image, turns), expected, atol=2e-6)


def test_a_third_of_a_turn_hands_the_colours_on(rng):
    image = rng.normal(size=(6, 7, 3)).astype(np.float32)  # any range will do
    for n in (1, 2, 3):
        on = np.roll(image, n, axis=-1)
        np.testing.assert_allclose(turned(image, n / 3), on, atol=3e-6)


def test_grey_stays_grey_and_extremes_stay(rng):
    grey = np.repeat(rng.random((5, 5, 1)), 3, axis=2).astype(np.float32)
    np.testing.assert_array_equal(turned(grey, 0.2), grey)
    image = rng.random((5, 5, 3)).astype(np.float32)
    after = turned(image, 0.17)
    np.testing.assert_allclose(after.max(-1), image.max(-1), atol=1e-6)
    np.testing.assert_allclose(after.min(-1), image.min(-1), atol=1e-6)
    assert np.abs(after - image).max() > 0.1
