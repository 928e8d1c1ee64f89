"""Batch normalisation with the papers' three independent constants."""

import contextlib
import contextvars
import math

import keras
from keras import ops

from ssl_tf import cost
from ssl_tf.errors import BadInput
from ssl_tf.ops import distribute, view_major

WEIGHTS = contextvars.ContextVar("weights", default=None)
RECORD = contextvars.ContextVar("record", default=None)


@contextlib.contextmanager
def weighted(weights):
    """Within it, moments are of the rows of weight 1 only, not of those that fill up.

    Args:
        weights: float32 `[N]` of 0 and 1, for tensors of N rows.
    """
    token = WEIGHTS.set(weights)
    try:
        yield
    finally:
        WEIGHTS.reset(token)


@contextlib.contextmanager
def recorded():
    """Within it, batches leave their moments and change no running statistics.

    Yields:
        dict, filled with `{name of a layer: (mean [C], biased variance [C], values
        behind them [])}`; see `settling`.
    """
    record = {}
    token = RECORD.set(record)
    try:
        yield record
    finally:
        RECORD.reset(token)


class BatchNorm(keras.layers.Layer):
    """Normalises the last axis with the moments of the global batch, or of groups.

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
        gamma: initial values of it.
        group: images whose moments are taken together: the first so many of the global
            batch, the next, ...; all views of an image are in its group (see
            `ops.view_major`). Any number of replicas gives what one does. The running
            statistics are the mean over groups. 0: all images of the batch.

    Raises:
        BadInput: groups that do not divide the batch.

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
        group=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.unbiased = unbiased
        self.center = center
        self.scale = scale
        self.gamma_initializer = keras.initializers.get(gamma)
        self.group = group
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
        if WEIGHTS.get() is not None:
            mean, variance, count = weighted_moments(x, WEIGHTS.get())
            y = self.affine(x, mean, variance)
        elif self.group and self.group != whole(x, self.group):
            y, mean, variance, count = self.grouped(x)
        elif distribute.replicas() == 1 and keras.backend.backend() == "tensorflow":
            y, mean, variance, count = self.fused(x)
        else:
            mean, variance, count = global_moments(x)
            y = self.affine(x, mean, variance)
        if RECORD.get() is not None:
            RECORD.get()[self.name] = mean, variance, count
            return y
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

    def grouped(self, x):
        """The same by groups of images; mean and variance are their groups' means."""
        views = view_major.views(x.shape[0])
        here = x.shape[0] // views
        part = math.gcd(here, self.group)  # images that share their group
        rows = ops.reshape(x, (views, here // part, -1, x.shape[-1]))
        own, kept, count = group_moments(rows, self.group // part)
        y = self.affine(rows, *own)
        return ops.reshape(y, ops.shape(x)), *kept, count

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
            "group": self.group,
        }


def in_groups(model, images):
    """Sets the `group` of every batch norm in a model or layer, and in its parts."""
    for layer in cost.flat(model):
        if isinstance(layer, BatchNorm):
            layer.group = images


def whole(x, group):
    """Images in the global batch that rows `x` are views of.

    Raises:
        BadInput: groups of `group` images do not divide them.
    """
    count = x.shape[0] // view_major.views(x.shape[0]) * distribute.replicas()
    if count % group:
        raise BadInput(
            f"batch norm in groups of {group} images: they must divide the batch of "
            f"{count}."
        )
    return count


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
        mean, variance = pooled(means, variances, 0)
        count = count * distribute.replicas()
    return mean, variance, count


def weighted_moments(x, weights):
    """`global_moments` of the rows of weight 1; two exchanges, exact.

    Args:
        x: `[N, ..., C]`.
        weights: `[N]`.
    """
    x = ops.cast(x, "float32")
    rows = ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))
    weights = ops.reshape(ops.cast(weights, "float32"), (-1, 1, 1))
    places = ops.cast(ops.shape(rows)[1], "float32")
    count = distribute.total(ops.sum(weights)) * places
    most = ops.maximum(count, 1.0)
    mean = distribute.total(ops.sum(weights * rows, (0, 1))) / most
    away = ops.square(rows - mean)
    return mean, distribute.total(ops.sum(weights * away, (0, 1))) / most, count


def group_moments(x, parts):
    """Mean and biased variance of groups of images, whatever replicas they lie on.

    Groups within a replica exchange nothing but what the running statistics need.

    Args:
        x: `[V, P, S, C]`: views; parts of groups, which go on on the next replica;
            images and places; channels.
        parts: int, how many in a row, over all replicas, make up a group.

    Returns:
        `((mean, variance) [P, 1, C]` of each part's group, `(mean, variance) [C]` over
        all groups, the number of values behind one of a group `[])` in float32.
    """
    x = ops.cast(x, "float32")
    mean, variance = ops.mean(x, (0, 2)), ops.var(x, (0, 2))  # [P, C]
    count = ops.cast(ops.size(x) // (x.shape[1] * x.shape[3]) * parts, "float32")
    replicas = distribute.replicas()
    if parts > 1:
        packed = distribute.gather(ops.stack([mean, variance], 1))  # [R P, 2, C]
        packed = ops.reshape(packed, (-1, parts, 2, x.shape[3]))
        means, variances = pooled(packed[:, :, 0], packed[:, :, 1], 1)  # [G, C]
        mine = (distribute.place() * x.shape[1] + ops.arange(x.shape[1])) // parts
        mean, variance = (ops.take(all, mine, 0) for all in (means, variances))
        kept = ops.stack([ops.mean(means, 0), ops.mean(variances, 0)])
    else:
        kept = ops.stack([ops.mean(mean, 0), ops.mean(variance, 0)])
        kept = distribute.total(ops.stop_gradient(kept)) / replicas
    own = ops.expand_dims(mean, 1), ops.expand_dims(variance, 1)
    return own, ops.unstack(kept), count


def pooled(means, variances, axis):
    """Moments of the union of parts of one size, whose moments lie along `axis`."""
    mean = ops.mean(means, axis, keepdims=True)
    within, between = ops.mean(variances, axis), ops.square(means - mean)
    return ops.squeeze(mean, axis), within + ops.mean(between, axis)
