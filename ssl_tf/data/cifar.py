"""CIFAR-10 and CIFAR-100: downloaded, from the python batches, or as a tree of files."""

import contextlib
import io
import os
import tarfile
from pathlib import Path

import numpy as np

from ssl_tf.data import files
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput
from ssl_tf.ops import unpickle

ARCHIVES = {10: "cifar-10-python.tar.gz", 100: "cifar-100-python.tar.gz"}
BATCHES = {
    10: {
        "train": [f"data_batch_{i}" for i in range(1, 6)],
        "test": ["test_batch"],
        "names": "batches.meta",
    },
    100: {"train": ["train"], "test": ["test"], "names": "meta"},
}
FOLDERS = {10: "cifar-10-batches-py", 100: "cifar-100-python"}
KEYS = {10: ("labels", "label_names"), 100: ("fine_labels", "fine_label_names")}


def cifar10(split, root=None):
    """50,000 training and 10,000 test images of 32 pixels, 10 classes.

    Args:
        split: "train" or "test".
        root: `None` downloads once through Keras; or a folder with the python batches,
            their archive, or `train/<class>/*`, `test/<class>/*`.

    Raises:
        BadInput: nothing of that is there.
    """
    return cifar(10, split, root)


def cifar100(split, root=None):
    """50,000 training and 10,000 test images of 32 pixels, 100 fine classes.

    Class order is alphabetical. See `cifar10` for the arguments.
    """
    return cifar(100, split, root)


def cifar(classes, split, root):
    name = f"cifar{classes}"
    if root is None:
        root = download(classes)
    if not Path(root).exists():
        raise BadInput(f"--datadir {root}: does not exist; {name} {hint(classes)}.")
    root = Path(root)
    if root.is_file():
        with archive_reader(root) as read:
            return from_batches(classes, split, read, root)
    for folder in (root, root / FOLDERS[classes]):
        if (folder / BATCHES[classes]["names"]).exists():
            read = lambda member, folder=folder: (folder / member).read_bytes()
            return from_batches(classes, split, read, folder)
    if (root / ARCHIVES[classes]).exists():
        with archive_reader(root / ARCHIVES[classes]) as read:
            return from_batches(classes, split, read, root / ARCHIVES[classes])
    if (root / split).is_dir():
        return from_tree(name, split, root, classes)
    raise BadInput(f"--datadir {root}: {name} {hint(classes)}.")


def hint(classes):
    return (
        f"needs {FOLDERS[classes]}/, {ARCHIVES[classes]}, or train/<class>/ and "
        "test/<class>/ in there; or leave --datadir out to download it"
    )


def download(classes):
    """The folder of the batches in Keras' cache, fetched if they are not there."""
    cache = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets"
    find = lambda: sorted(cache.rglob(BATCHES[classes]["names"]))
    if not find():
        from keras import datasets

        try:
            with contextlib.redirect_stdout(io.StringIO()):
                getattr(datasets, f"cifar{classes}").load_data()
        except Exception as error:  # noqa: BLE001 - urllib, socket, tarfile, ...
            why = " ".join(str(error).split())[:120]
            raise BadInput(
                f"cifar{classes}: is not in {cache} and cannot be downloaded ({why}); "
                f"get {ARCHIVES[classes]} elsewhere and give its path as --datadir."
            ) from None
    return find()[0].parent


@contextlib.contextmanager
def archive_reader(path):
    """A function from a batch's name to its bytes, read from the archive in place."""
    try:
        with tarfile.open(path) as archive:
            members = {Path(m.name).name: m for m in archive.getmembers() if m.isfile()}

            def read(name):
                if name not in members:
                    raise BadInput(f"{path}: holds no {name!r}.")
                return archive.extractfile(members[name]).read()

            yield read
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadInput(f"{path}: is no readable archive ({error}).") from None


def from_batches(classes, split, read, where):
    """A source from the published pickles; nothing in them is executed."""
    images, label = [], []
    key, names_key = KEYS[classes]
    for name in BATCHES[classes][split]:
        batch = unpickled(read, name, where)
        for wanted in ("data", key):
            if wanted not in batch:
                raise BadInput(f"{where}/{name}: holds no {wanted!r}.")
        images.append(np.asarray(batch["data"], np.uint8).reshape(-1, 3, 32, 32))
        label += list(batch[key])
    names = unpickled(read, BATCHES[classes]["names"], where)[names_key]
    images = np.ascontiguousarray(np.concatenate(images).transpose(0, 2, 3, 1))
    label = np.array(label, np.int32)
    return Source(f"cifar{classes}", split, images, label, tuple(names))


def unpickled(read, name, where):
    known = {
        f"numpy.{core}.multiarray._reconstruct": Array for core in ("core", "_core")
    }
    known |= {"numpy.ndarray": Array, "numpy.dtype": str, "_codecs.encode": encode}
    batch = unpickle.load(io.BytesIO(read(name)), known, what=f"{where}/{name}")
    if not isinstance(batch, dict):
        raise BadInput(f"{where}/{name}: is no CIFAR batch.")
    values = {}
    for key, value in batch.items():
        key = key.decode() if isinstance(key, bytes) else key
        values[key] = value.array() if isinstance(value, Array) else value
    return values


def encode(text, encoding):
    return text.encode(encoding)


class Array:
    """What NumPy's pickle of a uint8 array restores, without NumPy's code."""

    def __init__(self, *args):
        self.shape, self.data = (0,), b""

    def __setstate__(self, state):
        _, self.shape, _, _, self.data = state

    def array(self):
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data
        return np.frombuffer(data, np.uint8).reshape(self.shape)


def from_tree(name, split, root, classes):
    paths, label, names = files.tree(root / split)
    if len(names) != classes:
        raise BadInput(
            f"{root / split}: {len(names)} class folders; {name} has {classes}."
        )
    return Source(name, split, files.read_all(paths, 32), label, names)
