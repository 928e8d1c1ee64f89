"""SSAL's ResNets for 32-pixel images: pre-activation, biased convolutions, 5x5 stem."""

import keras
from keras import layers

from ssl_tf.layers.norm import BatchNorm
from ssl_tf.layers.strides import subsampled
from ssl_tf.schema import Count, Fraction

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


def preact_resnet(
    image_shape,
    depth: Count = 18,
    width: Count = 64,
    momentum: Fraction = 0.65,
):
    """`[B, H, W, C]` -> `[B, F]`; F = 8 * width, four times that at depth 50.

    Args:
        image_shape: (height, width, channels).
        depth: 18 (basic blocks) or 50 (bottlenecks).
        width: filters of the first stage.
        momentum: of the running statistics, 0.65 in the authors' code.

    Source:
        He et al., arXiv:1603.05027, as adapted in SSAL's Keras code: every
        convolution has a bias, stages halve the map only from 16 pixels on (so the
        last keeps 8x8), and shortcuts of a stage's first block have no batch norm.
    """
    norm_relu = lambda x, name: layers.ReLU(name=f"{name}_relu")(
        BatchNorm(momentum, 1e-3, name=f"{name}_norm")(x)
    )
    images = keras.Input(image_shape, name="images")
    x = norm_relu(conv(images, width, 5, 1, "stem_conv"), "stem")
    filters, bottleneck = width, depth == 50
    for stage, count in enumerate(BLOCKS[depth], start=1):
        halves = stage > 1 and min(x.shape[1:3]) >= 16
        for block in range(1, count + 1):
            x = residual(
                x,
                filters,
                2 if halves and block == 1 else 1,
                f"stage{stage}_block{block}",
                norm_relu=norm_relu,
                bottleneck=bottleneck,
                activate=(stage, block) != (1, 1),
            )
        filters *= 2
    x = norm_relu(x, "head")
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(images, features, name=f"preact_resnet{depth}")


def residual(x, filters, strides, name, *, norm_relu, bottleneck, activate):
    """One block; `activate`: whether batch norm and ReLU come before its first conv."""
    width = 4 * filters if bottleneck else filters
    kernels = (1, 3, 1) if bottleneck else (3, 3)
    shortcut = x
    if strides > 1 or x.shape[-1] != width:
        shortcut = conv(x, width, 1, strides, f"{name}_shortcut")
    for i, kernel in enumerate(kernels, start=1):
        if i > 1 or activate:
            x = norm_relu(x, f"{name}_{i}")
        last = i == len(kernels)
        x = conv(
            x,
            width if last else filters,
            kernel,
            strides if i == 1 else 1,
            f"{name}_conv{i}",
        )
    return layers.Add(name=name)([shortcut, x])


def conv(x, filters, kernel, strides, name):
    x, strides = subsampled(x, kernel, strides, name)
    return layers.Conv2D(
        filters,
        kernel,
        strides,
        "same",
        kernel_initializer="he_normal",
        name=name,
    )(x)


def preact_resnet18(image_shape, width: Count = 64, momentum: Fraction = 0.65):
    """Basic blocks (2, 2, 2, 2); 11.2 M with a head for 100 classes."""
    return preact_resnet(image_shape, 18, width, momentum)


def preact_resnet50(image_shape, width: Count = 64, momentum: Fraction = 0.65):
    """Bottlenecks (3, 4, 6, 3); 23.8 M with a head for 100 classes."""
    return preact_resnet(image_shape, 50, width, momentum)
