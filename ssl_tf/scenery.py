"""What a detector's config leaves open until the data is there."""

from typing import Any, NamedTuple

from ssl_tf import opening
from ssl_tf.data import fingerprint, instances
from ssl_tf.data.scenes import Scenes
from ssl_tf.errors import BadInput


class Scenery(NamedTuple):
    """The annotated images of a run; takes the place of `opening.Opened`.

    Attributes:
        train: `Instances` to learn from.
        test: `Instances` to judge by, all of them.
        normal: `pipeline.Normal`.
        scene: `augment.scene.Scene`.
        masks: whether outlines are learnt.
        size: nominal side of the images in pixels; a detector takes any.
        fingerprint: of the data set as it was read, see `data.fingerprint`.
    """

    train: Any
    test: Any
    normal: Any
    scene: Any
    masks: bool
    size: int
    fingerprint: dict | None = None

    validation = None
    resize = None
    fit = "whole"

    def plain(self, split):
        """`Scenes` of "train" or "test"."""
        source = getattr(self, split)
        if source is None:
            raise BadInput(f"--split {split}: a detector's run holds none out.")
        return Scenes(source, self.scene, self.normal, self.masks)

    def order(self, kind, recipes, batch_size, seed, clusters=None):
        """Wide images and others apart; see `orders.oriented`."""
        return self.plain("train").order(batch_size, seed)

    def batches(self, recipes, order, seed, part, start):
        """Training batches, see `Scenes.training`."""
        return self.plain("train").training(order, seed=seed, part=part, start=start)


def open_scenes(parts, root, classes=None):
    """Reads the annotated images of a config; see `Scenery`.

    Args:
        parts: `experiment.Parts`.
        root: where the images are, or `None`.
        classes: see `opening.open_data`.

    Raises:
        BadInput: they are not there or damaged, or a setting of `data` is not for them.
    """
    strange = [
        name
        for name in ("validation", "share", "per_class", "classes", "resize")
        if getattr(parts.data, name) not in (None, 0.0)
    ]
    if strange or parts.data.order != "shuffled":
        name = (strange or ["order"])[0]
        raise BadInput(f"data.{name}: is for images of one class each; leave it out.")
    train, test = (parts.dataset(split=name, root=root) for name in ("train", "test"))
    instances.same_classes(train, test)
    whole = fingerprint.fingerprint(train, test)
    if classes:
        train, test = (instances.aligned(x, classes) for x in (train, test))
    normal = opening.normalisation(parts.data.norm, train)
    masks = parts.method.func.masks
    train = instances.for_training(train, masks)
    for split in (train, test):
        instances.check_sizes(split)
    if parts.data.limit is not None:
        train = instances.limited(train, parts.data.limit, parts.data.draw)
    if train.size < parts.train.batch_size:
        raise BadInput(
            f"train.batch_size: is {parts.train.batch_size}; there are only "
            f"{train.size} training images. Set it to {train.size} or less."
        )
    (scene,) = parts.recipes
    return Scenery(train, test, normal, scene, masks, scene.test, whole)


def opened(parts, root, labelled=None, classes=None):
    """`Opened` images, or `Scenery`, as the method learns from the one or the other."""
    if getattr(parts.method.func, "scenes", False):
        return open_scenes(parts, root, classes)
    return opening.open_data(parts, root, labelled, classes)
