"""What a detector found in the images of a split."""

from typing import Any, NamedTuple

import numpy as np

from ssl_tf.evaluation import features


class Found(NamedTuple):
    """n detections of all images together, in any order.

    Attributes:
        image: int `[n]`, positions in the `Instances`.
        label: int `[n]`.
        score: float `[n]`.
        boxes: float `[n, 4]`, x1, y1, x2, y2 in pixels of the original image, counted
            from 0.
        masks: n run-length masks in COCO's form (`encoded`), or `None`.
    """

    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    boxes: np.ndarray
    masks: Any = None


def checked(found):
    """`found`.

    Raises:
        BadInput: a score or a box is not finite.
    """
    for values in (found.score, found.boxes):
        features.finite(np.asarray(values, np.float64), "predictions")
    return found


def joined(parts):
    """`Found` of all of a list of `Found`."""
    columns = zip(*(part[:4] for part in parts))
    arrays = [np.concatenate([np.asarray(x) for x in column]) for column in columns]
    if any(part.masks is None for part in parts):
        return Found(*arrays)
    return Found(*arrays, [mask for part in parts for mask in part.masks])
