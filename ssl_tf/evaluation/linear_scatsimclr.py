"""ScatSimCLR's linear evaluation: standardised features, 100 epochs of Adam."""

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.evaluation import scoring, softmax
from ssl_tf.evaluation import store as stores
from ssl_tf.evaluation.linear import scaled
from ssl_tf.schema import Count, NonNegative, Positive, Whole


def linear_scatsimclr(
    method,
    train,
    test,
    store=None,
    level: str | list[str] = "features",
    epochs: Count = 100,
    batch_size: Count = 64,
    learning_rate: Positive = 3e-4,
    l2: NonNegative = 1e-4,
    drop_last: Count | None = None,
    seed: Whole = 0,
):
    """ScatSimCLR's linear evaluation: standardised features, 100 epochs of Adam.

    One linear layer with softmax, the images in the same order every epoch, Adam of
    torch with coupled L2; the accuracy is that after the last epoch.

    Args:
        method: `Method`, trained; it stays as it is.
        train: `pipeline.Images` with labels.
        test: `pipeline.Images` with labels of the same classes.
        store: `Store` of the method's features; `None` computes them anew.
        level: of `method.representations`; several in a list.
        epochs: passes over the training images.
        batch_size: int; the last, smaller batch counts.
        learning_rate: of Adam.
        l2: joins the gradient of kernel and bias.
        drop_last: batch size of the feature extraction whose last partial batch is left
            out, of training and of test images: 64 or whatever the run trained with is
            the authors' way. `None` uses every image.
        seed: of the initial weights.

    Returns:
        `{"accuracy", "top5", "per_class" [C]}`, with the level's name before each for
        several levels.

    Raises:
        BadInput: images without labels, one class only, no such level, or nothing left
            by `drop_last`.

    Source:
        ScatSimCLR, arXiv:2108.13939, and its authors' evaluator, which drops the last
        partial batches; the paper compares this number, which needs labels, with
        clusterings, which do not.
    """
    store = store or stores.Store(method)
    name = "linear_scatsimclr"
    splits = [whole_batches(images, drop_last) for images in (train, test)]
    label, truth = (scoring.labels(i, name)[:n] for i, n in zip((train, test), splits))
    scoring.several(label, name)
    classes = scoring.classes_of(train, test)

    def probe(one):
        x, y = (
            np.array(store(images, one)[:count], np.float32)
            for images, count in zip((train, test), splits)
        )
        scaled(x, y)
        start = softmax.torch_start(x.shape[1], classes, seed)
        adam = softmax.Adam(learning_rate, 1e-8, "torch", l2)
        weights = trained(start, adam, x, label, epochs, batch_size)
        return scoring.summary(weights(y), truth)

    return scoring.by_level(level, probe)


def trained(start, adam, x, label, epochs, batch_size):
    """Weights after so many passes over the rows as they stand."""
    trainer = softmax.Trainer(start, adam, batch_size)
    for _ in range(epochs):
        trainer.epoch(x, label)
    return trainer.weights


def whole_batches(images, batch_size):
    """Images of a split in whole batches; all of them for `None`."""
    size = images.source.size
    if batch_size is None:
        return size
    if size < batch_size:
        raise BadInput(
            f"linear_scatsimclr.drop_last: is {batch_size}; the {images.source.split} "
            f"split has only {size} images."
        )
    return size - size % batch_size
