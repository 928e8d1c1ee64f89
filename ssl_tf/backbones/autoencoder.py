"""Encoders of G-SimCLR's denoising autoencoders: convolutions and max-pools."""

import keras
from keras import layers

from ssl_tf.errors import BadInput
from ssl_tf.layers.norm import BatchNorm
from ssl_tf.schema import Count, Fraction


def autoencoder(
    image_shape,
    filters: list[Count] = (32, 64, 128),
    kernel: Count = 3,
    momentum: Fraction = 0.99,
):
    """`[B, H, W, C]` -> `[B, last of filters]`: the pooled latent.

    The latent itself, `[B, H / 2^s, W / 2^s, F]` after s stages, is the layer
    `retrieval`, as the authors call it; `methods.autoencoder` decodes it.

    Args:
        image_shape: (height, width, channels).
        filters: of each stage.
        kernel: side of every convolution.
        momentum: of the running statistics.

    Raises:
        BadInput: a side is no multiple of 2^s, so that no decoder would meet it.

    Source:
        G-SimCLR, arXiv:2009.12007, by its code: convolution with bias, batch norm,
        ReLU and 2x2 max-pool a stage; the noise is the method's.
    """
    step = 2 ** len(filters)
    if any(side % step for side in image_shape[:2]):
        raise BadInput(
            f"autoencoder: {len(filters)} poolings need sides that {step} divides, not "
            f"{image_shape[0]}x{image_shape[1]}; set data.size."
        )
    x = images = keras.Input(image_shape, name="images")
    for stage, width in enumerate(filters, start=1):
        name = f"stage{stage}"
        x = layers.Conv2D(width, kernel, padding="same", name=f"{name}_conv")(x)
        x = BatchNorm(momentum, 1e-3, name=f"{name}_norm")(x)
        x = layers.ReLU(name=f"{name}_block1")(x)
        last = stage == len(filters)
        x = layers.MaxPooling2D(2, name="retrieval" if last else f"{name}_pool")(x)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(images, features, name=f"autoencoder{len(filters)}")


def autoencoder_shallow(image_shape, momentum: Fraction = 0.99):
    """3x3, to 128 channels; 0.09 M. For CIFAR-10 and, larger, the ImageNet subset."""
    return autoencoder(image_shape, (32, 64, 128), 3, momentum)


def autoencoder_deep(image_shape, momentum: Fraction = 0.99):
    """5x5, to 1,024 channels; 17.4 M. For the ImageNet subset at 224 pixels."""
    return autoencoder(image_shape, (64, 128, 256, 512, 1024), 5, momentum)
