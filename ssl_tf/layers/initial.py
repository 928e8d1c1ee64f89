"""Initial weights as PyTorch and its libraries draw them."""

import math

import keras


def torch_uniform(fan_in=None):
    """U(+-1 / sqrt(fan_in)), for convolutions and linear layers.

    Args:
        fan_in: int, how many numbers an output is made of; `None` takes it from the
            kernel. A bias does not show it, and Keras misreads a depthwise kernel.
    """
    if fan_in is None:
        return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    limit = 1 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-limit, limit)


def kaiming():
    """N(0, sqrt(2 / fan_out)), for kernels of convolutions and linear layers."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
