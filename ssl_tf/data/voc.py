"""Pascal VOC: photographs with boxes around objects of twenty classes."""

import os
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np

from ssl_tf.data import faults, files
from ssl_tf.data.instances import Instances
from ssl_tf.errors import BadInput

CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
COUNTS = {"train": 16_551, "test": 4_952}
TRAINING = {
    "trainval07+12": ("2007", "2012"),
    "trainval07": ("2007",),
    "trainval12": ("2012",),
}
HINT = (
    "VOC2007/ and VOC2012/, each with Annotations/, ImageSets/Main/ and JPEGImages/; "
    "get VOCtrainval_06-Nov-2007.tar, VOCtest_06-Nov-2007.tar and "
    "VOCtrainval_11-May-2012.tar from http://host.robots.ox.ac.uk/pascal/VOC and "
    "unpack them into one folder"
)

Years = Literal["trainval07+12", "trainval07", "trainval12"]


def voc(split, root=None, train: Years = "trainval07+12"):
    """16,551 training images of VOC 2007 and 2012 and the 4,952 test ones of 2007.

    Difficult objects are there, and marked; training keeps them.

    Args:
        split: "train" (trainval of the years) or "test" (of 2007).
        root: folder with VOC2007/ and VOC2012/, or with VOCdevkit/ that has them.
        train: which years are trained on.

    Raises:
        BadInput: something is missing, cannot be read, or does not fit the rest.

    Source:
        Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 2010.
    """
    return find(split, root, train, faults.Faults())


def find(split, root, train, told):
    """`voc`, telling `Faults`."""
    base, sets = place(root), []
    for year in TRAINING[train] if split == "train" else ("2007",):
        folder = base / f"VOC{year}"
        if not folder.is_dir():
            raise BadInput(f"{folder}: is missing; voc needs {HINT}.")
        part = "trainval" if split == "train" else "test"
        names = listed(folder / "ImageSets" / "Main" / f"{part}.txt")
        sets += [(folder, name) for name in names]
    there = {folder: contents(folder) for folder in {folder for folder, _ in sets}}
    paths, sizes, objects, ids = [], [], [], []
    for folder, name in sets:
        image = complete(folder, name, there[folder], told)
        xml = folder / "Annotations" / f"{name}.xml"
        found = None if image is None else annotation(xml, image, told)
        if found is None:
            continue
        paths.append(image)
        sizes.append(found[0])
        objects.append(found[1])
        ids.append(name)
    boxes = np.concatenate([np.zeros((0, 4)), *(own.boxes for own in objects)])
    around = np.repeat(np.reshape(sizes, (-1, 2)), [own.count for own in objects], 0)
    if (wrong := faults.convention(boxes + (1, 1, 0, 0), around)) is not None:
        told.error(f"{base}: {wrong[0]}", wrong[1])
    return Instances(
        "voc",
        split,
        np.array(paths, str),
        np.array(sizes, np.int32).reshape(-1, 2),
        tuple(objects),
        CLASSES,
        tuple(ids),
        tuple(range(len(CLASSES))),
    )


def place(root):
    """The folder that holds VOC2007/ and VOC2012/."""
    root = files.existing(root, "voc", HINT)
    inner = root / "VOCdevkit"
    return inner if inner.is_dir() and not (root / "VOC2007").is_dir() else root


def listed(path):
    """Names of images, the first word of each line of a list, each once.

    A byte-order mark and the ending of an image file are taken off.
    """
    try:
        rows = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise BadInput(f"{path}: is missing; voc needs {HINT}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); get it again.") from None
    names = dict.fromkeys(stem(row.split()[0]) for row in rows if row.strip())
    if not names:
        raise BadInput(f"{path}: lists no image; get it again.")
    return list(names)


def stem(name):
    """A name without the ending of an image file."""
    head, ending = os.path.splitext(name)
    return head if ending.lower() in files.SUFFIXES else name


def contents(folder):
    """`(names of annotations, {name: path} of images)` of one year."""
    annotations = [entry.name for entry in files.visible(folder / "Annotations")]
    images = files.images_in(folder / "JPEGImages")
    return (
        {os.path.splitext(name)[0] for name in annotations if name.endswith(".xml")},
        # `.jpg` last: of several it is the one.
        {
            stem(Path(x).name): x
            for x in sorted(images, key=lambda x: x.endswith(".jpg"))
        },
    )


def complete(folder, name, there, told):
    """Path of a listed image that has its two files, else `None`."""
    annotations, images = there
    mend = "get the archive again, or take the name off the list"
    if name not in images:
        told.error(f"{folder}: lists {name}, but has no JPEGImages/{name}.jpg", mend)
    elif name not in annotations:
        told.error(f"{folder}: lists {name}, but has no Annotations/{name}.xml", mend)
    else:
        return images[name]
    return None


class NoDoctype(ElementTree.TreeBuilder):
    """Builds a tree, but of no document that declares entities."""

    def doctype(self, name, public, system):
        raise ValueError("it has a DOCTYPE")


def tree(path):
    """Root element of an XML file; a document type is refused before it expands.

    Raises:
        ValueError, ParseError, OSError: it cannot be read.
    """
    parser = ElementTree.XMLParser(target=NoDoctype())
    return ElementTree.parse(path, parser).getroot()


def annotation(path, image, told):
    """`((height, width), Objects)` of one file; `None` where it cannot be used.

    The file counts pixels from 1 and includes the last: 1 is subtracted from xmin and
    ymin only. Where it has objects and no size, the size is that of the image.

    Args:
        path: of the file.
        image: path of the image.
        told: `Faults`.
    """
    try:
        root = tree(path)
        rows = [row(item) for item in root.findall("object")]
        given = root.findtext("size/height") or not rows
        sides = [f"size/{side}" for side in ("height", "width")]
        size = tuple(int(number(root, side)) for side in sides) if given else (0, 0)
        size = size if min(size) > 0 else files.size(image)[0]
    except (OSError, ValueError, ElementTree.ParseError) as error:
        why = getattr(error, "strerror", None) or error
        told.error(f"{path}: cannot be used ({why})", "get the annotations again")
        return None
    strange = [name for name, _, _ in rows if name not in CLASSES]
    for name in strange:
        mend = "rename or remove it"
        told.error(f"{path}: {name!r} is none of the classes of VOC", mend)
    rows = [
        (tuple(box), CLASSES.index(name), difficult, False, ())
        for name, box, difficult in rows
        if name in CLASSES
    ]
    for box, *_ in rows:
        if min(box[:2]) == -1:
            told.note("zero", str(path))
    return size, faults.objects(rows, size, str(path), told)


def row(item):
    """`(class, box, difficult)` of an object's element."""
    name = (item.findtext("name") or "").strip()
    name = next((own for own in CLASSES if own == name.lower()), name)
    box = [number(item, f"bndbox/{x}") for x in ("xmin", "ymin", "xmax", "ymax")]
    box[0], box[1] = box[0] - 1, box[1] - 1
    difficult = (item.findtext("difficult") or "0").strip().lower()
    return name, box, difficult in ("1", "1.0", "true", "yes")


def number(item, path):
    """A number of the file; ValueError that names it."""
    text = (item.findtext(path) or "").strip()
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{path} is {text[:20]!r}, no number") from None
