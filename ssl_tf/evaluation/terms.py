"""The method's own scores on a split."""

import functools

import numpy as np
import tensorflow as tf

from ssl_tf.data import decode
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import features, scoring
from ssl_tf.ops import distribute
from ssl_tf.schema import Count


def terms(method, train, test, batch_size: Count = 256):
    """Means of what `method.score` returns, over every test image.

    Args:
        method: `Method`.
        train: not used.
        test: `pipeline.Images`.
        batch_size: int.

    Returns:
        `{term: float}`; accuracies are shares in [0, 1].

    Raises:
        BadInput: the method has none, or they are not finite.
    """
    evaluate = Evaluator(method, tf.distribute.get_strategy(), batch_size)
    if not method.scores:
        raise BadInput(
            f"terms: {method.name} has none for single images; evaluate `linear` or "
            "`knn` instead."
        )
    found = evaluate(test)
    features.finite(list(found.values()), "predictions")
    return found


class Evaluator:
    """Means of a method's scores over whole splits, compiled once.

    Args:
        method: `Method`.
        strategy: the one it was built under.
        batch_size: int, images over all replicas.
        compare: means of its terms on batches of views instead, for `of_batches`.
    """

    def __init__(self, method, strategy, batch_size, compare=False):
        self.method = method
        self.names = method.terms if compare else method.scores
        self.compare = compare
        self.batch_size = batch_size
        self.strategy = strategy
        self.step = tf.function(
            lambda iterator: strategy.run(self.replica_step, (next(iterator),)),
            autograph=False,
            reduce_retracing=True,
        )

    def replica_step(self, batch):
        if self.compare:
            values = self.method.objective(batch, training=False)
        else:
            values = self.method.score(batch)
        weight = batch.get("weight", tf.ones(tf.shape(batch["label"])[:1]))
        rows = [weight, *(values[name] for name in self.names)]
        rows = tf.stack([tf.cast(row, tf.float32) for row in rows], axis=1)
        return distribute.gather(rows)  # [G, 1 + T]

    def __call__(self, images):
        """`{score: float}` of `pipeline.Images`; the same on any number of replicas."""
        if not self.method.scores:
            return {}
        scoring.same_columns(self.method, images, "terms")
        batches = lambda part: images.batches(self.batch_size, part)
        iterator = iter(distribute.deal(self.strategy, batches))
        sums = 0.0
        for step in range(images.steps(self.batch_size)):
            places = functools.partial(images.places, step, self.batch_size)
            with decode.blamed(images.source, places):
                sums = sums + self.batch(iterator)
        return self.means(sums)

    def of_batches(self, iterator, steps):
        """`{name: float}` over the next `steps` batches of an iterator."""
        return self.means(sum(self.batch(iterator) for _ in range(steps)))

    def batch(self, iterator):
        """`[1 + T]`: weights of the next batch, and weighted values, summed."""
        rows = self.strategy.experimental_local_results(self.step(iterator))[0]
        rows = rows.numpy().astype(np.float64)
        rows[:, 1:] *= rows[:, :1]
        return rows.sum(axis=0)

    def means(self, sums):
        return {n: float(v) for n, v in zip(self.names, sums[1:] / sums[0])}
