"""The study's backbones give what its code gives, small and at full size."""

import functools

import keras
import numpy as np
import pytest
import simsiam_files as official

from ssl_tf.backbones import BACKBONES
from ssl_tf.backbones.pit import pit
from ssl_tf.backbones.vit import vit
from ssl_tf.backbones.vit_minimal import vit_minimal
from ssl_tf.methods.supervised import Supervised
from ssl_tf.weights import port, trunks

RESNET32 = {"stem": "small_pool"}
SMALL = {"stem": "small"}


@functools.cache
def golden(name):
    with np.load(official.GOLDEN / f"{name}.npz", allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def named(name, size, **more):
    return BACKBONES[name]((size, size, 3), **more)


def filled(backbone, rows):
    """A backbone with the golden weights of a state dict's layout."""
    port.port(backbone, official.state(rows), trunks.rules(backbone))
    return backbone


def close(ours, theirs, atol=1e-4):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol * theirs.std())


FULL = golden("e_fullsize_hashed")
TAGS = {
    "resnet18_224": ("resnet18", {}, "resnet18_torchvision", 2),
    "resnet18_32": ("resnet18", RESNET32, "backbone_resnet18_32", 4),
    "efficientnet_b0_224": ("efficientnet_b0", {}, "backbone_efficientnet_b0_224", 2),
    "efficientnet_b0_32": ("efficientnet_b0", SMALL, "backbone_efficientnet_b0_224", 4),
    "vit_224": ("vit_small_timm048", {}, "backbone_vit_224", 1),
    "vit_96": ("vit_small_timm048", {}, "backbone_vit_224", 2),
    "pit_224": ("pit_tiny", {}, "backbone_pit_224", 2),
}


def full(tag):
    """A backbone of full size with golden weights, and its input."""
    name, more, layout, batch = TAGS[tag]
    size = int(tag.rpartition("_")[2])
    rows = official.layout(layout)
    rows = {key: shape for key, shape in rows.items() if not key.startswith("fc.")}
    if tag == "vit_96":
        rows["pos_embed"] = [1, 37, 768]
    backbone = filled(named(name, size, **more), rows)
    return backbone, official.images(f"input_{tag}", (batch, size, size, 3))


def test_the_hash_is_the_manifests():
    kernel = official.value("conv1.weight", (64, 3, 7, 7))
    np.testing.assert_array_equal(
        kernel.ravel()[:8], FULL["hash_probe/conv1.weight[:8]"]
    )
    taken = official.images("input_pit_224", (2, 224, 224, 3))[0, 0, :8, 0]
    np.testing.assert_array_equal(taken, FULL["hash_probe/input_pit_224[:8]"])


@pytest.mark.parametrize("tag", TAGS)
def test_features_at_full_size_are_the_authors(tag):
    backbone, images = full(tag)
    close(backbone(images, training=False), FULL[f"{tag}/features"])


def test_the_imported_vits_scale_is_the_other_one():
    wide = named("vit_small_timm048", 224, scale="width")
    backbone, images = full("vit_224")
    for ours, theirs in zip(wide.weights, backbone.weights, strict=True):
        ours.assign(theirs)
    close(wide(images, training=False), FULL["vit_224/features_qk_scale_768"])


@pytest.mark.parametrize("tag", ["resnet18_32", "efficientnet_b0_32"])
def test_a_training_pass_and_its_statistics_are_the_authors(tag):
    backbone, images = full(tag)
    names = port.port(backbone, full_state(tag), trunks.rules(backbone))
    close(backbone(images, training=True), FULL[f"{tag}/features_train_mode"])
    checked = 0
    for variable in backbone.weights:
        key = f"{tag}/after_train/{names[variable.path]}"
        if key in FULL:
            np.testing.assert_allclose(variable, FULL[key], rtol=1e-4, atol=1e-5)
            checked += 1
    assert checked >= 4
    for layer in backbone.layers:  # statistics become those of the batch
        if hasattr(layer, "moving_mean"):
            layer.momentum = 0.0
    backbone(images, training=True)
    known = calibrated(tag)
    for variable in backbone.weights:
        if names[variable.path] in known:
            close(variable, known.pop(names[variable.path]))
    assert not known


def calibrated(tag):
    """`{key: statistic}` of the batch that the golden input is."""
    start = f"{tag}/calibrated/"
    return {k.removeprefix(start): x for k, x in FULL.items() if k.startswith(start)}


def full_state(tag):
    return official.state(official.layout(TAGS[tag][2]))


@pytest.fixture
def float64():
    keras.backend.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.backend.set_floatx("float32")


@pytest.mark.parametrize("tag", ["resnet18_32", "efficientnet_b0_32"])
def test_inference_with_calibrated_statistics_is_the_authors(tag, float64):
    """In float64, as theirs: EfficientNet's float32 rounds by 1.06e-4 deviations."""
    backbone, _ = full(tag)
    known, state = calibrated(tag), full_state(tag)
    assert len(known) > 30 and set(known) <= set(state)
    port.port(backbone, state | known, trunks.rules(backbone))
    images = official.images(f"input2_{tag}", (4, 32, 32, 3))
    theirs = FULL[f"{tag}/features_eval_calibrated"]
    close(backbone(images, training=False), theirs, 1e-5)


def tiny(name):
    """`{key: array}` of a tiny golden network's weights, its images and all else."""
    arrays = golden(name)
    weights = {k[2:]: x for k, x in arrays.items() if k.startswith("w/")}
    return weights, arrays["input_nchw"].transpose(0, 2, 3, 1), arrays


def outputs(model, images, names):
    taken = [model.get_layer(name).output for name in names]
    return keras.Model(model.input, taken)(images)


def tiny_vit(scale):
    return vit((32, 32, 3), 8, 24, 2, 3, 3.0, False, 1e-5, scale)


def test_a_tiny_vit_is_timms_layer_by_layer():
    weights, images, wanted = tiny("e_vit_timm_tiny")
    method = Supervised(tiny_vit("head"), 5)
    port.port(method, weights, trunks.rules(method.backbone))
    names = ["tokens", "stage1_block1", "stage1_block2", "features"]
    theirs = ["patch_tokens", "block0_out", "block1_out", "features"]
    for ours, key in zip(outputs(method.backbone, images, names), theirs, strict=True):
        np.testing.assert_allclose(ours, wanted[key], atol=2e-5)
    np.testing.assert_allclose(method(images), wanted["logits"], atol=2e-5)


def test_a_tiny_vit_scaled_by_its_width_is_timms():
    weights, images, wanted = tiny("e_vit_timm_tiny")
    method = Supervised(tiny_vit("width"), 5)
    port.port(method, weights, trunks.rules(method.backbone))
    features = np.asarray(method.backbone(images))
    np.testing.assert_allclose(features, wanted["features_qk_scale_dim"], atol=2e-5)
    assert np.abs(features - wanted["features"]).max() > 1e-3


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_the_studys_own_vit_is_its_code(pooling):
    weights, images, wanted = tiny("e_vit_repo_tiny")
    method = Supervised(vit_minimal((16, 16, 3), 4, 12, 2, 2, 8, 2.0, pooling), 5)
    names = port.port(method, weights, trunks.rules(method.backbone))
    assert len(names) == len(weights)
    assert method.count_params() == sum(x.size for x in weights.values())
    taken = ["stage1_block2", "pooled"]
    last, pooled = map(np.asarray, outputs(method.backbone, images, taken))
    np.testing.assert_allclose(last[:, 0], wanted["cls_before_head"], atol=2e-5)
    if pooling == "cls":
        np.testing.assert_allclose(pooled[:, 0], last[:, 0])
        np.testing.assert_allclose(method(images), wanted["logits"], atol=2e-5)
    else:
        np.testing.assert_allclose(pooled[:, 0], last.mean(axis=1), atol=1e-6)


def renamed(weights):
    """timm's names of a PiT as its authors have them."""
    change = lambda key: key.replace("transformers.0.pool", "pools.0").replace(
        "transformers.1.pool", "pools.1"
    )
    return {change(key): x for key, x in weights.items()}


@pytest.mark.parametrize("names", [dict, renamed])
def test_a_tiny_pit_is_timms_and_its_authors_stage_by_stage(names):
    weights, images, wanted = tiny("e_pit_tiny")
    backbone = pit((32, 32, 3), 8, 4, 4, (2, 4, 8), (1, 2, 1))
    method = Supervised(backbone, 5)
    port.port(method, names(weights), trunks.rules(backbone))
    taken = ["patches", "pool1", "pool2", "stage3_block1", "features"]
    patches, *stages, features = map(np.asarray, outputs(backbone, images, taken))
    nhwc = lambda key: wanted[key].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(patches, nhwc("patch_embed_nchw"), atol=2e-5)
    for i, ours in enumerate(stages):
        spatial = nhwc(f"stage{i}_spatial_nchw")
        rest = ours[:, 1:].reshape(spatial.shape)
        np.testing.assert_allclose(rest, spatial, atol=2e-5)
        np.testing.assert_allclose(ours[:, :1], wanted[f"stage{i}_cls"], atol=2e-5)
    np.testing.assert_allclose(features, wanted["features"], atol=2e-5)
    np.testing.assert_allclose(method(images), wanted["logits"], atol=2e-5)
