"""EfficientNet as timm builds it: not that of `keras.applications`."""

import math
from typing import Literal

import keras
from keras import layers

from ssl_tf.backbones.resnet import conv
from ssl_tf.layers.initial import kaiming
from ssl_tf.layers.norm import BatchNorm
from ssl_tf.layers.squeeze_excite import squeeze_excite
from ssl_tf.layers.stochastic_depth import skipped
from ssl_tf.schema import Fraction, Positive

# Kernel, expansion, filters, blocks, stride of the first block.
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)


def efficientnet(
    image_shape,
    width: Positive = 1.0,
    stem: Literal["imagenet", "small"] = "imagenet",
    drop_path: Fraction = 0.0,
    momentum: Fraction = 0.9,
):
    """`[B, H, W, C]` -> `[B, F]`; F = 1280 * width.

    Args:
        image_shape: (height, width, channels).
        width: factor on all filters, which are then rounded to multiples of 8.
        stem: stride of its 3x3 convolution: "imagenet" 2, "small" 1, for 32 pixels.
        drop_path: share of images that skip the last block; block i of n has i / n of
            it. Blocks without a shortcut skip nothing.
        momentum: of the running statistics.

    Source:
        Tan and Le, arXiv:1905.11946, table 1, as timm has it: padding on both sides,
        epsilon 1e-5, squeeze-and-excitation to a quarter of the block's input, kernels
        normal with fan-out. "small" is arXiv:2112.02297's, by its code.
    """
    norm = lambda x, name: BatchNorm(momentum, name=name)(x)
    images = keras.Input(image_shape, name="images")
    strides = 2 if stem == "imagenet" else 1
    x = conv(images, filters(32, width), 3, strides, "stem_conv")
    x = layers.Activation("silu", name="stem")(norm(x, "stem_norm"))
    total, done = sum(count for *_, count, _ in STAGES), 0
    for stage, (kernel, expansion, own, count, first) in enumerate(STAGES, start=1):
        for i in range(1, count + 1):
            x = block(
                x,
                f"stage{stage}_block{i}",
                filters(own, width),
                kernel,
                expansion=expansion,
                strides=first if i == 1 else 1,
                norm=norm,
                skip=drop_path * done / total,
            )
            done += 1
    x = norm(conv(x, filters(1280, width), 1, 1, "head_conv"), "head_norm")
    x = layers.Activation("silu", name="head_silu")(x)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(images, features, name="efficientnet")


def filters(count, width):
    """The nearest multiple of 8, at least 8 and not below 90 % of `count * width`."""
    wanted = count * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


def block(x, name, own, kernel, *, expansion, strides, norm, skip):
    """1x1 to `expansion` times the width if that is more than 1, depthwise, 1x1."""
    given, width = x, x.shape[-1]
    act = lambda x, i: layers.Activation("silu", name=f"{name}_silu{i}")(x)
    i = 1
    if expansion > 1:
        x = conv(x, expansion * width, 1, 1, f"{name}_conv1")
        x, i = act(norm(x, f"{name}_norm1"), 1), 2
    x = depthwise(x, kernel, strides, f"{name}_conv{i}")
    x = act(norm(x, f"{name}_norm{i}"), i)
    x = squeeze_excite(
        x, name, hidden=max(1, width // 4), activation="silu", init=kaiming
    )
    x = conv(x, own, 1, 1, f"{name}_conv{i + 1}")
    x = norm(x, f"{name}_norm{i + 1}")
    if strides > 1 or width != own:
        return layers.Identity(name=name)(x)
    return layers.Add(name=name)([given, skipped(x, skip, f"{name}_skip")])


def depthwise(x, kernel, strides, name):
    """One kernel a channel, padded like `conv`."""
    if strides > 1:
        x = layers.ZeroPadding2D((kernel - 1) // 2, name=f"{name}_pad")(x)
    deviation = math.sqrt(2) / kernel
    return layers.DepthwiseConv2D(
        kernel,
        strides,
        "valid" if strides > 1 else "same",
        use_bias=False,
        depthwise_initializer=keras.initializers.RandomNormal(stddev=deviation),
        name=name,
    )(x)


def efficientnet_b0(
    image_shape,
    stem: Literal["imagenet", "small"] = "imagenet",
    drop_path: Fraction = 0.0,
    momentum: Fraction = 0.9,
):
    """5.3 M with a head for 1,000 classes."""
    return efficientnet(image_shape, 1.0, stem, drop_path, momentum)
