"""Test images beside the training images a model finds most like them."""

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.evaluation import features
from ssl_tf.evaluation import store as stores
from ssl_tf.evaluation.knn import nearest
from ssl_tf.schema import Count, Whole


def neighbours(
    method,
    train,
    test,
    store=None,
    level: str = "features",
    images: Count = 10,
    k: Count = 8,
    memory_mib: Count = 512,
    seed: Whole = 0,
):
    """Nearest-neighbour grid: test images, each with its k nearest training images.

    Args:
        method: `Method`, trained.
        train: `pipeline.Images`; the bank. Labels are shown where there are some.
        test: `pipeline.Images`; the queries are drawn from them, class after class.
        store: `Store` of the method's features; `None` computes them anew.
        level: of `method.representations`.
        images: queries.
        k: neighbours of each.
        memory_mib: see `knn`.
        seed: of the draw of queries.

    Returns:
        `{"tiles": uint8 [Q, 1 + k, H, W, 3], the query first; "labels": int [Q, 1 +
        k]; "classes": their names; "similarity": [Q, k]; "places": [Q, 1 + k] in test
        and train; "same_class": share of neighbours of the query's class, where there
        are labels}`.

    Raises:
        BadInput: k larger than the bank, or no such level.
    """
    store = store or stores.Store(method)
    if k > train.source.size:
        raise BadInput(
            f"neighbours.k: is {k}; there are only {train.source.size} training images."
        )
    label, truth = train.source.class_label, test.source.class_label
    queries = spread_over_classes(truth, images, seed)
    similarity, near = nearest(
        np.asarray(store(test, level)[queries]), store(train, level), k, memory_mib
    )
    tiles = np.concatenate(
        [
            features.pixels(test, queries)[:, None],
            features.pixels(train, near.ravel()).reshape(
                *near.shape, test.size, test.size, 3
            ),
        ],
        axis=1,
    )
    own, theirs = truth[queries], label[near]
    found = {
        "tiles": tiles,
        "labels": np.concatenate([own[:, None], theirs], axis=1),
        "classes": np.array(test.source.classes, str),
        "similarity": similarity.astype(np.float32),
        "places": np.concatenate([queries[:, None], near], axis=1),
    }
    if own.min() >= 0 and theirs.min() >= 0:
        found["same_class"] = float((own[:, None] == theirs).mean())
    return found


def spread_over_classes(label, count, seed):
    """Places of up to `count` images: the classes in turn, drawn within each."""
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(label))
    turn = np.zeros(len(label), int)  # how many of its class come before an image
    for one in np.unique(label):
        mine = np.flatnonzero(label[order] == one)
        turn[mine] = np.arange(len(mine))
    return order[np.lexsort((label[order], turn))][:count]
