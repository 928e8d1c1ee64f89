"""Colour changes against PIL's and against the equation in NumPy."""

import itertools

import numpy as np
import pictures
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from ssl_tf.augment import color
from ssl_tf.ops import draws

PIL = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
SMALL, LARGE = 24, 100  # on either side of color.LARGE


def seeds(count):
    return draws.seeds(3, 0, tf.range(count), 0)


def by_hand(image, order, factors):
    """f x + (1 - f) y, cut to [0, 1], for one change after the other."""
    x = image.astype(np.float64)
    for change in order:
        grey = x @ np.array(color.LUMA)
        y = [0.0, grey.mean(), grey[..., None]][change]
        x = np.clip(factors[change] * x + (1 - factors[change]) * y, 0, 1)
    return x


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.4])
@pytest.mark.parametrize("change", [0, 1, 2])
def test_each_change_is_pils_but_for_its_rounding(rng, change, factor):
    pixels = pictures.smooth(rng, 40, 50)
    expected = np.asarray(PIL[change](Image.fromarray(pixels)).enhance(factor))
    image = tf.constant(pixels / np.float32(255))
    ours = color.CHANGES[change](image, tf.constant(factor, tf.float32)) * 255
    # PIL cuts to whole grey levels: the grey it mixes in, then the result.
    assert np.abs(ours.numpy() - expected).max() < 2


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_the_order_and_the_factors_are_each_images_own(rng, size):
    x = rng.random((12, size, size, 3)).astype(np.float32)
    a, b = draws.split(seeds(12), 2)
    order = draws.permutations(a, 3).numpy()
    factors = draws.uniform(b, 3, 0.2, 1.8).numpy()
    assert len({tuple(o) for o in order.tolist()}) > 3
    expected = [by_hand(*each) for each in zip(x, order, factors)]
    ours = tf.function(color.jitter)(tf.constant(x), seeds(12), 0.8)
    np.testing.assert_allclose(ours, expected, atol=2e-6)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_large_and_small_images_are_changed_alike(rng, order):
    x = tf.constant(rng.random((1, 16, 16, 3)).astype(np.float32))
    factors = tf.constant([[1.3, 0.5, 1.7]])
    alone = color.alone(x[0], tf.constant(order), factors[0])
    together = color.together(x, tf.constant([order]), factors)[0]
    np.testing.assert_allclose(alone, together, atol=1e-6)
    np.testing.assert_allclose(alone, by_hand(x[0].numpy(), order, factors[0]), 1e-5)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_an_image_does_not_know_its_neighbours(rng, size):
    x = tf.constant(rng.random((4, size, size, 3)).astype(np.float32))
    whole = color.jitter(x, seeds(4), 0.4).numpy()
    for i in range(4):
        alone = color.jitter(x[i : i + 1], seeds(4)[i : i + 1], 0.4)
        np.testing.assert_array_equal(alone[0], whole[i])


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_strength_zero_changes_nothing_and_any_other_does(rng, size):
    x = rng.random((3, size, size, 3)).astype(np.float32)
    np.testing.assert_allclose(color.jitter(tf.constant(x), seeds(3), 0.0), x, 0, 1e-6)
    changed = color.jitter(tf.constant(x), seeds(3), 0.4).numpy()
    assert (np.abs(changed - x).max(axis=(1, 2, 3)) > 0.02).all()
    assert changed.min() >= 0 and changed.max() <= 1


def test_grey_is_pils_luma(rng):
    pixels = pictures.noise(rng, 9, 9)
    expected = np.asarray(Image.fromarray(pixels).convert("L"))
    ours = color.grey(tf.constant(pixels[None], tf.float32))[0, ..., 0]
    assert np.abs(ours - expected).max() < 1
