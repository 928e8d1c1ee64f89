"""What every classifier evaluation reports, and the labels that one needs."""

import numpy as np

from ssl_tf.data import fingerprint
from ssl_tf.errors import BadInput


def labels(images, name):
    """int `[N]` labels of a split.

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


def several(label, name):
    """`label`, if it names two classes or more."""
    if len(np.unique(label)) < 2:
        raise BadInput(f"{name}: all training images are of one class; give two.")
    return label


def summary(scores, label):
    """Accuracies of class scores; equal scores go to the smaller class number.

    Args:
        scores: `[N, C]`, larger is likelier; C counts every class of the data set.
        label: int `[N]`.

    Returns:
        `{"accuracy": share, "top5": share (only for C > 5), "per_class": [C]}`, the
        last NaN for classes without a test image.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    hits = order == np.asarray(label)[:, None]
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
