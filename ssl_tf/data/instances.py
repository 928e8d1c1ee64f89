"""Instances: the images of one split with the boxes and outlines of their objects."""

import sys
from typing import NamedTuple

import numpy as np

from ssl_tf.data import files, fingerprint
from ssl_tf.errors import BadInput

EMPTY = 1e-5  # pixels; a box with a side of no more than this is no object
SEEN = 5000  # images whose sizes are compared before training


class Objects(NamedTuple):
    """What is in one image, m objects.

    Boxes are x1, y1, x2, y2 in pixels; pixel i covers [i, i + 1].

    Attributes:
        boxes: float32 `[m, 4]`.
        label: int32 `[m]`, from 0.
        difficult: bool `[m]`, neither right nor wrong where VOC is evaluated.
        crowd: bool `[m]`, many objects in one box (COCO).
        polygons: m tuples of float32 `[k, 2]` corners x, y: an object may have several
            outlines; none where masks are not known.
        area: float64 `[m]` in square pixels as annotated, NaN where it is not; or
            `None`. COCO's measure tells small from large objects by it.
        crowds: m masks of crowds in COCO's form, `None` for other objects; or `None`.
    """

    boxes: np.ndarray
    label: np.ndarray
    difficult: np.ndarray
    crowd: np.ndarray
    polygons: tuple
    area: np.ndarray | None = None
    crowds: tuple | None = None

    @property
    def count(self):
        return len(self.label)

    def kept(self, which):
        """Those where bool `[m]` is true."""
        some = lambda column: tuple(x for x, keep in zip(column, which) if keep)
        return Objects(
            *(column[which] for column in self[:4]),
            some(self.polygons),
            None if self.area is None else self.area[which],
            None if self.crowds is None else some(self.crowds),
        )


class Instances(NamedTuple):
    """Random access to one split of a set for detection.

    Attributes:
        name: str, the data set.
        split: "train" or "test".
        images: `[N]` paths of files; or uint8 `[N, H, W, 3]`.
        sizes: int32 `[N, 2]`, height and width as annotated.
        objects: N `Objects`.
        classes: names, position = label.
        ids: N texts or ints, what results call the images.
        numbers: what results call the classes (COCO), position = label.
    """

    name: str
    split: str
    images: np.ndarray
    sizes: np.ndarray
    objects: tuple
    classes: tuple
    ids: tuple
    numbers: tuple

    @property
    def size(self):
        return len(self.objects)

    @property
    def attributes(self):
        """Whether images have attributes: they have objects."""
        return False

    @property
    def files(self):
        """Whether `images` are paths."""
        return self.images.ndim == 1

    @property
    def names(self):
        """`[N]` texts: the file of each image, or its id."""
        return [str(name) for name in (self.images if self.files else self.ids)]

    def pixels(self, place):
        """uint8 `[H, W, 3]`, the camera's rotation applied.

        It is not applied where the annotated size is that of the image as stored.

        Raises:
            BadInput: it cannot be read, or is of another size than annotated.
        """
        if not self.files:
            return self.images[place]
        size = tuple(self.sizes[place].tolist())
        for upright in (True, False):
            found = files.read(self.images[place], upright=upright)
            if found.shape[:2] == size:
                return found
        raise BadInput(differs(self.images[place], found.shape[:2], size))


def differs(path, size, annotated):
    """What to say of an image whose size `(height, width)` is not the annotated one."""
    return (
        f"{path}: has {size[1]}x{size[0]} pixels, its annotation says "
        f"{annotated[1]}x{annotated[0]}; get both again."
    )


def check_sizes(instances):
    """Compares the annotated sizes with the files', of up to `SEEN` spread images.

    Raises:
        BadInput: one differs, however the image is turned.
    """
    if not instances.files:
        return
    for place in range(0, instances.size, -(-instances.size // SEEN)):
        size, stored = tuple(instances.sizes[place].tolist()), instances.images[place]
        found = files.size(stored)
        if size not in found:
            raise BadInput(differs(stored, found[0], size))


def subset(instances, places):
    """The images at `places`, in that order."""
    return instances._replace(
        images=instances.images[places],
        sizes=instances.sizes[places],
        objects=tuple(instances.objects[place] for place in places),
        ids=tuple(instances.ids[place] for place in places),
    )


def aligned(instances, names):
    """The images with labels that count `names`, those of a detector's outputs.

    Numbers of classes that the annotations lack are new ones.

    Raises:
        BadInput: a class that is not among them.
    """
    names = tuple(names)
    if instances.classes == names:
        return instances
    new = fingerprint.columns(names, instances.classes, instances.name)
    free = max(instances.numbers, default=0) + 1
    numbers = list(range(free, free + len(names)))
    for place, number in zip(new, instances.numbers):
        numbers[place] = number
    objects = tuple(own._replace(label=new[own.label]) for own in instances.objects)
    return instances._replace(objects=objects, classes=names, numbers=tuple(numbers))


def limited(instances, count, seed=0):
    """No more than `count` images: of files a seeded draw, in their order, for lists
    may name one class's images after the other's; of images in memory the first.
    """
    if count >= instances.size:
        return instances
    if not instances.files:
        return subset(instances, np.arange(count))
    draw = np.random.Generator(np.random.Philox(seed))
    places = draw.choice(instances.size, count, replace=False)
    return subset(instances, np.sort(places))


def for_training(instances, masks=False):
    """Without what nothing can be learnt from; difficult objects stay.

    Images with crowds only, or with nothing, go; then crowds; then objects whose box
    is empty within the image or, for masks, that have no outline. An image that loses
    its last object so stays, as background.

    Args:
        instances: `Instances`.
        masks: whether masks are learnt.

    Raises:
        BadInput: no image is left, or no outline where masks are learnt.

    Source:
        Self-Classifier's detection transfer, as Detectron2 filters.
    """
    places = [i for i, own in enumerate(instances.objects) if not own.crowd.all()]
    if not places:
        raise BadInput(
            f"{instances.name}: no {instances.split} image has an object; add boxes."
        )
    chosen = subset(instances, np.array(places))
    objects = []
    for own, size in zip(chosen.objects, chosen.sizes):
        keep = ~own.crowd & (sides(clipped(own.boxes, size)).min(axis=1) > EMPTY)
        if masks:
            keep &= np.array([len(outlines) > 0 for outlines in own.polygons], bool)
        objects.append(own if keep.all() else own.kept(keep))
    if masks:
        check_outlines(chosen, sum(own.count for own in objects))
    return chosen._replace(objects=tuple(objects))


def check_outlines(instances, kept):
    """Says on stderr how many objects have no outline to learn masks of.

    Args:
        instances: `Instances` that are trained on.
        kept: int, objects with an outline.

    Raises:
        BadInput: there is none.
    """
    without = [
        f"{name} (object {i + 1})"
        for name, own in zip(instances.names, instances.objects)
        for i, (crowd, outlines) in enumerate(zip(own.crowd, own.polygons))
        if not crowd and not outlines
    ]
    if without and not kept:
        raise BadInput(
            f"{instances.name}: no {instances.split} object has an outline, which "
            "mask_rcnn learns masks from; add outlines (`segmentation`), or train "
            "faster_rcnn, which learns boxes alone."
        )
    if without:
        print(
            f"{instances.name}: {len(without):,} {instances.split} objects without an "
            f"outline are left out, the first in {without[0]}; faster_rcnn learns from "
            "their boxes.",
            file=sys.stderr,
        )


def around(mask):
    """float32 `[k, 2]`: one outline along the pixels of a mask; k is 0 without any.

    Parts and holes are joined by lines that are gone there and back, which even and odd
    crossings do not see: drawn as COCO draws it, it is the mask.

    Args:
        mask: bool `[H, W]`.
    """
    plane = np.pad(mask, 1).astype(np.int8)
    turns = plane[1:, 1:] - plane[1:, :-1] - plane[:-1, 1:] + plane[:-1, :-1]
    y, x = np.nonzero(turns)
    times = np.abs(turns[y, x])  # 2 where two pixels touch at a corner
    y, x = np.repeat(y, times), np.repeat(x, times)
    next_to = []  # of each corner, along its row and along its column
    for order in (np.lexsort((x, y)), np.lexsort((y, x))):
        other = np.empty_like(order)
        other[order[::2]], other[order[1::2]] = order[1::2], order[::2]
        next_to.append(other.tolist())
    left, path = set(range(len(x))), []
    while left:
        first = place = min(left)
        while place in left:
            left -= {place, next_to[0][place]}
            path += [place, next_to[0][place]]
            place = next_to[1][next_to[0][place]]
        path += [first, path[0]]
    return np.stack([x, y], axis=1)[path].astype(np.float32).reshape(-1, 2)


def clipped(boxes, size):
    """Boxes `[m, 4]` cut to an image of `size`, height and width."""
    height, width = size
    return np.clip(boxes, 0, np.array([width, height, width, height], np.float32))


def sides(boxes):
    """`[m, 2]` widths and heights."""
    return boxes[:, 2:] - boxes[:, :2]


class Limits(NamedTuple):
    """How many there is room for: objects an image, outlines an object, corners."""

    objects: int
    outlines: int
    corners: int


def limits(many):
    """`Limits` that hold all of the given `Objects`; at least 1 of each."""
    outlines = [each for own in many for each in own.polygons]
    corners = [len(polygon) for each in outlines for polygon in each]
    return Limits(
        max([1, *(own.count for own in many)]),
        max([1, *map(len, outlines)]),
        max([1, *corners]),
    )


def padded(own, room=None):
    """One image's objects as arrays whose shapes depend on `room` alone.

    An outline is filled up with its last corner: the added edges have no length, so a
    rasteriser that closes the outline from its last row to the first sees what it
    would have seen. An outline that is not there is all zeros, of no area, and has 0
    corners. All of that stays true under scaling, shifts and flips.

    A room for a whole data set can be large (COCO's longest outlines have over a
    thousand corners); `limits` of the images of one batch do.

    Args:
        own: `Objects`.
        room: `Limits` M, P, V; `None`: what they need.

    Returns:
        `{"boxes": float32 [M, 4], zeros where there is none,
        "label": int32 [M], -1 where there is none,
        "valid": bool [M],
        "polygons": float32 [M, P, V, 2],
        "corners": int32 [M, P]}`.

    Raises:
        ValueError: the room is too small.
    """
    need = limits([own])
    room = Limits(*(room or need))
    if any(have < wanted for have, wanted in zip(room, need)):
        raise ValueError(f"{room} is too small for {need}")
    boxes = np.zeros((room.objects, 4), np.float32)
    label = np.full(room.objects, -1, np.int32)
    polygons = np.zeros((*room, 2), np.float32)
    corners = np.zeros(room[:2], np.int32)
    boxes[: own.count], label[: own.count] = own.boxes, own.label
    for i, outlines in enumerate(own.polygons):
        for j, polygon in enumerate(outlines):
            polygons[i, j, : len(polygon)] = polygon
            polygons[i, j, len(polygon) :] = polygon[-1]
            corners[i, j] = len(polygon)
    return {
        "boxes": boxes,
        "label": label,
        "valid": label >= 0,
        "polygons": polygons,
        "corners": corners,
    }


def same_classes(train, test):
    """BadInput unless two splits have the same classes in the same order."""
    if train.classes == test.classes:
        return
    text, mend = difference(train.classes, test.classes)
    raise BadInput(f"{train.name}: {text}; {mend}.")


def difference(train, test):
    """`(what is wrong, what to do)` about two lists of classes that differ."""
    for name, where, other in (
        *((name, "training", "test") for name in train if name not in test),
        *((name, "test", "training") for name in test if name not in train),
    ):
        text = f"class {name!r} of the {where} annotations is not in the {other} ones"
        return text, "give both the same list of classes"
    return "the test annotations have the classes in another order", "make them alike"
