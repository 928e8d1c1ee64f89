"""STL-10: binary files, their archive, or TensorFlow Datasets."""

import sys
import tarfile
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from ssl_tf import runs
from ssl_tf.data import archives
from ssl_tf.data.mapped import Stacked
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput
from ssl_tf.schema import Range

CLASSES = (
    *("airplane", "bird", "car", "cat", "deer"),
    *("dog", "horse", "monkey", "ship", "truck"),
)
COUNTS = {"train": 5_000, "test": 8_000, "unlabeled": 100_000}
ARCHIVE = "stl10_binary.tar.gz"
ADDRESS = f"http://ai.stanford.edu/~acoates/stl10/{ARCHIVE}"
FOLDS = "fold_indices.txt"
PIXELS = 3 * 96 * 96
IN_MEMORY = 512 * 2**20  # bytes; more stays in the file
# Files of the archive, and the most bytes each may unpack to.
MEMBERS = {f"{part}_X.bin": n * PIXELS for part, n in COUNTS.items()} | {
    "train_y.bin": 5_000,
    "test_y.bin": 8_000,
    FOLDS: 10**6,
}
HINT = (
    f"stl10 needs stl10_binary/ with train_X.bin, train_y.bin, ..., or {ARCHIVE} "
    f"({ADDRESS}, 2.6 GB)"
)
Pool = Literal["train", "unlabeled", "train+unlabeled"]


def stl10(
    split,
    root=None,
    pool: Pool = "train",
    fold: Annotated[int, Range(0, 9)] | None = None,
):
    """5,000 training, 8,000 test and 100,000 unlabeled images of 96 pixels, 10 classes.

    Args:
        split: "train" or "test".
        root: folder with the binary files, `stl10_binary/` or the archive of them, or
            the archive, which is unpacked beside itself once; or the folder of
            TensorFlow Datasets, whose own `None` stands for, where it is installed.
        pool: the training images: "train" is labeled; the label of the others is -1.
        fold: one of the ten official draws of 1,000 labeled training images.

    Raises:
        BadInput: nothing of that is there, or it is damaged; a fold of other images.

    Source:
        Coates, Ng, Lee: An Analysis of Single Layer Networks, 2011. Images lie column
        after column, plane after plane; labels count from 1.
    """
    if fold is not None and pool != "train":
        raise BadInput(f"data.fold: is of the labeled images, not of pool {pool}.")
    kind, place = find(root)
    parts = pool.split("+") if split == "train" else ["test"]
    if kind == "tfds":
        if fold is not None:
            raise BadInput("data.fold: TensorFlow Datasets has none; give --datadir.")
        images, label = from_tfds(parts, root)
        return Source("stl10", split, images, label, CLASSES)
    if kind == "archive":
        place = unpack(place)
    images = Stacked([pixels(place, part) for part in parts])
    label = np.concatenate([labels(place, part) for part in parts])
    if fold is not None and split == "train":
        chosen = folds(place, len(label))[fold]
        images, label = images[chosen], label[chosen]
    if len(label) * PIXELS <= IN_MEMORY:
        images = np.asarray(images)
    return Source("stl10", split, images, label, CLASSES)


def find(root):
    """`("binary", folder)`, `("archive", file)` or `("tfds", None)`.

    Raises:
        BadInput: there is none of these.
    """
    if root is None:
        if installed():
            return "tfds", None
        raise BadInput(
            f"stl10: needs --datadir DIR: {HINT}; or pip install tensorflow-datasets."
        )
    root = Path(root)
    if not root.exists():
        raise BadInput(f"--datadir {root}: does not exist; {HINT}.")
    if root.is_file():
        inner = root.parent / "stl10_binary"
        done = all((inner / name).is_file() for name in MEMBERS)
        return ("binary", inner) if done else ("archive", root)
    for folder in (root, root / "stl10_binary"):
        if (folder / "train_X.bin").is_file():
            return "binary", folder
    if (root / ARCHIVE).is_file():
        return "archive", root / ARCHIVE
    if (root / "stl10").is_dir() and installed():
        return "tfds", None
    raise BadInput(f"--datadir {root}: {HINT}.")


def installed():
    """Whether TensorFlow Datasets can be imported."""
    import importlib.util

    return importlib.util.find_spec("tensorflow_datasets") is not None


def from_tfds(parts, root):
    """`(images, labels)` by TensorFlow Datasets, which may download them."""
    import tensorflow_datasets as tfds

    images, label = [], []
    for part in parts:
        try:
            batch = tfds.as_numpy(
                tfds.load("stl10", split=part, batch_size=-1, data_dir=root)
            )
        except Exception as error:  # noqa: BLE001 - of many kinds
            why = " ".join(str(error).split())[:120]
            raise BadInput(
                f"stl10: TensorFlow Datasets fails ({why}); {HINT}."
            ) from None
        images.append(batch["image"])
        known = part != "unlabeled"
        label.append(batch["label"] if known else np.full(len(images[-1]), -1))
    return np.concatenate(images), np.concatenate(label).astype(np.int32)


def pixels(folder, part):
    """The mapped file of one part, uint8 `[n, 3, 96, 96]`: planes of columns."""
    path = folder / f"{part}_X.bin"
    size = length(path)
    if not size or size % PIXELS:
        raise BadInput(f"{path}: {size} bytes are no 96-pixel images; get it again.")
    return np.memmap(path, np.uint8, "r").reshape(-1, 3, 96, 96)


def labels(folder, part):
    """int32 `[n]` from 0; -1 for the unlabeled part."""
    count = length(folder / f"{part}_X.bin") // PIXELS
    if part == "unlabeled":
        return np.full(count, -1, np.int32)
    path = folder / f"{part}_y.bin"
    if length(path) != count:
        raise BadInput(
            f"{path}: {length(path)} labels for {count} images; get it again."
        )
    label = np.fromfile(path, np.uint8).astype(np.int32)
    if count and not 1 <= label.min() <= label.max() <= 10:
        raise BadInput(f"{path}: has labels outside 1 ... 10; get it again.")
    return label - 1


def folds(folder, count):
    """List of ten int arrays: positions among `count` training images."""
    path = folder / FOLDS
    try:
        rows = path.read_text(encoding="utf-8").splitlines()
        found = [np.array([int(word) for word in row.split()]) for row in rows]
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); get it again.") from None
    found = [row for row in found if row.size]
    if len(found) != 10 or any(row.min() < 0 or row.max() >= count for row in found):
        raise BadInput(f"{path}: does not hold ten draws of {count} images.")
    return found


def length(path):
    """Bytes of a file; BadInput if it is missing."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; {HINT}.") from None


def unpack(archive):
    """Writes the archive's known files to `stl10_binary/` beside it; that folder.

    Names in the archive choose no path, and no file grows beyond its official size.
    """
    folder = archive.parent / "stl10_binary"
    print(f"stl10: unpacking {archive} to {folder}, once", file=sys.stderr)
    try:
        opened = tarfile.open(archive)  # noqa: SIM115 - closed below
    except Exception as error:  # noqa: BLE001 - gzip, lzma, tarfile, ...
        raise archives.damaged(archive, error) from None
    with opened:
        members = iter(opened)
        while (member := following(members, archive)) is not None:
            name = Path(member.name).name
            if not member.isfile() or name not in MEMBERS:
                continue
            if member.size > MEMBERS[name]:
                raise BadInput(f"{archive}: {name} has {member.size} bytes; too many.")
            copy(opened.extractfile(member), folder / name, member.size, archive)
    if not (folder / "train_X.bin").is_file():
        raise BadInput(f"{archive}: holds no train_X.bin; is it another archive?")
    return folder


def following(members, archive):
    """The next member or `None`; BadInput if the archive is damaged."""
    try:
        return next(members, None)
    except Exception as error:  # noqa: BLE001 - gzip, zlib, tarfile, ...
        raise archives.damaged(archive, error) from None


def copy(source, target, size, archive):
    """Writes one member under its name, when it is whole."""
    done = 0
    with runs.atomic(target) as out:
        while done < size:
            try:
                chunk = source.read(2**20)
            except Exception as error:  # noqa: BLE001 - as above
                raise archives.damaged(archive, error) from None
            if not chunk:
                raise archives.damaged(archive, EOFError("it breaks off"))
            out.write(chunk)
            done += len(chunk)
