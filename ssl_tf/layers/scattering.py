"""Wavelet scattering as a layer: fixed filters, nothing to train."""

import keras
from keras import ops

from ssl_tf.ops import scattering, wavelets


@keras.saving.register_keras_serializable("ssl_tf")
class Scattering(keras.layers.Layer):
    """Order 0 to 2 scattering of each channel: `[B, H, W, C]` -> `[B, h, w, C * K]`.

    The channel of the output is colour * K + coefficient, K coefficients in the order
    of `wavelets.coefficients`. Computes in float32 under any policy and casts its
    output; filters are constants, not weights, and are not saved.

    It is made of matrix products, so it is as exact as these are. On a GPU TensorFlow
    rounds their factors to TF32 unless `enable_tensor_float_32_execution(False)` of
    `tf.config.experimental` was called; a TPU rounds them to bfloat16.

    Args:
        J: int >= 1, scales; h = H / 2^J, rounded down.
        L: int >= 1, angles.
        compiled: compile the transform with XLA also where the model is not: a few
            seconds for each new shape, then three to five times as fast on a CPU.

    Raises:
        BadInput: at building, if the images are too small for J.

    Source:
        ScatSimCLR, arXiv:2108.13939, section 3; see `ops.scattering`. The authors
        make a batch norm for the output and never apply it: none here.
    """

    def __init__(self, J=2, L=16, compiled=True, **kwargs):
        super().__init__(**({"autocast": False, "trainable": False} | kwargs))
        self.J, self.L, self.compiled = J, L, compiled

    def build(self, shape):
        self.constants = wavelets.plan(tuple(shape[1:3]), self.J, self.L)
        self.transform = compiled(self.direct) if self.compiled else self.direct

    def direct(self, images):
        return scattering.scatter(images, self.J, self.L, together=accelerated())

    def call(self, images):
        found = self.transform(ops.cast(images, "float32"))
        _, h, w, channels, count = found.shape
        found = ops.reshape(found, (-1, h, w, channels * count))
        return ops.cast(found, self.compute_dtype)

    def compute_output_shape(self, shape):
        batch, height, width, channels = shape
        count = len(wavelets.coefficients(self.J, self.L))
        return (batch, height >> self.J, width >> self.J, channels * count)

    def get_config(self):
        own = {"J": self.J, "L": self.L, "compiled": self.compiled}
        return super().get_config() | own


def compiled(function):
    """The function under the backend's XLA compiler; as it is on other backends."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def slope(x, upstream):
            return tf.gradients(function(x), x, upstream)[0]

        forward, backward = (
            tf.function(f, jit_compile=True, reduce_retracing=True)
            for f in (function, slope)
        )
        # XLA cannot hand a loop's intermediate values to a second program: the
        # backward one makes them anew, in the rare case that images need gradients.
        still = tf.stop_gradient
        return tf.custom_gradient(
            lambda x: (forward(still(x)), lambda up: backward(x, up))
        )
    if keras.backend.backend() == "jax":
        import jax

        exactly = jax.default_matmul_precision("highest")
        return jax.jit(exactly(function))
    return function


def accelerated():
    """Whether the backend computes on something else than a CPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        kinds = {device.device_type for device in tf.config.list_logical_devices()}
        return bool(kinds & {"GPU", "TPU"})
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() != "cpu"
    return False
