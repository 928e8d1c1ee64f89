"""ImageNet (ILSVRC 2012), whole or a subset of its classes."""

import re
from pathlib import Path

import numpy as np

from ssl_tf import config
from ssl_tf.data import files
from ssl_tf.data.skipped import UNKNOWN, Skipped
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
        classes_file: text file, one wnid a line: only these classes, in sorted order;
            or "imagenet50", "imagenet100", "imagenet200", SCAN's subsets.

    Raises:
        BadInput: the layout is not there.
    """
    skipped = Skipped("imagenet", root)
    paths, label, wnids = find(split, root, classes_file, skipped)
    return Source("imagenet", split, paths, label, wnids, skipped=skipped)


def find(split, root, classes_file=None, skipped=None):
    """`(paths [N], label [N], wnids)` of one split; `Skipped` is told of the rest."""
    root = files.existing(root, "imagenet", HINT)
    for part in ("train", "val"):
        if not (root / part).is_dir():
            raise BadInput(f"--datadir {root}: has no {part}/; imagenet needs {HINT}.")
    wnids = tuple(files.class_folders(root / "train"))
    if not wnids:
        tars = any((root / "train").glob("n*.tar"))
        mend = "unpack each <wnid>.tar there into train/<wnid>/" if tars else HINT
        raise BadInput(f"{root / 'train'}: has no class folders; needs {mend}.")
    if classes_file is not None:
        wnids = chosen(classes_file, wnids)
    if split == "train":
        return files.tree(root / "train", wnids, skipped=skipped)
    rest = UNKNOWN if classes_file is None else None  # else they are not asked for
    if files.class_folders(root / "val"):
        return files.tree(root / "val", wnids, skipped=skipped, rest=rest)
    return *flat_validation(root, wnids, skipped, rest), wnids


def chosen(path, wnids):
    """Sorted wnids of a class file, all of which must have a training folder."""
    shipped = config.home() / "configs" / "hierarchy" / f"{path}.txt"
    file = Path(path) if Path(path).exists() or not shipped.exists() else shipped
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is no text"
        raise BadInput(f"--classes-file {path}: {why}.") from None
    rows = (line.partition("#")[0].split()[:1] for line in text.splitlines())
    names = sorted({word for row in rows for word in row})
    missing = [name for name in names if name not in wnids]
    if missing:
        raise BadInput(f"--classes-file {path}: no training folder for {missing[0]!r}.")
    if len(names) < 2:
        raise BadInput(f"--classes-file {path}: names fewer than two classes.")
    return tuple(names)


def flat_validation(root, wnids, skipped=None, rest=None):
    """Paths and labels of `val/*.JPEG` from the devkit's two files.

    Args:
        root: folder.
        wnids: of the classes, in label order.
        skipped: `Skipped`.
        rest: `Kind` of the images of other classes; `None`: they are not asked for.
    """
    inner = Path("ILSVRC2012_devkit_t12") / "data"
    devkit = [root, root / "devkit", root / "devkit" / "data", root / inner]
    find = lambda name: next((d / name for d in devkit if (d / name).exists()), None)
    truth = find("ILSVRC2012_validation_ground_truth.txt")
    meta = find("meta.mat")
    if truth is None or meta is None:
        raise BadInput(f"{root / 'val'}: is flat; imagenet needs {HINT}.")
    names = devkit_wnids(meta)
    try:
        numbers = [int(line) for line in truth.read_text(encoding="utf-8").split()]
        of_image = [names[number] for number in numbers]
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{truth}: names no class of {meta} ({error}).") from None
    paths = files.images_in(root / "val", skipped)
    rows = truth_rows(paths, len(of_image), truth)
    place = {wnid: i for i, wnid in enumerate(wnids)}
    kept = [i for i, row in enumerate(rows) if of_image[row] in place]
    if not kept:
        raise BadInput(f"{root / 'val'}: holds no image of the classes in train/.")
    if skipped is not None and rest is not None:
        skipped.note(rest, *(paths[i] for i in sorted({*range(len(paths))} - {*kept})))
    label = np.array([place[of_image[rows[i]]] for i in kept], np.int32)
    return np.array(paths)[kept], label


def truth_rows(paths, lines, truth):
    """The line of the truth file for each image: its number, else its sorted place."""
    found = [re.search(r"_val_(\d{8})\.", Path(path).name) for path in paths]
    if paths and all(found):
        rows = [int(match[1]) - 1 for match in found]
        if max(rows) < lines:
            return rows
    if len(paths) != lines:
        raise BadInput(f"{truth}: {lines} lines for {len(paths)} images in val/.")
    return range(lines)


def devkit_wnids(path):
    """`{ILSVRC id: wnid}` from the devkit's `meta.mat`."""
    from scipy.io import loadmat

    try:
        table = loadmat(path, squeeze_me=True)["synsets"]
        return {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in table}
    except Exception as error:  # noqa: BLE001 - a foreign file may fail in any way
        why = " ".join(str(error).split())[:100]
        raise BadInput(f"{path}: is no devkit meta.mat ({why}).") from None
