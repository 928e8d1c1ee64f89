"""What folders of the papers' smaller data sets hold, faults included: for `doctor`."""

import numpy as np

from ssl_tf.data import archives
from ssl_tf.data.celeba import COUNTS as OF_CELEBA
from ssl_tf.data.celeba import FOLDER
from ssl_tf.data.celeba import find as find_celeba
from ssl_tf.data.celeba import place as celeba_place
from ssl_tf.data.imagenet5 import CLASSES as FIVE
from ssl_tf.data.imagenet5 import COUNTS as OF_FIVE
from ssl_tf.data.imagenet5 import DOWNLOAD, decoded, listed, walked
from ssl_tf.data.imagenet5 import find as find_five
from ssl_tf.data.layout import Layout, add_strict, many
from ssl_tf.data.skipped import Skipped
from ssl_tf.data.stl10 import CLASSES as STL10
from ssl_tf.data.stl10 import COUNTS as OF_STL10
from ssl_tf.data.stl10 import find as find_stl10
from ssl_tf.data.stl10 import folds, labels, length, pixels
from ssl_tf.errors import BadInput


def of_imagenet5(root):
    """`Layout` of G-SimCLR's five classes: files, or counts of an archive."""
    kind, place = find_five(root)
    if kind == "nothing":
        found = Layout(f"nothing in {place.parent}", {}, [])
        found.add(
            "warning",
            "imagenet5 is not downloaded yet; training downloads it (93 MB)",
            f"without a network, get {DOWNLOAD.urls[0]} elsewhere and give "
            "its path as --datadir",
        )
        return found
    if kind == "folder":
        found = Layout(f"train/ and test/ in {place}", {}, [], skipped=Skipped())
        names = walked(place, found.skipped)
        full = lambda name: str(place / name)
    else:
        found = Layout(f"images in {place}", {}, [])
        full = lambda name: None
        try:
            names, unreadable = contents(place)
        except BadInput as error:
            found.add("error", *parted(error))
            return found
        for text, mend in unreadable:
            found.add("error", text, mend)
    for split, count in OF_FIVE.items():

        def of_split(split):
            own, label = listed(names, split, place)
            return [full(name) for name in own], label, FIVE

        add_strict(found, split, of_split)
        counted(found, split, count)
    return found


def contents(place):
    """`(names of images, [(text, mend)] of those that cannot be decoded)`."""
    unreadable = []
    with archives.opened(place) as (names, content):
        for name in names:
            try:
                decoded(content(name), f"{place}: {name}")
            except BadInput as error:
                unreadable.append(parted(error))
    return names, unreadable


def of_stl10(root):
    """`Layout` of STL-10's binary files."""
    kind, place = find_stl10(root)
    if kind == "tfds":
        text = "left to TensorFlow Datasets, which downloads what is missing"
        return Layout(text, {}, [])
    if kind == "archive":
        found = Layout(f"the archive {place}", {}, [])
        found.add("fine", "training unpacks it beside itself, once (3.1 GB)")
        return found
    found = Layout(f"binary files in {place}", {}, [])
    for part, count in OF_STL10.items():
        if part == "unlabeled" and not (place / "unlabeled_X.bin").is_file():
            text = f"{place} has no unlabeled_X.bin"
            found.add("warning", text, "unpack it, or leave data.pool at train")
            continue

        def labeled(part):
            pixels(place, part)
            label = labels(place, part)
            classes = ("",) if part == "unlabeled" else STL10
            return [None] * len(label), label.clip(0), classes

        add_strict(found, part, labeled)
        counted(found, part, count)
    try:
        folds(place, length(place / "train_y.bin"))
    except BadInput as error:
        text, mend = parted(error)
        found.add("warning", f"no folds: {text}", mend)
    return found


def of_celeba(root):
    """`Layout` of CelebA: its images by split, and how common its attributes are."""
    base = celeba_place(root)
    text = f"{FOLDER}/ and its two lists in {base}"
    found = Layout(text, {}, [], skipped=Skipped())
    for split, count in OF_CELEBA.items():

        def of_split(split):
            paths, label, names = find_celeba(split, root, found.skipped)
            if split == "train":
                found.add("fine", common(names, label.mean(axis=0)))
            return paths, np.zeros(len(paths), int), ("",)

        add_strict(found, split, of_split)
        counted(found, split, count)
    return found


def common(names, shares):
    """`40 attributes, of 2% (Bald) to 83% (No_Beard) of the training images`."""
    low, high = shares.argmin(), shares.argmax()
    return (
        f"{len(names)} attributes, of {shares[low]:.0%} ({names[low]}) to "
        f"{shares[high]:.0%} ({names[high]}) of the training images"
    )


def counted(found, split, count):
    """Warns where a split has another size than the published one."""
    there = sum(map(len, found.splits.get(split, {}).values()))
    if split in found.splits and there != count:
        text = f"{many(range(there))} in {split}, where {count:,} were published"
        found.add("warning", text, "get the data again if that surprises you")


def parted(error):
    """`(what is wrong, what to do)` of an error's one line."""
    text, _, mend = str(error).rstrip(".").partition("; ")
    return text, mend
