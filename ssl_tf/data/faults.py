"""What may be wrong with boxes and outlines: to stop a reader, or for `doctor`."""

import numpy as np

from ssl_tf.data.instances import EMPTY, Objects, clipped, sides
from ssl_tf.errors import BadInput

BEYOND = 1.0  # pixels a box may leave its image by; it is clipped without a word
SHARES = 1.01  # all boxes of a file below this are shares of the image, not pixels
NOTES = {
    "empty": ("object{s} with an empty box", "dropped in training", ""),
    "repeated": ("object{s} annotated once more, all alike", "counted once", ""),
    "bare": (
        "object{s} without an outline",
        "boxes are learnt (faster_rcnn), masks are not (mask_rcnn leaves them out)",
        "",
    ),
    "zero": (
        "box{es} that start at 0 where VOC counts pixels from 1",
        "clipped to the image",
        "add 1 to all corners if they count from 0",
    ),
    "beyond": ("box{es} over the edge of the image", "clipped to it", ""),
    "short": ("outline{s} of fewer than three corners", "dropped", ""),
    "odd": ("outline{s} with an odd number of coordinates", "dropped", ""),
    "strange": ("outline{s} of what is no number", "dropped", ""),
    "unused": (
        "image{s} that no annotation lists",
        "not used",
        "list them, or remove them",
    ),
}


class Faults:
    """Collects what is wrong while annotations are read.

    Attributes:
        strict: whether the first error raises; a reader does so, `doctor` does not.
        errors: `[(what is wrong, what to do)]`.
        notes: `{kind of NOTES: [where]}`, what is dropped or mended.
    """

    def __init__(self, strict=True):
        self.strict = strict
        self.errors = []
        self.notes = {kind: [] for kind in NOTES}

    def error(self, text, mend):
        if self.strict:
            raise BadInput(f"{text}; {mend}.")
        self.errors.append((text, mend))

    def note(self, kind, where):
        self.notes[kind].append(where)


def objects(rows, size, where, faults):
    """`Objects` of one image, impossible boxes left out.

    Boxes that leave it by more than `BEYOND` are cut to the image; of objects that are
    alike in all (but for being difficult) one is kept.

    Args:
        rows: list of `(box x1 y1 x2 y2, label, difficult, crowd, polygons)`, perhaps
            with area and mask behind, see `Objects`.
        size: height and width.
        where: text that names the image.
        faults: `Faults`, told of boxes that are outside or empty.
    """
    rows, repeated = once(rows)
    for _ in range(repeated):
        faults.note("repeated", where)
    boxes = np.array([row[0] for row in rows], np.float64).reshape(-1, 4)
    label, difficult, crowd = ([row[i] for row in rows] for i in (1, 2, 3))
    own = Objects(
        boxes.astype(np.float32),
        np.array(label, np.int32),
        np.array(difficult, bool),
        np.array(crowd, bool),
        tuple(row[4] for row in rows),
        *zip(*(row[5:] for row in rows)),
    )
    if own.area is not None:
        own = own._replace(area=np.array(own.area, np.float64))
    bad = wrong(boxes, size)
    for box in boxes[bad]:
        written = ", ".join(f"{x:g}" for x in box)
        faults.error(
            f"{where}: the box ({written}) is not within the image of "
            f"{size[1]}x{size[0]} pixels",
            "mend the annotation, or remove that object",
        )
    beyond = over(boxes, size)
    for kind, which in (("empty", empty(boxes)), ("beyond", beyond)):
        for _ in range(int((which & ~bad).sum())):
            faults.note(kind, where)
    own.boxes[beyond] = clipped(own.boxes[beyond], size)
    return own.kept(~bad) if bad.any() else own


def once(rows):
    """`(rows without repetitions, how many were left out)`; see `objects`."""
    if len({row[0] for row in rows}) == len(rows):
        return rows, 0
    found = {}
    for row in rows:
        box, label, difficult, crowd, polygons, *_ = row
        like = (box, label, crowd, tuple(p.tobytes() for p in polygons))
        if like not in found or (found[like][2] and not difficult):
            found[like] = row
    return list(found.values()), len(rows) - len(found)


def wrong(boxes, size):
    """bool `[m]`: not numbers, corners exchanged, or all of it outside the image."""
    height, width = size
    x1, y1, x2, y2 = boxes.T
    outside = (x1 > width) | (y1 > height) | (x2 < 0) | (y2 < 0)
    return ~np.isfinite(boxes).all(axis=1) | (x2 < x1) | (y2 < y1) | outside


def empty(boxes):
    """bool `[m]`: a side of no length."""
    return sides(boxes).min(axis=1, initial=np.inf) <= EMPTY


def over(boxes, size):
    """bool `[m]`: beyond the image by more than a pixel."""
    height, width = size
    x1, y1, x2, y2 = boxes.T
    beyond = np.stack([-x1, -y1, x2 - width, y2 - height])
    return beyond.max(axis=0, initial=-np.inf) > BEYOND


def outlines(lists, where, faults):
    """Tuple of float32 `[k, 2]` from lists of x, y, x, y, ...; the short ones dropped.

    Args:
        lists: of numbers or of pairs x, y; or one such list.
        where: text that names the object.
        faults: `Faults`.
    """
    found = []
    if lists and not any(isinstance(part, (list, tuple)) for part in lists):
        lists = [lists]  # one outline, not in a list of outlines
    elif len(lists) > 2 and all(len(part) == 2 for part in lists):
        lists = [lists]  # one outline of pairs
    for numbers in lists:
        try:
            numbers = np.array(numbers, np.float64).ravel()
        except (TypeError, ValueError):
            numbers = np.array([np.nan])
        if not np.isfinite(numbers).all():
            faults.note("strange", where)
        elif len(numbers) % 2:
            faults.note("odd", where)
        elif len(numbers) < 6:
            faults.note("short", where)
        else:
            found.append(numbers.astype(np.float32).reshape(-1, 2))
    return tuple(found)


def convention(boxes, sizes, area=None, outlines=None):
    """What is wrong with all boxes of a file that should be x, y, width, height.

    Args:
        boxes: float64 `[n, 4]`, as written.
        sizes: `[n, 2]` height and width of their images.
        area: float64 `[n]` as written, NaN where unknown; or `None`.
        outlines: float `[n, 4]`, the boxes around outlines, NaN where there is none; or
            `None`.

    Returns:
        `(text, mend)`, or `None` if nothing speaks against it.
    """
    whole = np.isfinite(boxes).all(axis=1)
    if not whole.any():
        return None
    if boxes[whole].max() <= SHARES and boxes[whole].any() and sizes.min() > 10:
        return (
            "its boxes are shares of the image (0 to 1), not pixels",
            "multiply them by the width and height of the images",
        )
    if outlines is None and area is None:
        return None
    x, y, c, d = boxes.T
    corners = np.stack([x, y, c, d], axis=1)
    usual = np.stack([x, y, x + c, y + d], axis=1)
    height, width = sizes.T
    ordered = (c > x) & (d > y) & (c <= width + BEYOND) & (d <= height + BEYOND)
    if not ordered[whole].all():
        return None
    evidence = []
    known = whole & ~np.isnan(outlines).any(axis=1)
    if known.any():
        apart = [
            np.abs(b[known] - outlines[known]).max(axis=1) for b in (usual, corners)
        ]
        evidence.append(np.median(apart[0]) > 2 + 2 * np.median(apart[1]))
    known = whole & (area > 0)
    if not evidence and known.any():
        apart = [
            np.median(np.abs(a / area[known] - 1))
            for a in ((c * d)[known], ((c - x) * (d - y))[known])
        ]
        if min(apart) < 0.01:
            evidence.append(apart[1] < apart[0])
    if not evidence:
        beyond = [over(b[None], s)[0] for b, s in zip(usual[whole], sizes[whole])]
        evidence.append(any(beyond))
    if not evidence[0]:
        return None
    return (
        "its boxes are corners (x1, y1, x2, y2), not x, y, width, height",
        "subtract x1 from x2 and y1 from y2",
    )


def told(kind, count):
    """`(text, mend)` of a note of `count` cases."""
    text, done, mend = NOTES[kind]
    plural = count != 1
    text = text.format(s="s" if plural else "", es="es" if plural else "")
    return f"{count:,} {text}: {done}", mend


def check(instances, faults):
    """Looks at boxes and outlines of `Instances` that were not read from a file."""
    for where, size, own in zip(instances.names, instances.sizes, instances.objects):
        rows = [(tuple(box), *more) for box, *more in zip(*own[:5])]
        objects(rows, size, where, faults)
        for polygon in (p for outlines in own.polygons for p in outlines):
            if len(polygon) < 3:
                faults.note("short", where)
