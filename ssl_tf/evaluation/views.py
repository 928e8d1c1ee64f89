"""What the training shows of a few images."""

import numpy as np
import tensorflow as tf

from ssl_tf.data import pipeline
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import features
from ssl_tf.schema import Count, Whole

WHITE = 255


def views(
    method,
    train,
    test,
    recipes,
    images: Count = 6,
    epoch: Whole = 0,
    seed: Whole = 0,
):
    """View grid: a few training images, each with the views that training draws of it.

    Args:
        method: not used.
        train: `pipeline.Images`.
        test: not used.
        recipes: the run's, one a view.
        images: int.
        epoch: whose draws are shown.
        seed: of the choice of images and of the draws.

    Returns:
        `{"tiles": uint8 [n, 1 + V, S, S, 3]}`: the image, then its views; smaller ones
        stand in the upper left corner of white. A view of several pictures (tiles of a
        puzzle, rotations) brings them all.

    Raises:
        BadInput: more images than there are.
    """
    source = train.source
    if images > source.size:
        raise BadInput(
            f"views.images: is {images}; there are only {source.size} training images."
        )
    places = np.random.default_rng(seed).permutation(source.size)[:images]
    order = lambda _: places.astype(np.int64)[None]
    batches = pipeline.views(
        source,
        recipes,
        order,
        pipeline.Normal(),
        seed=seed,
        size=train.size,
        fit=train.fit,
        start=(epoch, 0),
    )
    batch = next(iter(batches))
    columns = [features.pixels(train, places)]
    for view in tf.nest.flatten(batch["views"]):
        shown = np.clip(np.round(view.numpy() * 255), 0, 255).astype(np.uint8)
        if shown.ndim == 4:
            columns.append(shown)
        else:  # [B, K, H, W, 3]
            columns += list(np.moveaxis(shown, 1, 0))
    side = max(column.shape[1] for column in columns)
    return {"tiles": np.stack([padded(x, side) for x in columns], axis=1)}


def padded(images, side):
    """`[n, side, side, 3]` with white right and below."""
    n, height, width, channels = images.shape
    canvas = np.full((n, side, side, channels), WHITE, np.uint8)
    canvas[:, :height, :width] = images
    return canvas
