"""What every classifier evaluation reports, and the labels that one needs."""

import sys

import numpy as np

from ssl_tf.data import fingerprint
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import features

NAMED = 3  # classes that a message names


def labels(images, name):
    """int `[N]` labels of a split; says on stderr which classes have no image.

    Args:
        images: `pipeline.Images`.
        name: the evaluation, for the message.

    Raises:
        BadInput: some images have none, or have attributes.
    """
    source = images.source
    if source.attributes:
        raise BadInput(
            f"{name}: tells classes apart; {source.name} has attributes. Evaluate "
            "`multilabel`, or `finetune` of a run without a classifier."
        )
    label = np.asarray(source.label)
    without = int((label < 0).sum())
    if without:
        raise BadInput(
            f"{name}: {without:,} of {len(label):,} {source.split} images of "
            f"{source.name} have no label; choose labelled ones, e.g. with "
            f"--set data.pool=train or `evaluations: {{{name}: {{data: ...}}}}`."
        )
    say_empty(np.bincount(label, minlength=len(source.classes)), source, name)
    return label


def same_columns(method, images, where):
    """Refuses a split whose labels do not count the classes of a method's outputs.

    Args:
        method: `Method`; without `class_names` nothing is compared.
        images: `pipeline.Images` or `Scenes`.
        where: the evaluation, for the message.

    Raises:
        BadInput: other classes, or these in another order.
    """
    ours, theirs = method.class_names, images.source.classes
    if ours is None or not theirs or tuple(ours) == tuple(theirs):
        return
    raise BadInput(
        f"{where}: labels of {images.source.name} do not count the classes of the "
        f"model: {fingerprint.told(list(ours), list(theirs))}; match them by name, see "
        "data.source.aligned."
    )


def say_empty(counts, source, name, follows=None):
    """Says on stderr which classes or attributes no image of a split has.

    Args:
        counts: int `[C]`, images of each.
        source: `Source`.
        name: the evaluation.
        follows: what that does to the numbers; `None`: what it does to accuracies.
    """
    empty = [c for c, n in zip(source.classes, counts) if not n]
    if not empty:
        return
    if follows is None and source.split == "train":
        follows = "images of these are taken for others"
    names = ", ".join(empty[:NAMED]) + (", ..." if len(empty) > NAMED else "")
    word = "attributes" if source.attributes else "classes"
    print(
        f"{name}: no {source.split} image of {len(empty):,} of the "
        f"{len(source.classes):,} {word} ({names}); "
        f"{follows or 'numbers are about the others'}.",
        file=sys.stderr,
    )


def several(label, name):
    """`label`, if it names two classes or more."""
    if len(np.unique(label)) < 2:
        raise BadInput(f"{name}: all training images are of one class; give two.")
    return label


def summary(scores, label):
    """Accuracies of class scores; equal scores go to the smaller class number.

    A class without a vote is not among the first five, nor is it the first: one of
    minus infinity, or of 0 in a row without negative scores.

    Args:
        scores: `[N, C]`, larger is likelier; C counts every class of the data set.
        label: int `[N]`.

    Returns:
        `{"accuracy": share, "top5": share (only for C > 5), "per_class": [C]}`, the
        last NaN for classes without a test image.

    Raises:
        BadInput: scores are not finite, or not of these images and classes.
    """
    scores, label = np.asarray(scores), np.asarray(label)
    features.finite(np.where(np.isneginf(scores), 0, scores), "predictions")
    if len(scores) != len(label) or label.max(initial=0) >= scores.shape[1]:
        raise BadInput(
            f"predictions: {scores.shape[0]:,} rows of {scores.shape[1]} classes for "
            f"{len(label):,} images of {label.max(initial=0) + 1} or more classes."
        )
    order = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    least = np.where(scores.min(axis=1, initial=np.inf) < 0, -np.inf, 0)
    voted = np.take_along_axis(scores, order, axis=1) > least[:, None]
    hits = (order == label[:, None]) & voted
    found = {"accuracy": float(hits[:, 0].mean())}
    if scores.shape[1] > 5:
        found["top5"] = float(hits.any(axis=1).mean())
    return found | {"per_class": per_class(hits[:, 0], label, scores.shape[1])}


def per_class(hits, label, classes):
    """float64 `[C]`: share of hits among the images of each class; NaN where none."""
    counts = np.bincount(label, minlength=classes)
    with np.errstate(invalid="ignore"):
        return np.bincount(label, weights=hits, minlength=classes) / counts


def classes_of(train, test):
    """Number of classes of a pair of splits.

    Raises:
        BadInput: their classes have different names.
    """
    ours, theirs = train.source.classes, test.source.classes
    if ours != theirs:
        raise BadInput(
            f"{test.source.name}: its classes are not those of {train.source.name}."
        )
    return len(ours)


def by_level(level, evaluate):
    """Runs an evaluation for one level, or for several with their names before it.

    Args:
        level: str, or a list of them.
        evaluate: `level -> {name: value}`.
    """
    if isinstance(level, str):
        return evaluate(level)
    return {f"{one}.{k}": v for one in level for k, v in evaluate(one).items()}
