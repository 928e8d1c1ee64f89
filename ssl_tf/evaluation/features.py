"""A model over a whole split, as arrays."""

import functools

import numpy as np
import tensorflow as tf

from ssl_tf.data import decode


def batches(function, images, batch_size=256):
    """Applies a function to every image of a split, batch after batch, in order.

    Args:
        function: `[B, H, W, C] -> tensor or structure of tensors [B, ...]`.
        images: `pipeline.Images`.
        batch_size: int.

    Yields:
        list of float32 arrays `[b, ...]`, one a tensor; b images of the split, the
        filling of the last batch cut off.
    """
    size = images.source.size
    batch_size = min(batch_size, size)
    compiled = tf.function(function)
    iterator = iter(images.batches(batch_size))
    for step in range(images.steps(batch_size)):
        places = functools.partial(images.places, step, batch_size)
        with decode.blamed(images.source, places):
            batch = next(iterator)
        outputs = tf.nest.flatten(compiled(batch["views"][0]))
        count = min(batch_size, size - step * batch_size)
        yield [np.asarray(x, np.float32)[:count] for x in outputs]


def extract(function, images, batch_size=256):
    """`batches`, put together in memory.

    Returns:
        float32 array `[N, ...]`, or a list of them.
    """
    rows = list(batches(function, images, batch_size))
    joined = [np.concatenate(column) for column in zip(*rows)]
    return joined if len(joined) > 1 else joined[0]


def pixels(images, places=None):
    """uint8 `[n, size, size, 3]`: what the model sees of some images of a split.

    Args:
        images: `pipeline.Images`; its normalisation and random crops are left out.
        places: ints `[n]`, positions in the split; `None` takes all.
    """
    source = images.source
    if places is not None:
        places = np.asarray(places)
        kept = {"images": source.images[places], "label": source.label[places]}
        source = source._replace(**kept)
    plain = images._replace(source=source, normal=type(images.normal)(), recipe=None)
    return np.round(extract(lambda x: x, plain) * 255).astype(np.uint8)
