"""Weight-normalised classifiers against the authors' numbers."""

import numpy as np
import tensorflow as tf
from given import golden

from ssl_tf.layers.weight_norm import WeightNorm


def test_output_and_gradients_are_the_authors():
    with golden("selfclassifier", "mlp_head") as arrays:
        theirs = {k: arrays[k] for k in arrays.files if k.startswith("wn_")}
    layer = WeightNorm(6)
    layer.build((None, 8))
    layer.gain.assign(theirs["wn_g"][:, 0])
    layer.direction.assign(theirs["wn_v"].T)
    x = tf.Variable(theirs["wn_x"])
    with tf.GradientTape() as tape:
        y = layer(x)
        loss = tf.reduce_sum(y * theirs["wn_cot"])
    np.testing.assert_allclose(y, theirs["wn_y"], rtol=1e-5, atol=1e-6)
    wrt = [layer.gain.value, layer.direction.value, x]
    gain, direction, inputs = tape.gradient(loss, wrt)
    for ours, name in (
        (gain[:, None], "g"),
        (tf.transpose(direction), "v"),
        (inputs, "x"),
    ):
        np.testing.assert_allclose(
            ours, theirs[f"wn_grad_{name}"], rtol=1e-5, atol=1e-6
        )


def test_only_the_gain_sets_the_length_of_a_column():
    layer = WeightNorm(2)
    layer.build((None, 2))
    layer.direction.assign([[3.0, 0.0], [4.0, 7.0]])
    layer.gain.assign([10.0, 2.0])
    np.testing.assert_allclose(layer(tf.eye(2)), [[6.0, 0.0], [8.0, 2.0]], rtol=1e-6)
