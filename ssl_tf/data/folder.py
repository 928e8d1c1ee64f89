"""A user's own images: any tree of classes, or a flat folder without labels."""

import re
import statistics
import unicodedata
from pathlib import Path

import numpy as np
from PIL import Image

from ssl_tf.data import files
from ssl_tf.data.skipped import DEAD, FORMAT, Kind, Skipped
from ssl_tf.data.source import Source, hold_out
from ssl_tf.errors import BadInput
from ssl_tf.schema import Count, Fraction

IN_MEMORY = 512 * 2**20  # bytes; more, or images that differ, stay in their files
CLASSES = "train/<class>/ and test/<class>/, or only <class>/"
HINT = f"{CLASSES}, or images without classes"
# What splits are called, whatever their case and with "set" or "images" after it; the
# first that is there is used.
TRAIN_NAMES = ("train", "training")
TEST_NAMES = (
    *("test", "val", "valid", "validation", "testing", "validate", "dev", "eval"),
    *("evaluation", "holdout", "heldout"),
)
AFTER = re.compile(r"[\s_-]*(set|data|images|imgs|split|folder)?$")


def folder(
    split,
    root=None,
    size: Count | None = None,
    test_share: Fraction = 0.2,
    labels: bool = True,
):
    """Images below `root`, classes by folder name.

    Args:
        split: "train" or "test".
        root: `train/<class>/*` with `test/` (or `val/`), or only `<class>/*`, of which
            `test_share` is then held out class by class; or a flat folder. Other names
            of splits, see `parts`; of classes, see `files.class_name`.
        size: side in pixels; `None` takes it from the images: their own size where all
            are square and alike, else a multiple of 32 up to 224.
        test_share: see `root`.
        labels: whether the method needs classes.

    Raises:
        BadInput: no image, an empty class, a class of the test images alone, or no
            classes where they are needed.
    """
    from ssl_tf.data import decode

    root = files.existing(root, "folder", HINT)
    skipped = Skipped("folder", root)
    paths, label, classes = find(root, split, test_share, labels, skipped)
    if labels and len(classes) < 2:
        what = f"one class, {classes[0]!r}" if classes else "no class folders"
        raise BadInput(f"--datadir {root}: has {what}; this method needs {CLASSES}.")
    paths = images = np.asarray(paths)
    sizes = sampled_sizes(paths)
    own = common_size(sizes)
    if sizes == {(own, own)} and len(paths) * own * own * 3 <= IN_MEMORY:
        held = decode.squares(paths, own)
        images = paths if held is None else held
    return Source("folder", split, images, label, classes, paths, skipped, size or own)


def parts(root, labels=True, skipped=None):
    """`(training folder, test folder or None)`; they may hold classes or images.

    Splits may be called `Train`, `TEST`, `Validation`, `training_set`, ...; a folder
    that only holds another one, as archives are packed, stands for that.

    Args:
        root: folder.
        labels: whether classes are needed: `train` is then a class, not a split, if it
            lies beside other folders of images and has no classes itself.
        skipped: `Skipped`, told of the images in other folders beside these two.

    Raises:
        BadInput: a test folder alone.
    """
    root = unwrapped(root)
    entries = files.visible(root)
    inner = [e.name for e in entries if files.kind_of(e) is files.FOLDER]
    trains, tests = (called(inner, names) for names in (TRAIN_NAMES, TEST_NAMES))
    rest = [name for name in inner if name not in trains + tests]
    if not trains:
        if tests and (not rest or files.IMAGE not in kinds(root / tests[0])):
            raise BadInput(f"{root}: has {tests[0]}/ but no train/; needs {HINT}.")
        return root, None
    train, test = trains[0], tests[0] if tests else None
    split = train == "train" and not labels or not flat(root / train)
    if not split and any(flat(root / name) for name in rest):
        return root, None
    if skipped is not None:
        beside = Skipped()
        for name in filter(None, (train, test)):
            beside.see(root / name)
        for name in (name for name in inner if name not in (train, test)):
            word = test if name in tests else train if name in trains else None
            text = (
                f"{name}/, as {word}/ is used" if word else f"{name}/ beside {train}/"
            )
            kind = Kind(f"image{{s}} in {text}", "move them if they should be used")
            skipped.note(kind, *files.below(root / name, beside, depth=3))
        for entry in entries:
            if files.kind_of(entry) in (files.IMAGE, FORMAT):
                skipped.note(Kind(f"image{{s}} beside {train}/", ""), entry.path)
            elif files.kind_of(entry) is DEAD:
                skipped.note(DEAD, entry.path)
    return unwrapped(root / train, True), test and unwrapped(root / test, True)


def called(folders, names):
    """Those folders that have one of the names of a split, the likeliest first."""
    rank = {
        folder: names.index(split_name(folder))
        for folder in folders
        if split_name(folder) in names
    }
    return sorted(rank, key=lambda name: (rank[name], name != names[rank[name]], name))


def split_name(folder):
    """`training` of `Training`, `training_set`, `training-images`, ..."""
    name = unicodedata.normalize("NFC", folder).strip().casefold()
    return re.sub(r"[\s_-]", "", AFTER.sub("", name))


def kinds(folder):
    """What is in a folder, see `files.kind_of`."""
    return {files.kind_of(entry) for entry in files.visible(folder)}


def flat(folder):
    """Whether a folder has images directly in it, and no folder."""
    found = kinds(folder)
    return files.IMAGE in found and files.FOLDER not in found


def unwrapped(folder, split=False):
    """The folder, or the only one in it if that holds folders and no images itself.

    Args:
        folder: path.
        split: whether it is a split's; else the one within may be.
    """
    folder = Path(folder)
    for _ in range(4):  # no archive is packed deeper
        entries = files.visible(folder)
        inner = [e.name for e in entries if files.kind_of(e) is files.FOLDER]
        if len(inner) != 1 or files.IMAGE in map(files.kind_of, entries):
            break
        if not split and called(inner, TRAIN_NAMES + TEST_NAMES):
            break
        found = kinds(folder / inner[0])
        if files.IMAGE in found or files.FOLDER not in found:
            break
        folder = folder / inner[0]
    return folder


def find(root, split, test_share, labels=True, skipped=None):
    """`(paths, label, classes)` of one split; see `folder`."""
    train, test = parts(root, labels, skipped)
    if test is None:
        paths, label, classes = labelled(train, None, skipped)
        whole = Source("folder", "train", paths, label, classes)
        rest, held = hold_out(whole, test_share) if test_share else (whole, whole)
        chosen = rest if split == "train" else held
        return chosen.images, chosen.label, classes
    if split == "train":
        return labelled(train, None, skipped)
    classes = tuple(files.class_folders(train))
    unknown = [
        name
        for name in files.class_folders(test)
        if files.class_of(name, classes) is None
    ]
    if unknown:
        raise BadInput(
            f"{test / unknown[0]}: there is no such class in {train}; rename it, or "
            "add training images of it."
        )
    return labelled(test, classes, skipped)


def labelled(base, classes=(), skipped=None):
    """Files and labels below a folder; a flat one has label -1 and no classes.

    Args:
        base: folder.
        classes: of the training images, some of which may be missing here.
        skipped: `Skipped`.
    """
    found = files.class_folders(base)
    if found:
        return files.tree(base, classes or None, skipped=skipped, partial=bool(classes))
    paths = files.images_in(base, skipped)
    if classes and paths:
        raise BadInput(
            f"{base}: has {len(paths):,} images and no class folders; sort them into "
            f"{base}/<class>/, or move the folder elsewhere."
        )
    if not paths:
        raise BadInput(f"{base}: holds no image; needs {HINT}.")
    return np.array(paths), np.full(len(paths), -1, np.int32), ()


def sampled_sizes(paths):
    """`{(width, height)}` in pixels of up to 200 of the images."""
    sizes = set()
    for path in paths[:: max(1, len(paths) // 200)]:
        try:
            with Image.open(path) as image:
                sizes.add(image.size)
        except Exception:  # noqa: BLE001 - a damaged file may fail in any way
            sizes.add(files.read(path).shape[1::-1])  # raises, naming the file
    return sizes


def common_size(sizes):
    """The side to bring images of these sizes to, in pixels."""
    if len(sizes) == 1 and len(set(*sizes)) == 1:
        side = next(iter(sizes))[0]
        if side <= 256:
            return side
    short = statistics.median(min(s) for s in sizes)
    return int(min(224, max(32, short // 32 * 32)))


def image_root(path, skipped=None):
    """All image files below a path, or the path itself: for `embed`.

    Args:
        path: file or folder.
        skipped: `Skipped`, told of what else lies there.
    """
    path = Path(path)
    if path.is_file():
        return [str(path)]
    if not path.is_dir():
        raise BadInput(f"{path}: no such file or folder.")
    found = files.below(path, Skipped() if skipped is None else skipped)
    return files.named_in_utf8(sorted(found))
