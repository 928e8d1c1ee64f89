"""What every backbone promises: features, named blocks, the paper's size."""

import golden_models
import keras
import numpy as np
import pytest
import small

from ssl_tf.backbones import BACKBONES
from ssl_tf.backbones.densenet import densenet
from ssl_tf.backbones.resnet import resnet50
from ssl_tf.backbones.wide_resnet import wide_resnet
from ssl_tf.errors import BadInput
from ssl_tf.methods.supervised import Supervised


@pytest.mark.parametrize("name", sorted(small.BACKBONES))
def test_features_are_vectors_and_blocks_have_names(name):
    backbone = small.BACKBONES[name]()
    features = backbone(np.zeros((2, *small.SHAPE), "f4"))
    assert features.shape == (2, backbone.output_shape[-1])
    names = {layer.name for layer in backbone.layers}
    last = "stage1_block2" if name.startswith("vit") else "stage3_block1"
    assert {"stage1_block1", last, "features"} <= names
    unnamed = [v.path for v in backbone.weights if v.path.split("/")[0][-2:] == "_1"]
    assert not unnamed


@pytest.mark.parametrize("name", sorted(small.BACKBONES))
def test_paths_do_not_depend_on_what_was_built_before(name):
    first = [v.path for v in small.BACKBONES[name]().weights]
    assert first == [v.path for v in small.BACKBONES[name]().weights]


SIZES = {
    "resnet18_baseline": 11_234_020,
    "resnet18_ssal_x2_paper_table1": 12_833_578,
    "resnet50_baseline": 23_772_644,
    "resnet50_ssal": 28_886_131,
    "wrn28-10_baseline": 36_564_932,
    "wrn28-10_ssal": 43_248_387,
    "se-wrn16-8_baseline": 11_107_156,
    "se-wrn16-8_ssal_reconstructed": 14_883_535,
}
LARGE = {"densenet190-40_baseline": 26_078_580, "densenet190-40_ssal": 38_287_795}


def size(name):
    from ssl_tf import experiment, opening

    bound = golden_models.parts(name)
    method = opening.settle_groups(bound.method, None)
    return experiment.build(bound, method, 100, 32).count_params()


@pytest.mark.parametrize("name", SIZES)
def test_parameter_counts_are_the_papers(name):
    assert size(name) == SIZES[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_parameter_counts_of_densenet_are_the_papers(name):
    assert size(name) == LARGE[name]


def test_imagenet_resnet50_has_torchvisions_size():
    method = Supervised(resnet50((224, 224, 3)), 1000)
    trainable = sum(np.prod(v.shape) for v in method.trainable_variables)
    assert trainable == 25_557_032


def test_densenet_100_12_has_the_papers_size():
    assert Supervised(densenet((32, 32, 3), 100, 12), 100).count_params() == 824_020


def test_wrn16_8_without_squeeze_excitation_has_the_papers_size():
    backbone = wide_resnet((32, 32, 3), 16, 8)
    assert Supervised(backbone, 100).count_params() == 11_019_236


@pytest.mark.parametrize("make", [densenet, wide_resnet])
def test_an_impossible_depth_is_refused(make):
    with pytest.raises(BadInput, match="6 n"):
        make(small.SHAPE, depth=17)


def test_zero_init_starts_residual_blocks_as_the_identity():
    backbone = small.BACKBONES["resnet50"]()
    block = backbone.get_layer("stage2_block2_norm3")
    np.testing.assert_array_equal(block.gamma, 0)
    taken = [backbone.get_layer(f"stage2_block{j}").output for j in (1, 2)]
    before, after = keras.Model(backbone.input, taken)(np.ones((1, *small.SHAPE)))
    np.testing.assert_array_equal(before, after)


def test_every_named_backbone_is_under_contract():
    families = {name.rstrip("0123456789_") for name in small.BACKBONES}
    for name in BACKBONES:
        stem = name.replace("wrn", "wide_resnet").removesuffix("_b0")
        for size in ("_tiny", "_small", "_base"):
            stem = stem.removesuffix(size)
        stem = stem.rstrip("0123456789_")
        assert stem in families, name
