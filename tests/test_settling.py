"""Running statistics after training: moments of many batches, pooled exactly."""

import numpy as np
from given import golden

from ssl_tf import settling
from ssl_tf.layers.norm import BatchNorm

GOLDEN = golden("detection", "precise_bn")


def test_pooled_moments_are_those_of_the_authors_precise_batch_norm():
    batches = [GOLDEN[f"x{i}"].transpose(0, 2, 3, 1).reshape(-1, 3) for i in range(3)]
    moments = [(x.mean(0), x.var(0), len(x)) for x in batches]
    mean, variance = settling.union(moments)
    np.testing.assert_allclose(mean, GOLDEN["precise_mean"], atol=1e-5)
    np.testing.assert_allclose(variance, GOLDEN["precise_var"], atol=1e-5)
    together = np.concatenate(batches)
    np.testing.assert_allclose(mean, together.mean(0), atol=1e-6)
    np.testing.assert_allclose(variance, together.var(0), atol=1e-6)


def test_without_settling_the_statistics_are_the_authors_running_averages():
    momentum = 1 - float(GOLDEN["momentum"])
    norm = BatchNorm(momentum=momentum, epsilon=float(GOLDEN["eps"]))
    for i in range(3):
        norm(GOLDEN[f"x{i}"].transpose(0, 2, 3, 1), training=True)
    for ours, kind in ((norm.moving_mean, "mean"), (norm.moving_variance, "var")):
        theirs = GOLDEN[f"ema_{kind}_mom0p1"]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
