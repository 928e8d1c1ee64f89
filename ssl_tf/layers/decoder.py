"""From a latent map back to an image."""

import keras
from keras import layers

from ssl_tf.layers.norm import BatchNorm


def decoder(latent_shape, filters, kernel, channels=3, momentum=0.99, name="decoder"):
    """`keras.Model`, `[B, h, w, F]` -> images in [0, 1] of 2^s times the side, float32.

    Args:
        latent_shape: (height, width, channels).
        filters: of each of the s stages.
        kernel: side of every convolution.
        channels: of the image.
        momentum: of the running statistics.
        name: of the model, and before the names of its layers.

    Source:
        G-SimCLR, arXiv:2009.12007, by its code: each stage doubles the side by
        repetition, then convolves with bias, normalises, ReLU; last comes a convolution
        with sigmoid.
    """
    x = latent = keras.Input(latent_shape, name=f"{name}_latent")
    for stage, width in enumerate(filters, start=1):
        part = f"{name}_stage{stage}"
        x = layers.UpSampling2D(2, interpolation="nearest", name=f"{part}_up")(x)
        x = layers.Conv2D(width, kernel, padding="same", name=f"{part}_conv")(x)
        x = BatchNorm(momentum, 1e-3, name=f"{part}_norm")(x)
        x = layers.ReLU(name=part)(x)
    x = layers.Conv2D(channels, kernel, padding="same", name=f"{name}_output")(x)
    image = layers.Activation("sigmoid", dtype="float32", name=f"{name}_image")(x)
    return keras.Model(latent, image, name=name)
