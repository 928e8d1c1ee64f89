"""A linear map whose columns have a length of their own."""

import keras
from keras import ops

from ssl_tf.layers.initial import torch_uniform


class WeightNorm(keras.layers.Layer):
    """`x [B, D] -> x V [B, C]`, columns V_c = gain_c direction_c / |direction_c|.

    No bias. Both the gain, 1 at first, and the direction are trained.

    Args:
        classes: int, C.

    Source:
        Salimans and Kingma, arXiv:1602.07868, eq. 2; Self-Classifier's heads,
        arXiv:2103.10994, by the authors' code.
    """

    def __init__(self, classes, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes

    def build(self, shape):
        self.gain = self.add_weight(
            shape=(self.classes,), name="gain", initializer="ones"
        )
        self.direction = self.add_weight(
            shape=(shape[-1], self.classes),
            name="direction",
            initializer=torch_uniform(),
        )

    def call(self, x):
        direction = ops.cast(self.direction, "float32")
        length = ops.sqrt(ops.sum(ops.square(direction), axis=0))
        kernel = direction * (ops.cast(self.gain, "float32") / length)
        return ops.matmul(x, ops.cast(kernel, x.dtype))

    def multiply_adds(self):
        return self.direction.shape[0] * self.classes

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.classes)

    def get_config(self):
        return super().get_config() | {"classes": self.classes}
