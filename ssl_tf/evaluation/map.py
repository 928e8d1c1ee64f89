"""Features as a map: points in the plane, near where features are alike."""

from typing import Literal

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.evaluation import store as stores
from ssl_tf.evaluation.knn import unit
from ssl_tf.evaluation.neighbours import spread_over_classes
from ssl_tf.schema import Count, Positive, Whole

COMPONENTS = 50


def embedding_map(
    method,
    train,
    test,
    store=None,
    level: str = "features",
    algorithm: Literal["tsne", "umap"] = "tsne",
    images: Count = 2000,
    perplexity: Positive = 30.0,
    seed: Whole = 0,
):
    """Embedding map: test features in the plane by t-SNE or UMAP, coloured by class.

    Features of length 1 are first brought to 50 principal components. Distances
    between far groups mean little, and sizes of groups nothing.

    Args:
        method: `Method`, trained.
        train: not used.
        test: `pipeline.Images`; up to `images` of them, classes in turn.
        store: `Store` of the method's features; `None` computes them anew.
        level: of `method.representations`.
        algorithm: "tsne" of scikit-learn, or "umap" where umap-learn is installed.
        images: points at most.
        perplexity: of t-SNE; the number of neighbours of UMAP.
        seed: of the draw and the map.

    Returns:
        `{"points": float32 [n, 2], "labels": int [n], "classes": names, "places":
        int [n]}`.

    Raises:
        BadInput: UMAP is not installed, too few images, or no such level.

    Source:
        van der Maaten and Hinton, JMLR 9 (2008); McInnes et al., arXiv:1802.03426.
    """
    store = store or stores.Store(method)
    label = test.source.class_label
    places = np.sort(spread_over_classes(label, images, seed))
    if len(places) <= perplexity:
        raise BadInput(
            f"map.perplexity: is {perplexity:g}; must be less than the {len(places)} "
            "images."
        )
    reduce = {"tsne": tsne, "umap": umap}[algorithm]
    points = reduce(
        principal(unit(store(test, level)[places], np.float64)), perplexity, seed
    )
    return {
        "points": np.asarray(points, np.float32),
        "labels": label[places],
        "classes": np.array(test.source.classes, str),
        "places": places,
    }


def principal(x):
    """The first principal components of rows, 50 at most."""
    from sklearn.decomposition import PCA

    count = min(COMPONENTS, *x.shape)
    return PCA(count, svd_solver="full").fit_transform(x)


def tsne(x, perplexity, seed):
    from sklearn.manifold import TSNE

    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(x)


def umap(x, neighbours, seed):
    try:
        from umap import UMAP
    except ImportError:
        raise BadInput(
            "map.algorithm: umap is not here; pip install umap-learn, or take tsne."
        ) from None
    near = max(2, round(neighbours))
    return UMAP(n_neighbors=near, random_state=seed).fit_transform(x)
