"""A config's model and update on random images: for plans and benchmarks."""

import resource
import time

import numpy as np
import tensorflow as tf

from ssl_tf import cost, experiment, opening, scenery, trainer
from ssl_tf.errors import BadInput
from ssl_tf.loop import Loop
from ssl_tf.ops import distribute


def known(parts, root):
    """`(size, classes, training images, confusions)` with or without the data."""
    name = experiment.name_of(parts)
    size, classes = experiment.view_size(parts), experiment.class_count(parts)
    if name in experiment.FACTS and size and classes:
        whole = experiment.FACTS[name].images(parts.dataset.keywords)
        if not experiment.FACTS[name].attributes:
            whole = whole * classes // experiment.FACTS[name].classes
        images = remaining(parts.data, whole, classes)
        return size, classes, images, None
    if name in ("folder", "imagenet", "voc", "coco") and root is None:
        raise BadInput(f"{name}: needs --datadir to know its images and classes.")
    opened = scenery.opened(parts, root)
    classes = len(opened.train.classes)
    return opened.size, classes, opened.train.size, lambda: evenly(classes)


# About what a named share leaves; what a list of one's own does is not known here.
LISTED = {"authors": 0.1, "10percent": 0.1, "1percent": 0.01}


def remaining(data, images, classes):
    """Training images that are left of so many, see `opening.open_data`."""
    if data.per_class:
        images = data.per_class * classes
    images = min(images, data.limit or images)
    if data.share is not None:
        share = LISTED.get(data.share, data.share)
        images = round(images * share) if not isinstance(share, str) else images
    kinds = {"test": 0.0, "official": 0.0, "authors": 0.2}
    return round(images * (1 - kinds.get(data.validation, data.validation)))


def evenly(classes):
    """Stands for a baseline's confusions, so that group sizes are right."""
    return np.random.default_rng(0).random((classes, classes))


class Rehearsal:
    """A method and its loop, fed with the same random images again and again.

    Args:
        spec: sections, from `config.load`.
        root: where the images are, or `None`.
        strategy: see `distribute.strategy`.

    Attributes:
        parts: `experiment.Parts`.
        method: the built `Method`.
        size: side of its images.
        images: training images, or `None` if unknown.
    """

    def __init__(self, spec, root=None, strategy="one"):
        self.parts = experiment.check(spec)
        self.devices = distribute.strategy(strategy)
        trainer.prepare(self.parts.train)
        self.size, classes, self.images, confusion = known(self.parts, root)
        method = opening.settle_groups(self.parts.method, None, confusion)
        with self.devices.scope():
            self.method = experiment.build(
                self.parts, method, classes, self.size, self.images
            )
        self.scenes = self.method.scenes
        self.label_shape = (classes,) if self.method.attributes else ()

    @property
    def flops(self):
        """Of one image's forward and backward pass, all views; by area, other sizes."""
        shape = self.parts.recipes[0].shape(self.size)[-3:]
        if self.scenes:
            return cost.training_flops(self.method, shape)
        shape = (self.size, self.size, 3)
        count = experiment.work(self.parts.recipes, self.size)
        return cost.training_flops(self.method, shape) * count

    def loop(self, xla=None):
        """A fed `Loop`; `xla` as the config says if `None`."""
        train = self.parts.train
        steps = max(experiment.updates(self.parts, self.images or 0), 1)
        with self.devices.scope():
            optimizer = trainer.optimizer(self.parts, steps)
        loop = Loop(
            self.method,
            optimizer,
            self.devices,
            xla=trainer.compiles(train.xla if xla is None else xla),
            micro_batches=train.accumulate,
        )
        local = train.batch_size // self.devices.num_replicas_in_sync
        shapes = [recipe.shape(self.size) for recipe in self.parts.recipes]
        batch = {
            "views": tuple(tf.random.uniform([local, *shape]) for shape in shapes),
            "label": tf.zeros([local, *self.label_shape], tf.int32),
            "index": tf.range(local, dtype=tf.int64),
            "key": tf.range(local),
            "epoch": tf.zeros([local], tf.int32),
        }
        if self.scenes:
            batch |= objects(local, *shapes[0][:2])
        loop.feed(lambda part: tf.data.Dataset.from_tensors(batch).repeat())
        return loop

    def peak_memory(self, steps=3):
        """Peak resident memory of this process over a few updates, in its words."""
        before = resident()
        began = time.monotonic()
        loop = self.loop()
        terms, _ = loop.run([1e-6] * steps)
        return {
            "model": self.method.backbone.name,
            "batch": self.parts.train.batch_size,
            "recompute": self.parts.train.recompute,
            "before the first update, GiB": round(before / 2**30, 2),
            "peak, GiB": round(resident() / 2**30, 2),
            "loss of the last update": float(terms[-1, 0]),
            "seconds": round(time.monotonic() - began, 1),
        }


def objects(count, height, width):
    """Boxes and outlines of two objects in each of so many random images."""
    low = tf.random.uniform([count, 2, 2], maxval=[width / 2, height / 2])
    high = low + [width / 3, height / 3]
    boxes = tf.concat([low, high], axis=2)
    corners = tf.gather(boxes, [0, 1, 2, 1, 2, 3], axis=2)
    extent = tf.fill([count, 2], 1) * [height, width]
    return {
        "extent": extent,
        "original": extent,
        "boxes": boxes,
        "classes": tf.zeros([count, 2], tf.int32),
        "polygons": tf.reshape(corners, [count, 2, 1, 3, 2]),
        "corners": tf.fill([count, 2, 1], 3),
    }


def resident():
    """Largest resident set so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
