"""G-SimCLR's networks give what the authors' give, and have their sizes."""

import hash_weights
import keras
import numpy as np
import pytest

from ssl_tf.backbones.autoencoder import (
    autoencoder,
    autoencoder_deep,
    autoencoder_shallow,
)
from ssl_tf.backbones.cifar_resnet import (
    cifar_resnet,
    cifar_resnet20,
    cifar_resnet38,
)
from ssl_tf.backbones.resnet_keras import resnet50_keras
from ssl_tf.errors import BadInput
from ssl_tf.methods.supervised import Supervised

CIFAR = (32, 32, 3)
FORWARD = hash_weights.arrays("cifar_simclr_forward")
MISC = hash_weights.arrays("forward_misc")


def trainable(model):
    return sum(np.prod(v.shape) for v in model.trainable_variables)


def relative(ours, theirs):
    return np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max()


def filled(backbone):
    hash_weights.fill(backbone.layers, hash_weights.resnet_order(backbone))
    return backbone


def test_the_fill_is_the_manifests():
    first = FORWARD["weight_fill_first3_of_first6"]
    backbone = filled(cifar_resnet38(CIFAR))
    names = [("conv", "kernel"), ("conv", "bias"), ("norm", "gamma"), ("norm", "beta")]
    names += [("norm", "moving_mean"), ("norm", "moving_variance")]
    for row, (layer, kind) in zip(first, names, strict=True):
        weight = getattr(backbone.get_layer(f"stem_{layer}"), kind)
        np.testing.assert_array_equal(np.ravel(weight)[:3], row)
    taken = hash_weights.images(0, (8, *CIFAR)).ravel()[:5]
    np.testing.assert_array_equal(taken, FORWARD["image0_first5"])


@pytest.mark.parametrize(
    "make, image_shape, total, fixed",
    [
        (cifar_resnet38, CIFAR, 1_121_344, 6_944),
        (resnet50_keras, (224, 224, 3), 23_587_712, 53_120),
        (autoencoder_shallow, CIFAR, 94_144, 448),
        (autoencoder_shallow, (224, 224, 3), 94_144, 448),
        (autoencoder_deep, (224, 224, 3), 17_422_720, 3_968),
    ],
)
def test_sizes_are_the_notebooks(make, image_shape, total, fixed):
    backbone = make(image_shape)
    assert backbone.count_params() == total
    assert trainable(backbone) == total - fixed


def test_the_supervised_networks_have_the_notebooks_sizes():
    small = Supervised(cifar_resnet20(CIFAR), 10, head="he_normal")
    assert (small.count_params(), trainable(small)) == (575_114, 571_114)
    tuned = Supervised(cifar_resnet38(CIFAR), 10)
    assert (tuned.count_params(), trainable(tuned)) == (1_123_914, 1_116_970)
    large = Supervised(resnet50_keras((224, 224, 3)), 5)
    assert (large.count_params(), trainable(large)) == (23_597_957, 23_544_837)


@pytest.mark.parametrize("training", [False, True])
def test_cifar_features_are_the_authors(training):
    backbone = filled(cifar_resnet38(CIFAR))
    ours = backbone(hash_weights.images(0, (8, *CIFAR)), training=training)
    mode = "train" if training else "infer"
    assert relative(ours, FORWARD[f"{mode}_P3_gap"]) <= 1e-5


def test_an_exchanged_shortcut_would_be_seen():
    backbone = filled(cifar_resnet38(CIFAR))
    for kind in ("kernel", "bias"):
        a, b = (
            getattr(backbone.get_layer(f"stage2_block1_{name}"), kind)
            for name in ("conv3", "shortcut")
        )
        kept = a.numpy()
        a.assign(b)
        b.assign(kept)
    ours = backbone(hash_weights.images(0, (8, *CIFAR)), training=False)
    assert relative(ours, FORWARD["infer_P3_gap"]) > 1e-2


def test_running_statistics_are_kept_as_keras_2_keeps_them():
    """Two views, two updates; the variance is the unbiased one."""
    backbone = filled(cifar_resnet38(CIFAR))
    for m in (0, 1):
        backbone(hash_weights.images(m, (8, *CIFAR)), training=True)
    for k, name in ((4, "stem_norm"), (226, "stage3_block4_norm3")):
        norm = backbone.get_layer(name)
        mean = FORWARD[f"step_after_w{k}_moving_mean"]
        variance = FORWARD[f"step_after_w{k + 1}_moving_variance"]
        np.testing.assert_allclose(norm.moving_mean, mean, atol=1e-5)
        np.testing.assert_allclose(norm.moving_variance, variance, rtol=2e-6)


@pytest.mark.parametrize("training", [False, True])
def test_supervised_scores_are_the_authors(training):
    method = Supervised(cifar_resnet20(CIFAR), 10, head="he_normal")
    order = [*hash_weights.resnet_order(method.backbone), "head"]
    hash_weights.fill([*method.backbone.layers, method.head], order)
    logits = method(hash_weights.images(0, (8, *CIFAR)), training=training)
    theirs = MISC["sup_train" if training else "sup_infer"]
    np.testing.assert_allclose(keras.ops.softmax(logits), theirs, atol=1e-5)


def stock_name(name):
    """`conv3_block1_0_conv` -> `stage2_block1_shortcut_conv`."""
    if name.startswith("conv1_"):
        return f"stem_{name.removeprefix('conv1_').replace('bn', 'norm')}"
    stage, block, number, kind = name.split("_")
    block = f"stage{int(stage[-1]) - 1}_{block}"
    kind = kind.replace("bn", "norm")
    return f"{block}_shortcut_{kind}" if number == "0" else f"{block}_{kind}{number}"


def stock_order():
    """Our names of the layers of Keras' own model, in its order."""
    stock = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(64, 64, 3)
    )
    return [stock_name(layer.name) for layer in stock.layers if layer.weights]


def test_the_imagenet_backbone_is_keras_own():
    backbone = resnet50_keras((64, 64, 3))
    assert hash_weights.fill(backbone.layers, stock_order()) == 318
    ours = backbone(hash_weights.images(3, (2, 64, 64, 3)), training=False)
    assert relative(ours, MISC["r50_gap"]) <= 1e-5


def test_depth_and_blocks_follow_n():
    for n in (1, 3):
        backbone = cifar_resnet(CIFAR, n, 2)
        convs = [x for x in backbone.layers if type(x).__name__ == "Conv2D"]
        assert len(convs) == 1 + 9 * n + 3  # stem, blocks, shortcuts
        assert backbone.name == f"cifar_resnet{9 * n + 2}"


def test_images_that_no_decoder_would_meet_are_refused():
    with pytest.raises(BadInput, match="5 poolings need sides that 32 divides"):
        autoencoder_deep((224, 100, 3))
    with pytest.raises(BadInput, match="needs 4 pixels"):
        cifar_resnet38((2, 2, 3))
    assert autoencoder((8, 16, 3)).get_layer("retrieval").output.shape == (
        None,
        1,
        2,
        128,
    )
