"""CIFAR-10, -100 and -20: downloaded, as python batches, or as a tree of files."""

import contextlib
import os
import sys
import tarfile
import tempfile
from pathlib import Path

from ssl_tf.data import files
from ssl_tf.data.cifar_batches import BATCHES, read_batches
from ssl_tf.data.cifar_classes import COARSE, coarse_of
from ssl_tf.data.skipped import UNKNOWN, Skipped
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput

ARCHIVES = {10: "cifar-10-python.tar.gz", 100: "cifar-100-python.tar.gz"}
ARCHIVES[20] = ARCHIVES[100]
LARGEST = 2**29  # bytes of a batch; the published ones have 155 MB at most
FOLDERS = {10: "cifar-10-batches-py", 100: "cifar-100-python"}
FOLDERS[20] = FOLDERS[100]


def cifar10(split, root=None):
    """50,000 training and 10,000 test images of 32 pixels, 10 classes.

    Args:
        split: "train" or "test".
        root: `None` downloads once through Keras; or a folder with the python batches,
            their archive, or `train/<class>/*`, `test/<class>/*`; or the archive.

    Raises:
        BadInput: nothing of that is there, or it is damaged.
    """
    return cifar(10, split, root)


def cifar100(split, root=None):
    """50,000 training and 10,000 test images of 32 pixels, 100 fine classes.

    Class order is alphabetical. See `cifar10` for the arguments.
    """
    return cifar(100, split, root)


def cifar20(split, root=None):
    """CIFAR-100 with its 20 coarse classes, which ScatSimCLR calls CIFAR100-20.

    A tree of files may have folders of the 100 fine classes. See `cifar10`.

    Source:
        ScatSimCLR, arXiv:2108.13939, table 1; its code's table is the data set's own.
    """
    return cifar(20, split, root)


def cifar(classes, split, root):
    name = f"cifar{classes}"
    kind, place = find(classes, root)
    if kind == "nothing":
        place = download(classes)
    if kind == "tree":
        return from_tree(name, split, place, classes)
    with reader(place) as read:
        images, label, names = read_batches(classes, split, read, place)
        names = tuple(COARSE) if classes == 20 else names
    return Source(name, split, images, label, names)


def find(classes, root):
    """Where the images are, without a download.

    Returns:
        `(kind, path)`: "batches" (a folder of them, or the archive) or "tree"; or
        "nothing" and the folder of Keras' downloads, if `root` is `None` and they are
        not there.

    Raises:
        BadInput: `root` holds no CIFAR.
    """
    if root is None:
        found = cached(classes)
        return ("batches", found) if found else ("nothing", caches()[0])
    root = Path(root)
    if not root.exists():
        raise BadInput(f"--datadir {root}: does not exist; {hint(classes)}.")
    if root.is_file():
        return "batches", root
    for folder in (root, root / FOLDERS[classes]):
        if (folder / BATCHES[classes]["names"]).is_file():
            return "batches", folder
    if (root / ARCHIVES[classes]).is_file():
        return "batches", root / ARCHIVES[classes]
    if (root / "train").is_dir() or (root / "test").is_dir():
        return "tree", root
    raise BadInput(f"--datadir {root}: {hint(classes)}.")


def hint(classes):
    return (
        f"cifar{classes} needs {FOLDERS[classes]}/, {ARCHIVES[classes]}, or "
        "train/<class>/ and test/<class>/ in there; or leave --datadir out to "
        "download it"
    )


def caches():
    """The folders Keras downloads to: the user's, and the one for read-only homes."""
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    return [home / "datasets", Path(tempfile.gettempdir()) / ".keras" / "datasets"]


def cached(classes):
    """The folder of the batches in Keras' downloads, or `None`."""
    folder, names = FOLDERS[classes], BATCHES[classes]["names"]
    for cache in caches():
        for place in (cache / f"{folder}-target" / folder, cache / folder):
            if (place / names).is_file():
                return place
    return None


def download(classes):
    """The folder of the batches, fetched through Keras."""
    from keras import datasets

    print(
        f"cifar{classes}: downloading {ARCHIVES[classes]} (about 165 MB) to "
        f"{caches()[0]}",
        file=sys.stderr,
    )
    try:
        with contextlib.redirect_stdout(sys.stderr):
            getattr(datasets, "cifar10" if classes == 10 else "cifar100").load_data()
        why = "it is not where Keras puts it"
    except Exception as error:  # noqa: BLE001 - urllib, socket, tarfile, ...
        why = " ".join(str(error).split())[:120]
    found = cached(classes)
    if found is None:
        raise BadInput(
            f"cifar{classes}: is not in {caches()[0]} and cannot be downloaded "
            f"({why}); get {ARCHIVES[classes]} elsewhere and give its path as "
            "--datadir."
        )
    return found


@contextlib.contextmanager
def reader(place):
    """A function from a batch's name to its bytes, in a folder or inside an archive."""
    if place.is_dir():
        yield lambda name: in_folder(place, name)
        return
    with archive(place) as (opened, members):

        def read(name):
            if name not in members:
                raise BadInput(f"{place}: holds no {name!r}; is it another archive?")
            if members[name].size > LARGEST:
                raise BadInput(f"{place}: {name!r} unpacks to more than 512 MiB.")
            try:
                return opened.extractfile(members[name]).read()
            except (tarfile.TarError, EOFError, OSError, ValueError) as error:
                raise damaged(place, error) from None

        yield read


@contextlib.contextmanager
def archive(path):
    """`(tar file, {file name: member})`; members are read in place, not unpacked."""
    try:
        opened = tarfile.open(path)  # noqa: SIM115 - closed below
        members = {Path(m.name).name: m for m in opened.getmembers() if m.isfile()}
    except Exception as error:  # noqa: BLE001 - gzip, zlib, lzma, tarfile, ...
        raise damaged(path, error) from None
    with opened:
        yield opened, members


def damaged(path, error):
    why = " ".join(str(error).split())[:100]
    return BadInput(f"{path}: is no readable archive ({why}); get it again.")


def in_folder(folder, name):
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise BadInput(
            f"{folder / name}: cannot be read ({error.strerror}); unpack the archive "
            "again."
        ) from None


def from_tree(name, split, root, classes):
    from ssl_tf.data import decode

    for part in ("train", "test"):
        if not (root / part).is_dir():
            raise BadInput(f"--datadir {root}: has no {part}/; {hint(classes)}.")
    names = files.class_folders(root / "train")
    if classes == 20 and len(names) == 100:
        fine = from_tree("cifar100", split, root, 100)
        label = coarse_of(fine.classes)[fine.label]
        return fine._replace(name=name, label=label, classes=tuple(COARSE))
    if len(names) != classes:
        raise BadInput(
            f"{root / 'train'}: {len(names)} class folders; {name} has {classes}."
        )
    skipped = Skipped(name, root)
    paths, label, names = files.tree(root / split, names, "", skipped, UNKNOWN)
    images = decode.scaled(paths, 32)
    return Source(name, split, images, label, names, skipped=skipped)
