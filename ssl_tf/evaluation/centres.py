"""k-means: centres of features, and the centre nearest to each image."""

import warnings
from typing import NamedTuple

import numpy as np

from ssl_tf.data import lists
from ssl_tf.errors import BadInput
from ssl_tf.evaluation.knn import unit
from ssl_tf.schema import Count, Whole

CHUNK = 4096  # images whose distances to all centres are held together
ITERATIONS, TOLERANCE = 300, 1e-4
ALGORITHM = "elkan"  # of scikit-learn, where features are wide


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
        float32 `[K, F]`.

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
        `(centres float32 [K, F], cluster of each row int32 [N], sum of the squared
        distances)`.

    Raises:
        BadInput: fewer rows than clusters, or numbers that are not finite.
    """
    if len(x) < clusters:
        raise BadInput(
            f"{where}.clusters: is {clusters}; there are only {len(x)} images."
        )
    if not np.isfinite(x).all():
        raise BadInput(f"{where}: features are not finite; training diverged.")
    if faiss:
        centres = by_faiss(x, clusters, seed, restarts, where)
        cluster, distance = nearest(x, centres)
        return centres, cluster, float(distance.sum())
    from sklearn.exceptions import ConvergenceWarning

    model = by_sklearn(clusters, seed, restarts, algorithm, batch)
    with warnings.catch_warnings():
        # Equal rows leave clusters empty, which the sizes tell.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x)
    centres = np.asarray(model.cluster_centers_, np.float32)
    return centres, model.labels_.astype(np.int32), float(model.inertia_)


def by_sklearn(clusters, seed, restarts, algorithm, batch):
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
    """float32 `[K, F]` of Faiss, which always does all iterations."""
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
    return np.asarray(model.centroids, np.float32)


def nearest(x, centres, normalise=False):
    """The centre nearest to each row, the first of equals.

    Args:
        x: `[N, F]`, may be a map of a file.
        centres: float32 `[K, F]`.
        normalise: bring rows to length 1 first.

    Returns:
        `(cluster int32 [N], squared distance float64 [N])`.

    Raises:
        ValueError: rows and centres differ in width.
    """
    lengths = (centres.astype(np.float64) ** 2).sum(axis=1)
    cluster, distance = np.empty(len(x), np.int32), np.empty(len(x))
    for first in range(0, len(x), CHUNK):
        here = slice(first, first + CHUNK)
        rows = scaled(np.asarray(x[here], np.float32), normalise)
        far = lengths - 2 * (rows @ centres.T).astype(np.float64)
        cluster[here] = far.argmin(axis=1)
        own = rows.astype(np.float64) - centres[cluster[here]]
        distance[here] = (own**2).sum(axis=1)
    return cluster, distance
