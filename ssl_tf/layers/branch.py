"""Auxiliary branches: a classifier of groups grown from a list of blocks."""

from typing import NamedTuple

import keras
from keras import layers

from ssl_tf.layers import inception as modules
from ssl_tf.layers.initial import torch_uniform
from ssl_tf.layers.squeeze_excite import squeeze_excite
from ssl_tf.schema import Count


class Style(NamedTuple):
    """What all convolutions of a branch share; one set per code base of the authors."""

    use_bias: bool
    padding: str
    init: str
    momentum: float
    epsilon: float = 1e-3

    def initializer(self):
        if self.init == "torch":
            return torch_uniform()
        return keras.initializers.get(self.init)


def keras_style(momentum):
    """The CIFAR branches: biases, "same" padding, He-normal kernels."""
    return Style(True, "same", "he_normal", momentum)


def torch_style(momentum):
    """The ImageNet branches: no biases, no padding when striding, PyTorch's kernels."""
    return Style(False, "valid", "torch", momentum)


def cbr(x, prefix, style, filters: Count = 256, kernel: Count = 3, strides: Count = 1):
    """Convolution, batch norm, ReLU."""
    return modules.unit(x, prefix, filters, kernel, strides, style=style)


def gap(x, prefix, style):
    """Global average pooling."""
    return layers.GlobalAveragePooling2D(name=prefix)(x)


def dense(x, prefix, style, units: Count = 768):
    """Dense layer with ReLU."""
    return layers.Dense(units, activation="relu", name=f"{prefix}_dense")(x)


def se(x, prefix, style, ratio: Count = 16):
    """Squeeze-and-excitation. Broken and unused in the authors' code; whole here."""
    return squeeze_excite(x, prefix, ratio)


BLOCKS = {
    "cbr": cbr,
    "inception": modules.inception,
    "inception_c": modules.inception_c,
    "inception_d": modules.inception_d,
    "inception_e": modules.inception_e,
    "gap": gap,
    "dense": dense,
    "se": se,
}


def branch(shape, blocks, groups, style, name):
    """A branch as a model of its own.

    Args:
        shape: `(H, W, C)` of the tensor it hangs on.
        blocks: list of callables `(x, prefix, style) -> x`.
        groups: int, classes of its softmax.
        style: `Style`.
        name: str, name of the model and prefix of its layers.

    Returns:
        `keras.Model`, `[B, H, W, C]` -> logits `[B, groups]`. Built.
    """
    images = keras.Input(shape, name=f"{name}_input")
    x = images
    for i, block in enumerate(blocks):
        x = block(x=x, prefix=f"{name}_{i}", style=style)
    torch = style.init == "torch"
    logits = layers.Dense(
        groups,
        kernel_initializer=torch_uniform() if torch else "glorot_uniform",
        bias_initializer=torch_uniform(x.shape[-1]) if torch else "zeros",
        name=f"{name}_head",
    )(x)
    return keras.Model(images, logits, name=name)
