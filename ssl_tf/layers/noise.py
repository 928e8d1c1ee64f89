"""Noise that depends on the image, not on its place in the batch."""

import keras
from keras import ops

from ssl_tf.ops import chance


class GaussianNoise(keras.layers.Layer):
    """Adds normal numbers in training; what leaves the range of images is not clipped.

    Inside `chance.keyed` the noise is a function of (seed, epoch, image index, layer
    name); elsewhere Keras' own generator draws it. See `Dropout`.

    Args:
        deviation: float >= 0, of the noise.
    """

    def __init__(self, deviation, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.deviation = deviation
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed, name=f"{self.name}_seed")
        self.built = True

    def call(self, x, training=False):
        if not training or self.deviation == 0:
            return x
        if chance.active():
            noise = chance.normal(self.name, x.shape[1:])
        else:
            noise = keras.random.normal(ops.shape(x), seed=self.generator)
        return x + self.deviation * ops.cast(noise, x.dtype)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"deviation": self.deviation, "seed": self.seed}
