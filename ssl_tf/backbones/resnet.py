"""ResNets as torchvision builds them, with the ImageNet stem or a 3x3 one."""

from typing import Literal

import keras
from keras import layers

from ssl_tf.layers.initial import kaiming, torch_uniform
from ssl_tf.layers.norm import BatchNorm
from ssl_tf.layers.strides import subsampled
from ssl_tf.schema import Count, Fraction, Positive

Stem = Literal["imagenet", "small", "small_pool"]
BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


def resnet(
    image_shape,
    depth: Count = 50,
    width: Count = 64,
    stem: Stem = "imagenet",
    zero_init: bool = False,
    momentum: Fraction = 0.9,
    epsilon: Positive = 1e-5,
):
    """`[B, H, W, C]` -> `[B, F]`; F = 8 * width, four times that at depth 50.

    Args:
        image_shape: (height, width, channels).
        depth: 18 (basic blocks) or 50 (bottlenecks, stride in the 3x3: "v1.5").
        width: filters of the first stage.
        stem: "imagenet" is 7x7 with stride 2 and a max-pool; "small" is one 3x3
            convolution, for images of 32 to 64 pixels, as in all papers here but one;
            "small_pool" keeps the max-pool behind it and draws its kernel as PyTorch
            does by default: arXiv:2112.02297's network at 32 pixels, by its code.
        zero_init: start the last gamma of each block at 0.
        momentum: of the running statistics.
        epsilon: of the batch norms.

    Source:
        He et al., arXiv:1512.03385, as torchvision has it (padding on both sides,
        Kaiming-normal kernels with fan-out).
    """
    norm = lambda x, name, **more: BatchNorm(momentum, epsilon, name=name, **more)(x)
    images = keras.Input(image_shape, name="images")
    size = (7, 2) if stem == "imagenet" else (3, 1)
    init = torch_uniform if stem == "small_pool" else kaiming
    x = norm(conv(images, width, *size, "stem_conv", init), "stem_norm")
    x = layers.ReLU(name="stem" if stem == "small" else "stem_relu")(x)
    if stem != "small":
        # Zeros are safe below a ReLU: torch pads with minus infinity.
        x = layers.ZeroPadding2D(1, name="stem_pad")(x)
        x = layers.MaxPooling2D(3, 2, name="stem")(x)
    filters, bottleneck = width, depth == 50
    for stage, count in enumerate(BLOCKS[depth], start=1):
        for block in range(1, count + 1):
            x = residual(
                x,
                filters,
                2 if stage > 1 and block == 1 else 1,
                f"stage{stage}_block{block}",
                norm=norm,
                bottleneck=bottleneck,
                last_gamma="zeros" if zero_init else "ones",
            )
        filters *= 2
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(images, features, name=f"resnet{depth}")


def residual(x, filters, strides, name, *, norm, bottleneck, last_gamma):
    width = 4 * filters if bottleneck else filters
    plan = [(filters, 1, 1), (filters, 3, strides), (width, 1, 1)]
    if not bottleneck:
        plan = [(filters, 3, strides), (filters, 3, 1)]
    shortcut = x
    if strides > 1 or x.shape[-1] != width:
        shortcut = conv(x, width, 1, strides, f"{name}_shortcut_conv")
        shortcut = norm(shortcut, f"{name}_shortcut_norm")
    for i, (count, kernel, stride) in enumerate(plan, start=1):
        x = conv(x, count, kernel, stride, f"{name}_conv{i}")
        last = i == len(plan)
        x = norm(x, f"{name}_norm{i}", gamma=last_gamma if last else "ones")
        if not last:
            x = layers.ReLU(name=f"{name}_relu{i}")(x)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=name)(x)


def conv(x, filters, kernel, strides, name, init=kaiming):
    """Padded by (kernel - 1) / 2 on every side, as in PyTorch, whatever the stride."""
    if strides > 1 and kernel > 1:
        x = layers.ZeroPadding2D((kernel - 1) // 2, name=f"{name}_pad")(x)
    x, strides = subsampled(x, kernel, strides, name)
    return layers.Conv2D(
        filters,
        kernel,
        strides,
        "valid" if strides > 1 else "same",
        use_bias=False,
        kernel_initializer=init(),
        name=name,
    )(x)


def resnet18(
    image_shape,
    width: Count = 64,
    stem: Stem = "imagenet",
    zero_init: bool = False,
    momentum: Fraction = 0.9,
):
    """Basic blocks (2, 2, 2, 2); 11.7 M with a head for 1,000 classes."""
    return resnet(image_shape, 18, width, stem, zero_init, momentum)


def resnet50(
    image_shape,
    width: Count = 64,
    stem: Stem = "imagenet",
    zero_init: bool = False,
    momentum: Fraction = 0.9,
):
    """Bottlenecks (3, 4, 6, 3); 25.6 M with a head for 1,000 classes."""
    return resnet(image_shape, 50, width, stem, zero_init, momentum)
