"""What a data folder holds, faults included: for `doctor`, where loading would stop."""

import collections
from typing import NamedTuple

from ssl_tf.data import cifar, files
from ssl_tf.data.folder import CLASSES, parts
from ssl_tf.data.folder import HINT as FOLDER_HINT
from ssl_tf.data.imagenet import HINT as IMAGENET_HINT
from ssl_tf.data.imagenet import find as find_imagenet
from ssl_tf.data.skipped import UNKNOWN, Skipped
from ssl_tf.data.tiny_imagenet import find as find_tiny
from ssl_tf.data.tiny_imagenet import place as tiny_place
from ssl_tf.errors import BadInput


class Finding(NamedTuple):
    """One thing to tell.

    Attributes:
        level: "error" (training would fail), "warning" or "fine".
        text: what was found.
        mend: what to do, or "".
        paths: the files it is about.
        most: how many of them to name.
    """

    level: str
    text: str
    mend: str = ""
    paths: tuple = ()
    most: int = 3


class Layout(NamedTuple):
    """What is where.

    Attributes:
        text: one line that describes it.
        splits: `{"train" or "test": {class: [paths]}}`; no path is a file for data
            that is no tree of images.
        findings: list of `Finding`.
        texts: `{split: line}` that describes it, where images have boxes.
        sizes: `{path: (height, width)}` that annotations give.
        skipped: `Skipped`, what training would leave out, or `None`.
    """

    text: str
    splits: dict
    findings: list
    texts: dict = {}
    sizes: dict = {}
    skipped: Skipped | None = None

    def add(self, level, text, mend="", paths=()):
        self.findings.append(Finding(level, text, mend, tuple(paths)))


def of_source(function, text, root):
    """`Layout` of what a `(split, root) -> Source` gives; `text` describes it."""
    found = Layout(text, {}, [])
    for split in ("train", "test"):
        source = function(split=split, root=root)
        files = source.images if source.files else [None] * source.size
        classes = {} if source.attributes else {name: [] for name in source.classes}
        for file, label in zip(files, source.class_label):
            name = source.classes[label] if label >= 0 else ""
            classes.setdefault(name, []).append(file and str(file))
        found.splits[split] = classes
    return found


def of_folder(root, labels=True, test_share=0.2):
    """`Layout` of `folder`'s data."""
    root = files.existing(root, "folder", FOLDER_HINT)
    skipped = Skipped()
    train, test = parts(root, labels, skipped)
    text = f"{train} and {test or 'no test folder'}"
    found = Layout(text, {}, [], skipped=skipped)
    add_split(found, "train", train)
    own = found.splits["train"]
    classes = [name for name in own if name]
    if test is not None:
        add_split(found, "test", test, classes, extra="error", partial=True)
    if labels and len(classes) < 2:
        what = f"only the class {classes[0]!r}" if classes else "no class folders"
        found.add(
            "error",
            f"{train} has {what}",
            f"sort the images into {CLASSES}; or use a method that needs no classes "
            "and --no-labels",
        )
    if test is None and test_share:
        held = "of each class" if classes else "of the images"
        found.add("fine", f"{test_share:.0%} {held} are held out for testing")
        alone = [name for name, paths in own.items() if len(paths) == 1]
        if alone:
            text = f"one image only in {some(alone)}, none is left to train on"
            found.add("error", text, "add images, or a test folder")
    return found


def of_imagenet(root, classes_file=None):
    """`Layout` of `imagenet`'s data."""
    root = files.existing(root, "imagenet", IMAGENET_HINT)
    found = Layout(f"train/ and val/ in {root}", {}, [], skipped=Skipped())
    lost = [part for part in ("train", "val") if not (root / part).is_dir()]
    if lost:
        found.add("error", f"{root} has no {' and no '.join(lost)}", IMAGENET_HINT)
        return found
    strict = lambda split: find_imagenet(split, root, classes_file, found.skipped)
    if classes_file is not None or not files.class_folders(root / "train"):
        add_strict(found, "train", strict)
        add_strict(found, "test", strict)
        return found
    add_split(found, "train", root / "train")
    if files.class_folders(root / "val"):
        add_split(found, "test", root / "val", list(found.splits["train"]))
    else:
        add_strict(found, "test", strict)
    return found


def of_tiny_imagenet(root, first=200):
    """`Layout` of `tiny_imagenet`'s data."""
    root = tiny_place(root)
    text = f"train/<wnid>/images/ and val/ in {root}"
    found = Layout(text, {}, [], skipped=Skipped())
    for split in ("train", "test"):
        find = lambda split: find_tiny(split, root, first, found.skipped)
        add_strict(found, split, find)
    return found


def of_cifar(root, classes):
    """`Layout` of CIFAR: counts from the batches, or a tree of files."""
    kind, place = cifar.find(classes, root)
    if kind == "nothing":
        found = Layout(f"nothing in {place}", {}, [])
        found.add(
            "warning",
            f"cifar{classes} is not downloaded yet; training downloads it",
            f"without a network, get {cifar.ARCHIVES[classes]} elsewhere and give its "
            "path as --datadir",
        )
        return found
    if kind == "batches":
        found = Layout(f"python batches in {place}", {}, [])
        for split in ("train", "test"):
            add_strict(found, split, lambda split: batches(classes, split, root))
        return found
    text = f"train/<class>/ and test/<class>/ in {place}"
    found = Layout(text, {}, [], skipped=Skipped())
    for split in ("train", "test"):
        if (place / split).is_dir():
            add_split(found, split, place / split, found.splits.get("train"))
        else:
            found.add("error", f"{place} has no {split}/", cifar.hint(classes))
    count = len(found.splits.get("train", ()))
    if count and count != classes and (classes, count) != (20, 100):
        text = f"{count} class folders in {place / 'train'}, not {classes}"
        found.add("error", text, "add or remove some")
    return found


def batches(classes, split, root):
    """`([None] * N, label, classes)`: images that are no files."""
    source = cifar.cifar(classes, split, root)
    return [None] * source.size, source.label, source.classes


def add_split(layout, split, base, classes=None, extra="warning", partial=False):
    """Adds `base/<class>/*`, or a flat folder as the class "".

    Args:
        layout: `Layout`, added to.
        split: its name.
        base: folder.
        classes: names it should have, or `None`.
        extra: level of a class beyond these.
        partial: whether some of these may have no image.
    """
    classes = [name for name in classes or () if name]
    if not files.class_folders(base):
        layout.splits[split] = {"": files.images_in(base, layout.skipped)}
        if not layout.splits[split][""]:
            layout.add("error", f"{base} holds no image", "add some")
        elif classes:
            text = f"{base} has images and no class folders"
            layout.add("error", text, "sort them into classes, or move it elsewhere")
        return
    rest = UNKNOWN if classes and extra == "warning" else None
    found = files.by_class(base, classes or None, "", layout.skipped, rest)
    layout.splits[split] = found
    own = files.class_folders(base)
    empty = [name for name in found if not found[name]]
    if empty and (not partial or len(empty) == len(found)):
        text = f"{base}: no image in {some(empty)}"
        layout.add("error", text, files.deeper(base / empty[0]))
    lost = [name for name in classes if name not in found or partial and name in empty]
    if lost:
        text = f"{base} has no image of {some(lost)} of the training images"
        layout.add("warning" if partial else "error", text, "add some")
    new = [name for name in own if classes and files.class_of(name, classes) is None]
    if new:
        text = f"{base} has {some(new)} without training images"
        layout.add(extra, text, "rename or remove them, or add training images")
    fold = collections.Counter(name.casefold() for name in own)
    alike = [name for name in own if fold[name.casefold()] > 1]
    if alike:
        text = f"{base}: {some(alike)} differ in case only"
        layout.add("warning", text, "put their images into one folder if they are one")


def many(items, word="image"):
    """`1 image`, `2,000 images`."""
    return f"{len(items):,} {word}{'' if len(items) == 1 else 's'}"


def some(names):
    """`class 'a'`, or `3 classes ('a', 'b', 'c')` with no more than three named."""
    if len(names) == 1:
        return f"class {names[0]!r}"
    more = ", ..." if len(names) > 3 else ""
    return f"{len(names)} classes ({', '.join(map(repr, names[:3]))}{more})"


def add_strict(layout, split, find):
    """Adds what `find(split) -> (paths, label, classes)` gives, or its complaint."""
    try:
        paths, label, classes = find(split)
    except BadInput as error:
        text, _, mend = str(error).rstrip(".").partition("; ")
        if text not in (finding.text for finding in layout.findings):
            layout.add("error", text, mend)
        return
    by_class = {name: [] for name in classes}
    for path, place in zip(paths, label.tolist()):
        by_class[classes[place]].append(path)
    layout.splits[split] = by_class
