"""Tiny ImageNet in its official layout."""

from pathlib import Path

import numpy as np

from ssl_tf.data import files
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
    root = files.existing(root, "tiny_imagenet", HINT)
    if not (root / "wnids.txt").exists() and (root / "tiny-imagenet-200").is_dir():
        root = root / "tiny-imagenet-200"
    wnids = lines(root / "wnids.txt")
    if first > len(wnids):
        raise BadInput(f"data.first: is {first}; wnids.txt has {len(wnids)} lines.")
    wnids = tuple(wnids[:first])
    if split == "train":
        paths, label, _ = files.tree(root / "train", wnids, "images")
    else:
        place = {wnid: i for i, wnid in enumerate(wnids)}
        rows = [
            line.split("\t") for line in lines(root / "val" / "val_annotations.txt")
        ]
        kept = [row for row in rows if len(row) > 1 and row[1] in place]
        paths = np.array([str(root / "val" / "images" / row[0]) for row in kept])
        label = np.array([place[row[1]] for row in kept], np.int32)
        if not len(label):
            raise BadInput(f"{root / 'val'}: no annotation names a class of wnids.txt.")
    images = files.read_all(paths, size)
    return Source("tiny_imagenet", split, images, label, wnids)


def lines(path):
    if not Path(path).exists():
        raise BadInput(f"{path}: is missing; tiny_imagenet needs {HINT}.")
    return [line for line in Path(path).read_text().splitlines() if line.strip()]
