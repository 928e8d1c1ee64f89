"""The classes a model found by itself, against the true ones and their superclasses."""

import re
from typing import Annotated, Literal

import numpy as np

from ssl_tf.data import hierarchy
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import clusters, scoring, superclasses
from ssl_tf.evaluation import store as stores
from ssl_tf.evaluation.tables import structured
from ssl_tf.schema import MayBeEmpty, Whole

Tasks = Annotated[list[Literal[hierarchy.TASKS]], MayBeEmpty()]


def clustering(
    method, train, test, store=None, head: Whole = 0, tasks: Tasks | None = None
):
    """Clustering: a head's classes against true ones (NMI, AMI, ARI, ACC).

    Args:
        method: `Method` with heads: `representations` has "logits0", "logits1", ...
        train: not used.
        test: `pipeline.Images` with labels.
        store: `Store` of the method's features; `None` computes them anew.
        head: the cluster of an image is this head's largest logit.
        tasks: superclasses to judge by, too, of `hierarchy.TASKS`; `None`: the levels
            and BREEDS' tasks on ImageNet, the levels on parts of it and on Tiny
            ImageNet, none elsewhere.

    Returns:
        what `judged` does, and `"predictions"` int32 `[N]`.

    Raises:
        BadInput: no labels, no such head, or tasks that do not fit the classes.

    Source:
        Self-Classifier, arXiv:2103.10994, sec. 4.2; superclasses by its code.
    """
    store = store or stores.Store(method)
    scoring.labels(test, "clustering")
    wanted = hierarchy.chosen(tasks, test.source.classes, "clustering.tasks")
    predictions = by_head(store, test, head, "clustering")
    found = judged(predictions, test.source, wanted, "clustering.tasks")
    return found | {"predictions": predictions}


def by_head(store, images, head, where, instead="evaluate `kmeans`"):
    """int32 `[N]`: number of the largest logit of each image.

    Args:
        store: `Store`.
        images: `pipeline.Images`.
        head: int.
        where: the evaluation, for messages.
        instead: what there is for methods without heads.

    Raises:
        BadInput: no such head, or no usable logits, see `Store.many`.
    """
    levels = store.shapes(images.size)
    heads = [level for level in levels if re.fullmatch(r"logits\d+", level)]
    name = store.method.name
    if not heads:
        raise BadInput(f"{where}: {name} has no heads; {instead} instead.")
    if f"logits{head}" not in heads:
        last = len(heads) - 1
        raise BadInput(f"{where}.head: is {head}; {name} has 0 to {last}.")
    logits = store(images, f"logits{head}")
    return np.argmax(logits, axis=1).astype(np.int32)


def judged(cluster, source, tasks, where="tasks"):
    """Everything about clusters of labelled images.

    Args:
        cluster: int `[N]`.
        source: `Source` of them.
        tasks: list of `hierarchy.Task`.
        where: str, for messages.

    Returns:
        `{"nmi", "ami", "ari", "acc", "clusters"}`, see `clusters.measures`, what
        `superclasses.measures` says of the tasks, each with its level by chance, see
        `chance`, and `"table"`, see `table`.
    """
    measure = lambda cluster: (
        clusters.measures(cluster, source.label)
        | superclasses.measures(cluster, source.label, tasks, where)
    )
    return (
        measure(cluster) | chance(measure, cluster) | {"table": table(cluster, source)}
    )


CHANCE = ("nmi", "ari", "acc")  # AMI is 0 by chance, by definition
DRAWS = 5


def chance(measure, cluster, draws=DRAWS):
    """What random assignments to clusters of the same sizes reach, on average.

    NMI and matched accuracy are not 0, nor one over the classes, by chance: with 200
    classes of 50 images and 200 clusters random labels match about 4 %.

    Args:
        measure: `int [N] -> {name: number}`.
        cluster: int `[N]`; its permutations have its sizes.
        draws: permutations, from a fixed seed.

    Returns:
        `{"chance_nmi": ..., "level2.authors.chance_acc": ...}`: of every measure in
        `CHANCE`.
    """
    draw = np.random.Generator(np.random.Philox(0))
    found = [measure(draw.permutation(cluster)) for _ in range(draws)]
    names = [name for name in found[0] if name.rpartition(".")[2] in CHANCE]
    placed = {}
    for name in names:
        before, dot, last = name.rpartition(".")
        mean = float(np.mean([one[name] for one in found]))
        placed[f"{before}{dot}chance_{last}"] = mean
    return placed


def table(cluster, source):
    """Clusters in use, those that are right most often first.

    Args:
        cluster: int `[N]`.
        source: `Source` with labels.

    Returns:
        structured array with the fields `cluster`, `class` (name of the one it stands
        for, empty if it got a number that is no class), `title` (a word for it),
        `images` and `accuracy` (share of these that are of the class).
    """
    of_cluster = clusters.matched(cluster, source.label)
    order, share, images = clusters.ranked(cluster, source.label, of_cluster, 1)
    order = order[images[order] > 0]
    named = lambda names: np.array(
        [names[c] if c < len(names) else "" for c in of_cluster[order]], str
    )
    return structured(
        {
            "cluster": order,
            "class": named(source.classes),
            "title": named(hierarchy.titles(source.classes)),
            "images": images[order],
            "accuracy": share[order],
        }
    )
