"""A model over a whole split, as arrays."""

import functools

import numpy as np
import tensorflow as tf

from ssl_tf.data import decode


def extract(function, images, batch_size=256):
    """Applies a function to every image of a split, in order.

    Args:
        function: `[B, H, W, C] -> tensor or list of tensors [B, ...]`.
        images: `pipeline.Images`.
        batch_size: int.

    Returns:
        float32 array `[N, ...]`, or a list of them.
    """
    batch_size = min(batch_size, images.source.size)
    compiled = tf.function(function)
    rows = []
    iterator = iter(images.batches(batch_size))
    for step in range(images.steps(batch_size)):
        places = functools.partial(images.places, step, batch_size)
        with decode.blamed(images.source, places):
            batch = next(iterator)
        outputs = tf.nest.flatten(compiled(batch["views"][0]))
        rows.append([np.asarray(x, np.float32) for x in outputs])
    joined = [np.concatenate(column)[: images.source.size] for column in zip(*rows)]
    return joined if len(joined) > 1 else joined[0]
