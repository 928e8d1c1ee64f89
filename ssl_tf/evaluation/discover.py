"""The class or cluster of each image, labelled or not, as a list."""

from typing import Literal

import numpy as np

from ssl_tf.evaluation import centres
from ssl_tf.evaluation import store as stores
from ssl_tf.evaluation.clustering import by_head
from ssl_tf.evaluation.tables import structured
from ssl_tf.schema import Whole


def discover(
    method,
    train,
    test,
    store=None,
    head: Whole = 0,
    kmeans: centres.KMeans | None = None,
    splits: list[Literal["train", "test"]] = ("train", "test"),
):
    """Discovered classes: a CSV of file and class; the images need no labels.

    Args:
        method: `Method`, with heads unless k-means is asked for.
        train: `pipeline.Images`.
        test: `pipeline.Images`.
        store: `Store` of the method's features; `None` computes them anew.
        head: see `clustering`.
        kmeans: cluster the features instead; arguments of `centres.KMeans`.
        splits: which images.

    Returns:
        `{"images": how many, "clusters": how many of them are in use, "table":
        structured array with the fields `file` (or place in the split), `split` and
        `cluster`}`.

    Raises:
        BadInput: no such head, or see `centres.fitted`.
    """
    store = store or stores.Store(method)
    files, parts, numbers = [], [], []
    for images in (x for n, x in (("train", train), ("test", test)) if n in splits):
        source = images.source
        files += source.names
        parts += [source.split] * source.size
        numbers.append(predicted(store, train, images, head, kmeans, "discover"))
    numbers = np.concatenate(numbers)
    return {
        "images": len(numbers),
        "clusters": len(np.unique(numbers)),
        "table": structured({"file": files, "split": parts, "cluster": numbers}),
    }


def predicted(store, train, images, head, kmeans, where):
    """int32 `[N]`: the cluster of each image, by a head or by k-means.

    Args:
        store: `Store`.
        train: `pipeline.Images` that k-means is fitted on.
        images: `pipeline.Images`.
        head: int, see `by_head`.
        kmeans: `centres.KMeans`, or `None` to ask the head.
        where: the evaluation, for messages.

    Raises:
        BadInput: no such head, or see `centres.fitted`.
    """
    if kmeans is None:
        return by_head(store, images, head, where, "--set kmeans={clusters: K}")
    found = centres.fitted(store, train, kmeans, f"{where}.kmeans")
    rows = store(images, kmeans.level)
    return centres.nearest(rows, found, kmeans.normalise)[0]
