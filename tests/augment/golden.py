"""What the authors' own operations made, and how to call ours on it."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from ssl_tf.augment import planes

FOLDER = Path(__file__).parents[1] / "golden"


def load(name):
    """`{name: array}` of `tests/golden/<name>.npz`."""
    with np.load(FOLDER / f"{name}.npz") as found:
        return dict(found)


def by_planes(change, image, *values):
    """`change(planes, *values)` of one image `[H, W, 3]`; numbers become `[1]`."""
    given = tf.constant(np.asarray(image, np.float32)[None])
    values = [tf.constant([value]) for value in values]
    return planes.back(change(planes.of(given), *values))[0].numpy()


def cases(*files):
    """`(file, name, image)` of all operations on `image` or `img32` in the files."""
    for file in files:
        found = load(file)
        image = found.get("image", found.get("img32"))
        for name in found:
            yield file, name, image, found[name]
