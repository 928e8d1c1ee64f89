"""What may be wrong with boxes and outlines: to stop a reader, or for `doctor`."""

import numpy as np

from ssl_tf.data.instances import EMPTY, Objects, sides
from ssl_tf.errors import BadInput

BEYOND = 1.0  # pixels a box may leave its image by; it is clipped without a word
NOTES = {
    "empty": ("object{s} with an empty box", "dropped in training", ""),
    "beyond": ("box{es} over the edge of the image", "clipped to it", ""),
    "short": ("outline{s} of fewer than three corners", "dropped", ""),
    "odd": ("outline{s} with an odd number of coordinates", "dropped", ""),
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

    Args:
        rows: list of `(box x1 y1 x2 y2, label, difficult, crowd, polygons)`.
        size: height and width.
        where: text that names the image.
        faults: `Faults`, told of boxes that are outside or empty.
    """
    boxes = np.array([row[0] for row in rows], np.float64).reshape(-1, 4)
    label, difficult, crowd = ([row[i] for row in rows] for i in (1, 2, 3))
    own = Objects(
        boxes.astype(np.float32),
        np.array(label, np.int32),
        np.array(difficult, bool),
        np.array(crowd, bool),
        tuple(row[4] for row in rows),
    )
    bad = wrong(boxes, size)
    for box in boxes[bad]:
        written = ", ".join(f"{x:g}" for x in box)
        faults.error(
            f"{where}: the box ({written}) is not within the image of "
            f"{size[1]}x{size[0]} pixels",
            "mend the annotation, or remove that object",
        )
    for kind, which in (("empty", empty(boxes)), ("beyond", over(boxes, size))):
        for _ in range(int((which & ~bad).sum())):
            faults.note(kind, where)
    return own.kept(~bad) if bad.any() else own


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
        lists: of numbers.
        where: text that names the object.
        faults: `Faults`.
    """
    found = []
    for numbers in lists:
        if len(numbers) % 2:
            faults.note("odd", where)
        elif len(numbers) < 6:
            faults.note("short", where)
        else:
            found.append(np.array(numbers, np.float32).reshape(-1, 2))
    return tuple(found)


def told(kind, count):
    """`(text, mend)` of a note of `count` cases."""
    text, done, mend = NOTES[kind]
    plural = count != 1
    text = text.format(s="s" if plural else "", es="es" if plural else "")
    return f"{count:,} {text}: {done}", mend


def check(instances, faults):
    """Looks at boxes and outlines of `Instances` that were not read from a file."""
    for where, size, own in zip(instances.names, instances.sizes, instances.objects):
        rows = list(zip(*own))
        objects(rows, size, where, faults)
        for polygon in (p for outlines in own.polygons for p in outlines):
            if len(polygon) < 3:
                faults.note("short", where)
