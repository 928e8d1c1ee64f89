"""Strided 1x1 convolutions of narrow networks, which abort inside oneDNN."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.backbones import BACKBONES
from ssl_tf.cost import flat
from ssl_tf.layers.branch import cbr, keras_style
from ssl_tf.layers.strides import subsampled

NARROW = {
    "resnet18": {"width": 8},
    "resnet50_keras": {"width": 1},
    "preact_resnet18": {"width": 15},
    "cifar_resnet20": {"width": 3},
    "pit": {"patch": 1, "stride": 2},
}


def strided(model):
    """Input channels of every 1x1 convolution with a stride."""
    convolutions = [x for x in flat(model) if isinstance(x, keras.layers.Conv2D)]
    return [
        layer.input.shape[-1]
        for layer in convolutions
        if layer.kernel_size == (1, 1) and max(layer.strides) > 1
    ]


@pytest.mark.parametrize("name", NARROW)
def test_no_narrow_network_strides_a_1x1_convolution(name):
    assert min(strided(BACKBONES[name]((65, 65, 3), **NARROW[name])), default=16) >= 16


def test_a_wide_network_and_its_weights_are_as_they_were():
    model = BACKBONES["resnet18"]((32, 32, 3), width=16)
    assert strided(model) == [16, 32, 64]
    pools = [x for x in flat(model) if "subsample" in x.name]
    assert not pools


def test_a_narrow_branch_of_ssal_does_not_stride_a_1x1_convolution():
    images = keras.Input((64, 64, 8))
    model = keras.Model(
        images, cbr(images, "b", keras_style(0.9), 4, kernel=1, strides=2)
    )
    assert model.output.shape == (None, 32, 32, 4) and not strided(model)


@pytest.mark.parametrize("side, strides", [(64, 2), (65, 2), (67, 3)])
def test_values_and_gradients_are_those_of_the_strided_convolution(rng, side, strides):
    """Sizes at which oneDNN aborts without the change of the layers."""
    x = rng.normal(size=(2, side, side, 3)).astype(np.float32)
    images = keras.Input(x.shape[1:])
    taken, left = subsampled(images, 1, strides, "conv")
    conv = keras.layers.Conv2D(5, 1, left, use_bias=False)
    model = keras.Model(images, conv(taken))
    pixels, kernel = x[:, ::strides, ::strides], np.asarray(conv.kernel)[0, 0]
    given = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(given)
        out = model(given)
        loss = tf.reduce_sum(out**2) / 2
    of_x, of_kernel = tape.gradient(loss, [given, conv.kernel])
    np.testing.assert_allclose(out, pixels @ kernel, atol=1e-5)
    wanted = np.einsum("bhwc,bhwd->cd", pixels, pixels @ kernel)
    np.testing.assert_allclose(of_kernel[0, 0], wanted, rtol=1e-4, atol=1e-3)
    back = np.zeros_like(x)
    back[:, ::strides, ::strides] = pixels @ kernel @ kernel.T
    np.testing.assert_allclose(of_x, back, atol=1e-5)
