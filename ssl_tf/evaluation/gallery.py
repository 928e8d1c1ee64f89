"""Pictures of clusters: some images of each, those that are right most often first."""

from typing import Literal, NamedTuple

import numpy as np

from ssl_tf.data import hierarchy
from ssl_tf.evaluation import centres, clusters, features, scoring, superclasses
from ssl_tf.evaluation import store as stores
from ssl_tf.evaluation.discover import predicted
from ssl_tf.evaluation.tables import structured
from ssl_tf.schema import Count, Whole

WHITE = 255
SIDE = 128  # pixels that images are shown at, at most
BLANK, UNKNOWN, WRONG, RIGHT = -2, -1, 0, 1


def gallery(
    method,
    train,
    test,
    store=None,
    head: Whole = 0,
    kmeans: centres.KMeans | None = None,
    task: Literal[hierarchy.TASKS] | None = None,
    classes: Count = 15,
    images: Count = 9,
    seed: Whole = 0,
):
    """Cluster gallery: test images of each cluster, the best clusters first.

    The best have the largest share of images of the class they stand for; of unlabelled
    images, the most images.

    Args:
        method: `Method`, with heads unless k-means is asked for.
        train: `pipeline.Images`; only for k-means.
        test: `pipeline.Images`.
        store: `Store` of the method's features; `None` computes them anew.
        head: see `clustering`.
        kmeans: cluster the features instead; arguments of `centres.KMeans`.
        task: judge by superclasses, on the images of this task only.
        classes: clusters to show.
        images: of each, drawn; clusters with fewer come last and show them all.
        seed: of the draw, anew in each cluster.

    Returns:
        `{"clusters": shown, "grids": uint8 [n, m, S, S, 3], white where there is no
        image; "marks": int8 [n, m], 1 for an image of the class its cluster stands for,
        0 for one of another, -1 for an unlabelled one, -2 for none; "titles": [n];
        "places": int [n, m] in the test images, -1 for none; "table": see `listed`}`.

    Raises:
        BadInput: no such head, a task that does not fit, or see `centres.fitted`.

    Source:
        Self-Classifier, arXiv:2103.10994, figures of the supplement, by its code, which
        took the images of a task from the unfiltered list and stopped at small
        clusters; neither is so here.
    """
    store = store or stores.Store(method)
    given = [task] if task else []
    (wanted,) = hierarchy.chosen(given, test.source.classes, "gallery.task") or (None,)
    if wanted:
        scoring.labels(test, "gallery")
    cluster = predicted(store, train, test, head, kmeans, "gallery")
    about = judge(cluster, test.source, wanted, images)
    best = [k for k in about.order if about.images[k]][:classes]
    places = np.stack([drawn(cluster, about.kept, k, images, seed) for k in best])
    marks = np.full(places.shape, BLANK, np.int8)
    there = places >= 0
    marks[there] = about.hit[places[there]]
    return {
        "clusters": len(best),
        "grids": shown(test, places),
        "marks": marks,
        "titles": np.array([about.title(k) for k in best], str),
        "places": places,
        "table": listed(about, best, places, test.source),
    }


class Judged(NamedTuple):
    """Clusters of the images that are looked at.

    Attributes:
        order: the numbers of the clusters, best first.
        images: `[K]` how many.
        share: `[K]` of them that are right; NaN for unlabelled images.
        names: what each cluster stands for, `[K]`; empty where that is unknown.
        kept: bool `[N]`, whether an image is looked at.
        hit: int8 `[N]`: `RIGHT`, `WRONG` or `UNKNOWN`.
    """

    order: np.ndarray
    images: np.ndarray
    share: np.ndarray
    names: list
    kept: np.ndarray
    hit: np.ndarray

    def title(self, k):
        name = self.names[k] or f"cluster {k}"
        share = self.share[k]
        part = "" if np.isnan(share) else f"{100 * share:.0f} % of "
        return f"{name}: {part}{self.images[k]}"


def judge(cluster, source, task, least):
    """`Judged`, by the classes, by the superclasses of a task, or without labels.

    Args:
        cluster: int `[N]`.
        source: `Source`.
        task: `hierarchy.Task` or `None`.
        least: images of a cluster below which it comes behind all others.
    """
    label = source.class_label
    kept = np.ones(len(label), bool)
    if (label < 0).any():
        images = np.bincount(cluster)
        order = np.argsort(-images, kind="stable")
        names = [""] * len(images)
        unknown = np.full(len(label), UNKNOWN, np.int8)
        share = np.full(len(images), np.nan)
        return Judged(order, images, share, names, kept, unknown)
    words = hierarchy.titles(source.classes)
    truth = label
    if task:
        kept, truth = superclasses.inside(label, task, "gallery.task")
        words = hierarchy.titles(task.superclasses)
    few, right = cluster[kept], truth[kept]
    stands_for = clusters.matched(few, label[kept])
    if task:
        stands_for = superclasses.outer(stands_for, task.member)
    order = clusters.ranked(few, right, stands_for, least)[0]
    _, share, images = clusters.ranked(few, right, stands_for, 1)
    names = [words[c] if 0 <= c < len(words) else "" for c in stands_for]
    hit = np.full(len(label), UNKNOWN, np.int8)
    hit[kept] = stands_for[few] == right
    return Judged(order, images, share, names, kept, hit)


def drawn(cluster, kept, k, count, seed):
    """Places of up to `count` images of cluster `k`; -1 where there are no more."""
    mine = np.flatnonzero((cluster == k) & kept)
    draw = np.random.RandomState(seed)
    chosen = draw.choice(mine, min(count, len(mine)), replace=False)
    return np.pad(chosen, (0, count - len(chosen)), constant_values=-1)


def shown(test, places):
    """uint8 `[*places.shape, S, S, 3]`: whole images; white where a place is -1."""
    test = test._replace(size=min(SIDE, test.size), resize=None, fit="squash")
    there = places >= 0
    found = features.pixels(test, places[there])
    grids = np.full((*places.shape, *found.shape[1:]), WHITE, np.uint8)
    grids[there] = found
    return grids


def listed(about, best, places, source):
    """What a gallery shows, a row a cluster.

    Returns:
        structured array with the fields `cluster`, `title`, `accuracy` (NaN without
        labels), `images`, and `shown`: the classes of the images that are shown, or
        their files.
    """
    label, words = source.class_label, hierarchy.titles(source.classes)
    files = source.names if label.min() < 0 else None
    named = lambda place: words[label[place]] if files is None else files[place]
    return structured(
        {
            "cluster": best,
            "title": [about.names[k] for k in best],
            "accuracy": about.share[best],
            "images": about.images[best],
            "shown": ["; ".join(named(p) for p in own if p >= 0) for own in places],
        }
    )
