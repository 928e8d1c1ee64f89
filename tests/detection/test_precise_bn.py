"""Moments of many batches are those of all their elements."""

import numpy as np
from given import golden

from ssl_tf.detection.precise_bn import moments, pool


def pooled(batches):
    total = moments(batches[0])
    for batch in batches[1:]:
        total = pool(total, moments(batch))
    return total


def test_moments_are_fvcores():
    with golden("detection", "precise_bn") as wanted:
        batches = [np.moveaxis(wanted[f"x{i}"], 1, -1) for i in range(3)]
        found = pooled(batches)
        assert found.count == sum(b[..., 0].size for b in batches)
        close = {"rtol": 0, "atol": 1e-5}
        np.testing.assert_allclose(found.mean, wanted["precise_mean"], **close)
        np.testing.assert_allclose(found.variance, wanted["precise_var"], **close)


def test_moments_of_parts_are_those_of_the_whole(rng):
    """Means far from 0, where E[x^2] - E[x]^2 in float32 has no digits left."""
    whole = (1000 + rng.normal(size=(60, 3))).astype("f4")
    found = pooled(np.split(whole, [5, 30, 31]))
    exact = whole.astype("f8")
    np.testing.assert_allclose(found.mean, exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.variance, exact.var(0), rtol=1e-3)
