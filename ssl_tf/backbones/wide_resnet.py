"""SSAL's wide ResNets: ReLU before the addition, max-pools between the stages."""

import keras
from keras import layers

from ssl_tf.errors import BadInput
from ssl_tf.layers.norm import BatchNorm
from ssl_tf.layers.squeeze_excite import squeeze_excite
from ssl_tf.schema import Count, Fraction


def wide_resnet(
    image_shape,
    depth: Count = 28,
    width: Count = 10,
    se: bool = False,
    momentum: Fraction = 0.99,
):
    """`[B, H, W, C]` -> `[B, 64 * width]`.

    Args:
        image_shape: (height, width, channels).
        depth: 6 n + 4 with n blocks a stage.
        width: factor on the stages' 16, 32 and 64 filters.
        se: weigh each residual by squeeze-and-excitation.
        momentum: of the running statistics.

    Raises:
        BadInput: depth is not 6 n + 4.

    Source:
        Zagoruyko and Komodakis, arXiv:1605.07146, as in SSAL's Keras code, which is
        *not* pre-activation: conv-BN-ReLU-conv-BN-ReLU, then the addition, nothing
        after it; biases everywhere; 2x2 max-pools instead of strides.
    """
    if depth < 10 or (depth - 4) % 6:
        raise BadInput(f"backbone.depth: is {depth}; must be 6 n + 4: 10, 16, 22, 28.")
    conv_norm_relu = lambda x, filters, name, i="": layers.ReLU(name=f"{name}_relu{i}")(
        BatchNorm(momentum, 1e-3, name=f"{name}_norm{i}")(
            layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv{i}")(x)
        )
    )
    images = keras.Input(image_shape, name="images")
    x = conv_norm_relu(images, 16, "stem")
    for stage in (1, 2, 3):
        filters = 16 * width * 2 ** (stage - 1)
        for block in range(1, (depth - 4) // 6 + 1):
            name = f"stage{stage}_block{block}"
            shortcut = x
            if block == 1:
                shortcut = layers.Conv2D(
                    filters, 1, padding="same", name=f"{name}_shortcut"
                )(x)
            y = conv_norm_relu(conv_norm_relu(x, filters, name, 1), filters, name, 2)
            if se:
                y = squeeze_excite(y, name)
            x = layers.Add(name=name)([shortcut, y])
        if stage < 3:
            x = layers.MaxPooling2D(2, name=f"pool{stage}")(x)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(images, features, name=f"wrn{depth}_{width}")


def wrn28_10(image_shape, momentum: Fraction = 0.99):
    """36.6 M with a head for 100 classes."""
    return wide_resnet(image_shape, 28, 10, momentum=momentum)


def se_wrn16_8(image_shape, momentum: Fraction = 0.99):
    """11.1 M with a head for 100 classes."""
    return wide_resnet(image_shape, 16, 8, se=True, momentum=momentum)
