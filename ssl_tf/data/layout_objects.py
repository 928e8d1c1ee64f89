"""What the annotated sets for detection hold, faults included: for `doctor`."""

import numpy as np

from ssl_tf.data import faults
from ssl_tf.data.coco import COUNTS as OF_COCO
from ssl_tf.data.coco import find as find_coco
from ssl_tf.data.coco import place as coco_place
from ssl_tf.data.instances import difference
from ssl_tf.data.layout import Finding, Layout, many
from ssl_tf.data.layout_papers import counted, parted
from ssl_tf.data.shapes import shapes
from ssl_tf.data.voc import COUNTS as OF_VOC
from ssl_tf.data.voc import find as find_voc
from ssl_tf.data.voc import place as voc_place
from ssl_tf.errors import BadInput

# Traits of images that are no matter here: they are turned upright and shown whole.
SKIPPED = ("rotated", "long")
SPLITS = ("train", "test")
MOST = 100  # errors of a split that are told one by one


def of_objects(name, root):
    """`Layout` of a data set of `DETECTION_SETS`; each image counts, objects are told.

    Raises:
        BadInput: there is no such folder.
    """
    if name == "shapes":
        text = "drawn when asked for; needs no files"
        read, published = drawn, {}
    elif name == "voc":
        text = f"VOC2007/ and VOC2012/ in {voc_place(root)}"
        read = lambda split, told: find_voc(split, root, "trainval07+12", told)
        published = OF_VOC
    else:
        text = f"annotations/ and two folders of images in {coco_place(root)}"
        read = lambda split, told: find_coco(split, root, told)
        published = OF_COCO
    found, read_splits = Layout(text, {}, [], {}, {}), {}
    for split in SPLITS:
        instances = add(found, split, read)
        if instances is not None:
            read_splits[split] = instances
            if published:
                counted(found, split, published[split])
    if len(read_splits) == 2:
        names = [instances.classes for instances in read_splits.values()]
        if names[0] != names[1]:
            found.add("error", *difference(*names))
    return found


def drawn(split, told):
    """The split of `shapes`, its boxes looked at as if they had been read."""
    instances = shapes(split)
    faults.check(instances, told)
    return instances


def add(found, split, read):
    """Adds what `read(split, faults)` gives, or its complaints; returns it, or `None`.

    Args:
        found: `Layout`, added to.
        split: its name.
        read: `(split, Faults) -> Instances`.
    """
    told = faults.Faults(strict=False)
    try:
        instances = read(split, told)
    except BadInput as error:
        found.add("error", *parted(error))
        return None
    for text, mend in told.errors[:MOST]:
        found.add("error", text, mend)
    more = len(told.errors) - MOST
    if more > 0:
        found.add("error", f"{more:,} more of this kind in {split}", "mend these first")
    for kind, places in told.notes.items():
        if places:
            text, mend = faults.told(kind, len(places))
            found.add("warning", text, mend, dict.fromkeys(places))
    paths = instances.names if instances.files else [None] * instances.size
    found.splits[split] = {"": paths}
    found.texts[split] = line(instances)
    if instances.files:
        found.sizes.update(zip(paths, map(tuple, instances.sizes.tolist())))
    beside(found, split, instances)
    return instances


def line(instances):
    """`400 images, 1,003 objects, 3 classes of 320 (disc) to 350 (box)`."""
    label = np.concatenate(
        [np.zeros(0, int), *(own.label for own in instances.objects)]
    )
    counts = np.bincount(label.astype(int), minlength=len(instances.classes))
    low, high = counts.argmin(), counts.argmax()
    return (
        f"{many(instances.objects)}, {many(label, 'object')}, "
        f"{len(instances.classes)} classes of {counts[low]:,} "
        f"({instances.classes[low]}) to {counts[high]:,} ({instances.classes[high]})"
    )


def beside(found, split, instances):
    """Tells of images without objects, crowds and difficult objects."""
    without = sum(own.crowd.all() for own in instances.objects)
    if without == instances.size:
        found.add("error", f"no {split} image has an object", "add boxes")
    elif without:
        text = (
            f"{without:,} of the {split} images without an object or with crowds only"
        )
        found.add("fine", f"{text}; training leaves them out")
    for name in ("difficult", "crowd"):
        count = int(sum(getattr(own, name).sum() for own in instances.objects))
        if count:
            word = {"difficult": "marked as difficult", "crowd": "a crowd"}[name]
            text = f"{count:,} {split} object{'s' if count > 1 else ''} {word}"
            found.add("fine", text)


def differing(facts, sizes):
    """`[Finding]` about images of another size than annotated.

    Args:
        facts: list of `examine.Facts`.
        sizes: see `Layout`.
    """
    found = []
    for one in (f for f in facts if f.size and f.path in sizes):
        height, width = sizes[one.path]
        allowed = {(width, height)}
        if "rotated" in one.traits:
            allowed.add((height, width))
        if one.size not in allowed:
            text = (
                f"{one.path} has {one.size[0]}x{one.size[1]} pixels, its annotation "
                f"says {width}x{height}"
            )
            found.append(Finding("error", text, "get both again"))
    return found
