"""The study's backbones: their sizes, geometry and initial weights."""

import numpy as np
import pytest
import small

from ssl_tf import cost
from ssl_tf.backbones import BACKBONES
from ssl_tf.backbones.efficientnet import efficientnet, filters
from ssl_tf.backbones.pit import pit, pit_tiny
from ssl_tf.backbones.vit import vit, vit_small_timm048
from ssl_tf.backbones.vit_minimal import vit_minimal
from ssl_tf.errors import BadInput
from ssl_tf.methods.supervised import Supervised

RESNET32 = {"stem": "small_pool"}
SMALL = {"stem": "small"}


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def named(name, size, **more):
    return BACKBONES[name]((size, size, 3), **more)


@pytest.mark.parametrize(
    "name, size, more, headless, classified",
    [
        ("resnet18", 224, {}, 11_176_512, 11_689_512),
        ("resnet18", 32, RESNET32, 11_168_832, None),
        ("efficientnet_b0", 224, {}, 4_007_548, 5_288_548),
        ("efficientnet_b0", 32, SMALL, 4_007_548, None),
        ("vit_small_timm048", 224, {}, 47_985_408, 48_754_408),
        ("vit_small_timm048", 96, {}, 47_862_528, None),
        ("pit_tiny", 224, {}, 4_590_272, 4_847_272),
        ("vit", 224, {"patch": 16, "depth": 12}, 5_524_416, None),  # DeiT-Ti
        ("vit", 32, {}, 2_691_648, None),
        ("vit_minimal", 32, {}, 2_688_192, None),  # no bias in qkv
        ("pit", 32, {}, 1_299_584, None),
    ],
)
def test_sizes_are_the_studys_and_the_documented_ones(
    name, size, more, headless, classified
):
    backbone = named(name, size, **more)
    assert trainable(backbone) == headless
    if classified is not None:
        assert trainable(Supervised(backbone, 1000)) == classified


@pytest.mark.parametrize(
    "name, more, published",
    [
        ("resnet18", {}, 1.8e9),
        ("efficientnet_b0", {}, 0.39e9),
        ("pit_tiny", {}, 0.7e9),
        ("vit", {"patch": 16, "depth": 12}, 1.3e9),  # DeiT-Ti
    ],
)
def test_the_arithmetic_of_an_image_is_the_papers(name, more, published):
    backbone = named(name, 224, **more)
    assert cost.multiply_adds(backbone, (224, 224, 3)) == pytest.approx(published, 0.04)


def test_a_small_vits_arithmetic_is_counted_by_hand():
    backbone = vit((8, 8, 3), width=12, depth=2)  # 4 patches and the class token
    a_block = 5 * 12 * (36 + 12 + 48 + 48) + 2 * 5 * 5 * 12
    patches = 4 * 48 * 12
    assert cost.multiply_adds(backbone, (8, 8, 3)) == patches + 2 * a_block
    scores = 2 * 3 * 5 * 5
    only = [x for x in backbone.layers if x.name == "stage1_block1_attention"]
    assert only[0].activations() == scores


def test_the_parts_of_vit_and_pit_have_the_specified_sizes():
    count = lambda model, start: sum(
        int(np.prod(v.shape)) for v in model.weights if v.path.startswith(start)
    )
    backbone = vit_small_timm048((224, 224, 3))
    assert count(backbone, "patches") == 590_592
    assert count(backbone, "position") == 151_296
    assert count(backbone, "stage1_block3_") == 5_905_152
    backbone = pit_tiny((224, 224, 3))
    stages = [count(backbone, f"stage{i}_") for i in (1, 2, 3)]
    pools = [count(backbone, f"pool{i}_") for i in (1, 2)]
    assert [a + b for a, b in zip(stages, [*pools, 0])] == [
        109_568,
        1_225_216,
        3_159_040,
    ]


@pytest.mark.parametrize(
    "make, told",
    [
        (lambda: vit((30, 30, 3)), "patches of 4 pixels do not cover .* 30x30"),
        (lambda: vit_small_timm048((100, 100, 3)), "of 16 pixels .* 100x100"),
        (lambda: vit_minimal((30, 30, 3)), "patches of 4 pixels do not cover .* 30x30"),
        (lambda: vit((3, 3, 3)), "patches of 4 pixels do not cover .* 3x3"),
        (
            lambda: vit((32, 32, 3), heads=5),
            "heads: is 5; must divide the width of 192",
        ),
        (lambda: pit((33, 33, 3)), "4 pixels, 2 apart, .* of 33x33"),
        (lambda: pit((32, 32, 3), heads=(2, 3, 6)), r"heads: are \[2, 3, 6\]"),
        (lambda: pit_tiny((96, 96, 3)), "27x27 of 224x224 pixels, not of 96x96"),
        (lambda: pit_tiny((225, 225, 3)), "not of 225x225"),
    ],
)
def test_what_does_not_fit_the_geometry_is_told_in_one_line(make, told):
    with pytest.raises(BadInput, match=told) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_feature_maps_shrink_as_the_study_has_them():
    sides = lambda model: [
        model.get_layer(name).output.shape[1]
        for name in ("stem_relu", "stem", *(f"stage{i}_block1" for i in (1, 2, 3, 4)))
    ]
    assert sides(named("resnet18", 32, **RESNET32)) == [32, 16, 16, 8, 4, 2]
    assert sides(named("resnet18", 96)) == [48, 24, 24, 12, 6, 3]
    small = named("efficientnet_b0", 32, **SMALL)
    ends = [small.get_layer(f"stage{i}_block1").output.shape[1] for i in range(1, 8)]
    assert ends == [32, 16, 8, 4, 4, 2, 2]


def test_initial_weights_are_the_papers():
    bound = lambda layer, kind: np.abs(getattr(layer, kind)).max()
    near = pytest.approx
    layer = named("resnet18", 32, **RESNET32).get_layer("stem_conv")
    assert bound(layer, "kernel") == near(1 / np.sqrt(27), rel=0.01)
    backbone = pit_tiny((224, 224, 3))
    layer = backbone.get_layer("pool1_conv")
    assert bound(layer, "kernel") == near(1 / 3, rel=0.01)
    assert bound(layer, "bias") == near(1 / 3, rel=0.05)
    layer = backbone.get_layer("stage2_block1_mlp2")
    assert bound(layer, "kernel") == near(1 / np.sqrt(512), rel=0.01)
    assert bound(layer, "bias") == near(1 / np.sqrt(512), rel=0.05)
    assert np.std(backbone.get_layer("position").table) == near(0.02, rel=0.05)
    backbone = vit_minimal((32, 32, 3))
    assert np.std(backbone.get_layer("position").table) == near(1.0, rel=0.05)
    assert np.std(backbone.get_layer("class_token").token) == near(1.0, rel=0.3)
    layer = backbone.get_layer("stage1_block1_mlp2")
    assert bound(layer, "kernel") == near(1 / np.sqrt(768), rel=0.01)
    assert not backbone.get_layer("stage1_block1_qkv").use_bias
    backbone = vit((32, 32, 3))
    layer = backbone.get_layer("stage1_block1_qkv")
    assert np.std(layer.kernel) == near(0.02, rel=0.02) and bound(layer, "bias") == 0
    assert np.abs(layer.kernel).max() > 0.06  # not cut at two deviations
    layer = backbone.get_layer("patches")
    assert bound(layer, "kernel") == near(1 / np.sqrt(48), rel=0.01)
    backbone = named("efficientnet_b0", 32, **SMALL)
    layer = backbone.get_layer("stage6_block2_conv2")
    assert np.std(layer.kernel) == near(np.sqrt(2) / 5, rel=0.02)
    layer = backbone.get_layer("stage6_block2_conv1")
    assert np.std(layer.kernel) == near(np.sqrt(2 / 1152), rel=0.02)


def test_two_kernels_of_one_shape_start_differently():
    backbone = vit((32, 32, 3))
    a, b = (backbone.get_layer(f"stage1_block{i}_proj").kernel for i in (1, 2))
    assert not np.array_equal(a, b)


def test_efficientnets_filters_are_multiples_of_eight():
    assert [filters(n, 1.0) for n in (32, 16, 24, 112, 1280)] == [32, 16, 24, 112, 1280]
    assert [filters(n, 0.25) for n in (32, 16, 112)] == [8, 8, 32]
    assert efficientnet(small.SHAPE, 0.1).output_shape == (None, 128)


def test_vit_keeps_the_class_token_and_does_not_mind_the_order_of_patches(rng):
    """With equal positions a ViT sees a set of patches."""
    backbone = vit((8, 8, 3), width=12, depth=2)
    table = backbone.get_layer("position").table
    table.assign(np.broadcast_to(rng.normal(size=12), table.shape))
    image = rng.random((1, 8, 8, 3), np.float32)
    turned = np.concatenate([image[:, 4:], image[:, :4]], axis=1)
    np.testing.assert_allclose(backbone(image), backbone(turned), atol=1e-5)
    assert np.abs(backbone(image) - backbone(image[:, ::-1])).max() > 1e-4


def test_drop_path_rates_lie_on_a_line():
    backbone = vit((8, 8, 3), width=12, depth=3, drop_path=0.4)
    rates = {x.name: x.rate for x in backbone.layers if hasattr(x, "rate")}
    assert rates == {
        "stage1_block2_skip1": pytest.approx(0.2),
        "stage1_block2_skip2": pytest.approx(0.2),
        "stage1_block3_skip1": pytest.approx(0.4),
        "stage1_block3_skip2": pytest.approx(0.4),
    }
    assert not [x for x in vit((8, 8, 3)).layers if hasattr(x, "rate")]
    backbone = efficientnet(small.SHAPE, 0.25, drop_path=0.32)
    rates = [x.rate for x in backbone.layers if hasattr(x, "rate")]
    assert rates[0] == pytest.approx(0.32 * 2 / 16) and len(rates) == 9
