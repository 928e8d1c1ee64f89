"""Dropout whose mask depends on the image, not on its place in the batch."""

import keras
from keras import ops

from ssl_tf.ops import chance


class Dropout(keras.layers.Layer):
    """Zeroes a share of the values and scales the others by 1 / (1 - rate).

    Inside `chance.keyed` (every training step of ours) the mask is a function of
    (seed, epoch, image index, layer name): the same on one device and on many, before
    and after a resume. Elsewhere Keras' own generator draws it.

    Args:
        rate: float in [0, 1), share of zeroed values.
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed, name=f"{self.name}_seed")
        self.supports_masking = True
        self.built = True

    def call(self, x, training=False):
        if not training or self.rate == 0:
            return x
        if not chance.active():
            return keras.random.dropout(x, self.rate, seed=self.generator)
        kept = ops.cast(chance.uniform(self.name, x.shape[1:]) >= self.rate, x.dtype)
        return x * kept * (1.0 / (1.0 - self.rate))

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"rate": self.rate, "seed": self.seed}
