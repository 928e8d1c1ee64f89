"""Average precision as Pascal VOC counts it, by its first rule and by the later one."""

from typing import NamedTuple

import numpy as np

from ssl_tf.data.faults import empty
from ssl_tf.evaluation.found import Found, checked

THRESHOLDS = tuple(np.arange(50, 100, 5) / 100)
LEVELS = np.arange(0.0, 1.1, 0.1)  # of recall; 0.3 is 0.30000000000000004 here


class Truth(NamedTuple):
    """m annotated objects of all images together.

    Attributes:
        image: int `[m]`, positions.
        label: int `[m]`.
        difficult: bool `[m]`; found or not, they do not count.
        boxes: float64 `[m, 4]`, pixels counted from 1, the last one included.
    """

    image: np.ndarray
    label: np.ndarray
    difficult: np.ndarray
    boxes: np.ndarray


def voc_ap(instances, found, rule="eleven_point", written=True):
    """AP, AP50 and AP75 in percent, and the AP of each class.

    Objects with an empty box, and detections with one, are left out.

    Args:
        instances: `Instances`, all images of the test split.
        found: `Found`.
        rule: of `RULES`; the results of VOC 2007 are by "eleven_point".
        written: round detections as the result files of VOC do, see `as_written`.

    Returns:
        what `summary` does, and `"classes"`: float64 `[classes, thresholds]`.

    Raises:
        BadInput: what was found is not finite.
    """
    full = ~empty(np.asarray(checked(found).boxes, np.float64).reshape(-1, 4))
    found = Found(*(np.asarray(column)[full] for column in found[:4]))
    detections = as_written(found) if written else from_one(found)
    count = len(instances.classes)
    ap = average_precisions(truth_of(instances), detections, count, rule=rule)
    return summary(ap) | {"classes": ap}


def summary(ap, thresholds=THRESHOLDS):
    """`{"AP", "AP50", "AP75"}` in percent; classes nobody annotated are left out.

    Args:
        ap: `[classes, thresholds]` in [0, 1].
        thresholds: with 0.5 and 0.75.
    """
    known = ap[~np.isnan(ap).any(axis=1)]
    means = known.mean(axis=0) if len(known) else np.full(len(thresholds), np.nan)
    at = lambda threshold: means[np.isclose(thresholds, threshold)].item()
    numbers = {"AP": means.mean(), "AP50": at(0.5), "AP75": at(0.75)}
    return {name: 100 * float(value) for name, value in numbers.items()}


def truth_of(instances):
    """`Truth` of `Instances`, whose boxes count from 0, but for empty ones."""
    objects = [own.kept(~empty(own.boxes)) for own in instances.objects]
    counts = [own.count for own in objects]
    join = lambda name: np.concatenate([getattr(own, name) for own in objects])
    return Truth(
        np.repeat(np.arange(len(counts)), counts),
        join("label"),
        join("difficult"),
        one_based(join("boxes")),
    )


def one_based(boxes):
    """float64 boxes in pixels counted from 1, the last one included."""
    return np.asarray(boxes, np.float64).reshape(-1, 4) + (1, 1, 0, 0)


def from_one(found):
    """`Found` with boxes that count from 1."""
    return found._replace(boxes=one_based(found.boxes))


def as_written(found):
    """`Found` as it reads back from a result file: from 1, one decimal; score three.

    Source:
        Self-Classifier's detection transfer, as Detectron2 writes for VOC.
    """
    decimals = lambda values, n: np.array(
        [float(f"{x:.{n}f}") for x in np.ravel(values).tolist()]
    )
    boxes = decimals(one_based(found.boxes), 1).reshape(-1, 4)
    return found._replace(boxes=boxes, score=decimals(found.score, 3))


def average_precisions(
    truth, found, classes, thresholds=THRESHOLDS, rule="eleven_point"
):
    """float64 `[classes, thresholds]` in [0, 1]; NaN for a class without annotation.

    Args:
        truth: `Truth`.
        found: `Found` with boxes that count from 1.
        classes: int.
        thresholds: overlaps that a detection must exceed.
        rule: of `RULES`.
    """
    ap = np.full((classes, len(thresholds)), np.nan)
    for label in range(classes):
        own = Truth(*(x[truth.label == label] for x in truth))
        if own.difficult.all():
            continue
        matched = best(own, of_class(found, label))
        for i, threshold in enumerate(thresholds):
            recall, precision = curve(own, *matched, threshold)
            ap[label, i] = RULES[rule](recall, precision)
    return ap


def of_class(found, label):
    """Detections of a class, highest score first, ties in their order."""
    chosen = np.flatnonzero(np.asarray(found.label) == label)
    order = np.argsort(-np.asarray(found.score)[chosen], kind="stable")
    return Found(*(np.asarray(x)[chosen[order]] for x in found[:4]))


def best(truth, found):
    """`(overlap [n], place in the truth [n])` of what each detection overlaps most.

    Where nothing is annotated in the image, the overlap is -1 and the place 0.
    """
    overlap, place = np.full(len(found.image), -1.0), np.zeros(len(found.image), int)
    mine = {i: np.flatnonzero(truth.image == i) for i in np.unique(truth.image)}
    for image in np.unique(found.image):
        rows, there = np.flatnonzero(found.image == image), mine.get(image)
        if there is not None:
            shares = inclusive_iou(found.boxes[rows], truth.boxes[there])
            overlap[rows] = shares.max(axis=1)
            place[rows] = there[shares.argmax(axis=1)]
    return overlap, place


def inclusive_iou(one, other):
    """`[n, m]` intersection over union of boxes whose last pixel is included."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.maximum(high - low + 1, 0).prod(axis=2)
    area = lambda boxes: (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    return common / (area(one)[:, None] + area(other)[None] - common)


def curve(truth, overlap, place, threshold):
    """`(recall [n], precision [n])` after each detection, from the highest score.

    The first detection of an object is right, later ones are wrong; one of a difficult
    object is neither.
    """
    hit = overlap > threshold
    neither = hit & truth.difficult[place]
    candidates = np.flatnonzero(hit & ~neither)
    right = np.zeros(len(hit), bool)
    right[candidates[np.unique(place[candidates], return_index=True)[1]]] = True
    rights, wrongs = np.cumsum(right), np.cumsum(~right & ~neither)
    precision = rights / np.maximum(rights + wrongs, np.finfo(np.float64).eps)
    return rights / (~truth.difficult).sum(), precision


def eleven_point(recall, precision):
    """Mean over recalls 0, 0.1, ..., 1 of the best precision at that or more.

    Source:
        Everingham et al., IJCV 2010, equations 1 and 2; the rule up to 2009.
    """
    reached = recall[None] >= LEVELS[:, None]
    return np.where(reached, precision[None], 0.0).max(axis=1, initial=0.0).mean()


def area(recall, precision):
    """Area below the precision made to fall with recall; the rule since 2010."""
    recall = np.concatenate([[0.0], recall, [1.0]])
    precision = np.concatenate([[0.0], precision, [0.0]])
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return (np.diff(recall) * highest[1:]).sum()


RULES = {"eleven_point": eleven_point, "area": area}
