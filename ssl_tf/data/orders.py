"""In which order an epoch takes its images: `epoch -> int64 [steps, G]`."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ssl_tf.data import authors, guided


def ordered(kind, recipes, size, batch_size, seed, clusters=None):
    """The order a config's `data.order` names, for `views`; see there.

    Args:
        kind: "shuffled", "filled", "authors" or one of `guided.ORDERS`.
        recipes: list of `Recipe`.
        size: int, images in the split.
        batch_size: int, images over all replicas.
        seed: int.
        clusters: `[size]` ints of a guided order.
    """
    if kind == "authors":
        return authors.order_for(recipes, size, batch_size, seed)
    if kind in guided.ORDERS:
        return guided.ordered(kind, clusters, batch_size, seed)
    return shuffled(size, batch_size, seed, fill=kind == "filled")


def shuffled(size, batch_size, seed, fill=False):
    """The order of each epoch: a function of (seed, epoch).

    Args:
        size: int, images in the split.
        batch_size: int, images over all replicas; what is left over is dropped and
            differs from epoch to epoch.
        seed: int.
        fill: use it in one batch more, which the epoch's first images complete.

    Returns:
        `epoch -> int64 [steps, batch_size]`.
    """
    steps = -(-size // batch_size) if fill else size // batch_size

    def order(epoch):
        draw = np.random.Generator(np.random.Philox(key=[seed, int(epoch)]))
        places = np.resize(draw.permutation(size), steps * batch_size)
        return places.reshape(steps, batch_size).astype(np.int64)

    return order


def oriented(wide, batch_size, seed):
    """Each epoch's order with wide images and others in batches of their own.

    A batch comes when it is full; what is left over of both makes at most one more.

    Args:
        wide: bool `[N]`, whether an image is wider than high.
        batch_size: int, images over all replicas.
        seed: int.

    Returns:
        `epoch -> int64 [steps, batch_size]`.

    Source:
        Self-Classifier's detection transfer by its code (spec 2.6), whose queues go on
        from one permutation to the next.
    """

    def order(epoch):
        draw = np.random.Generator(np.random.Philox(key=[seed, int(epoch)]))
        places = draw.permutation(len(wide))
        full, rest = [], []
        for kind in (True, False):
            turns = np.flatnonzero(wide[places] == kind)
            count = len(turns) // batch_size * batch_size
            full.append(turns[:count].reshape(-1, batch_size))
            rest.append(turns[count:])
        full, rest = np.concatenate(full), np.concatenate(rest)
        full = full[np.argsort(full[:, -1])]
        if len(rest) >= batch_size:
            full = np.concatenate([full, rest[None, :batch_size]])
        return places[full].astype(np.int64)

    return order


class Repeated(NamedTuple):
    """An order whose first epoch, and the views drawn in it, come again and again.

    Source:
        SimSiam study, arXiv:2112.02297: its multi-label trainer starts the generators
        anew in every epoch, spec 7, no. 10.
    """

    order: Callable

    def __call__(self, epoch):
        return self.order(0)


def indices(rows):
    """`[...]` positions in the split from rows of an order, with or without moves."""
    return rows[..., 0] if rows.ndim == 3 else rows
