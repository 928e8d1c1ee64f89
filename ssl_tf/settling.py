"""Running statistics of batch norm from many batches of the finished weights."""

import numpy as np
import tensorflow as tf
from keras import StatelessScope

from ssl_tf import cost
from ssl_tf.layers import norm
from ssl_tf.ops import distribute


def settle(loop, batches, count):
    """Replaces running means and variances by those of the union of `count` batches.

    Args:
        loop: `Loop`, trained.
        batches: `Part -> tf.data.Dataset` of training batches not seen yet.
        count: int.

    Source:
        Precise batch norm, spec 1.3 of the detection transfer: moments weighted by
        the number of values behind them, biased variance.
    """
    method, strategy = loop.method, loop.strategy
    layers = {x.name: x for x in cost.flat(method) if isinstance(x, norm.BatchNorm)}
    iterator = iter(distribute.deal(strategy, batches))

    def moments(batch):
        with StatelessScope(), norm.recorded() as found, method.about(batch):
            method.objective(batch, training=True)
        return found

    update = lambda: strategy.run(moments, (next(iterator),))
    step = tf.function(update, autograph=False)
    seen = [strategy.experimental_local_results(step())[0] for _ in range(count)]
    seen = [tf.nest.map_structure(np.asarray, found) for found in seen]
    with strategy.scope():
        for name in seen[0]:
            mean, variance = union([found[name] for found in seen])
            layers[name].moving_mean.assign(mean)
            layers[name].moving_variance.assign(variance)


def union(moments):
    """Mean and biased variance `[C]` of the union of batches.

    Args:
        moments: list of `(mean [C], biased variance [C], values behind them)`.
    """
    means, variances, counts = (np.array(x, np.float64) for x in zip(*moments))
    share = (counts / counts.sum())[:, None]
    mean = (share * means).sum(axis=0)
    return mean, (share * (variances + np.square(means))).sum(axis=0) - np.square(mean)
