"""What a data folder holds, faults included: for `doctor`, where loading would stop."""

from pathlib import Path
from typing import NamedTuple

from ssl_tf.data import cifar, files
from ssl_tf.data.folder import CLASSES, parts
from ssl_tf.data.folder import HINT as FOLDER_HINT
from ssl_tf.data.imagenet import HINT as IMAGENET_HINT
from ssl_tf.data.imagenet import find as find_imagenet
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
    """

    level: str
    text: str
    mend: str = ""
    paths: tuple = ()


class Layout(NamedTuple):
    """What is where.

    Attributes:
        text: one line that describes it.
        splits: `{"train" or "test": {class: [paths]}}`; no path is a file for data
            that is no tree of images.
        findings: list of `Finding`.
        texts: `{split: line}` that describes it, where images have boxes.
        sizes: `{path: (height, width)}` that annotations give.
    """

    text: str
    splits: dict
    findings: list
    texts: dict = {}
    sizes: dict = {}

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
    train, test = parts(root)
    found = Layout(f"{train} and {test or 'no test folder'}", {}, [])
    add_split(found, "train", train)
    own = found.splits["train"]
    classes = [name for name in own if name]
    if test is not None:
        add_split(found, "test", test, classes, extra="error")
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
    found = Layout(f"train/ and val/ in {root}", {}, [])
    lost = [part for part in ("train", "val") if not (root / part).is_dir()]
    if lost:
        found.add("error", f"{root} has no {' and no '.join(lost)}", IMAGENET_HINT)
        return found
    strict = lambda split: find_imagenet(split, root, classes_file)
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
    found = Layout(f"train/<wnid>/images/ and val/ in {root}", {}, [])
    for split in ("train", "test"):
        add_strict(found, split, lambda split: find_tiny(split, root, first))
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
    found = Layout(f"train/<class>/ and test/<class>/ in {place}", {}, [])
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


def add_split(layout, split, base, classes=None, extra="warning"):
    """Adds `base/<class>/*`, or a flat folder as the class "".

    Args:
        layout: `Layout`, added to.
        split: its name.
        base: folder.
        classes: names it should have, or `None`.
        extra: level of a class beyond these.
    """
    own, loose = files.class_folders(base), files.images_in(base)
    classes = [name for name in classes or () if name]
    if not own and not classes:
        layout.splits[split] = {"": loose}
        if not loose:
            layout.add("error", f"{base} holds no image", "add some")
        return
    found, skipped = {}, []
    for name in own:
        found[name] = files.images_in(base / name)
        every = {entry.path for entry in files.visible(base / name)}
        skipped += sorted(every - set(found[name]))
    layout.splits[split] = found
    if loose:
        text = f"{many(loose)} beside the class folders of {base}, not used"
        layout.add("warning", text, "move into a class what should be", loose)
    beside(layout, base, skipped)
    empty = [name for name in own if not found[name]]
    if empty:
        text = f"{base}: no image in {some(empty)}"
        layout.add("error", text, files.deeper(base / empty[0]))
    lost = [name for name in classes if name not in own]
    if lost:
        text = f"{base} lacks {some(lost)} of the training images"
        layout.add("error", text, "add them, or remove them there")
    new = [name for name in own if classes and name not in classes]
    if new:
        text = f"{base} has {some(new)} without training images"
        layout.add(extra, text, "rename or remove them, or add training images")


def many(items, word="image"):
    """`1 image`, `2,000 images`."""
    return f"{len(items):,} {word}{'' if len(items) == 1 else 's'}"


def some(names):
    """`class 'a'`, or `3 classes ('a', 'b', 'c')` with no more than three named."""
    if len(names) == 1:
        return f"class {names[0]!r}"
    more = ", ..." if len(names) > 3 else ""
    return f"{len(names)} classes ({', '.join(map(repr, names[:3]))}{more})"


def beside(layout, base, skipped):
    """Tells what lies in class folders and is no image directly in them."""
    folders = [path for path in skipped if Path(path).is_dir()]
    if folders:
        text = f"{many(folders, 'folder')} within the classes of {base}, not used"
        layout.add("warning", text, "move their images up", folders)
    others = sorted(set(skipped) - set(folders))
    if others:
        kinds = sorted({Path(path).suffix.lower() or "no suffix" for path in others})
        text = f"{many(others, 'file')} in {base} not used ({', '.join(kinds)})"
        mend = "convert them to JPEG or PNG if they are images"
        layout.add("warning", text, mend, others)


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
