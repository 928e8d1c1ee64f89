"""G-SimCLR's Keras files: the right numbers at the right place, or nothing."""

import gsimclr_files as official
import hash_weights
import numpy as np
import pytest

from ssl_tf.backbones.autoencoder import autoencoder_shallow
from ssl_tf.backbones.cifar_resnet import cifar_resnet20, cifar_resnet38
from ssl_tf.backbones.resnet_keras import resnet50_keras
from ssl_tf.errors import BadInput
from ssl_tf.methods.autoencoder import Autoencoder
from ssl_tf.methods.simclr import SimCLR
from ssl_tf.weights import keras_files, port, tables, wiring

CIFAR = (32, 32, 3)
FORWARD = hash_weights.arrays("cifar_simclr_forward")
MISC = hash_weights.arrays("forward_misc")


def imported(method, path):
    """How many layers were proven by their wiring."""
    layers = keras_files.keras_layers(path)
    names = tables.keras_names(method, layers)
    compared = wiring.check(method, layers, names)
    arrays = keras_files.flat(layers)
    sources = port.port(method, arrays, tables.keras_rules(names))
    assert len(sources) == len(arrays) == len(method.weights)
    return compared


def simclr():
    return SimCLR(cifar_resnet38(CIFAR), head=(256, 128, 50))


@pytest.mark.parametrize("model, compared", [(False, 0), (True, 80)])
def test_simclr_files_give_the_authors_outputs(tmp_path, model, compared):
    path, method = tmp_path / "x.h5", simclr()
    official.write_h5(path, official.layout("cifar_simclr"), model=model)
    assert imported(method, path) == compared
    found = method.representations(hash_weights.images(0, (8, *CIFAR)))
    for level, name in (("features", "P3_gap"), ("p2", "P2"), ("p1", "P1"), ("z", "z")):
        assert official.close(found[level], FORWARD[f"infer_{name}"]), level


def test_statistics_lie_behind_all_trainable_weights_in_a_nested_model(tmp_path):
    path = tmp_path / "x.h5"
    official.write_h5(path, official.layout("cifar_simclr"))
    found = keras_files.keras_layers(path)
    stem = {x.name: x for x in found}["functional_3/batch_normalization_164"]
    assert list(stem.weights) == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert len([x for x in found if x.weights]) == 80
    assert sum(len(x.weights) for x in found) == 234


def test_numbers_may_start_anywhere(tmp_path):
    rows, names = official.layout("cifar_simclr"), {}
    for row in [*rows, *rows[1][5]]:
        stem, _, number = row[0].rpartition("_")
        if number.isdigit() and int(number) > 9:
            names[row[0]] = f"{stem}_{int(number) - 160}"
    names |= {"dense_1": "dense_9", "dense_2": "dense_10", "dense_3": "dense_11"}
    official.write_h5(tmp_path / "x.h5", official.renamed(rows, names))
    method = simclr()
    imported(method, tmp_path / "x.h5")
    z = method.representations(hash_weights.images(0, (8, *CIFAR)))["z"]
    assert official.close(z, FORWARD["infer_z"])


SWAP = {"conv2d_167": "conv2d_170", "conv2d_170": "conv2d_167"}


def test_a_shortcut_at_the_place_of_a_convolution_is_refused(tmp_path):
    """Same shapes, another order: only number or wiring can tell."""
    path, method = tmp_path / "x.h5", simclr()
    rows = official.renamed(official.layout("cifar_simclr"), SWAP)
    for model in (False, True):
        official.write_h5(path, rows, model=model)
        with pytest.raises(BadInput, match="layers are in another order") as error:
            imported(method, path)
        assert "stage1_block1_shortcut" in str(error.value)


def test_wiring_tells_where_names_do_not(tmp_path):
    path, method = tmp_path / "x.h5", simclr()
    rows = official.layout("cifar_simclr")
    plain = {name: f"layer_{i}" for i, name in enumerate(row[0] for row in rows[1][5])}
    inner = official.renamed(rows[1][5], plain)
    places = {row[0]: i for i, row in enumerate(inner)}
    a, b = (places[plain[x]] for x in ("conv2d_170", "conv2d_167"))
    other = list(inner)
    other[a], other[b] = inner[b], inner[a]
    for given, fits in ((inner, True), (other, False)):
        rows[1][5] = given
        official.write_h5(path, rows, model=True)
        if fits:
            assert imported(method, path) == 80
            continue
        with pytest.raises(BadInput, match="it is fed by"):
            imported(method, path)


def test_exchanged_arrays_are_seen_in_the_output_only(tmp_path):
    """Why names and shapes are no proof: this file is wrong and cannot be refused."""
    path, method = tmp_path / "x.h5", simclr()
    rows = official.layout("cifar_simclr")
    official.write_h5(path, rows, exchange=[("conv2d_167", "conv2d_170")])
    imported(method, path)
    features = method.backbone(hash_weights.images(0, (8, *CIFAR)))
    assert not official.close(features, FORWARD["infer_P3_gap"], 1e-2)


@pytest.mark.parametrize("model, compared", [(False, 0), (True, 13)])
def test_autoencoder_files_give_the_authors_images(tmp_path, model, compared):
    path, method = tmp_path / "x.h5", Autoencoder(autoencoder_shallow(CIFAR))
    official.write_h5(path, official.layout("cifar_ae"), model=model)
    assert imported(method, path) == compared
    images = hash_weights.images(2, (4, *CIFAR))
    features = method.representations(images)["features"]
    np.testing.assert_allclose(features, MISC["ae_cifar_latent_gap"], atol=1e-5)
    patch = np.asarray(method(images))[:, :8, :8]
    np.testing.assert_allclose(patch, MISC["ae_cifar_recon_patch"], atol=1e-5)


@pytest.mark.parametrize("model", [False, True])
def test_files_of_the_imagenet_subset_give_the_authors_outputs(tmp_path, model):
    path, method = tmp_path / "x.h5", SimCLR(resnet50_keras((64, 64, 3)))
    official.write_h5(path, official.stock_resnet(), model=model)
    assert imported(method, path) == 109 * model
    found = method.representations(hash_weights.images(3, (2, 64, 64, 3)))
    assert official.close(found["features"], MISC["r50_gap"])
    assert official.close(found["z"], MISC["r50_z"])


def test_stock_names_at_another_place_are_refused(tmp_path):
    path, method = tmp_path / "x.h5", SimCLR(resnet50_keras((64, 64, 3)))
    a, b = "conv2_block1_0_conv", "conv2_block1_3_conv"
    rows = official.renamed(official.stock_resnet(), {a: b, b: a})
    official.write_h5(path, rows)
    with pytest.raises(BadInput, match="stage1_block1_conv3 by its name and"):
        imported(method, path)


def test_another_architecture_is_told_in_one_line(tmp_path):
    path = tmp_path / "x.h5"
    official.write_h5(path, official.layout("cifar_simclr"))
    for method in (
        SimCLR(cifar_resnet20(CIFAR)),
        SimCLR(cifar_resnet38(CIFAR), head=(256, 50)),
        Autoencoder(autoencoder_shallow(CIFAR)),
    ):
        before = [v.numpy() for v in method.weights]
        with pytest.raises(BadInput, match="of another architecture") as error:
            imported(method, path)
        assert "\n" not in str(error.value)
        for old, new in zip(before, method.weights, strict=True):
            np.testing.assert_array_equal(old, new)


def test_another_width_moves_nothing(tmp_path):
    path, method = tmp_path / "x.h5", SimCLR(cifar_resnet38(CIFAR, width=8))
    official.write_h5(path, official.layout("cifar_simclr"))
    before = method.get_weights()
    with pytest.raises(BadInput, match="misfits, nothing imported"):
        imported(method, path)
    for old, new in zip(before, method.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
