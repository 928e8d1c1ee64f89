"""The four colour changes: order and factors of each image's own."""

import itertools

import numpy as np
import pictures
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from augment import golden
from ssl_tf.augment import color, eight_bit, hue, jitter, planes
from ssl_tf.augment.jitter import Strength
from ssl_tf.ops import draws

PIL = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
ORDERS = list(itertools.permutations(range(4)))
STRENGTH = Strength(0.8, 0.8, 0.8, 0.2)


def seeds(count):
    return draws.seeds(3, 0, tf.range(count), 0)


def by_hand(image, order, factors):
    """One change after the other on `[H, W, 3]` in [0, 1], in 64 bits."""
    x = image.astype(np.float64)
    for change in order:
        f, grey = factors[change], x @ np.array(color.LUMA)
        if change == jitter.HUE:
            x = golden.by_planes(hue.turned, x, np.float32(f)).astype(np.float64)
            continue
        y = [0.0, grey.mean(), grey[..., None]][change]
        x = np.clip(f * x + (1 - f) * y, 0, 1)
    return x


def by_pil(image, order, factors):
    """The same as PIL does it, in 8 bits."""
    for change in order:
        if change == jitter.HUE:
            image = golden.by_planes(eight_bit.turned, image, factors[change])
            image = image.astype(np.uint8)
        else:
            enhanced = PIL[change](Image.fromarray(image)).enhance(factors[change])
            image = np.asarray(enhanced)
    return image


def changed(images, order, factors, rounding=False):
    order, factors = tf.constant(order, tf.int32), tf.constant(factors, tf.float32)
    x, chosen = planes.of(tf.constant(images, tf.float32)), tf.fill([len(images)], True)
    return planes.back(jitter.changed(x, order, factors, chosen, rounding)).numpy()


def test_all_orders_are_the_changes_one_after_the_other(rng):
    images = rng.random((24, 10, 12, 3)).astype(np.float32)
    factors = rng.uniform([0.2, 0.2, 0.2, -0.2], [1.8, 1.8, 1.8, 0.2], (24, 4))
    factors = factors.astype(np.float32)
    expected = [by_hand(*each) for each in zip(images, ORDERS, factors)]
    np.testing.assert_allclose(changed(images, ORDERS, factors), expected, 0, 1e-5)


def test_all_orders_are_pils_bit_by_bit_in_8_bits(rng):
    images = np.stack([pictures.noise(rng, 10, 12) for _ in ORDERS])
    factors = rng.uniform([0.2, 0.2, 0.2, -0.2], [1.8, 1.8, 1.8, 0.2], (24, 4))
    factors = factors.astype(np.float32)
    expected = [by_pil(*each) for each in zip(images, ORDERS, factors.tolist())]
    np.testing.assert_array_equal(changed(images, ORDERS, factors, True), expected)


@pytest.mark.parametrize("rounding", [False, True])
def test_an_image_does_not_know_its_neighbours(rng, rounding):
    x = tf.constant(rng.integers(0, 256, (40, 3, 9, 7)), tf.float32)
    x = x if rounding else x / 255
    whole = jitter.jitter(x, seeds(40), STRENGTH, 0.8, rounding).numpy()
    for i in range(40):
        alone = jitter.jitter(
            x[i : i + 1], seeds(40)[i : i + 1], STRENGTH, 0.8, rounding
        )
        np.testing.assert_array_equal(alone[0], whole[i])


@pytest.mark.parametrize("rounding", [False, True])
def test_a_share_changes_and_the_rest_stays_as_it_is(rng, rounding):
    x = tf.constant(rng.integers(0, 256, (1000, 3, 4, 4)), tf.float32)
    x = x if rounding else x / 255
    out = jitter.jitter(x, seeds(1000), STRENGTH, 0.8, rounding)
    same = np.all(out.numpy() == x.numpy(), axis=(1, 2, 3)).mean()
    assert abs(same - 0.2) < 0.05


def test_factors_fill_their_ranges():
    found = jitter.drawn(seeds(20_000), Strength(0.4, 1.5, 0.8, 0.2)).numpy()
    low, high = np.array([0.6, 0.0, 0.2, -0.2]), np.array([1.4, 2.5, 1.8, 0.2])
    assert (found >= low).all() and (found <= high).all()
    for share in (0.0, 0.25, 0.75, 1.0):
        expected = low + share * (high - low)
        np.testing.assert_allclose(np.quantile(found, share, 0), expected, 0, 0.03)


def test_strength_zero_changes_nothing_and_orders_are_all_drawn(rng):
    x = tf.constant(rng.random((60, 3, 8, 8)).astype(np.float32))
    out = jitter.jitter(x, seeds(60), Strength(0, 0, 0, 0))
    np.testing.assert_allclose(out, x, 0, 2e-6)
    a = draws.split(seeds(2000), 3)[0]
    counts = np.unique(draws.permutations(a, 4), axis=0, return_counts=True)[1]
    assert len(counts) == 24 and counts.min() > 40


def test_strength_is_scaled_as_simclr_does():
    assert Strength().scaled(0.5) == (0.4, 0.4, 0.4, 0.1)
