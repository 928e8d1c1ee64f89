"""Splits and methods of known features for the tests of evaluations."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from ssl_tf.data import pipeline
from ssl_tf.data.source import Source

GOLDEN = Path(__file__).resolve().parent / "golden"
SIDE = 4


def golden(paper, name):
    return np.load(GOLDEN / paper / f"{name}.npz", allow_pickle=False)


def images(label, classes=3, split="train", seed=0):
    """A split of small noise with the given labels."""
    label = np.asarray(label, np.int32)
    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 256, (len(label), SIDE, SIDE, 3), np.uint8)
    names = tuple(f"class{i}" for i in range(classes))
    source = Source("made", split, pixels, label, names)
    return pipeline.Images(source, pipeline.Normal(), SIDE)


class Fixed:
    """A store whose features are given: `{split: [N, F]}`."""

    def __init__(self, **rows):
        self.rows = rows

    def __call__(self, images, level="features"):
        return self.rows[images.source.split]

    def many(self, images, levels):
        return [self(images, level) for level in levels]


class Pixels:
    """A method whose features are means of pixels; it counts its forward passes."""

    name = "pixels"

    def __init__(self):
        self.passes = tf.Variable(0)

    def representations(self, images):
        self.passes.assign_add(1)
        flat = tf.reshape(images, [-1, SIDE * SIDE * 3])
        return {"features": flat, "p1": tf.reduce_mean(images, axis=[1, 2])}


def blobs(count, classes, width=6, apart=3.0, seed=0):
    """`(x float32 [N, F], label [N])`: a round cloud for each class."""
    draw = np.random.default_rng(seed)
    label = np.arange(count) % classes
    centres = np.random.default_rng(99).normal(size=(classes, width)) * apart
    x = centres[label] + draw.normal(size=(count, width))
    return x.astype(np.float32), label.astype(np.int32)


def ugly(kind, count, width=24, seed=0):
    """float32 `[N, F]` features that cost float32 its digits."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, width))
    if kind == "offset":
        x += 1e4 * np.random.default_rng(1).normal(size=width)
    elif kind == "dominating":
        x[:, 0] = 1e6 * draw.choice([-1, 1], count)
    elif kind == "duplicates":
        x = x[draw.integers(0, 4, count)]
    elif kind == "some zero":
        x[::3] = 0
    elif kind == "mixed":
        x *= 10.0 ** draw.integers(-6, 7, (count, 1))
    else:
        x *= {"tiny": 1e-25, "huge": 1e25, "plain": 1.0}[kind]
    return x.astype(np.float32)


UGLY = (
    *("plain", "offset", "dominating", "duplicates"),
    *("tiny", "huge", "mixed", "some zero"),
)
