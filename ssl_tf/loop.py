"""The training loop: K updates a call, on one device or many, resumable anywhere."""

import functools
import time

import keras
import numpy as np
import tensorflow as tf

from ssl_tf.errors import BadInput
from ssl_tf.evaluation.terms import Evaluator
from ssl_tf.ops import distribute

MOST_UPDATES = 100  # in one call


class Loop:
    """Compiled updates of one method under one strategy.

    `run` does any number of updates in one call. Inside, each replica computes its
    share of the gradient from its part of the global batch; what the forward pass
    changes (running statistics) comes out as values and is assigned once.

    Args:
        method: `Method`, built under the strategy's scope.
        optimizer: `keras.optimizers.Optimizer`, made under it.
        strategy: `tf.distribute.Strategy`.
        xla: compile the replica's forward and backward pass; on one device the whole
            update. Several replicas of which each waits for the others inside the
            forward pass (synchronised statistics) cannot be compiled that way.
        micro_batches: parts a replica's batch is computed in; gradients add up.
        batch_size: images over all replicas, for `evaluator`.

    Raises:
        BadInput: micro-batches for a loss that couples the images of a batch.
    """

    def __init__(
        self, method, optimizer, strategy, xla=False, micro_batches=1, batch_size=256
    ):
        if micro_batches > 1 and method.couples:
            raise BadInput(
                f"train.accumulate: the loss of {method.name} couples the images of a "
                "batch; use train.recompute to save memory instead."
            )
        self.method = method
        self.optimizer = optimizer
        self.strategy = strategy
        self.micro_batches = micro_batches
        self.several = strategy.num_replicas_in_sync > 1
        self.compiled = bool(xla) and (not self.several or distribute.on_tpu(strategy))
        with strategy.scope():
            optimizer.build(method.trainable_variables)
        self.trace()
        self.evaluator = Evaluator(method, strategy, batch_size)
        self.iterator = None
        self.zeros = [np.asarray(v) for v in optimizer.variables]

    def trace(self):
        """Compiles anew at the next call: after a change of what the method does."""
        # One device: one program an update. TPU: the runtime compiles all of it.
        jit = self.compiled and not distribute.on_tpu(self.strategy)
        update = tf.autograph.experimental.do_not_convert(self.update_)
        self.update = tf.function(update, jit_compile=True) if jit else update
        self.__dict__.pop("updates", None)

    def restart(self, weights):
        """Back to step 0 from other weights; what is compiled stays compiled.

        Args:
            weights: arrays in the order of `method.weights`.
        """
        with self.strategy.scope():
            for variable, value in zip(self.method.weights, weights, strict=True):
                variable.assign(value)
            for variable, value in zip(self.optimizer.variables, self.zeros):
                variable.assign(value)

    def feed(self, dataset):
        """Sets the batches: `Part -> tf.data.Dataset` of one replica's batches."""
        self.iterator = iter(distribute.deal(self.strategy, dataset))

    def run(self, rates):
        """Does `len(rates)` updates.

        Args:
            rates: learning rate of each update, at most `MOST_UPDATES`.

        Returns:
            `(terms [K, T], waiting [K])` float64: means over the global batch in the
            order of `method.terms`, and seconds an update waited for its batch.
        """
        count = len(rates)
        padded = np.zeros(MOST_UPDATES, np.float32)  # one shape: traced once
        padded[:count] = rates
        table = self.updates(self.iterator, tf.constant(padded), tf.constant(count))
        table = table.numpy().astype(np.float64)
        return table[:, :-1], table[:, -1]

    @functools.cached_property
    def updates(self):
        """`(iterator, rates [MOST_UPDATES], K) -> [K, T + 1]` as one graph."""

        def updates(iterator, rates, count):
            width = len(self.method.terms) + 1
            rows = tf.TensorArray(tf.float32, count, element_shape=[width])
            for i in tf.range(count):
                before = now()
                batch = next(iterator)
                waited = tf.cast(now() - before, tf.float32)
                self.optimizer.learning_rate.assign(rates[i])
                values = self.strategy.run(self.update, (batch,))
                values = self.strategy.experimental_local_results(values)[0]
                rows = rows.write(i, tf.concat([values, [waited]], 0))
            return rows.stack()

        return tf.function(updates)

    def update_(self, batch):
        """One update on one replica; the global means of the terms `[T]`."""
        gradients, terms, states = self.compute(batch)
        for variable, value in zip(self.method.non_trainable_variables, states):
            variable.assign(value)
        self.optimizer.apply(gradients, self.method.trainable_variables)
        return terms

    def compute(self, batch):
        """`(gradients, means of the terms [T], new values of the states)`."""
        if self.micro_batches == 1:
            states = self.values()
            gradients, terms, states = self.stateless(batch, states)
        else:
            gradients, terms, states = self.accumulated(batch)
        return gradients, distribute.total(terms / distribute.replicas()), states

    def values(self):
        return [tf.convert_to_tensor(v) for v in self.method.non_trainable_variables]

    def stateless(self, batch, states):
        """Forward and backward pass as a function of the states, which it returns."""
        variables = self.method.non_trainable_variables
        with keras.StatelessScope(list(zip(variables, states))) as scope:
            gradients, terms = self.method.gradients(
                batch, self.optimizer, self.micro_batches
            )
        means = [
            tf.reduce_mean(tf.cast(terms[n], tf.float32)) for n in self.method.terms
        ]
        return (
            gradients,
            tf.stack(means),
            [scope.get_current_value(v) for v in variables],
        )

    def accumulated(self, batch):
        """The same over the micro-batches in turn."""
        count = self.micro_batches
        parts = tf.nest.map_structure(
            lambda x: tf.reshape(x, [count, x.shape[0] // count, *x.shape[1:]]), batch
        )

        def body(i, gradients, terms, states):
            part = tf.nest.map_structure(lambda x: x[i], parts)
            more, values, states = self.stateless(part, states)
            summed = [a + b for a, b in zip(gradients, more)]
            return i + 1, summed, terms + values / count, states

        zeros = [tf.zeros(v.shape, v.dtype) for v in self.method.trainable_variables]
        start = (0, zeros, tf.zeros([len(self.method.terms)]), self.values())
        _, gradients, terms, states = tf.while_loop(
            lambda i, *_: i < count, body, start, maximum_iterations=count
        )
        return gradients, terms, states


def now():
    """Seconds of a steady clock, as a node of the graph.

    `tf.timestamp` refuses to run where ops must be deterministic.
    """
    return tf.ensure_shape(tf.numpy_function(time.monotonic, [], tf.float64), [])
