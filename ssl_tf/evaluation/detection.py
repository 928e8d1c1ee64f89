"""Average precision of a detector, as VOC and as COCO count it, and pictures."""

import numpy as np
import tensorflow as tf

from ssl_tf.detection import inference, masks
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import detection_pictures, features, scoring
from ssl_tf.evaluation.coco_ap import coco_ap, encoded, tools
from ssl_tf.evaluation.found import Found, joined
from ssl_tf.evaluation.voc_ap import voc_ap
from ssl_tf.schema import Fraction, Whole

RULES = {"voc2007": "eleven_point", "voc": "area"}


def detection(
    method,
    train,
    test,
    voc: bool = True,
    coco: bool = True,
    pictures: Whole = 8,
    sure: Fraction = 0.5,
):
    """Detection AP of boxes, and of masks where there are some.

    Args:
        method: `Method` that detects.
        train: not used.
        test: `Scenes`; all images of the split are judged.
        voc: as VOC does, by its rule of 2007 ("voc2007") and by the later one ("voc").
        coco: as COCO does ("box", "mask"); needs pycocotools. Without it pictures
            have no masks.
        pictures: images shown with what is there, and with what was found.
        sure: score from which a detection is drawn.

    Returns:
        `{"voc2007.AP", "voc2007.AP50", "voc2007.AP75", "voc....", "box.AP", ...,
        "mask.AP", ...}`: shares in [0, 1], none where there is nothing to count;
        no "mask" where no test object has an outline; `"detections"`: their number;
        `"tiles"` and `"headings"`, see `detection_pictures.pictures`.

    Raises:
        BadInput: the method detects nothing, or pycocotools is missing.

    Source:
        Self-Classifier's detection transfer, spec 14; the authors' numbers on VOC are
        voc2007.
    """
    if not hasattr(method, "detect"):
        raise BadInput(
            f"detection: {method.name} finds no boxes; train faster_rcnn or mask_rcnn "
            "from this run, with init={run: RUN}."
        )
    scoring.same_columns(method, test, "detection")
    if coco:
        tools()  # before the work, not after it
    for weight in method.weights:  # what is not finite would find nothing
        features.finite(np.asarray(weight), "predictions")
    found = detections(method, test, outlines=coco)
    values = {}
    for name, rule in RULES.items() if voc else ():
        values |= shares(voc_ap(test.source, found, rule), name)
    outlined = any(any(own.polygons) for own in test.source.objects)
    kinds = ("box", "mask") if method.masks and outlined else ("box",)
    for kind in kinds if coco else ():
        values |= shares(coco_ap(test.source, found, kind), kind)
    values["detections"] = len(found.score)
    if pictures:
        count = min(pictures, test.source.size)
        values |= detection_pictures.pictures(test.source, found, count, sure)
    return values


def shares(values, name):
    """Percents as shares, with a name before them; without the table of classes.

    What had nothing to count is left out: JSON has no NaN.
    """
    counted = {k: v for k, v in values.items() if k != "classes" and not np.isnan(v)}
    return {f"{name}.{k}": v / 100 for k, v in counted.items()}


def detections(method, scenes, outlines):
    """`Found` of all images of `Scenes`, one by one; masks if `outlines` is true."""
    spec = [
        tf.TensorSpec([1, None, None, 3], tf.float32),
        tf.TensorSpec([1, 2], tf.int32),
    ]
    detect = tf.function(method.detect, input_signature=spec, autograph=False)
    parts = []
    for place, batch in enumerate(scenes.plain()):
        seen, outlined = detect(batch["views"][0], batch["extent"])
        original = batch["original"]
        boxes, valid = inference.rescale(
            seen.boxes, seen.valid, batch["extent"], original
        )
        there = np.asarray(valid[0])
        boxes = boxes[0][there]
        runs = None
        if outlined is not None and outlines:
            height, width = (int(side) for side in original[0])
            planes = masks.paste(outlined[0][there], boxes, height, width)
            runs = encoded(np.asarray(planes))
        label, score = (np.asarray(x[0])[there] for x in (seen.classes, seen.scores))
        image = np.full(len(label), place)
        parts.append(Found(image, label, score, np.asarray(boxes), runs))
    return joined(parts)
