"""ScatSimCLR's networks: the authors' outputs, the paper's sizes."""

import given
import keras
import numpy as np
import pytest

from ssl_tf.backbones import BACKBONES
from ssl_tf.backbones.scatsimclr import residual, scatsimclr, sizes
from ssl_tf.layers.adaptive_pool import AdaptiveAverage, averages
from ssl_tf.layers.norm import BatchNorm

# blocks: total and used at L = 16, adapter; total and used at L = 8, adapter; J = 2.
TABLE = {
    8: (6_106_214, 6_104_480, 1_645_856, 5_925_254, 5_924_768, 1_466_144),
    12: (9_278_150, 9_276_416, 4_817_792, 7_839_206, 7_838_720, 3_380_096),
    16: (10_459_846, 10_458_112, 5_999_488, 9_020_902, 9_020_416, 4_561_792),
    30: (15_501_638, 15_499_904, 11_041_280, 14_062_694, 14_062_208, 9_603_584),
    45: (16_591_302, 16_589_568, 12_130_944, 15_152_358, 15_151_872, 10_693_248),
}
TWELVE = {  # (J, L): total and used of 12 blocks
    (1, 16): (7_396_454, 7_396_352),
    (1, 4): (7_313_438, 7_313_408),
    (2, 4): (7_451_798, 7_451_648),
    (2, 12): (8_447_990, 8_446_976),
    (3, 16): (12_930_854, 12_925_952),
    (4, 12): (13_594_982, 13_589_504),
    (4, 16): (18_354_566, 18_344_960),
}
HEAD = 4_458_624


@pytest.mark.parametrize("blocks", TABLE)
def test_sizes_are_the_papers(blocks):
    for L, row in ((16, TABLE[blocks][:3]), (8, TABLE[blocks][3:])):
        found = sizes(blocks, 2, L)
        assert (found.total, found.used, found.adapter) == row
        assert found.head == HEAD


@pytest.mark.parametrize("J, L", TWELVE)
def test_sizes_of_other_scales_and_angles(J, L):
    found = sizes(12, J, L)
    assert (found.total, found.used) == TWELVE[J, L]


@pytest.mark.parametrize("blocks", TABLE)
def test_the_networks_have_these_sizes(blocks):
    backbone = BACKBONES[f"scatsimclr{blocks}"]((8, 8, 3), J=2, L=8)
    count = sum(np.prod(v.shape) for v in backbone.trainable_weights)
    assert count == sizes(blocks, 2, 8).adapter
    assert backbone.output_shape == (None, 2048)


def test_the_norm_that_the_authors_never_apply_can_be_applied():
    without, with_it = (scatsimclr((8, 8, 3), 8, 1, 2, scatter_bn=x) for x in (0, 1))
    more = with_it.count_params() - without.count_params()
    assert more == 4 * 3 * 3  # K = 3 of each colour: scale, shift, mean, variance


def test_features_are_in_channel_row_column_order(rng):
    backbone = scatsimclr((16, 16, 3), 8, 1, 2, width=8)
    pool = keras.Model(backbone.input, backbone.get_layer("pool").output)
    images = rng.random((2, 16, 16, 3), np.float32)
    maps, features = np.asarray(pool(images)), np.asarray(backbone(images))
    for c, y, x in ((0, 0, 1), (5, 2, 3), (7, 3, 0)):
        np.testing.assert_array_equal(features[:, c * 16 + y * 4 + x], maps[:, y, x, c])


def test_kernels_start_as_pytorchs():
    backbone = scatsimclr((16, 16, 3), 8, 2, 8)
    kernel = np.asarray(backbone.get_layer("stem_conv").kernel)
    bound = 1 / np.sqrt(9 * 243)
    assert 0.99 * bound < np.abs(kernel).max() <= bound
    assert abs(kernel.std() / (bound / np.sqrt(3)) - 1) < 0.02


@pytest.mark.parametrize(
    "n, windows",
    [
        (8, [(0, 2), (2, 4), (4, 6), (6, 8)]),
        (6, [(0, 2), (1, 3), (3, 5), (4, 6)]),
        (4, [(0, 1), (1, 2), (2, 3), (3, 4)]),
        (2, [(0, 1), (0, 1), (1, 2), (1, 2)]),
        (1, [(0, 1)] * 4),
    ],
)
def test_pooling_windows_follow_the_rule(n, windows):
    values = np.arange(n) ** 2.0
    found = averages(n, 4) @ values
    np.testing.assert_allclose(found, [values[a:b].mean() for a, b in windows])


def test_pooling_of_even_windows_is_average_pooling(rng):
    maps = rng.random((2, 24, 12, 5), np.float32)
    plain = keras.layers.AveragePooling2D((6, 3))(maps)
    np.testing.assert_allclose(AdaptiveAverage(4)(maps), plain, atol=1e-6)


def block(width, golden, prefix):
    """Our block with the golden weights of a PyTorch one."""
    images = keras.Input((5, 5, 6))
    norm = lambda x, name: BatchNorm(name=name)(x)
    model = keras.Model(images, residual(images, width, "block", norm))
    names = {"conv": "conv", "norm": "bn", "shortcut_conv": "downsample.0"}
    names |= {"shortcut_norm": "downsample.1"}
    kinds = {"kernel": "weight", "gamma": "weight", "beta": "bias"}
    kinds |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
    for variable in model.weights:
        layer, kind = variable.path.removeprefix("block_").split("/")
        number = layer[-1] if layer[-1].isdigit() else ""
        name = names[layer.removesuffix(number)] + number
        value = golden[f"{prefix}:{name}.{kinds[kind]}"]
        variable.assign(value.transpose(2, 3, 1, 0) if value.ndim == 4 else value)
    return model


def test_a_residual_block_is_the_authors():
    golden = given.golden("scatsimclr", "resblock")
    nhwc = lambda name: golden[name].transpose(0, 2, 3, 1)
    model = block(10, golden, "w")
    np.testing.assert_allclose(model(nhwc("x")), nhwc("y_eval"), atol=1e-5)
    trained = model(nhwc("x"), training=True)
    np.testing.assert_allclose(trained, nhwc("y_train"), atol=1e-5)
    moved = {"block_norm1": "bn1", "block_norm2": "bn2"}
    for ours, theirs in (moved | {"block_shortcut_norm": "downsample.1"}).items():
        layer = model.get_layer(ours)
        mean = golden[f"after_train:{theirs}.running_mean"]
        variance = golden[f"after_train:{theirs}.running_var"]
        np.testing.assert_allclose(layer.moving_mean, mean, atol=1e-5)
        np.testing.assert_allclose(layer.moving_variance, variance, atol=1e-5)
    identity = block(6, golden, "w2")
    np.testing.assert_allclose(identity(nhwc("x")), nhwc("y2_eval"), atol=1e-5)
