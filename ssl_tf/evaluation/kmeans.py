"""k-means on frozen features: what clusters a model has that was not made for them."""

import numpy as np

from ssl_tf.data import hierarchy
from ssl_tf.evaluation import centres, scoring
from ssl_tf.evaluation import store as stores
from ssl_tf.evaluation.clustering import Tasks, judged
from ssl_tf.ops.stats import mean_and_deviation
from ssl_tf.schema import Count, Portion, Whole


def kmeans(
    method,
    train,
    test,
    store=None,
    level: str | list[str] = "features",
    clusters: Count | None = None,
    normalise: bool = False,
    seeds: list[Whole] = (0,),
    share: Portion | str | None = None,
    draw: Whole = 0,
    restarts: Count = 10,
    batch: Count | None = None,
    faiss: bool = False,
    tasks: Tasks | None = None,
):
    """k-means on training features; test images judged by their nearest centre.

    Args:
        method: `Method`, trained.
        train: `pipeline.Images` to fit on; they need no labels.
        test: `pipeline.Images` with labels.
        store: `Store` of the method's features; `None` computes them anew.
        level: of `method.representations`; several in a list.
        seeds: one fit each.
        clusters, normalise, share, draw, restarts, batch, faiss: see `centres.KMeans`.
        tasks: superclasses, see `clustering`.

    Returns:
        what `clustering.judged` does, the mean of the seeds, with `_deviation` behind
        its name the deviation where there are several, and the table of the first;
        `"distance"`, mean squared one of the test images to their centres;
        `"predictions"` int32 `[seeds, N]`. For several levels each name has its level
        before it.

    Raises:
        BadInput: no labels, see `centres.fitted`, or tasks that do not fit the classes.

    Source:
        The baselines of Self-Classifier, arXiv:2103.10994: raw features of 10 % of
        ImageNet's training images (`share: 10percent`), scikit-learn's k-means.
    """
    store = store or stores.Store(method)
    scoring.labels(test, "kmeans")
    wanted = hierarchy.chosen(tasks, test.source.classes, "kmeans.tasks")
    kind = centres.KMeans(
        clusters=clusters,
        normalise=normalise,
        share=share,
        draw=draw,
        restarts=restarts,
        batch=batch,
        faiss=faiss,
    )

    def evaluate(one):
        runs = []
        for seed in seeds:
            found = centres.fitted(store, train, kind._replace(level=one, seed=seed))
            cluster, distance = centres.nearest(store(test, one), found, normalise)
            values = judged(cluster, test.source, wanted, "kmeans.tasks")
            runs.append((cluster, values | {"distance": float(distance.mean())}))
        values = together([values for _, values in runs])
        return values | {"predictions": np.stack([cluster for cluster, _ in runs])}

    return scoring.by_level(level, evaluate)


def together(runs):
    """Mean and deviation of the numbers of several runs; arrays of the first.

    Args:
        runs: list of `{name: number or array}` with the same names.
    """
    found = {}
    for name, value in runs[0].items():
        if isinstance(value, np.ndarray):
            found[name] = value
            continue
        found[name], deviation = mean_and_deviation(run[name] for run in runs)
        if deviation is not None and not name.endswith("images"):
            found[f"{name}_deviation"] = deviation
    return found
