"""Tiny ImageNet in its official layout."""

from pathlib import Path

import numpy as np

from ssl_tf.data import files
from ssl_tf.data.skipped import UNLISTED, Skipped
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput
from ssl_tf.schema import Count

HINT = "train/<wnid>/images/, val/images/, val/val_annotations.txt and wnids.txt"


def tiny_imagenet(split, root=None, size: Count = 64, first: Count = 200):
    """100,000 training images of 200 classes; the 10,000 validation images are "test".

    Args:
        split: "train" or "test".
        root: folder with the official layout.
        size: side in pixels the images are scaled to, if they have another.
        first: take the first so many wnids of `wnids.txt` only.

    Raises:
        BadInput: the layout is not there.
    """
    from ssl_tf.data import decode

    skipped = Skipped("tiny_imagenet", root)
    paths, label, wnids = find(split, root, first, skipped)
    images = decode.scaled(paths, size)
    return Source(
        "tiny_imagenet", split, images, label, wnids, np.asarray(paths), skipped
    )


def find(split, root, first=200, skipped=None):
    """`(paths [N], label [N], wnids)` of one split; `Skipped` is told of the rest."""
    root = place(root)
    wnids = lines(root / "wnids.txt")
    if first > len(wnids):
        raise BadInput(f"data.first: is {first}; wnids.txt has {len(wnids)} lines.")
    wnids = tuple(wnids[:first])
    if split == "train":
        if not (root / "train").is_dir():
            raise BadInput(f"{root}: has no train/; tiny_imagenet needs {HINT}.")
        return files.tree(root / "train", wnids, "images", skipped)
    number = {wnid: i for i, wnid in enumerate(wnids)}
    kept = [row for row in annotations(root) if row[1] in number]
    if not kept:
        raise BadInput(f"{root / 'val'}: no annotation names a class of wnids.txt.")
    folder = root / "val" / "images"
    there = {Path(path).name: path for path in files.images_in(folder, skipped)}
    lost = next((row[0] for row in kept if row[0] not in there), None)
    if lost is not None:
        raise BadInput(
            f"{folder / lost}: is missing; val_annotations.txt lists it. Unpack the "
            "archive again, or delete its line."
        )
    if skipped is not None:
        listed = {row[0] for row in annotations(root)}
        skipped.note(UNLISTED, *(there[name] for name in there if name not in listed))
    label = np.array([number[row[1]] for row in kept], np.int32)
    return np.array([str(folder / row[0]) for row in kept]), label, wnids


def place(root):
    """The folder with `wnids.txt`: `root`, or `tiny-imagenet-200` in it."""
    root = files.existing(root, "tiny_imagenet", HINT)
    inner = root / "tiny-imagenet-200"
    return inner if inner.is_dir() and not (root / "wnids.txt").exists() else root


def annotations(root):
    """`[[file name, wnid, ...]]` of the validation images, in file order."""
    rows = [line.split("\t") for line in lines(root / "val" / "val_annotations.txt")]
    return [row for row in rows if len(row) > 1]


def lines(path):
    """Stripped lines of a text file, without the empty ones."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadInput(f"{path}: is missing; tiny_imagenet needs {HINT}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({error}).") from None
    return [line.strip() for line in text.splitlines() if line.strip()]
