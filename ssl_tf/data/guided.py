"""Batches guided by pseudo-labels: look-alike images are kept apart. NumPy only.

Every order is `epoch -> int64 [steps, batch_size]`, positions in the split, as
`orders.shuffled` makes them: a function of (seed, epoch) and of nothing else.

Source:
    G-SimCLR, arXiv:2009.12007. Its code sorts once and never shuffles (`notebook`);
    `strict` and `deal` keep what it promises: few images of one cluster in a batch.
"""

import functools

import numpy as np

from ssl_tf.errors import BadInput

ORDERS = ("deal", "strict", "notebook")


def ordered(name, labels, batch_size, seed):
    """One of `ORDERS` by its name."""
    orders = {"notebook": notebook, "strict": strict, "deal": deal}
    return orders[name](labels, batch_size, seed)


def notebook(labels, batch_size, seed=None):
    """The authors' order: the first image of every cluster, then every second, ...

    Fixed for all epochs. The last N mod B images, of the largest clusters, are never
    used; once the smallest cluster is used up, clusters repeat within batches. Ties,
    which the authors' unstable sort leaves open, are in the order of the clusters.

    Args:
        labels: `[N]` ints >= 0, cluster of each image.
        batch_size: int >= 2.
        seed: of a list of the images drawn once, in whose order they are counted;
            `None` counts in the order of the split. The authors' lists were CIFAR's
            own and that of their disk. In one sorted by class, the first images of all
            clusters would be of the first class, and batches of one class each.

    Raises:
        BadInput: `batch_size` or labels cannot be used.
    """
    labels = checked(labels, batch_size)
    size, steps = len(labels), len(labels) // batch_size
    places = np.arange(size) if seed is None else generator(seed, 0).permutation(size)
    labels = labels[places]
    order = places[np.lexsort((labels, ranks(labels)))]
    rows = order[: steps * batch_size].reshape(steps, batch_size).astype(np.int64)
    return lambda epoch: rows


def strict(labels, batch_size, seed):
    """Only batches without a repeated cluster, as many as there can be.

    One image from each of the `batch_size` fullest clusters, again and again. What is
    left of large clusters waits for another epoch: nothing is excluded for good. With
    as many clusters as images in a batch, much is left; take two to four times as many.

    Args:
        labels: `[N]` ints >= 0, cluster of each image.
        batch_size: int >= 2.
        seed: int >= 0.

    Raises:
        BadInput: there are fewer clusters than images in a batch, or see `notebook`.
    """
    labels = checked(labels, batch_size)
    steps = strict_steps(labels, batch_size)
    if not steps:
        raise BadInput(
            f"order strict: a batch of {batch_size} needs images of {batch_size} "
            f"clusters; there are {len(np.unique(labels))}. Use deal, a smaller batch "
            "or more clusters."
        )
    by_cluster = members(labels)

    @functools.lru_cache(maxsize=2)
    def of_epoch(epoch):
        draw = generator(seed, 1 + epoch)
        pools = [draw.permutation(own) for own in by_cluster]
        left = np.array([len(pool) for pool in pools])
        rows = np.empty((steps, batch_size), np.int64)
        for row in rows:
            ties = draw.random(len(left))
            fullest = np.lexsort((ties, -left))[:batch_size]
            left[fullest] -= 1
            row[:] = [pools[k][left[k]] for k in fullest]
        return draw.permuted(draw.permutation(rows), axis=1)

    return lambda epoch: of_epoch(int(epoch))


def strict_steps(labels, batch_size):
    """Largest number M of batches without a repeated cluster.

    The largest with sum_c min(n_c, M) >= M * batch_size, where n_c are the sizes.
    """
    sizes = np.bincount(labels)
    enough = lambda m: np.minimum(sizes, m).sum() >= m * batch_size
    low, high = 0, len(labels) // batch_size
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if enough(middle) else (low, middle - 1)
    return low


def deal(labels, batch_size, seed):
    """All images dealt out like cards, cluster by cluster: the default.

    Every batch gets its fair share of every cluster, rounded down or up, which is the
    least number of pairs of one cluster that a full partition can have. The remainder
    of N mod B images differs from epoch to epoch: none is left out twice in a row.

    Args:
        labels: `[N]` ints >= 0, cluster of each image; any number of clusters.
        batch_size: int >= 2.
        seed: int >= 0.

    Raises:
        BadInput: see `notebook`.
    """
    labels = checked(labels, batch_size)
    size = len(labels)
    steps, over = divmod(size, batch_size)
    turns = generator(seed, 0).permutation(size)

    def of_epoch(epoch):
        draw = generator(seed, 1 + int(epoch))
        out = turns[(int(epoch) * over + np.arange(over)) % size]
        used = draw.permutation(np.setdiff1d(np.arange(size), out))
        # Clusters in another order each time, or the same two would always meet.
        place = draw.permutation(labels.max() + 1)[labels[used]]
        dealt = used[np.argsort(place, kind="stable")].reshape(batch_size, steps).T
        return draw.permuted(draw.permutation(dealt), axis=1).astype(np.int64)

    return of_epoch


def permuted(labels, seed):
    """The same labels dealt out among the images anew: sizes stay, meaning goes.

    Args:
        labels: `[N]` ints.
        seed: int >= 0.
    """
    return generator(seed, 0, 1).permutation(labels)


def pair_rates(rows, labels):
    """`[steps]` float64: share of the pairs in each batch that have the same label.

    Args:
        rows: `[steps, B]` positions.
        labels: `[N]` ints, clusters or classes.
    """
    given = np.asarray(labels)[rows]
    size = given.shape[1]
    same = [(np.bincount(row - given.min()) ** 2).sum() - size for row in given]
    return np.array(same) / (size * (size - 1))


def ranks(labels):
    """`[N]`: how many images before each have the same label, plus one."""
    labels = np.asarray(labels)
    order = np.argsort(labels, kind="stable")
    starts = np.cumsum(np.bincount(labels)) - np.bincount(labels)
    found = np.empty(len(labels), np.int64)
    found[order] = np.arange(len(labels)) - starts[labels[order]] + 1
    return found


def members(labels):
    """List of the positions of each cluster that has any."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def generator(*words):
    """A generator that depends on these numbers alone."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))


def checked(labels, batch_size):
    """`labels` as int64; BadInput unless they and the batch can be used."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or (labels < 0).any():
        raise BadInput(
            "order: pseudo-labels must be one whole number >= 0 an image, not "
            f"{labels.dtype} {list(labels.shape)}; make them with `evaluate RUN "
            "pseudo_labels`."
        )
    if batch_size < 2:
        raise BadInput(
            f"train.batch_size: is {batch_size}; guided batches need 2 images or more."
        )
    if len(labels) < batch_size:
        raise BadInput(
            f"train.batch_size: is {batch_size}; there are pseudo-labels of only "
            f"{len(labels)} images."
        )
    return labels.astype(np.int64)
