"""The package in float64, to tell a wrong rule from the rounding of a right one."""

import contextlib

import keras
import pytest
import tensorflow as tf
from keras import ops

from ssl_tf.layers import norm


def wide(dtype):
    return "float64" if str(dtype) == "float32" else dtype


@contextlib.contextmanager
def precision():
    """Everything that a network or a loss computes in float32 is float64 meanwhile."""
    cast, add_weight = ops.cast, keras.layers.Layer.add_weight

    def added(self, *given, **more):
        if "dtype" in more:
            more["dtype"] = wide(more["dtype"])
        return add_weight(self, *given, **more)

    def moments(self, x):  # the fused kernel has no float64
        mean, variance, count = norm.global_moments(x)
        return self.affine(x, mean, variance), mean, variance, count

    with pytest.MonkeyPatch.context() as now:
        now.setattr(ops, "cast", lambda x, dtype: cast(x, wide(dtype)))
        now.setattr(keras.layers.Layer, "add_weight", added)
        now.setattr(norm.BatchNorm, "fused", moments)
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        try:
            yield
        finally:
            keras.config.set_floatx("float32")
            keras.config.set_dtype_policy("float32")


def inside(network):
    """`network(x, training)` of float64 weights as one from float32 to float32."""

    def call(x, training):
        with precision():
            y = network(tf.cast(x, "float64"), training)
        return tf.cast(y, "float32")

    return call
