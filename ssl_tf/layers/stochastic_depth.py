"""Stochastic depth: an image skips a residual branch by chance."""

import keras
from keras import ops

from ssl_tf.ops import chance


@keras.saving.register_keras_serializable("ssl_tf")
class StochasticDepth(keras.layers.Layer):
    """Zeroes all of an image's values, or scales them by 1 / (1 - rate).

    Keyed by image like `Dropout`, so that replicas and resumed runs draw the same.

    Args:
        rate: float in [0, 1), share of images that skip.

    Source:
        Huang et al., arXiv:1603.09382, scaled in training instead of in inference, as
        timm does ("drop path").
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed, name=f"{self.name}_seed")
        self.built = True

    def call(self, x, training=False):
        if not training or self.rate == 0:
            return x
        one = (1,) * (len(x.shape) - 1)
        if not chance.active():
            shape = (ops.shape(x)[0], *one)
            return keras.random.dropout(x, self.rate, shape, seed=self.generator)
        kept = ops.cast(chance.uniform(self.name, one) >= self.rate, x.dtype)
        return x * kept * (1.0 / (1.0 - self.rate))

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"rate": self.rate, "seed": self.seed}


def skipped(x, rate, name):
    """`x` behind a `StochasticDepth`, or as it is where nothing is skipped."""
    return StochasticDepth(rate, name=name)(x) if rate else x
