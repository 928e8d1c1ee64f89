"""One set of weights serves views of several sizes."""

import keras
import numpy as np
import pytest
import small
import tensorflow as tf
from test_loop import built, compare, train

from ssl_tf.backbones.resnet import resnet
from ssl_tf.backbones.vit import vit
from ssl_tf.errors import BadInput
from ssl_tf.methods.base import Method

BACKBONES = {
    "resnet": lambda size: resnet((size, size, 3), 18, 4, "small"),
    "vit": lambda size: vit((size, size, 3), 4, 12, 3, 3, drop_path=0.1),
}


def moved(backbone, rng):
    """With weights that are not the initial ones."""
    for v in backbone.weights:
        drawn = rng.normal(0, 0.2, v.shape)
        v.assign(drawn if "variance" not in v.path else 1 + drawn**2)
    return backbone


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("size", [8, 16, 24])
def test_features_are_those_of_a_backbone_built_for_the_size(rng, name, size):
    backbone, other = (BACKBONES[name](side) for side in (16, size))
    moved(backbone, rng)
    for ours, theirs in zip(other.weights, backbone.weights, strict=True):
        if ours.shape == theirs.shape:
            ours.assign(theirs)
        else:
            layer = backbone.get_layer("position")
            places = 1 + (size // 4) ** 2
            ours.assign(layer(np.zeros((1, places, 12), "f4"))[0])
    images = rng.random((4, size, size, 3), np.float32)
    method = Method(backbone, taps=["stage1_block2"])
    expected = keras.Model(
        other.input, [other.output, other.get_layer("stage1_block2").output]
    )
    for training in (False, name == "resnet"):
        ours, theirs = (
            method.features(images, training),
            expected(images, training=training),
        )
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
    assert method.features(images, False)[0].shape == (4, backbone.output_shape[-1])


def mixed(method):
    """Batches whose second view is half as wide."""
    given = small.batches(method=method)
    return [
        batch | {"views": (batch["views"][0], batch["views"][1][:, :8, :8])}
        for batch in given
    ]


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in BACKBONES]


@pytest.mark.parametrize("name", ["cnn", *SLOW])
@pytest.mark.parametrize("how", ["replicas", "recompute", "xla"])
def test_two_sizes_train_alike_however_they_are_run(name, how, two_replicas):
    of_16 = lambda: BACKBONES[name](16) if name in BACKBONES else small.tiny_cnn()
    make = lambda: small.simsiam(of_16())
    method = built(make)
    given, rates = mixed(method), [1e-3] * 2
    plain = train(method, given=given, rates=rates)
    if how == "replicas":
        other = train(built(make, two_replicas), two_replicas, given, rates)
    else:
        method = built(make)
        if how == "recompute":
            method.recompute(1)
        other = train(method, given=given, rates=rates, xla=how == "xla")
    compare(plain, other, atol=1e-4 if how == "xla" else 1e-5)


def test_positions_learn_from_every_size(rng):
    backbone = BACKBONES["vit"](16)
    table = backbone.get_layer("position").table
    method = Method(backbone)
    for size in (8, 16):
        images = rng.random((2, size, size, 3), np.float32)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(method.features(images, True)[0] ** 3)
        gradient = tape.gradient(loss, table.value)
        assert (np.abs(gradient).max(axis=1) > 1e-6).all()


def test_the_backbone_itself_stays_strict_and_oblong_images_are_refused(rng):
    backbone = BACKBONES["vit"](16)
    method = Method(backbone)
    with pytest.raises(ValueError, match="shape"):
        backbone(np.zeros((1, 8, 8, 3), "f4"))
    with pytest.raises(BadInput, match="only square grids"):
        method.features(np.zeros((1, 8, 12, 3), "f4"), False)
