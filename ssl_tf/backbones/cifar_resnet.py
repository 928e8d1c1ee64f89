"""G-SimCLR's ResNets for CIFAR: bottlenecks, activation after the addition."""

import keras
from keras import layers

from ssl_tf.errors import BadInput
from ssl_tf.layers.norm import BatchNorm
from ssl_tf.layers.strides import subsampled
from ssl_tf.schema import Count, Fraction

# Width of the inner convolutions over the stem's, their factor, and the strides.
STAGES = ((1, 4, 1), (4, 2, 2), (8, 2, 2))


def cifar_resnet(
    image_shape,
    n: Count = 4,
    width: Count = 16,
    tail: bool = False,
    momentum: Fraction = 0.99,
):
    """`[B, H, W, C]` -> `[B, 16 * width]`.

    Args:
        image_shape: (height, width, channels), at least 4 pixels a side.
        n: blocks a stage; the depth is 9 n + 2.
        width: filters of the stem.
        tail: end in batch norm and ReLU before the pooling, as the authors' supervised
            network does; it pools 8x8 pixels, which at 32 are all of them, as here.
        momentum: of the running statistics.

    Raises:
        BadInput: the images are smaller than that.

    Source:
        G-SimCLR, arXiv:2009.12007, by its code: version 1 of He et al. as one of many
        teaching repositories has it. Every convolution has a bias, shortcuts have no
        batch norm, kernels are He-normal.
    """
    if min(image_shape[:2]) < 4:
        raise BadInput(f"cifar_resnet: needs 4 pixels a side, not {image_shape[:2]}.")
    norm = lambda x, name: BatchNorm(momentum, 1e-3, name=name)(x)
    images = keras.Input(image_shape, name="images")
    x = norm(conv(images, width, 3, 1, "stem_conv"), "stem_norm")
    x = layers.ReLU(name="stem")(x)
    for stage, (factor, expansion, strides) in enumerate(STAGES, start=1):
        for block in range(1, n + 1):
            first = block == 1
            x = bottleneck(
                x,
                factor * width,
                expansion,
                strides if first else 1,
                f"stage{stage}_block{block}",
                norm=norm,
                project=first,
            )
    if tail:
        x = layers.ReLU(name="tail_relu")(norm(x, "tail_norm"))
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(images, features, name=f"cifar_resnet{9 * n + 2}")


def bottleneck(x, filters, expansion, strides, name, *, norm, project):
    """1x1, 3x3 with the stride, 1x1; a shortcut of its own if `project`."""
    wide = filters * expansion
    y = conv(x, filters, 1, 1, f"{name}_conv1")
    y = layers.ReLU(name=f"{name}_relu1")(norm(y, f"{name}_norm1"))
    y = conv(y, filters, 3, strides, f"{name}_conv2")
    y = layers.ReLU(name=f"{name}_relu2")(norm(y, f"{name}_norm2"))
    y = norm(conv(y, wide, 1, 1, f"{name}_conv3"), f"{name}_norm3")
    if project:
        x = conv(x, wide, 1, strides, f"{name}_shortcut")
    return layers.ReLU(name=name)(layers.Add(name=f"{name}_add")([x, y]))


def conv(x, filters, kernel, strides, name):
    """With TensorFlow's own padding: at stride 2 one pixel more below and right."""
    x, strides = subsampled(x, kernel, strides, name)
    return layers.Conv2D(
        filters,
        kernel,
        strides,
        "same",
        kernel_initializer="he_normal",
        name=name,
    )(x)


def cifar_resnet38(
    image_shape,
    width: Count = 16,
    tail: bool = False,
    momentum: Fraction = 0.99,
):
    """n = 4; 1.12 M. The network of every SimCLR row.

    README and paper call it ResNet20; the authors' code builds 38 layers, and so do we.
    """
    return cifar_resnet(image_shape, 4, width, tail, momentum)


def cifar_resnet20(
    image_shape,
    width: Count = 16,
    tail: bool = True,
    momentum: Fraction = 0.99,
):
    """n = 2; 0.57 M. The network of the supervised baseline, with its tail."""
    return cifar_resnet(image_shape, 2, width, tail, momentum)
