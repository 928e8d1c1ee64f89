"""A small method with heads that cluster, as Self-Classifier has them."""

import keras
import numpy as np
import tensorflow as tf

from ssl_tf.data import pipeline
from ssl_tf.data.source import Source
from ssl_tf.methods.base import Method
from ssl_tf.methods.supervised import classifier
from ssl_tf.schema import Count


class Heads(Method):
    """Unit vectors of the backbone's features, and linear heads on them."""

    def __init__(self, backbone, classes: Count, heads: list[Count] = (10, 20)):
        super().__init__(backbone, name="heads")
        width = backbone.output_shape[-1]
        self.heads = [
            classifier(width, size, "torch", f"head{i}") for i, size in enumerate(heads)
        ]
        self.built = True

    def objective(self, batch, training):
        features = self.features(batch["views"][0], training)[0]
        return {"loss": keras.ops.mean(features, axis=-1)}

    def representations(self, images):
        features = self.features(images, training=False)[0]
        z = keras.ops.normalize(features, axis=-1)
        logits = {f"logits{i}": head(z) for i, head in enumerate(self.heads)}
        return {"features": features, "z": z, **logits}


class Told:
    """A method whose logits are told by the first pixels of an image: its cluster."""

    name = "told"

    def __init__(self, sizes=(4, 4), scale=3.0):
        self.sizes = sizes
        self.scale = scale
        self.passes = tf.Variable(0)

    def representations(self, images):
        self.passes.assign_add(1)
        number = tf.cast(tf.round(images[:, 0, 0] * 255), tf.int32)
        first, second = number[:, 0], number[:, 1]
        x = tf.stack([first, second], axis=1)
        found = {"features": tf.cast(x, tf.float32)}
        for i, size in enumerate(self.sizes):
            found[f"logits{i}"] = tf.one_hot(x[:, i], size) * self.scale
        return found


def told(first, second, label, classes, split="test", side=8):
    """`pipeline.Images` that `Told` puts into given clusters."""
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (len(label), side, side, 3), np.uint8)
    pixels[:, 0, 0, 0], pixels[:, 0, 0, 1] = first, second
    label = np.asarray(label, np.int32)
    source = Source("made", split, pixels, label, tuple(classes))
    return pipeline.Images(source, pipeline.Normal(), side)
