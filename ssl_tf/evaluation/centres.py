"""k-means: centres of features, and the centre nearest to each image."""

import warnings
from typing import NamedTuple

import numpy as np

from ssl_tf.data import lists
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import features
from ssl_tf.evaluation.knn import unit
from ssl_tf.schema import Count, Whole

CHUNK = 4096  # images whose distances to all centres are held together
ITERATIONS, TOLERANCE = 300, 1e-4
ALGORITHM = "elkan"  # of scikit-learn, where features are wide
RANGE = 1e12  # of features that are far from float32's limits, squared, too
COARSE = 1e-3  # of the mean squared distance to a centre that rounding may reach


class KMeans(NamedTuple):
    """Which centres.

    Attributes:
        level: of `method.representations`.
        clusters: `None` takes as many as the images have classes.
        normalise: bring features to length 1 first; the papers take them raw.
        share: of the training images to fit on, see `lists.share_of`; `None`: all.
        draw: seed of the share.
        restarts: the best of so many.
        batch: images a step of mini-batch k-means; `None` looks at all in each.
        faiss: fit with Faiss where it is installed: faster, from random images instead
            of k-means++.
        seed: of the first centres.
    """

    level: str = "features"
    clusters: Count | None = None
    normalise: bool = False
    share: float | str | None = None
    draw: Whole = 0
    restarts: Count = 10
    batch: Count | None = None
    faiss: bool = False
    seed: Whole = 0


def fitted(store, train, wanted, where="kmeans"):
    """Centres of the training images' features; kept as features are.

    Args:
        store: `Store`.
        train: `pipeline.Images`.
        wanted: `KMeans`.
        where: the evaluation, for messages.

    Returns:
        `[K, F]`, see `fit`.

    Raises:
        BadInput: no such level, share or package, fewer images than clusters, features
            that are not finite, or settings that exclude each other.
    """
    if wanted.batch and wanted.faiss:
        raise BadInput(f"{where}: batch and faiss exclude each other; leave one out.")
    if wanted.share is not None:
        some = lists.share_of(train.source, wanted.share, wanted.draw)
        # A split of its own: features of all training images stay on disk beside it.
        train = train._replace(source=some._replace(split="share"))
    count = wanted.clusters or len(train.source.classes)
    if not count:
        raise BadInput(f"{where}.clusters: say how many; these images have no classes.")

    def compute(x):
        x = scaled(np.asarray(x, np.float32), wanted.normalise)
        return fit(
            x,
            count,
            wanted.seed,
            wanted.restarts,
            ALGORITHM,
            batch=wanted.batch,
            faiss=wanted.faiss,
            where=where,
        )[0]

    about = wanted._replace(level=None, clusters=count, share=None, draw=0)
    return store.derived(train, wanted.level, "kmeans", repr(tuple(about)), compute)


def scaled(x, normalise):
    return unit(x) if normalise else x


def fit(
    x,
    clusters,
    seed=0,
    restarts=10,
    algorithm="lloyd",
    batch=None,
    faiss=False,
    where="kmeans",
):
    """Centres that make the distances to them small.

    In float32, or in float64 where float32 has too few digits for these features.

    Args:
        x: float32 `[N, F]`.
        clusters: int.
        seed: int.
        restarts: the best of so many.
        algorithm: of scikit-learn, "lloyd" or "elkan"; they differ in rounding and
            time.
        batch, faiss: see `KMeans`.
        where: str, for messages.

    Returns:
        `(centres float32 or float64 [K, F], cluster of each row int32 [N], sum of the
        squared distances)`.

    Raises:
        BadInput: fewer rows than clusters, numbers that are not finite, or features
            that need float64, which Faiss has not.
    """
    if len(x) < clusters:
        raise BadInput(
            f"{where}.clusters: is {clusters}; there are only {len(x)} images."
        )
    features.finite(x, "features")
    x = np.asarray(x, np.float32)
    if faiss:
        model = lambda x: by_faiss(x, clusters, seed, restarts, where)
    else:
        model = lambda x: by_sklearn(x, clusters, seed, restarts, algorithm, batch)
    largest, length = 0.0, 0.0
    for start in range(0, len(x), CHUNK):
        some = x[start : start + CHUNK].astype(np.float64)
        largest = max(largest, float(np.abs(some).max()))
        length = max(length, float((some**2).sum(axis=1).max()))
    found = None
    if largest == 0 or 1 / RANGE < largest < RANGE:
        found = model(x)
        rounding = np.finfo(np.float32).eps * length
        if rounding > COARSE * squares(x, *found[:2]) / len(x) and largest:
            found = None
    if found is None and faiss:
        raise BadInput(
            f"{where}.faiss: its float32 has too few digits for these features; leave "
            "faiss out."
        )
    return found or model(x.astype(np.float64))


def squares(x, centres, cluster):
    """Sum of the squared distances of rows to their centres, in float64."""
    total = 0.0
    for start in range(0, len(x), CHUNK):
        here = slice(start, start + CHUNK)
        total += ((x[here].astype(np.float64) - centres[cluster[here]]) ** 2).sum()
    return float(total)


def by_sklearn(x, clusters, seed, restarts, algorithm, batch):
    """What `fit` gives, by scikit-learn, in the type of `x`."""
    from sklearn.exceptions import ConvergenceWarning

    model = sklearn_model(clusters, seed, restarts, algorithm, batch)
    with warnings.catch_warnings():
        # Equal rows leave clusters empty, which the sizes tell.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x)
    centres = np.asarray(model.cluster_centers_, x.dtype)
    return centres, model.labels_.astype(np.int32), float(model.inertia_)


def sklearn_model(clusters, seed, restarts, algorithm, batch):
    """scikit-learn's model, not fitted yet."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    common = {
        "n_init": restarts,
        "max_iter": ITERATIONS,
        "tol": TOLERANCE,
        "random_state": seed,
    }
    if batch:
        return MiniBatchKMeans(clusters, batch_size=batch, **common)
    algorithm = algorithm if clusters > 1 else "lloyd"
    return KMeans(clusters, algorithm=algorithm, **common)


def by_faiss(x, clusters, seed, restarts, where):
    """What `fit` gives, by Faiss, which always does all iterations."""
    try:
        import faiss
    except ImportError:
        raise BadInput(
            f"{where}.faiss: faiss is not here; pip install faiss-cpu, or leave it out."
        ) from None
    model = faiss.Kmeans(
        x.shape[1],
        clusters,
        niter=ITERATIONS,
        nredo=restarts,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(x),
    )
    model.train(np.ascontiguousarray(x))
    centres = np.asarray(model.centroids, np.float32)
    cluster, distance = nearest(x, centres)
    return centres, cluster, float(distance.sum())


def nearest(x, centres, normalise=False):
    """The centre nearest to each row, the first of equals.

    By the expanded formula in float32, around the mean of the centres; rows for which
    its rounding could matter are compared in float64.

    Args:
        x: `[N, F]`, may be a map of a file.
        centres: `[K, F]`.
        normalise: bring rows to length 1 first.

    Returns:
        `(cluster int32 [N], squared distance float64 [N])`.

    Raises:
        ValueError: rows and centres differ in width.
    """
    centres = np.asarray(centres, np.float64)
    mean = centres.mean(axis=0)
    apart = centres - mean
    cluster, distance = np.empty(len(x), np.int32), np.empty(len(x))
    for first in range(0, len(x), CHUNK):
        here = slice(first, first + CHUNK)
        rows = scaled(np.asarray(x[here], np.float32), normalise).astype(np.float64)
        found, candidates = closest(rows - mean, apart, np.float32)
        rest = np.flatnonzero(candidates.sum(axis=1) != 1)
        found[rest], candidates = closest(rows[rest] - mean, apart, np.float64)
        for row, some in zip(rest, candidates):
            if some.sum() != 1:
                some = np.flatnonzero(some)
                far = ((rows[row] - centres[some]) ** 2).sum(axis=1)
                found[row] = some[far.argmin()]
        cluster[here] = found
        distance[here] = ((rows - centres[found]) ** 2).sum(axis=1)
    return cluster, distance


def closest(x, centres, kind):
    """The nearest centre of each row by |c|^2 - 2 x c.

    Args:
        x: float64 `[n, F]`.
        centres: float64 `[K, F]`.
        kind: NumPy type that the products are computed in.

    Returns:
        `(centre int64 [n], bool [n, K])`: the latter those that rounding may have kept
        from being the nearest; where there was an overflow, all.
    """
    lengths = (centres**2).sum(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        products = x.astype(kind) @ centres.T.astype(kind)
        far = lengths - 2 * products.astype(np.float64)
        size = ((x**2).sum(axis=1) + lengths.max()) * lengths.max() * x.shape[1]
        error = 4 * np.finfo(kind).eps * np.sqrt(size)
        error += 4 * x.shape[1] * float(np.finfo(kind).tiny)  # of products that vanish
        clear = far > (far.min(axis=1) + error)[:, None]
    return far.argmin(axis=1), ~clear | ~np.isfinite(far).all(axis=1)[:, None]
