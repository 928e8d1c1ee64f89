"""The batches of SSAL's Keras code, draw for draw, as functions of a batch counter."""

import functools

import numpy as np

from ssl_tf.errors import BadInput

SEED = 1337  # of every SSAL run of the authors; their baselines are unseeded


def authors_batches(size, batch_size, seed=SEED, *, pixels=4, flip=True, start=0):
    """The endless stream of batches, the short one at each pass's end included.

    Before batch k the generator is seeded with seed + k. The first batch of a pass
    then draws the order of the pass; every batch draws row shift, column shift and
    flip of one image after the other.

    Args:
        size: int, images in the split.
        batch_size: int.
        seed: int.
        pixels: int, largest shift.
        flip: whether images are flipped at all; the draws are made in any case.
        start: int, batch counter to begin with; no earlier batch is drawn.

    Yields:
        `(index int64 [b], rows int64 [b], columns int64 [b], flip bool [b])` as
        `geometry.shift` takes them; b = `batch_size`, or less at the end of a pass.

    Source:
        SSAL, Keras code; the semantics of Keras' `ImageDataGenerator`.
    """
    a_pass = -(-size // batch_size)
    counter, order = start, None
    while True:
        place = counter % a_pass
        draw = legacy(seed + counter)
        if place == 0:
            order = draw.permutation(size)
        elif order is None:
            order = legacy(seed + counter - place).permutation(size)
        index = order[place * batch_size : (place + 1) * batch_size]
        yield index.astype(np.int64), *moves(draw, len(index), pixels, flip)
        counter += 1


def legacy(seed):
    """NumPy's old generator, whose streams are frozen."""
    return np.random.RandomState(seed % 2**32)


def moves(draw, count, pixels, flip):
    """Row shifts, column shifts and flips of `count` images, drawn in this order."""
    shift = lambda: draw.randint(0, pixels + 1) * (2 * draw.randint(0, 2) - 1)
    rows, columns = np.zeros(count, np.int64), np.zeros(count, np.int64)
    flipped = np.zeros(count, bool)
    for i in range(count):
        rows[i], columns[i] = shift(), shift()
        flipped[i] = draw.random_sample() < 0.5
        draw.random_sample()  # for an upside-down flip, which is switched off
    return rows, columns, flipped & flip


def order(size, batch_size, seed=SEED, *, pixels=4, flip=True):
    """The order of each epoch with the draws of each image: a function of the epoch.

    An epoch is `size // batch_size` batches of the stream, the short ones among them,
    so that passes fall behind epochs by one batch each, as the authors' do. A short
    batch is filled up by repeating its images: shapes stay the same, and so do the
    means of its losses and its batch statistics if it goes in without remainder, as
    CIFAR's 16 images go into 64 and 32.

    Args:
        size: int, images in the split.
        batch_size: int, images over all replicas.
        seed: int.
        pixels: int, largest shift.
        flip: whether images are flipped.

    Returns:
        `epoch -> int64 [steps, batch_size, 4]`: index, rows, columns, flip.
    """
    steps = size // batch_size

    @functools.lru_cache(maxsize=2)
    def of_epoch(epoch):
        stream = authors_batches(
            size, batch_size, seed, pixels=pixels, flip=flip, start=epoch * steps
        )
        batches = (np.stack(next(stream), axis=1) for _ in range(steps))
        return np.stack([np.resize(batch, (batch_size, 4)) for batch in batches])

    return lambda epoch: of_epoch(int(epoch))


def order_for(recipes, size, batch_size, seed):
    """`order` with the largest shift and flip of the one `shift_flip` view.

    Args:
        recipes: list of `Recipe`, one a view.
        size: int, images in the split.
        batch_size: int, images over all replicas.
        seed: int, the run's; 0 gives the authors' seed.

    Raises:
        BadInput: the views are anything else.
    """
    if len(recipes) != 1 or recipes[0].moves is None:
        raise BadInput(
            "data.order: authors replays the draws of one shift_flip view; set views "
            "to it, or data.order to shuffled."
        )
    pixels, flip = recipes[0].moves
    # Other seeds start a million batches further on.
    return order(size, batch_size, SEED + 10**6 * seed, pixels=pixels, flip=flip)
