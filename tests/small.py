"""Small methods and batches for tests: seconds, not minutes."""

import functools

import keras
import numpy as np
import tensorflow as tf

from ssl_tf.backbones.autoencoder import autoencoder
from ssl_tf.backbones.cifar_resnet import cifar_resnet
from ssl_tf.backbones.densenet import densenet
from ssl_tf.backbones.efficientnet import efficientnet
from ssl_tf.backbones.pit import pit
from ssl_tf.backbones.preact_resnet import preact_resnet
from ssl_tf.backbones.resnet import resnet
from ssl_tf.backbones.resnet_keras import resnet50_keras
from ssl_tf.backbones.scatsimclr import scatsimclr as scattering_network
from ssl_tf.backbones.vit import vit
from ssl_tf.backbones.vit_minimal import vit_minimal
from ssl_tf.backbones.wide_resnet import wide_resnet
from ssl_tf.detection.settings import Looking, Proposing
from ssl_tf.layers import branch as blocks
from ssl_tf.layers import inception
from ssl_tf.layers.norm import BatchNorm
from ssl_tf.methods.autoencoder import Autoencoder
from ssl_tf.methods.faster_rcnn import FasterRCNN
from ssl_tf.methods.mask_rcnn import MaskRCNN
from ssl_tf.methods.multilabel import Multilabel
from ssl_tf.methods.scatsimclr import ScatSimCLR
from ssl_tf.methods.self_classifier import SelfClassifier
from ssl_tf.methods.simclr import GSimCLR, SimCLR
from ssl_tf.methods.simsiam import SimSiam
from ssl_tf.methods.ssal import SSAL, Branch
from ssl_tf.methods.supervised import Supervised

SHAPE = (16, 16, 3)
SCENE = (64, 64, 3)  # for detectors
CLASSES = 6
PAIRS = [0, 0, 1, 1, 2, 2]
THIRDS = [0, 0, 0, 1, 1, 1]


def tiny_densenet():
    """With dropout: two layers a block."""
    return densenet(SHAPE, depth=16, growth=4, dropout=0.3)


def tiny_cnn():
    """Two convolutions with batch norm: for what does not depend on the backbone."""
    images = x = keras.Input(SHAPE)
    for i, width in enumerate((6, 8), start=1):
        x = keras.layers.Conv2D(width, 3, 2, use_bias=False, name=f"conv{i}")(x)
        x = BatchNorm(name=f"norm{i}")(x)
        x = keras.layers.ReLU(name=f"stage{i}_block1")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(images, x, name="cnn")


def small_blocks():
    """A narrow branch with every kind of block."""
    return [
        functools.partial(blocks.cbr, filters=4, kernel=3, strides=2),
        functools.partial(inception.inception, width=0.02),
        functools.partial(blocks.se, ratio=1),
        blocks.gap,
        functools.partial(blocks.dense, units=5),
    ]


def ssal(backbone=None, **more):
    """SSAL with a branch of every kind of block and a short one on a small DenseNet."""
    short = [functools.partial(blocks.cbr, filters=4), blocks.gap]
    branches = [
        Branch("stage1_block2", small_blocks(), PAIRS, 0.5),
        Branch("transition2", short, THIRDS, 0.7),
    ]
    more = {"power": 0.5} | more
    return SSAL(backbone or tiny_densenet(), CLASSES, branches, **more)


def supervised(backbone=None, **more):
    return Supervised(backbone or tiny_densenet(), CLASSES, **more)


def multilabel(backbone=None):
    return Multilabel(backbone or tiny_densenet(), CLASSES)


def denoising(backbone=None, **more):
    """With more noise than the paper's, so that a test can see it."""
    return Autoencoder(
        backbone or autoencoder(SHAPE, (4, 6, 8)), **({"noise": 0.1} | more)
    )


def simclr(backbone=None, kind=SimCLR, **more):
    more = {"head": [6, 5, 4], "probe": True, "temperature": 0.5} | more
    return kind(backbone or tiny_cnn(), CLASSES, **more)


def scatsimclr(backbone=None, **more):
    """With turned copies to tell apart, and dropout."""
    more = {"pretext": "rotation"} | more
    return simclr(backbone, ScatSimCLR, **more)


def simsiam(backbone=None, **more):
    more = {"dim": 8, "predictor": 4, "probe": True} | more
    return SimSiam(backbone or tiny_cnn(), CLASSES, **more)


def self_classifier(backbone=None, **more):
    """With a queue that is full after two batches of eight; not as steep as it is."""
    more = {"heads": [4, 7], "hidden": 10, "dim": 5, "queue": 16, "probe": True} | more
    more = {"row": 0.2, "column": 0.1} | more
    return SelfClassifier(backbone or tiny_cnn(), CLASSES, **more)


def detector(kind, backbone=None, **more):
    """Every anchor is a proposal, whichever of two nearly equal logits comes first."""
    proposing = Proposing([12, 24], [1.0, 2.0], 16, 0.5, (64, 64), (64, 32))
    looking = Looking(12, 0.5, 0.0, 4, 5)
    backbone = backbone or resnet(SCENE, 18, 4, "imagenet")
    return kind(backbone, CLASSES, proposing, looking, **more)


METHODS = {
    "autoencoder": denoising,
    "faster_rcnn": lambda *a, **k: detector(FasterRCNN, *a, **k),
    "gsimclr": lambda *a, **k: simclr(*a, kind=GSimCLR, **k),
    "mask_rcnn": lambda *a, **k: detector(MaskRCNN, *a, mask_width=3, **k),
    "multilabel": multilabel,
    "scatsimclr": scatsimclr,
    "scatsimclr_jigsaw": lambda *a, **k: scatsimclr(*a, pretext="jigsaw", **k),
    "self_classifier": self_classifier,
    "self_classifier_plain": lambda *a, **k: self_classifier(*a, queue=0, depth=1, **k),
    "simclr": simclr,
    "simsiam": simsiam,
    "simsiam_ablation": lambda *a, **k: simsiam(*a, head="ablation", hidden=6, **k),
    "ssal": ssal,
    "supervised": supervised,
}

BACKBONES = {
    "autoencoder_deep": lambda: autoencoder(SHAPE, (2, 3, 4, 5), 5),
    "autoencoder_shallow": lambda: autoencoder(SHAPE, (4, 6, 8)),
    "cifar_resnet": lambda: cifar_resnet(SHAPE, 2, 2, tail=True),
    "densenet": tiny_densenet,
    "efficientnet": lambda: efficientnet(SHAPE, 0.25, "small", drop_path=0.1),
    "pit": lambda: pit(SHAPE, 4, 2, 4, (1, 2, 4), (1, 2, 1), drop_path=0.1),
    "preact_resnet18": lambda: preact_resnet(SHAPE, 18, 4),
    "preact_resnet50": lambda: preact_resnet(SHAPE, 50, 2),
    "resnet18": lambda: resnet(SHAPE, 18, 4, "small"),
    "resnet18_pool": lambda: resnet(SHAPE, 18, 4, "small_pool"),
    "resnet50": lambda: resnet(SHAPE, 50, 2, "imagenet", zero_init=True),
    "resnet50_keras": lambda: resnet50_keras(SHAPE, 2),
    "scatsimclr12": lambda: scattering_network(SHAPE, 12, 2, 3, width=4),
    "se_wide_resnet": lambda: wide_resnet(SHAPE, 10, 1, se=True),
    "vit": lambda: vit(SHAPE, 4, 12, 3, 3, drop_path=0.1),
    "vit_minimal": lambda: vit_minimal(SHAPE, 8, 12, 2, 2, 8, 2.0, "mean"),
    "vit_small_timm048": lambda: vit(
        SHAPE, 8, 16, 2, 2, 3.0, qkv_bias=False, epsilon=1e-5, scale="width"
    ),
    "wide_resnet": lambda: wide_resnet(SHAPE, 10, 1),
}


def batches(count=3, size=8, seed=0, method=None):
    """`count` different batches of random images, as the pipeline makes them.

    Two views, the pretext images of the method if it has such a task, and attributes
    instead of classes if it learns those.
    """
    draw, more = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    tiles = getattr(method, "tiles", 0)
    if getattr(method, "scenes", False):
        return [scene(draw, size, i) for i in range(count)]
    most, shape = CLASSES, (size,)
    if getattr(method, "attributes", False):
        most, shape = 2, (size, CLASSES)
    pretext = lambda: (more.random((size, tiles, *SHAPE), np.float32),) * (tiles > 0)
    return [
        {
            "views": (
                draw.random((size, *SHAPE), np.float32),
                more.random((size, *SHAPE), np.float32),
                *pretext(),
            ),
            "label": draw.integers(0, most, shape).astype(np.int32),
            "index": np.arange(i * size, (i + 1) * size, dtype=np.int64),
            "key": draw.integers(-(2**31), 2**31, size).astype(np.int32),
            "epoch": np.zeros(size, np.int32),
        }
        for i in range(count)
    ]


def scene(draw, size, place):
    """A batch of images with a triangle or two in each, as `data.scenes` makes them."""
    low = draw.uniform(0, 40, (size, 2, 2))
    boxes = np.concatenate([low, low + draw.uniform(12, 24, low.shape)], axis=2)
    x1, y1, x2, y2 = np.moveaxis(boxes, 2, 0)
    triangles = np.stack([x1, y2, x2, y2, (x1 + x2) / 2, y1], axis=2)
    classes = draw.integers(0, CLASSES, (size, 2))
    classes[::2, 1] = -1
    return {
        "views": (draw.random((size, *SCENE), np.float32),),
        "extent": np.tile(np.array([[64, 60]], np.int32), (size, 1)),
        "original": np.tile(np.array([[64, 60]], np.int32), (size, 1)),
        "boxes": (boxes * (classes >= 0)[..., None]).astype(np.float32),
        "classes": classes.astype(np.int32),
        "polygons": triangles.reshape(size, 2, 1, 3, 2).astype(np.float32),
        "corners": np.full((size, 2, 1), 3, np.int32),
        "label": np.full(size, -1, np.int32),
        "index": np.arange(place * size, (place + 1) * size, dtype=np.int64),
        "key": draw.integers(-(2**31), 2**31, size).astype(np.int32),
        "epoch": np.zeros(size, np.int32),
    }


def dataset(given, part):
    """The `Part` of global batches that one process feeds."""

    def rows():
        for batch in given:
            size = len(batch["label"]) // part.total
            for replica in range(part.first, part.first + part.count):
                mine = slice(replica * size, (replica + 1) * size)
                yield tf.nest.map_structure(lambda x, mine=mine: x[mine], batch)

    local = len(given[0]["label"]) // part.total
    spec = tf.nest.map_structure(
        lambda x: tf.TensorSpec([local, *x.shape[1:]], x.dtype), given[0]
    )
    return tf.data.Dataset.from_generator(rows, output_signature=spec).repeat()
