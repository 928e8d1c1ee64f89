"""ResNet-50 as `keras.applications` builds it: not torchvision's."""

import keras
from keras import layers

from ssl_tf.layers.norm import BatchNorm
from ssl_tf.layers.strides import subsampled
from ssl_tf.schema import Count, Fraction

BLOCKS = (3, 4, 6, 3)
EPSILON = 1.001e-5


def resnet50_keras(image_shape, width: Count = 64, momentum: Fraction = 0.99):
    """`[B, H, W, C]` -> `[B, 32 * width]`; 23.6 M.

    Args:
        image_shape: (height, width, channels).
        width: filters of the first stage.
        momentum: of the running statistics.

    Source:
        He et al., arXiv:1512.03385, as in `keras.applications.ResNet50`: version 1,
        which strides in the first 1x1 convolution; every convolution has a bias,
        epsilon is 1.001e-5, kernels are Glorot-uniform. G-SimCLR, arXiv:2009.12007,
        trains it from scratch on plain [0, 1] images.
    """
    norm = lambda x, name: BatchNorm(momentum, EPSILON, name=name)(x)
    images = keras.Input(image_shape, name="images")
    x = layers.ZeroPadding2D(3, name="stem_conv_pad")(images)
    x = norm(layers.Conv2D(width, 7, 2, name="stem_conv")(x), "stem_norm")
    x = layers.ReLU(name="stem_relu")(x)
    x = layers.ZeroPadding2D(1, name="stem_pad")(x)
    x = layers.MaxPooling2D(3, 2, name="stem")(x)
    for stage, count in enumerate(BLOCKS, start=1):
        filters = width * 2 ** (stage - 1)
        for block in range(1, count + 1):
            first = block == 1
            x = bottleneck(
                x,
                filters,
                2 if first and stage > 1 else 1,
                f"stage{stage}_block{block}",
                norm=norm,
                project=first,
            )
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(images, features, name="resnet50_keras")


def bottleneck(x, filters, strides, name, *, norm, project):
    """1x1 with the stride, 3x3, 1x1; a normalised shortcut of its own if `project`."""
    shortcut = x
    if project:
        conv = f"{name}_shortcut_conv"
        shortcut, stride = subsampled(x, 1, strides, conv)
        shortcut = layers.Conv2D(4 * filters, 1, stride, name=conv)(shortcut)
        shortcut = norm(shortcut, f"{name}_shortcut_norm")
    plan = [(filters, 1, strides), (filters, 3, 1), (4 * filters, 1, 1)]
    for i, (count, kernel, stride) in enumerate(plan, start=1):
        conv = f"{name}_conv{i}"
        x, stride = subsampled(x, kernel, stride, conv)
        x = layers.Conv2D(count, kernel, stride, "same", name=conv)(x)
        x = norm(x, f"{name}_norm{i}")
        if i < 3:
            x = layers.ReLU(name=f"{name}_relu{i}")(x)
    return layers.ReLU(name=name)(layers.Add(name=f"{name}_add")([shortcut, x]))
