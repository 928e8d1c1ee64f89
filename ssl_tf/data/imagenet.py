"""ImageNet (ILSVRC 2012), whole or a subset of its classes."""

from pathlib import Path

import numpy as np

from ssl_tf.data import files
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput

HINT = (
    "train/<wnid>/ and val/<wnid>/, or a flat val/ with "
    "ILSVRC2012_validation_ground_truth.txt and meta.mat of the devkit"
)


def imagenet(split, root=None, classes_file: str | None = None):
    """1,281,167 training images; the 50,000 validation images are "test".

    Labels follow the sorted wnids, torchvision's order.

    Args:
        split: "train" or "test".
        root: folder in one of the two layouts.
        classes_file: text file, one wnid a line: only these classes, in sorted order.

    Raises:
        BadInput: the layout is not there.
    """
    root = files.existing(root, "imagenet", HINT)
    for part in ("train", "val"):
        if not (root / part).is_dir():
            raise BadInput(f"--datadir {root}: has no {part}/; imagenet needs {HINT}.")
    wnids = tuple(files.class_folders(root / "train"))
    if classes_file is not None:
        wnids = chosen(classes_file, wnids)
    if split == "train":
        paths, label, wnids = files.tree(root / "train", wnids)
    elif files.class_folders(root / "val"):
        paths, label, wnids = files.tree(root / "val", wnids)
    else:
        paths, label = flat_validation(root, wnids)
    return Source("imagenet", split, paths, label, wnids)


def chosen(path, wnids):
    """Sorted wnids of a class file, all of which must have a training folder."""
    try:
        names = sorted({w for line in Path(path).open() for w in line.split()[:1]})
    except OSError as error:
        raise BadInput(f"--classes-file {path}: {error.strerror}.") from None
    missing = [name for name in names if name not in wnids]
    if missing or len(names) < 2:
        raise BadInput(
            f"--classes-file {path}: no training folder for {missing[0]!r}."
            if missing
            else f"--classes-file {path}: names fewer than two classes."
        )
    return tuple(names)


def flat_validation(root, wnids):
    """Paths and labels of `val/*.JPEG` from the devkit's two files."""
    devkit = [root, root / "devkit", root / "ILSVRC2012_devkit_t12" / "data"]
    find = lambda name: next((d / name for d in devkit if (d / name).exists()), None)
    truth = find("ILSVRC2012_validation_ground_truth.txt")
    meta = find("meta.mat")
    if truth is None or meta is None:
        raise BadInput(f"{root / 'val'}: is flat; imagenet needs {HINT}.")
    names = devkit_wnids(meta)
    try:
        numbers = [int(line) for line in truth.read_text().split()]
        of_image = [names[number] for number in numbers]
    except (ValueError, KeyError) as error:
        raise BadInput(f"{truth}: names no class of {meta} ({error}).") from None
    paths = files.images_in(root / "val")
    if len(paths) != len(of_image):
        raise BadInput(
            f"{truth}: {len(of_image)} lines for {len(paths)} images in val/."
        )
    place = {wnid: i for i, wnid in enumerate(wnids)}
    kept = [i for i, wnid in enumerate(of_image) if wnid in place]
    label = np.array([place[of_image[i]] for i in kept], np.int32)
    return np.array(paths)[kept], label


def devkit_wnids(path):
    """`{ILSVRC id: wnid}` from the devkit's `meta.mat`."""
    from scipy.io import loadmat

    try:
        table = loadmat(path, squeeze_me=True)["synsets"]
        return {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in table}
    except Exception as error:  # noqa: BLE001 - a foreign file may fail in any way
        raise BadInput(f"{path}: is no devkit meta.mat ({error}).") from None
