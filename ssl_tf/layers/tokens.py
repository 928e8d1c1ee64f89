"""Tokens: of a map, a class token before them, a table of their positions."""

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
class Tokens(keras.layers.Layer):
    """`[B, H, W, C]` -> `[B, H W, C]`: a map's places in a row, whatever its size."""

    def call(self, x):
        return ops.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3]))

    def compute_output_shape(self, shape):
        return (shape[0], shape[1] * shape[2], shape[3])


@keras.saving.register_keras_serializable("ssl_tf")
class FirstToken(keras.layers.Layer):
    """`[B, N, C]` -> `[B, 1, C]`, however many tokens there are."""

    def call(self, x):
        return x[:, :1]

    def compute_output_shape(self, shape):
        return (shape[0], 1, shape[2])


@keras.saving.register_keras_serializable("ssl_tf")
class PositionTable(Learned):
    """Adds a learned value to each place of tokens `[B, N, C]` or maps `[B, H, W, C]`.

    Its one weight, `table`, has the shape of an image's tokens or map. For images of
    another size it is interpolated, and learns from them, too; see `bicubic`. Tokens
    must then be those of square maps behind a class token, whose row is kept.

    Raises:
        BadInput: tokens of another number that are not.
    """

    def build(self, shape):
        self.table = self.add_weight(
            shape=shape[1:], name="table", initializer=self.normal()
        )

    def call(self, x):
        shape = tuple(x.shape[1:])
        table = ops.convert_to_tensor(self.table)
        if shape != tuple(self.table.shape):
            between = lambda old, new: ops.cast(bicubic(old, new), table.dtype)
            table = regridded(table, shape, between, ops)
        return x + ops.cast(table, x.dtype)

    def compute_output_shape(self, shape):
        return shape


def regridded(table, shape, between, xp):
    """Positions `[H, W, C]` or `[1 + N, C]` for another grid of their kind.

    Args:
        table: of the old grid; N tokens of a square one behind the class token's row,
            which is kept.
        shape: of the result.
        between: `(old, new) -> [new, old]`, the matrix that interpolates a side.
        xp: `numpy` or `keras.ops`, whichever `table` belongs to.

    Raises:
        BadInput: N is no square number.
    """
    if len(shape) == 3:
        rows, columns = (between(a, b) for a, b in zip(table.shape, shape[:2]))
        return xp.einsum("ah,bw,hwc->abc", rows, columns, table)
    old, new = sides(table.shape[0], shape[0])
    grid = xp.reshape(table[1:], (old, old, -1))
    grid = regridded(grid, (new, new, shape[-1]), between, xp)
    return xp.concatenate([table[:1], xp.reshape(grid, (new * new, -1))])


def bicubic(old, new):
    """`[new, old]`: the matrix that interpolates `old` values at `new` places.

    Places are pixel centres of a grid of new + 0.1 pixels, `old` wide, cubics those of
    a = -3/4 without antialiasing, and the edge is repeated.

    Source:
        DINO, arXiv:2104.14294, whose code lengthens the grid by a tenth against a
        rounding error; Self-Classifier's ViTs: spec 2.1. PyTorch's documented "bicubic"
        with `align_corners=False`.
    """
    place = (np.arange(new) + 0.5) * old / (new + 0.1) - 0.5
    matrix = np.zeros((new, old))
    for tap in range(-1, 3):
        near = np.floor(place).astype(int) + tap
        weight = cubic(np.abs(place - near))
        np.add.at(matrix, (np.arange(new), np.clip(near, 0, old - 1)), weight)
    return matrix


def cubic(x, a=-0.75):
    """Keys' cubic kernel at distances `x >= 0`; it is 0 from 2 on."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


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
    return regridded(table, shape, bilinear, np).astype(table.dtype)


def sides(old, new):
    """Sides of the two square grids that so many tokens, one of a class, make.

    Raises:
        BadInput: they make none.
    """
    a, b = (math.isqrt(n - 1) for n in (old, new))
    if (a * a, b * b) != (old - 1, new - 1):
        raise BadInput(
            f"has positions for {old - 1} patches, {new - 1} are wanted; only square "
            "grids are resized"
        )
    return a, b


def bilinear(old, new):
    """`[new, old]`: the matrix that interpolates `old` values at `new` places."""
    place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(old)))
