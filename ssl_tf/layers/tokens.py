"""Learned tokens: a class token before the others, a table of positions."""

import math

import keras
import numpy as np
from keras import ops

from ssl_tf.errors import BadInput


class Learned(keras.layers.Layer):
    """A layer whose one weight is drawn from N(0, deviation)."""

    def __init__(self, deviation=0.02, **kwargs):
        super().__init__(**kwargs)
        self.deviation = deviation

    def normal(self):
        return keras.initializers.RandomNormal(stddev=self.deviation)

    def get_config(self):
        return super().get_config() | {"deviation": self.deviation}


@keras.saving.register_keras_serializable("ssl_tf")
class ClassToken(Learned):
    """`[B, N, C]` -> `[B, 1 + N, C]`: the same learned token before each image's."""

    def build(self, shape):
        self.token = self.add_weight(
            shape=(shape[-1],), name="token", initializer=self.normal()
        )

    def call(self, x):
        token = ops.cast(self.token, x.dtype)
        first = ops.broadcast_to(token, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([first, x], axis=1)

    def compute_output_shape(self, shape):
        return (shape[0], shape[1] + 1, shape[2])


@keras.saving.register_keras_serializable("ssl_tf")
class PositionTable(Learned):
    """Adds a learned value to each place of tokens `[B, N, C]` or maps `[B, H, W, C]`.

    Its one weight, `table`, has the shape of an image's tokens or map.
    """

    def build(self, shape):
        self.table = self.add_weight(
            shape=shape[1:], name="table", initializer=self.normal()
        )

    def call(self, x):
        return x + ops.cast(self.table, x.dtype)

    def compute_output_shape(self, shape):
        return shape


def resized(table, shape):
    """A position table for another grid, by bilinear interpolation.

    Args:
        table: `[H, W, C]`, or `[1 + N, C]`: the class token's row, then those of a
            square grid.
        shape: of the result; a table with another C is returned as it is.

    Raises:
        BadInput: N is no square number.

    Source:
        timm 0.4.8, for weights of another image size: pixel centres, no antialiasing,
        the class token's row kept. (Later versions take bicubic weights.)
    """
    table, shape = np.asarray(table), tuple(shape)
    if table.shape == shape or table.ndim != len(shape) or table.shape[-1] != shape[-1]:
        return table
    if table.ndim == 3:
        rows, columns = (between(a, b) for a, b in zip(table.shape, shape[:2]))
        return np.einsum("ah,bw,hwc->abc", rows, columns, table).astype(table.dtype)
    old, new = (math.isqrt(n - 1) for n in (len(table), shape[0]))
    if (old * old, new * new) != (len(table) - 1, shape[0] - 1):
        raise BadInput(
            f"has positions for {len(table) - 1} patches, {shape[0] - 1} are wanted; "
            "only square grids are resized"
        )
    width = shape[-1]
    grid = resized(table[1:].reshape(old, old, width), (new, new, width))
    return np.concatenate([table[:1], grid.reshape(-1, width)])


def between(old, new):
    """`[new, old]`: the matrix that interpolates `old` values at `new` places."""
    place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(old)))
