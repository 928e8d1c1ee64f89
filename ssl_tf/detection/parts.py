"""A ResNet as trunk and box head, new layers, random numbers."""

import re

import keras
from keras import layers, ops

from ssl_tf.errors import BadInput
from ssl_tf.ops import chance
from ssl_tf.ops.sizes import any_size


def cut(backbone):
    """`(images -> third stage, third stage -> fourth)` of a ResNet, sharing its layers.

    Raises:
        BadInput: it has no such stages.
    """
    last = {}
    for layer in backbone.layers:
        found = re.fullmatch(r"stage(\d)_block\d+", layer.name)
        if found:
            last[found[1]] = layer.output
    if not {"3", "4"} <= last.keys():
        raise BadInput(
            f"backbone: {backbone.name} has no third and fourth stage to detect with; "
            "take resnet50 or resnet18."
        )
    middle, end = last["3"], last["4"]
    body = any_size(keras.Model(backbone.input, middle))
    return body, any_size(keras.Model(middle, end))


def draws(name, like):
    """Random numbers in [0, 1) of the shape of `like` `[B, N]`, for this update.

    Keyed by image, whatever device computes it; see `ops.chance`.
    """
    shape = ops.shape(like)
    if not chance.active():
        return keras.random.uniform(shape)
    return chance.uniform(name, shape[1:])


def conv(width, size, deviation, name, activation=None):
    return layers.Conv2D(
        width,
        size,
        padding="same",
        activation=activation,
        kernel_initializer=keras.initializers.RandomNormal(stddev=deviation),
        name=name,
    )


def dense(width, deviation, name):
    kernel = keras.initializers.RandomNormal(stddev=deviation)
    return layers.Dense(width, kernel_initializer=kernel, name=name)
