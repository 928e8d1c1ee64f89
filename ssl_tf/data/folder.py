"""A user's own images: any tree of classes, or a flat folder without labels."""

import statistics
from pathlib import Path

import numpy as np
from PIL import Image

from ssl_tf.data import files
from ssl_tf.data.source import Source, hold_out
from ssl_tf.errors import BadInput
from ssl_tf.schema import Count, Fraction

IN_MEMORY = 512 * 2**20  # bytes; more is read from disk while training
CLASSES = "train/<class>/ and test/<class>/, or only <class>/"
HINT = f"{CLASSES}, or images without classes"
TEST_NAMES = ("test", "val", "valid", "validation")


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
            `test_share` is then held out class by class; or a flat folder.
        size: side in pixels; `None` takes it from the images: their own size where all
            are square and alike, else a multiple of 32 up to 224.
        test_share: see `root`.
        labels: whether the method needs classes.

    Raises:
        BadInput: no image, an empty class, or no classes where they are needed.
    """
    root = files.existing(root, "folder", HINT)
    paths, label, classes = find(root, split, test_share)
    if labels and len(classes) < 2:
        what = f"one class, {classes[0]!r}" if classes else "no class folders"
        raise BadInput(f"--datadir {root}: has {what}; this method needs {CLASSES}.")
    size = size or common_size(paths)
    paths = images = np.asarray(paths)
    if len(paths) * size * size * 3 <= IN_MEMORY:
        images = files.read_all(paths, size)
    return Source("folder", split, images, label, classes, paths)


def parts(root):
    """`(training folder, test folder or None)`; they may hold classes or images."""
    tests = [root / name for name in TEST_NAMES if (root / name).is_dir()]
    if not (root / "train").is_dir():
        if tests and len(tests) == len(files.class_folders(root)):
            raise BadInput(f"{root}: has {tests[0].name}/ but no train/; needs {HINT}.")
        return root, None
    return root / "train", tests[0] if tests else None


def find(root, split, test_share):
    """`(paths, label, classes)` of one split."""
    train, test = parts(root)
    if test is None:
        paths, label, classes = labelled(train)
        whole = Source("folder", "train", paths, label, classes)
        rest, held = hold_out(whole, test_share) if test_share else (whole, whole)
        chosen = rest if split == "train" else held
        return chosen.images, chosen.label, classes
    if split == "train":
        return labelled(train)
    classes = tuple(files.class_folders(train))
    unknown = [name for name in files.class_folders(test) if name not in classes]
    if unknown:
        raise BadInput(
            f"{test / unknown[0]}: there is no such class in {train}; rename it, or "
            "add training images of it."
        )
    return labelled(test, classes or None)


def labelled(base, classes=None):
    """Files and labels below a folder; a flat one has label -1 and no classes."""
    if classes or files.class_folders(base):
        return files.tree(base, classes)
    paths = files.images_in(base)
    if not paths:
        raise BadInput(f"{base}: holds no image; needs {HINT}.")
    return np.array(paths), np.full(len(paths), -1, np.int32), ()


def common_size(paths):
    """The side to bring all images to, judged from up to 200 of them."""
    sizes = set()
    for path in paths[:: max(1, len(paths) // 200)]:
        try:
            with Image.open(path) as image:
                sizes.add(image.size)
        except Exception:  # noqa: BLE001 - a damaged file may fail in any way
            sizes.add(files.read(path).shape[1::-1])  # raises, naming the file
    if len(sizes) == 1 and len(set(*sizes)) == 1:
        side = next(iter(sizes))[0]
        if side <= 256:
            return side
    short = statistics.median(min(s) for s in sizes)
    return int(min(224, max(32, short // 32 * 32)))


def image_root(path):
    """All image files below a path, or the path itself: for `embed`."""
    path = Path(path)
    if path.is_file():
        return [str(path)]
    if not path.is_dir():
        raise BadInput(f"{path}: no such file or folder.")
    below = [path, *(p for p in path.rglob("*") if p.is_dir())]
    shown = [p for p in below if not hidden(p.relative_to(path))]
    return sorted(image for p in shown for image in files.images_in(p))


def hidden(path):
    return any(part.startswith(".") for part in path.parts)
