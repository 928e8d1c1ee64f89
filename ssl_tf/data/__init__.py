"""Files to sources to batches."""

from typing import NamedTuple

from ssl_tf.data.celeba import celeba
from ssl_tf.data.cifar import cifar10, cifar20, cifar100
from ssl_tf.data.coco import coco
from ssl_tf.data.folder import folder
from ssl_tf.data.imagenet import imagenet
from ssl_tf.data.imagenet5 import imagenet5
from ssl_tf.data.noise import digits, noise
from ssl_tf.data.shapes import shapes
from ssl_tf.data.source import Source, own
from ssl_tf.data.stl10 import stl10
from ssl_tf.data.tiny_imagenet import tiny_imagenet
from ssl_tf.data.voc import voc

__all__ = ["DATASETS", "DETECTION_SETS", "Facts", "Source", "checked"]

DATASETS = {
    "celeba": celeba,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "cifar20": cifar20,
    "digits": digits,
    "folder": folder,
    "imagenet": imagenet,
    "imagenet5": imagenet5,
    "noise": noise,
    "stl10": stl10,
    "tiny_imagenet": tiny_imagenet,
}

# `(split, root, **options) -> Instances`: images with boxes, for detection only.
DETECTION_SETS = {"coco": coco, "shapes": shapes, "voc": voc}


def checked(function, name):
    """A function of the tables, or a user's own with what it gives checked."""
    ours = function in (DATASETS | DETECTION_SETS).values()
    return function if ours else own(function, name)


class Facts(NamedTuple):
    """What is known of a data set before it is opened.

    Attributes:
        classes: int, classes or attributes.
        size: side of its images in pixels; `None` where they differ.
        train: int, training images.
        pools: `{data.pool: training images}` where that is a choice.
        validation: int, images of its own held-out split; 0: it has none.
        attributes: whether images have attributes instead of one class each.
    """

    classes: int
    size: int | None
    train: int
    pools: dict = {}
    validation: int = 0
    attributes: bool = False

    def images(self, given):
        """Training images by the arguments of the data set that a config gives."""
        if given.get("fold") is not None:
            return 1_000
        count = given.get("train")  # of shapes, or which of VOC's lists
        if isinstance(count, int):
            return count
        return self.pools.get(given.get("pool", count), self.train)


FACTS = {
    "celeba": Facts(40, 224, 162_770, validation=19_867, attributes=True),
    "cifar10": Facts(10, 32, 50_000),
    "cifar100": Facts(100, 32, 50_000),
    "cifar20": Facts(20, 32, 50_000),
    "digits": Facts(10, 32, 1_297),
    "imagenet": Facts(1_000, None, 1_281_167),
    "imagenet5": Facts(5, 224, 1_250),
    "stl10": Facts(10, 96, 5_000, {"unlabeled": 100_000, "train+unlabeled": 105_000}),
    "tiny_imagenet": Facts(200, 64, 100_000),
}

VOC_LISTS = {"trainval07": 5_011, "trainval12": 11_540}
DETECTION_FACTS = {
    "coco": Facts(80, None, 117_266),
    "shapes": Facts(3, None, 400),
    "voc": Facts(20, None, 16_551, VOC_LISTS),
}
