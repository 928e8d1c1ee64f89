"""Average precision as COCO counts it, for boxes and for masks; pycocotools counts."""

import contextlib
import io

import numpy as np

from ssl_tf.data.coco import written
from ssl_tf.data.faults import empty
from ssl_tf.errors import BadInput
from ssl_tf.evaluation.found import checked

NUMBERS = (
    *("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"),
    *("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"),
)
KINDS = {"box": "bbox", "mask": "segm"}


def coco_ap(instances, found, kind="box"):
    """The twelve numbers of COCO in percent, and the AP of each class.

    The truth is what was read: `instances.objects` and nothing else. Objects with an
    empty box, and detections with one, are left out; where masks are judged, an object
    without an outline is neither right nor wrong, as a crowd is.

    Args:
        instances: `Instances`, all images of the test split.
        found: `Found`.
        kind: "box" or "mask".

    Returns:
        `{name of NUMBERS: percent}` and `"classes"`: float64 `[classes]`, percent;
        NaN where there is nothing to count.

    Raises:
        BadInput: pycocotools is missing, masks are asked for and not there, in what
            was found or in the truth, or what was found is not finite.
    """
    if kind == "mask" and found.masks is None:
        raise BadInput(
            "coco_ap: kind is mask; the detector found boxes only, take box."
        )
    # Ids of our own: pycocotools sorts them, and drops annotations of the id 0.
    numbers = tuple(range(1, len(instances.classes) + 1))
    plain = instances._replace(ids=tuple(range(1, instances.size + 1)), numbers=numbers)
    rows = results(plain, checked(found), kind)
    full = ~empty(np.asarray(found.boxes, np.float64).reshape(-1, 4))
    rows = [row for row, keep in zip(rows, full) if keep]
    stats, classes = evaluated(truth_of(plain, kind), rows, kind)
    percent = dict(zip(NUMBERS, (100 * stats).tolist()))
    return percent | {"classes": 100 * classes}


def truth_of(instances, kind="box"):
    """The objects that count, as the content of an annotation file; see `coco_ap`.

    Raises:
        BadInput: masks are judged, and no object has an outline.
    """
    content = written(instances)
    own = [x for own in instances.objects for x in zip(*own[:5], *more(own))]
    kept = []
    for row, (box, *_, polygons, area, mask) in zip(content["annotations"], own):
        if empty(np.asarray(box, np.float64)[None])[0]:
            continue
        if not np.isnan(area):
            row["area"] = area
        if kind == "mask" and not polygons:
            x1, y1, x2, y2 = map(float, box)
            row["segmentation"] = mask or [[x1, y1, x2, y1, x2, y2, x1, y2]]
            row["iscrowd"] = 1
        kept.append(row)
    if kind == "mask" and kept and all(row["iscrowd"] for row in kept):
        raise BadInput("coco_ap: kind is mask; no object has an outline, take box.")
    return content | {"annotations": kept}


def more(own):
    """Area and mask of each of `Objects`, where there are some."""
    area = np.full(own.count, np.nan) if own.area is None else own.area
    return area, own.crowds or (None,) * own.count


def results(instances, found, kind="box"):
    """Detections in the form of COCO's result files, boxes not rounded.

    Args:
        instances: `Instances`.
        found: `Found`.
        kind: "box" or "mask"; the size of a thing counts by what is given.
    """
    rows = []
    for i, (image, label, score) in enumerate(zip(*map(np.asarray, found[:3]))):
        row = {
            "image_id": instances.ids[image],
            "category_id": instances.numbers[label],
            "score": float(score),
        }
        if kind == "mask":
            row["segmentation"] = found.masks[i]
        else:
            x1, y1, x2, y2 = map(float, found.boxes[i])
            row["bbox"] = [x1, y1, x2 - x1, y2 - y1]
        rows.append(row)
    return rows


def evaluated(truth, rows, kind="box"):
    """`(the twelve numbers float64 [12], AP of each category [C])` in [0, 1].

    -1 of pycocotools, where there is nothing to count, becomes NaN.

    Args:
        truth: content of an annotation file, changed by pycocotools.
        rows: list of results; of masks without `bbox`, so that areas are theirs.
        kind: "box" or "mask".
    """
    COCO, COCOeval, _ = tools()
    drop = "bbox" if kind == "mask" else "segmentation"
    rows = [{k: v for k, v in row.items() if k != drop} for row in rows]
    with quiet():
        given = COCO()
        given.dataset = {"info": {}} | truth
        given.createIndex()
        detected = given.loadRes(rows) if rows else nothing(COCO, truth)
        judge = COCOeval(given, detected, KINDS[kind])
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    precision = known(judge.eval["precision"][:, :, :, 0, -1])  # [T, R, C]
    counted = ~np.isnan(precision)
    total = np.where(counted, precision, 0.0).sum(axis=(0, 1))
    with np.errstate(invalid="ignore"):
        return known(judge.stats), total / counted.sum(axis=(0, 1))


def known(values):
    """float64 array with NaN for -1."""
    values = np.array(values, np.float64)
    return np.where(values == -1, np.nan, values)


def nothing(COCO, truth):
    """A result without detections, which `loadRes` does not read."""
    empty = COCO()
    empty.dataset = truth | {"annotations": []}
    empty.createIndex()
    return empty


def encoded(masks):
    """Run-length masks in COCO's form from bool `[n, H, W]`."""
    _, _, mask = tools()
    planes = [np.asfortranarray(np.asarray(m, np.uint8)) for m in masks]
    return [mask.encode(plane) for plane in planes]


def decoded(mask):
    """uint8 `[H, W]`, 1 within a run-length mask in COCO's form."""
    return tools()[2].decode(mask)


def tools():
    """`(COCO, COCOeval, mask)` of pycocotools."""
    try:
        from pycocotools import mask
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise BadInput(
            "coco_ap: pycocotools is not here; pip install 'ssl_tf[detect]', or "
            "evaluate by voc_ap."
        ) from None
    return COCO, COCOeval, mask


def quiet():
    """pycocotools prints its progress and its table; here nothing does."""
    return contextlib.redirect_stdout(io.StringIO())
