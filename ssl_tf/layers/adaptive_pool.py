"""Average pooling to a fixed size, whatever the size of the map."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("ssl_tf")
class AdaptiveAverage(keras.layers.Layer):
    """`[B, H, W, C]` -> `[B, size, size, C]`: means of windows that cover the map.

    Window i of n pixels is [floor(i n / size), ceil((i + 1) n / size)): windows overlap
    where size does not divide n, and a map smaller than `size` is repeated.

    Args:
        size: int >= 1.

    Source:
        PyTorch's rule, which ScatSimCLR (arXiv:2108.13939) pools by.
    """

    def __init__(self, size=4, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def build(self, shape):
        self.rows, self.columns = (averages(n, self.size) for n in shape[1:3])

    def call(self, x):
        rows = ops.cast(self.rows, x.dtype)
        columns = ops.cast(self.columns, x.dtype)
        return ops.einsum(
            "bawc,dw->badc", ops.einsum("bhwc,ah->bawc", x, rows), columns
        )

    def compute_output_shape(self, shape):
        return (shape[0], self.size, self.size, shape[-1])

    def get_config(self):
        return super().get_config() | {"size": self.size}


def averages(n, size):
    """`[size, n]`: the matrix that averages n values to `size`."""
    i = np.arange(size)[:, None]
    first, last = i * n // size, -(-(i + 1) * n // size)
    at = np.arange(n)
    inside = (at >= first) & (at < last)
    return (inside / (last - first)).astype(np.float32)
