"""Batch normalisation with the papers' three independent constants."""

import keras
from keras import ops

from ssl_tf.ops import distribute


class BatchNorm(keras.layers.Layer):
    """Normalises the last axis with the moments of the global batch.

    Keras' own layer is unfused, keeps the biased variance and synchronises with one
    collective a moment. Here: one fused kernel where the batch is local, one packed
    collective where it is spread over replicas, and epsilon, momentum and the kind
    of running variance are set independently.

    Args:
        momentum: float in [0, 1), share of the old running statistics that stays.
            PyTorch's 0.1 is 0.9 here.
        epsilon: float > 0, added to the variance.
        unbiased: keep the running variance with n / (n - 1), as PyTorch and
            TensorFlow 1's fused op do, or without.
        center: learn a shift, `beta`.
        scale: learn a factor, `gamma`.

    Source:
        Ioffe and Szegedy, arXiv:1502.03167, alg. 1; the constants are each paper's.
    """

    def __init__(
        self,
        momentum=0.9,
        epsilon=1e-5,
        unbiased=True,
        center=True,
        scale=True,
        gamma="ones",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.unbiased = unbiased
        self.center = center
        self.scale = scale
        self.gamma_initializer = keras.initializers.get(gamma)
        self.supports_masking = True

    def build(self, shape):
        width = (shape[-1],)
        kept = {"autocast": False, "dtype": self.variable_dtype}
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(
                shape=width, name="gamma", initializer=self.gamma_initializer, **kept
            )
        if self.center:
            self.beta = self.add_weight(
                shape=width, name="beta", initializer="zeros", **kept
            )
        moving = {"trainable": False, "aggregation": "only_first_replica", **kept}
        self.moving_mean = self.add_weight(
            shape=width, name="moving_mean", initializer="zeros", **moving
        )
        self.moving_variance = self.add_weight(
            shape=width, name="moving_variance", initializer="ones", **moving
        )

    def call(self, x, training=False):
        if not (training and self.trainable):
            return self.affine(x, self.moving_mean, self.moving_variance)
        if distribute.replicas() == 1 and keras.backend.backend() == "tensorflow":
            y, mean, variance, count = self.fused(x)
        else:
            mean, variance, count = global_moments(x)
            y = self.affine(x, mean, variance)
        if self.unbiased:
            variance = variance * (count / ops.maximum(count - 1.0, 1.0))
        self.move(self.moving_mean, mean)
        self.move(self.moving_variance, variance)
        return y

    def affine(self, x, mean, variance):
        factor = ops.rsqrt(variance + self.epsilon)
        factor = factor if self.gamma is None else factor * self.gamma
        shift = -mean * factor
        shift = shift if self.beta is None else shift + self.beta
        y = ops.cast(x, factor.dtype) * factor + shift
        return ops.cast(y, self.compute_dtype)

    def fused(self, x):
        """TensorFlow's one kernel for moments, normalisation and gradient."""
        import tensorflow as tf

        shape = tf.shape(x)
        width = x.shape[-1]
        rows = x if len(x.shape) == 4 else tf.reshape(x, [-1, 1, 1, width])
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            rows,
            tf.ones(width) if self.gamma is None else tf.convert_to_tensor(self.gamma),
            tf.zeros(width) if self.beta is None else tf.convert_to_tensor(self.beta),
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.size(rows) // width, variance.dtype)
        # The kernel returns the unbiased variance; moments() are biased.
        variance = variance * ((count - 1.0) / count)
        return tf.reshape(y, shape), mean, variance, count

    def move(self, running, value):
        value = ops.stop_gradient(ops.cast(value, running.dtype))
        running.assign(running * self.momentum + value * (1.0 - self.momentum))

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "unbiased": self.unbiased,
            "center": self.center,
            "scale": self.scale,
            "gamma": keras.initializers.serialize(self.gamma_initializer),
        }


def global_moments(x):
    """Mean and biased variance over all axes but the last and over all replicas.

    The replicas' means and variances travel as one packed vector; combining them is
    exact, where sums of squares would cancel.

    Returns:
        `(mean [C], variance [C], count [])` in float32.
    """
    x = ops.cast(x, "float32")
    axes = list(range(len(x.shape) - 1))
    mean, variance = ops.mean(x, axes), ops.var(x, axes)
    count = ops.cast(ops.size(x) // x.shape[-1], "float32")
    if distribute.replicas() > 1:
        packed = ops.expand_dims(ops.stack([mean, variance]), 0)  # [1, 2, C]
        means, variances = ops.unstack(distribute.gather(packed), axis=1)  # [R, C]
        mean = ops.mean(means, 0)
        variance = ops.mean(variances, 0) + ops.mean(ops.square(means - mean), 0)
        count = count * distribute.replicas()
    return mean, variance, count
