"""CIFAR's python batches as arrays; nothing in the pickles is executed."""

import io

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.ops import unpickle

BATCHES = {
    10: {
        "train": [f"data_batch_{i}" for i in range(1, 6)],
        "test": ["test_batch"],
        "names": "batches.meta",
        "label": "labels",
        "label_names": "label_names",
    },
    100: {
        "train": ["train"],
        "test": ["test"],
        "names": "meta",
        "label": "fine_labels",
        "label_names": "fine_label_names",
    },
    20: {
        "train": ["train"],
        "test": ["test"],
        "names": "meta",
        "label": "coarse_labels",
        "label_names": "coarse_label_names",
    },
}
PIXELS = 3 * 32 * 32


def read_batches(classes, split, read, where):
    """The images of one split.

    Args:
        classes: 10, 100, or 20 for the coarse labels of the 100.
        split: "train" or "test".
        read: file name -> bytes of a batch.
        where: path, for messages.

    Returns:
        `(images uint8 [N, 32, 32, 3], label int32 [N], names of the classes)`.

    Raises:
        BadInput: a batch is damaged or not what its name says.
    """
    keys = BATCHES[classes]
    names = unpickled(read, keys["names"], where).get(keys["label_names"])
    if not isinstance(names, list) or len(names) != classes:
        raise BadInput(f"{where}/{keys['names']}: does not name {classes} classes.")
    images, label = [], []
    for name in keys[split]:
        x, y = batch(unpickled(read, name, where), keys["label"], f"{where}/{name}")
        if len(y) and not 0 <= y.min() <= y.max() < classes:
            raise BadInput(f"{where}/{name}: has labels outside 0 ... {classes - 1}.")
        images.append(x)
        label.append(y)
    images = np.concatenate(images).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    names = tuple(n.decode() if isinstance(n, bytes) else str(n) for n in names)
    return np.ascontiguousarray(images), np.concatenate(label), names


def batch(values, key, where):
    """`(pixels uint8 [n, 3072], label int32 [n])` of one unpickled batch."""
    for wanted in ("data", key):
        if wanted not in values:
            raise BadInput(f"{where}: holds no {wanted!r}.")
    x, y = values["data"], values[key]
    if not isinstance(x, np.ndarray) or x.size % PIXELS or x.dtype != np.uint8:
        raise BadInput(f"{where}: its data are no 32-pixel RGB images.")
    y = np.asarray(y)
    if y.ndim != 1 or y.dtype.kind not in "iu" or len(y) != x.size // PIXELS:
        raise BadInput(
            f"{where}: has {x.size // PIXELS} images and {y.size} {key}; get it again."
        )
    return x.reshape(-1, PIXELS), y.astype(np.int32)


def unpickled(read, name, where):
    """`{text key: value}` of one batch, arrays as NumPy's."""
    known = {"numpy.ndarray": Array, "numpy.dtype": Type, "_codecs.encode": encode}
    for core in ("core", "_core"):
        known[f"numpy.{core}.multiarray._reconstruct"] = Array
    values = unpickle.load(io.BytesIO(read(name)), known, what=f"{where}/{name}")
    if not isinstance(values, dict):
        raise BadInput(f"{where}/{name}: is no CIFAR batch.")
    text = lambda key: key.decode() if isinstance(key, bytes) else key
    array = lambda x: x.array(f"{where}/{name}") if isinstance(x, Array) else x
    return {text(key): array(value) for key, value in values.items()}


def encode(text, encoding):
    """Bytes as protocol 2 writes them."""
    return text.encode(encoding)


class Type:
    """What NumPy's pickle of a dtype restores; `name` is "u1", "i8", ..."""

    def __init__(self, name="", *flags):
        self.name, self.order = str(name), "|"

    def __setstate__(self, state):
        self.order = state[1] if state[1] in ("<", ">", "|") else "|"


class Array:
    """What NumPy's pickle of a numeric array restores, without NumPy's code."""

    def __init__(self, *args):
        self.shape, self.type, self.columns, self.data = (0,), None, False, b""

    def __setstate__(self, state):
        _, self.shape, self.type, self.columns, self.data = state

    def array(self, where):
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data
        try:
            kind = np.dtype(self.type.order + self.type.name)
            if kind.hasobject:
                raise ValueError("it holds objects")
            flat = np.frombuffer(data, kind)
            return flat.reshape(self.shape, order="F" if self.columns else "C")
        except (AttributeError, TypeError, ValueError) as error:
            raise BadInput(f"{where}: is no readable array ({error}).") from None
