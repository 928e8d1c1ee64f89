"""A ResNet as trunk and box head, new layers, random numbers."""

import math
import re

import keras
from keras import layers, ops

from ssl_tf import cost
from ssl_tf.errors import BadInput
from ssl_tf.ops import chance, distribute
from ssl_tf.ops.sizes import any_size

STRIDE = 16  # pixels a cell of the third stage


def cut(backbone):
    """A ResNet's `(images -> third stage, third -> fourth stage, name of the third)`.

    Raises:
        BadInput: it has no such stages.
    """
    last = {}
    for layer in backbone.layers:
        found = re.fullmatch(r"stage(\d)_block\d+", layer.name)
        if found:
            last[found[1]] = layer.name
    if not {"3", "4"} <= last.keys():
        raise BadInput(
            f"backbone: {backbone.name} has no third and fourth stage to detect with; "
            "take resnet50 or resnet18."
        )
    middle, end = (backbone.get_layer(last[stage]).output for stage in "34")
    height = backbone.input_shape[1]
    if height and -(-height // STRIDE) != middle.shape[1]:
        raise BadInput(
            f"backbone.stem: the third stage of {backbone.name} must have a stride of "
            f"{STRIDE} pixels; set it to imagenet."
        )
    body = any_size(keras.Model(backbone.input, middle))
    return body, any_size(keras.Model(middle, end)), last["3"]


def multiply_adds(method, shape):
    """Of one image's forward pass in training: trunk, proposals, regions.

    Args:
        method: `FasterRCNN` or `MaskRCNN`.
        shape: `(H, W, C)` of the image with its padding.
    """
    cells = shape[0] * shape[1] / STRIDE**2
    nominal = method.backbone.get_layer(method.middle).output.shape[1:3]
    regions, size = method.looking.samples, method.bins
    objects = int(regions * method.looking.share)
    places = {"rpn": cells, "roi": regions, "mask": objects * size**2}
    total = 0.0
    for name, count in cost.layers(method.backbone, shape):
        whole = regions * size**2 if name.startswith("stage4") else cells
        total += count * whole / math.prod(nominal)
    for layer in method.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            total += math.prod(kernel.shape) * places[layer.name.partition("_")[0]]
    return int(total)


def average(counts):
    """Mean of `[B]` numbers over the images of all replicas, a scalar."""
    return distribute.total(ops.mean(counts)) / distribute.replicas()


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
