"""DenseNet-BC: every layer sees all earlier ones of its block."""

import keras
from keras import layers

from ssl_tf.errors import BadInput
from ssl_tf.layers.dropout import Dropout
from ssl_tf.layers.norm import BatchNorm
from ssl_tf.schema import Count, Fraction


def densenet(
    image_shape,
    depth: Count = 190,
    growth: Count = 40,
    dropout: Fraction = 0.2,
    momentum: Fraction = 0.99,
):
    """`[B, H, W, C]` -> `[B, F]`, three dense blocks, compression one half.

    Args:
        image_shape: (height, width, channels).
        depth: 6 n + 4 with n layers a block.
        growth: channels each layer adds; the stem has twice as many.
        dropout: share zeroed after every 3x3 convolution. 0.2 in SSAL's code, although
            it augments (the DenseNet paper uses dropout only without augmentation).
        momentum: of the running statistics.

    Raises:
        BadInput: depth is not 6 n + 4.

    Source:
        Huang et al., arXiv:1608.06993, sec. 3, as in SSAL's Keras code: orthogonal
        kernels, no biases, epsilon 1.1e-5, stem without batch norm.
    """
    if depth < 10 or (depth - 4) % 6:
        raise BadInput(f"backbone.depth: is {depth}; must be 6 n + 4: 22, 100, 190.")

    def norm_relu_conv(x, filters, kernel, name, i=""):
        x = BatchNorm(momentum, 1.1e-5, name=f"{name}_norm{i}")(x)
        x = layers.ReLU(name=f"{name}_relu{i}")(x)
        return conv(x, filters, kernel, f"{name}_conv{i}")

    images = keras.Input(image_shape, name="images")
    x = conv(images, 2 * growth, 3, "stem_conv")
    for stage in (1, 2, 3):
        for block in range(1, (depth - 4) // 6 + 1):
            name = f"stage{stage}_block{block}"
            new = norm_relu_conv(x, 4 * growth, 1, name, 1)
            new = norm_relu_conv(new, growth, 3, name, 2)
            new = Dropout(dropout, name=f"{name}_dropout")(new)
            x = layers.Concatenate(name=name)([x, new])
        if stage < 3:
            name = f"transition{stage}"
            x = norm_relu_conv(x, x.shape[-1] // 2, 1, name)
            x = layers.AveragePooling2D(2, name=name)(x)
    x = BatchNorm(momentum, 1.1e-5, name="head_norm")(x)
    x = layers.ReLU(name="head_relu")(x)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(images, features, name=f"densenet{depth}_{growth}")


def conv(x, filters, kernel, name):
    return layers.Conv2D(
        filters,
        kernel,
        padding="same",
        use_bias=False,
        kernel_initializer="orthogonal",
        name=name,
    )(x)


def densenet190(image_shape, dropout: Fraction = 0.2, momentum: Fraction = 0.99):
    """Growth 40; 26.1 M with a head for 100 classes."""
    return densenet(image_shape, 190, 40, dropout, momentum)
