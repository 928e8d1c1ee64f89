"""How well attributes are told: the ablation study's measures and the common ones."""

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.evaluation import scoring
from ssl_tf.evaluation.features import extract
from ssl_tf.evaluation.tables import structured
from ssl_tf.schema import Count

TINY = 1e-10  # of the study's denominators


def multilabel(method, train, test, k: list[Count] = (1,)):
    """Attributes: Jaccard (the study's "accuracy"), AUC, precision, recall, F1.

    Macro is the mean over the attributes, micro is of all answers together.

    Args:
        method: `Method` whose `call` gives a logit for each attribute.
        train: not used.
        test: `pipeline.Images` with attributes.
        k: for `recall_at_<k>`, `precision_at_<k>`, `f1_at_<k>`: how many of an image's
            highest scores are looked at.

    Returns:
        what `measures` does, and `"table"` `[A]` with the fields `name`, `positives`
        (images), `jaccard`, `auc`, `f1` and `accuracy` of each attribute.

    Raises:
        BadInput: a method or images without attributes, a k larger than their number.
    """
    if not method.attributes:
        raise BadInput(
            f"multilabel: {method.name} tells no attributes; evaluate a run of "
            "`multilabel`, or `finetune` this one on data with attributes."
        )
    scoring.same_columns(method, test, "multilabel")
    source = test.source
    if max(k) > len(source.classes):
        raise BadInput(
            f"multilabel.k: is {max(k)}; there are only {len(source.classes)} "
            "attributes."
        )
    logits = extract(lambda x: method(x, training=False), test, what="predictions")
    follows = (
        "macro precision, recall and F1 count them as 0, macro AUC leaves them out"
    )
    scoring.say_empty(source.label.sum(axis=0), source, "multilabel", follows)
    scores = sigmoid(logits)
    each = by_attribute(scores, source.label, logits)
    table = named(each, source.classes)
    return measures(scores, source.label, k, each, logits) | {"table": table}


def sigmoid(logits):
    """float32 probabilities, the form in which the study rounds."""
    from scipy.special import expit

    return expit(np.asarray(logits, np.float32))


def measures(scores, label, k=(1,), each=None, order=None):
    """Numbers about all attributes of all images of a split.

    An attribute counts as told if its score rounds to 1, halves to the even side.

    Args:
        scores: `[N, A]` in [0, 1].
        label: `[N, A]` of 0 and 1.
        k: see `multilabel`.
        each: what `by_attribute` gives, or `None` to compute it.
        order: `[N, A]` that images and attributes are ranked by; `None`: the scores.
            Logits rank alike, without the ties of probabilities that round to 1.

    Returns:
        `{"macro_jaccard", "micro_jaccard", "binary_accuracy", "macro_auc",
        "micro_auc", "macro_precision", "macro_recall", "macro_f1" (mean of the
        attributes'), "macro_f1_of_means" (the study's, of the two means),
        "micro_precision", "micro_recall", "micro_f1", "recall_at_<k>", ...}`, shares.
        Areas are left out where they are not defined: `macro_auc` is the mean over
        attributes that some images have and some lack, of which there must be one.

    Source:
        Papastratis, arXiv:2112.02297, by its code, which reports the two Jaccard
        indices as accuracies, and `macro_f1_of_means` as the F1.
    """
    order = scores if order is None else order
    each = each or by_attribute(scores, label, order)
    told, label = np.rint(scores).astype(np.int64), np.asarray(label, np.int64)
    both, either = (told & label).sum(axis=0), (told | label).sum(axis=0)
    precision = np.mean(both / (told.sum(axis=0) + TINY))
    recall = np.mean(both / (label.sum(axis=0) + TINY))
    found = {
        "macro_jaccard": np.mean(each["jaccard"]),
        "micro_jaccard": share(both.sum(), either.sum()),
        "binary_accuracy": np.mean(told == label),
        "macro_precision": precision,
        "macro_recall": recall,
        "macro_f1": np.mean(each["f1"]),
        "macro_f1_of_means": harmonic(precision, recall),
        "micro_precision": share(both.sum(), told.sum()),
        "micro_recall": share(both.sum(), label.sum()),
    }
    found["micro_f1"] = harmonic(found["micro_precision"], found["micro_recall"])
    known = each["auc"][~np.isnan(each["auc"])]
    areas = {
        "macro_auc": np.mean(known) if known.size else np.nan,
        "micro_auc": auc(order.ravel(), label.ravel()),
    }
    found |= {name: area for name, area in areas.items() if not np.isnan(area)}
    for count in sorted(set(k)):
        found |= at(order, label, count)
    return {name: float(value) for name, value in found.items()}


def by_attribute(scores, label, order=None):
    """`{field of the table but the name: [A]}`; the area is NaN where undefined."""
    order = scores if order is None else order
    told, label = np.rint(scores).astype(np.int64), np.asarray(label, np.int64)
    both, either = (told & label).sum(axis=0), (told | label).sum(axis=0)
    return {
        "positives": label.sum(axis=0),
        "jaccard": both / (either + TINY),
        "auc": np.array([auc(*column) for column in zip(order.T, label.T)]),
        "f1": f1_of(told, label),
        "accuracy": (told == label).mean(axis=0),
    }


def named(each, names):
    """Structured array `[A]` of `by_attribute`'s columns behind the names."""
    return structured({"name": np.array(names, str)} | each)


def f1_of(told, label):
    """`[A]` ordinary F1 of each attribute; 0 for one nobody has and none is told."""
    total = (told + label).sum(axis=0)
    return 2 * (told & label).sum(axis=0) / np.maximum(total, 1)


def auc(scores, label):
    """Area under the ROC curve, ties counted half; NaN if all labels are alike.

    The share of pairs (one with the attribute, one without) whose scores are in order,
    from the ranks of the scores: what the trapezoids add up to.

    Args:
        scores: `[n]`.
        label: `[n]` of 0 and 1.
    """
    from scipy.stats import rankdata

    positive = int(label.sum())
    negative = len(label) - positive
    if not positive or not negative:
        return np.nan
    above = rankdata(scores)[label > 0].sum() - positive * (positive + 1) / 2
    return above / (positive * negative)


def at(scores, label, k):
    """`{"recall_at_<k>", "precision_at_<k>", "f1_at_<k>"}`, means over images.

    An image without attributes has recall 0, as the study counts it.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(label, order, axis=1).sum(axis=1)
    recall = np.mean(hits / np.maximum(label.sum(axis=1), 1))
    precision = np.mean(hits / k)
    return {
        f"recall_at_{k}": recall,
        f"precision_at_{k}": precision,
        f"f1_at_{k}": harmonic(precision, recall),
    }


def share(part, whole):
    return part / whole if whole else 0.0


def harmonic(a, b):
    return share(2 * a * b, a + b)
