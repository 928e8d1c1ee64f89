"""Data that needs no download: scikit-learn's digits, and noise."""

from typing import Literal

import numpy as np

from ssl_tf.data.source import Source
from ssl_tf.schema import Count

Kind = Literal["uniform", "normal"]


def digits(split, root=None):
    """1,797 scanned digits of 8x8 grey levels as 32x32 RGB; a real data set.

    500 images, drawn once class by class, are the test split.

    Args:
        split: "train" or "test".
        root: not used.

    Source:
        Alpaydin and Kaynak, UCI Optical Recognition of Handwritten Digits (its test
        part), as scikit-learn ships it.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    large = [
        Image.fromarray(g).resize((32, 32), Image.Resampling.BICUBIC) for g in grey
    ]
    images = np.repeat(np.stack([np.asarray(x) for x in large])[..., None], 3, axis=3)
    draw = np.random.Generator(np.random.Philox(0))
    test = np.zeros(len(images), bool)
    for label in range(10):
        places = np.flatnonzero(bunch.target == label)
        test[draw.choice(places, 50, replace=False)] = True
    chosen = test if split == "test" else ~test
    label = bunch.target[chosen].astype(np.int32)
    return Source("digits", split, images[chosen], label, tuple("0123456789"))


def noise(
    split,
    root=None,
    size: Count = 32,
    classes: Count = 10,
    count: Count = 1024,
    kind: Kind = "uniform",
    fresh: bool = False,
):
    """Noise with random labels: for speed, plumbing and the study's "Random" row.

    That row is 1,000 images of 224 pixels, normal and fresh.

    Args:
        split: "train" or "test".
        root: not used.
        size: side in pixels.
        classes: int.
        count: images.
        kind: "uniform" in 0 ... 255, or "normal": 255 N(0, 1) without its fraction,
            modulo 256, which is nearly uniform.
        fresh: draw every image anew in each epoch, a function of the run's seed, the
            epoch and the image; nothing is stored. Evaluation sees one epoch's.

    Source:
        Papastratis, arXiv:2112.02297, by its code, which draws without a seed at each
        access, so that the two views of an image are of one draw.
    """
    draw = np.random.Generator(np.random.Philox([0, split == "test"]))
    shape = (count, size, size, 3)
    if fresh:
        from ssl_tf.data.drawn import Drawn

        images = Drawn(np.arange(count), size, kind, split == "test")
    elif kind == "normal":
        images = (255 * draw.standard_normal(shape)).astype(np.int32).astype(np.uint8)
    else:
        images = draw.integers(0, 256, shape, np.uint8)
    label = draw.integers(0, classes, count).astype(np.int32)
    return Source("noise", split, images, label, tuple(map(str, range(classes))))
