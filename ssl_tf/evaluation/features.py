"""A model over a whole split, as arrays."""

import functools

import numpy as np
import tensorflow as tf

from ssl_tf.data import decode
from ssl_tf.errors import BadInput

ROUNDING = 4 * np.finfo(np.float32).eps  # relative difference of equal float32 numbers


class Gate:
    """Checks the features or predictions of a split, chunk after chunk.

    Args:
        what: what they are, for messages; plural.
        count: int N, rows that there must be.
    """

    def __init__(self, what, count):
        self.what, self.count, self.seen = what, count, 0
        self.low = self.high = None
        self.differ = False

    def __call__(self, rows):
        """`rows`, the next `[n, ...]`.

        Raises:
            BadInput: they are not finite.
        """
        finite(rows, self.what)
        self.seen += len(rows)
        if len(rows) and not self.differ:
            low, high = rows.min(axis=0), rows.max(axis=0)
            if self.low is not None:
                low, high = np.minimum(low, self.low), np.maximum(high, self.high)
            self.low, self.high = low, high
            size = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
            self.differ = bool((high.astype(np.float64) - low > ROUNDING * size).any())
        return rows

    @property
    def constant(self):
        """Whether two rows or more have passed, equal up to the rounding of float32."""
        return self.seen > 1 and not self.differ

    def close(self):
        """After the last chunk.

        Raises:
            BadInput: the number of rows is wrong, or all of them are the same.
        """
        if self.seen != self.count:
            raise BadInput(
                f"{self.what}: {self.seen:,} rows for {self.count:,} images; the model "
                "must give one an image."
            )
        if self.constant:
            raise BadInput(
                f"{self.what} are the same for all images (collapsed); no number can "
                "be made of them. Take earlier weights, or train again."
            )


def finite(values, what):
    """Refuses what is not finite.

    Args:
        values: numbers or an array of them.
        what: what they are, for the message; plural.

    Raises:
        BadInput: NaN or infinity is among them.
    """
    if not np.isfinite(values).all():
        raise BadInput(
            f"{what} are not finite; training diverged, or the weights are damaged. "
            "Take earlier weights, or train again."
        )


def checked(rows, what="features", chunk=4096):
    """An array `[N, ...]`, perhaps a map of a file, that has passed a `Gate`."""
    gate = Gate(what, len(rows))
    for start in range(0, len(rows), chunk):
        gate(rows[start : start + chunk])
    gate.close()
    return rows


def batches(function, images, batch_size=256, what="features"):
    """Applies a function to every image of a split, batch after batch, in order.

    What it gives passes a `Gate`; of images that are all alike it may be constant.

    Args:
        function: `[B, H, W, C] -> tensor or structure of tensors [B, ...]`.
        images: `pipeline.Images`.
        batch_size: int.
        what: what it gives, for messages, or one name an output; `None` checks nothing.

    Yields:
        list of float32 arrays `[b, ...]`, one a tensor; b images of the split, the
        filling of the last batch cut off.

    Raises:
        BadInput: see `Gate`.
    """
    size = images.source.size
    batch_size = min(batch_size, size)
    compiled = tf.function(function, autograph=False)
    iterator = iter(images.batches(batch_size))
    gates, first, alike = None, None, True
    for step in range(images.steps(batch_size)):
        places = functools.partial(images.places, step, batch_size)
        with decode.blamed(images.source, places):
            batch = next(iterator)
        outputs = tf.nest.flatten(compiled(batch["views"][0]))
        count = min(batch_size, size - step * batch_size)
        outputs = [np.asarray(x, np.float32) for x in outputs]
        if what is not None:
            names = [what] * len(outputs) if isinstance(what, str) else what
            gates = gates or [Gate(name, size) for name in names]
            for gate, x in zip(gates, outputs):
                gate(x[:count] if len(x) == batch_size else x)
            if alike:
                shown = batch["views"][0].numpy()
                first = shown[:1] if first is None else first
                alike = bool((shown == first).all())
        yield [x[:count] for x in outputs]
    for gate in gates or ():
        gate.differ |= alike
        gate.close()


def extract(function, images, batch_size=256, what="features"):
    """`batches`, put together in memory.

    Returns:
        float32 array `[N, ...]`, or a list of them.
    """
    rows = list(batches(function, images, batch_size, what))
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
    return np.round(extract(lambda x: x, plain, what=None) * 255).astype(np.uint8)
