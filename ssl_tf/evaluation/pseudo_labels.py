"""Clusters of the training images, G-SimCLR's pseudo-labels, and what they do."""

from typing import Literal

import numpy as np

from ssl_tf.data import guided, orders
from ssl_tf.evaluation import centres
from ssl_tf.evaluation import store as stores
from ssl_tf.evaluation.clusters import counts
from ssl_tf.evaluation.knn import unit
from ssl_tf.evaluation.linear import scaled as standardised
from ssl_tf.schema import Count, Whole

SCALES = Literal["none", "standardise", "l2"]
WHERE = "pseudo_labels"
ORDERS = ("random", "notebook", "strict", "deal")


def pseudo_labels(
    method,
    train,
    test,
    store=None,
    clusters: Count = 64,
    seed: Whole = 0,
    restarts: Count = 10,
    scale: SCALES = "none",
    level: str = "features",
):
    """Pseudo-labels: k-means on the features of the training images.

    Args:
        method: `Method`, for G-SimCLR an `Autoencoder`.
        train: `pipeline.Images` that get a cluster each; labels are only compared.
        test: not used.
        store: `Store` of the method's features; `None` computes them anew.
        clusters: int; the authors take as many as images in a batch, 64.
        seed: of k-means++.
        restarts: the best of so many; the default of scikit-learn when the authors
            ran it, which is now 1.
        scale: "none" as the authors; "standardise" gives each feature mean 0 and
            deviation 1, "l2" each image length 1.
        level: of `method.representations`.

    Returns:
        `{"cluster": int32 [N], "inertia": sum of squared distances, "smallest",
        "median_size", "largest": images of a cluster}`, and of labelled images
        `"purity"`, share of the commonest class of its cluster, and `"nmi"`.

    Raises:
        BadInput: fewer images than clusters, no such level, features not finite.

    Source:
        G-SimCLR, arXiv:2009.12007, sec. 3; constants by its code.
    """
    x = np.asarray((store or stores.Store(method))(train, level), np.float32)
    cluster, inertia = kmeans(scaled(x, scale), clusters, seed, restarts)
    sizes = np.bincount(cluster, minlength=clusters)
    values = {
        "cluster": cluster,
        "inertia": inertia,
        "smallest": int(sizes.min()),
        "median_size": float(np.median(sizes)),
        "largest": int(sizes.max()),
    }
    return values | agreement(cluster, train.source.class_label)


def scaled(x, scale):
    """Features `[N, F]` as k-means is to see them; see `pseudo_labels`."""
    if scale == "standardise":
        x = np.array(x)
        standardised(x)
        return x
    if scale == "l2":
        return unit(x)
    return x


def kmeans(x, clusters, seed=0, restarts=10):
    """`(cluster of each row int32 [N], sum of squared distances to its centre)`.

    Args:
        x: `[N, F]` floats.
        clusters: int.
        seed: int.
        restarts: the best of so many.

    Raises:
        BadInput: fewer rows than clusters, or numbers that are not finite.
    """
    _, cluster, inertia = centres.fit(x, clusters, seed, restarts, where=WHERE)
    return cluster, inertia


def agreement(cluster, label):
    """`{"purity", "nmi"}` of clusters and classes; `{}` where an image has none."""
    from sklearn.metrics import normalized_mutual_info_score

    if (label < 0).any():
        return {}
    purity = counts(cluster, label).max(axis=1).sum() / len(label)
    return {
        "purity": float(purity),
        "nmi": float(normalized_mutual_info_score(label, cluster)),
    }


def pair_rates(
    method,
    train,
    test,
    store=None,
    batch_size: Count = 64,
    clusters: Count = 64,
    epochs: Count = 3,
    seed: Whole = 0,
    restarts: Count = 10,
    scale: SCALES = "none",
    level: str = "features",
):
    """Pair rates: how often two images of a batch are of one cluster or class.

    Args:
        method, train, test, store, clusters, seed, restarts, scale, level: see
            `pseudo_labels`; `seed` is that of the orders, too.
        batch_size: int.
        epochs: the mean of so many.

    Returns:
        what `rates` does.
    """
    given = (clusters, seed, restarts, scale, level)
    made = pseudo_labels(method, train, test, store, *given)
    return rates(made["cluster"], train.source.class_label, batch_size, epochs, seed)


def rates(cluster, label, batch_size=64, epochs=3, seed=0):
    """Pair rates of every order on given clusters; see `pair_rates`.

    Args:
        cluster: `[N]` ints >= 0.
        label: `[N]` ints, classes; rates of classes are left out if one is negative.
        batch_size: int.
        epochs: int.
        seed: int.

    Returns:
        `{"<order>_same_cluster", "<order>_same_class", "<order>_clean": share of the
        batches without a repeated cluster, "<order>_used": share of the images in an
        epoch}`; `strict` is left out if it has no batch. For a figure also `"orders"`,
        names `[n]`, `"rates"` `[n, 2]` of clusters and classes, `"by_batch"`
        `[n, steps]` of clusters in the first epoch, NaN where an order has fewer.
    """
    labels = guided.checked(cluster, batch_size)
    values, lines = {}, {}
    for name in ORDERS:
        if name == "strict" and not guided.strict_steps(labels, batch_size):
            continue
        kind = "shuffled" if name == "random" else name
        order = orders.ordered(kind, [], len(labels), batch_size, seed, labels)
        own = [guided.pair_rates(order(e), cluster) for e in range(epochs)]
        values[f"{name}_same_cluster"] = float(np.mean(own))
        if (np.asarray(label) >= 0).all():
            classes = [guided.pair_rates(order(e), label) for e in range(epochs)]
            values[f"{name}_same_class"] = float(np.mean(classes))
        values[f"{name}_clean"] = float(np.mean(np.array(own) == 0))
        values[f"{name}_used"] = order(0).size / len(labels)
        lines[name] = np.full(len(labels) // batch_size, np.nan)
        lines[name][: len(own[0])] = own[0]
    kinds = ("cluster", "class")
    table = [[values.get(f"{n}_same_{k}", np.nan) for k in kinds] for n in lines]
    arrays = {"orders": list(lines), "rates": table, "by_batch": list(lines.values())}
    return values | {name: np.array(array) for name, array in arrays.items()}
