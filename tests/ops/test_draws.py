"""Draws: even, independent, and functions of what they say."""

import numpy as np
import tensorflow as tf

from ssl_tf.ops import draws

MASK = 2**64 - 1


def by_hand(x):
    """SplitMix64's output function in Python's integers."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def seeds(count, seed=0, epoch=0, view=0):
    return draws.seeds(seed, epoch, tf.range(count), view)


def test_mix_is_splitmix64(rng):
    x = rng.integers(0, 2**64, 50, np.uint64)
    expected = [by_hand(int(value)) for value in x]
    assert draws.mix(tf.constant(x)).numpy().tolist() == expected


def test_bits_are_splitmix64_from_a_mixed_start():
    first = by_hand(by_hand(5) + 0x9E3779B97F4A7C15 & MASK)
    bits = draws.bits(tf.constant([5], tf.uint64), 3).numpy()
    assert bits.shape == (1, 3) and int(bits[0, 0]) == first


def test_every_part_of_the_key_changes_the_seed():
    base = seeds(1000).numpy()
    assert len(np.unique(base)) == 1000
    for other in (seeds(1000, seed=1), seeds(1000, epoch=1), seeds(1000, view=1)):
        assert not np.isin(other, base).any()


def test_a_seed_is_the_images_alone():
    assert draws.seeds(2, 3, tf.constant([7]), 1) == seeds(9, 2, 3, 1)[7]


def test_uniform_draws_are_even_and_uncorrelated():
    x = draws.uniform(seeds(20_000), 4, -1.0, 3.0).numpy()
    assert x.dtype == np.float32 and x.min() >= -1 and x.max() < 3
    for column in x.T:
        counts = np.histogram(column, 16, (-1, 3))[0]
        assert ((counts - 1250) ** 2 / 1250).sum() < 45  # chi square, 15 degrees
    correlation = np.corrcoef(np.concatenate([x[:-1], x[1:]], axis=1).T)
    assert np.abs(correlation - np.eye(8)).max() < 0.03


def test_integers_are_even():
    counts = np.bincount(draws.integers(seeds(10_000), 3, 7).numpy().ravel())
    assert len(counts) == 7 and ((counts - 30_000 / 7) ** 2 / (30_000 / 7)).sum() < 25


def test_every_order_is_drawn_alike():
    orders = draws.permutations(seeds(12_000), 3).numpy()
    found, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(found) == 6 and np.abs(counts - 2000).max() < 180
    assert (np.sort(orders, axis=1) == [0, 1, 2]).all()


def test_split_seeds_are_new_seeds():
    parts = draws.split(seeds(500), 4)
    assert len({int(s) for part in parts for s in part.numpy()}) == 2000


def test_keys_of_masks_are_not_those_of_views():
    keys = draws.keys(0, 0, tf.range(2000)).numpy()
    assert keys.dtype == np.int32 and len(np.unique(keys)) > 1990
    again = draws.keys(0, 0, tf.constant([3, 5])).numpy()
    assert again.tolist() == keys[[3, 5]].tolist()
    assert (draws.keys(0, 1, tf.range(2000)).numpy() != keys).mean() > 0.99


def test_maybe_changes_a_share_of_whole_images(rng):
    x = tf.constant(rng.random((1000, 2, 2, 3)).astype(np.float32))
    changed = draws.maybe(seeds(1000), 0.3, -x, x).numpy()
    signs = np.sign(changed).reshape(1000, -1)
    assert (signs == signs[:, :1]).all()
    assert abs((signs[:, 0] < 0).mean() - 0.3) < 0.04
    np.testing.assert_array_equal(draws.maybe(seeds(1000), 1.0, -x, x), -x)
    np.testing.assert_array_equal(draws.maybe(seeds(1000), 0.0, -x, x), x)
