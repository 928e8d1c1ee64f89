"""The confusion matrix of a classifier, and the groupings SSAL derives from it."""

import numpy as np

from ssl_tf.data.groupings import generate
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import scoring
from ssl_tf.evaluation.features import extract
from ssl_tf.schema import Annotated, Count, Range


def confusion(
    method,
    train,
    test,
    groups: list[Count] | None = None,
    similar: bool = True,
    margin: Annotated[float, Range(low=1)] = 1.1,
    soft: bool = False,
):
    """Counts of (true class, predicted class), and groupings made from them.

    Args:
        method: `Method` whose `call` gives class logits.
        train: not used.
        test: `pipeline.Images` with labels.
        groups: numbers of groups to make.
        similar: see `generate`.
        margin: see `generate`.
        soft: add up probabilities instead of arg max counts; for small or easy data,
            where many counts are 0.

    Returns:
        `{"accuracy": share, "top5": share (only for C > 5), "per_class": [C],
        "matrix": [C, C], "groups_<k>": [C], ...}`.

    Raises:
        BadInput: images without labels, or groups where a class has no image.
    """
    scoring.same_columns(method, test, "confusion")
    label = scoring.labels(test, "confusion")
    names = test.source.classes
    lacking = set(range(len(names))) - set(label.tolist())
    if groups and lacking:
        raise BadInput(
            f"confusion.groups: no {test.source.split} image is of class "
            f"{names[min(lacking)]!r}; groups need confusions of every class."
        )
    logits = extract(lambda x: method(x, training=False), test, what="predictions")
    table = matrix(logits, label, soft)
    found = scoring.summary(logits, label)
    made = {
        f"groups_{k}": generate(table, k, similar, margin) for k in sorted(groups or [])
    }
    return found | {"matrix": table} | made


def matrix(logits, label, soft=False):
    """`[C, C]` float64: row = true class, column = predicted one.

    Args:
        logits: `[N, C]`.
        label: `[N]` ints.
        soft: add probabilities, not ones.
    """
    classes = logits.shape[1]
    if soft:
        logits = np.asarray(logits, np.float64)
        votes = np.exp(logits - logits.max(axis=1, keepdims=True))
        votes = votes / votes.sum(axis=1, keepdims=True)
    else:
        votes = np.eye(classes)[logits.argmax(axis=1)]
    table = np.zeros((classes, classes))
    np.add.at(table, label, votes)
    return table
