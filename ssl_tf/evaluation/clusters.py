"""Clusters against classes: shared information, pairs, the best matching."""

import numpy as np

LEAST = 9  # images of a cluster below which its share of hits counts as 0


def measures(cluster, label):
    """How well clusters tell classes.

    Args:
        cluster: int `[N]` >= 0.
        label: int `[N]` >= 0.

    Returns:
        `{"nmi", "ami", "ari", "acc", "clusters": how many are in use}`, see
        `information` and `accuracy`.
    """
    found = information(cluster, label)
    found["acc"] = accuracy(cluster, label, matched(cluster, label))
    return found | {"clusters": len(np.unique(cluster))}


def information(cluster, label):
    """Measures that need no matching of clusters and classes.

        NMI = I / m        AMI = (I - E[I]) / (m - E[I])        m = (H_a + H_b) / 2

    with the mutual information I of the two partitions and its mean over permutations.

    Args:
        cluster: int `[N]`.
        label: int `[N]`.

    Returns:
        `{"nmi": in [0, 1], "ami": <= 1, around 0 by chance, "ari": the same, adjusted
        Rand index: pairs of images that are together, or apart, in both}`.

    Source:
        Vinh et al., JMLR 11 (2010); Hubert and Arabie (1985); as in scikit-learn.
    """
    from sklearn import metrics

    return {
        "nmi": float(metrics.normalized_mutual_info_score(label, cluster)),
        "ami": float(metrics.adjusted_mutual_info_score(label, cluster)),
        "ari": float(metrics.adjusted_rand_score(label, cluster)),
    }


def counts(cluster, label):
    """int64 `[n, n]`: images of a cluster (row) and a class (column).

    n is the largest number of either, and one.
    """
    size = int(max(cluster.max(), label.max())) + 1
    flat = np.bincount(cluster.astype(np.int64) * size + label, minlength=size**2)
    return flat.reshape(size, size)


def matched(cluster, label):
    """The class each cluster stands for: one to one, so that most images are right.

    Where more clusters are in use than there are classes, those that got a number
    which is no class of these images stand for their commonest class.

    Args:
        cluster: int `[N]` >= 0.
        label: int `[N]` >= 0.

    Returns:
        int64 `[n]`, see `counts`. Among matchings that are equally good it is the one
        that SciPy's solver finds for max(M) - M.

    Source:
        Self-Classifier, arXiv:2103.10994, by its code; Kuhn, "The Hungarian method for
        the assignment problem" (1955).
    """
    from scipy.optimize import linear_sum_assignment

    table = counts(cluster, label)
    found = linear_sum_assignment(table.max() - table)[1]
    used, classes = np.unique(cluster), np.unique(label)
    if len(used) > len(classes):
        left = used[~np.isin(found[used], classes)]
        found[left] = table[left].argmax(axis=1)
    return found


def accuracy(cluster, label, of_cluster):
    """Share of images whose class is the one their cluster stands for.

    Args:
        cluster: int `[N]`.
        label: int `[N]`.
        of_cluster: int `[n]`, from `matched`; or of other numbers, which `label` then
            has as well.
    """
    return float(np.mean(of_cluster[cluster] == label))


def ranked(cluster, label, of_cluster, least=LEAST):
    """Clusters from the one with the largest share of hits to the one with the least.

    Args:
        cluster, label, of_cluster: see `accuracy`.
        least: images below which the share counts as 0.

    Returns:
        `(order int64 [n], share [n], images int64 [n])`; the last two are in the order
        of the clusters' numbers. Of equal shares the larger cluster comes first.
    """
    size = len(of_cluster)
    images = np.bincount(cluster, minlength=size)
    hits = np.bincount(cluster, weights=of_cluster[cluster] == label, minlength=size)
    share = np.where(images >= least, hits / np.maximum(images, 1), 0.0)
    return np.lexsort((-images, -share)), share, images
