"""The autoencoder rebuilds as the authors' does; its noise belongs to an image."""

import hash_weights
import numpy as np
import pytest
import small

from ssl_tf.backbones.autoencoder import autoencoder_deep, autoencoder_shallow
from ssl_tf.errors import BadInput
from ssl_tf.methods.autoencoder import Autoencoder
from ssl_tf.ops import chance

MISC = hash_weights.arrays("forward_misc")


def filled(make, size, stages):
    method = Autoencoder(make((size, size, 3)))
    layers = [*method.backbone.layers, *method.decoder.layers]
    hash_weights.fill(layers, hash_weights.autoencoder_order(stages))
    return method


@pytest.mark.parametrize(
    "name, make, size, stages",
    [
        ("ae_cifar", autoencoder_shallow, 32, 3),
        ("ae_shallow64", autoencoder_shallow, 64, 3),
        ("ae_deep64", autoencoder_deep, 64, 5),
    ],
)
def test_latents_and_images_are_the_authors(name, make, size, stages):
    method = filled(make, size, stages)
    count = len(MISC[f"{name}_latent_gap"])
    images = hash_weights.images(2, (count, size, size, 3))
    features = method.representations(images)["features"]
    np.testing.assert_allclose(features, MISC[f"{name}_latent_gap"], atol=1e-5)
    latent = method.backbone.get_layer("retrieval").output.shape[1:]
    assert tuple(MISC[f"{name}_latent_shape"][1:]) == latent
    rebuilt = np.asarray(method(images))
    patch = MISC[f"{name}_recon_patch"]
    np.testing.assert_allclose(rebuilt[:, :8, :8], patch, atol=1e-5)
    loss = method.objective({"views": (images,)}, training=False)["loss"]
    np.testing.assert_allclose(np.mean(loss), MISC[f"{name}_mse"], atol=1e-5)


@pytest.mark.parametrize(
    "make, size, total, fixed",
    [
        (autoencoder_shallow, 32, 335_747, 896),
        (autoencoder_shallow, 224, 335_747, 896),
        (autoencoder_deep, 224, 61_059_843, 7_936),
    ],
)
def test_sizes_are_the_notebooks(make, size, total, fixed):
    method = Autoencoder(make((size, size, 3)))
    assert method.count_params() == total
    assert sum(np.prod(v.shape) for v in method.trainable_variables) == total - fixed


def test_the_loss_is_the_mean_square_over_pixels_and_channels():
    method, batch = small.denoising(), small.batches()[0]
    images = batch["views"][0]
    rebuilt = np.asarray(method(images))
    expected = [np.mean((a - b) ** 2) for a, b in zip(rebuilt, images)]
    loss = method.objective(batch, training=False)["loss"]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_noise_is_on_the_input_in_training_only():
    method = small.denoising(noise=0.3)
    images = np.full((4, *small.SHAPE), 0.5, "f4")
    np.testing.assert_array_equal(method.noise(images, training=False), images)
    for keys in (None, np.arange(4, dtype=np.int32)):
        with chance.keyed(keys):
            noise = np.asarray(method.noise(images, training=True)) - images
        assert abs(noise.mean()) < 0.03 and abs(noise.std() - 0.3) < 0.02
    assert noise.max() > 0.6  # not clipped


def test_noise_depends_on_the_image_and_not_on_its_neighbours():
    method, keys = small.denoising(), np.arange(4, dtype=np.int32)
    images = np.zeros((4, *small.SHAPE), "f4")
    with chance.keyed(keys):
        whole = np.asarray(method.noise(images, training=True))
    with chance.keyed(keys[2:]):
        half = np.asarray(method.noise(images[2:], training=True))
    np.testing.assert_array_equal(half, whole[2:])
    assert not np.array_equal(whole[0], whole[1])


def test_keyed_normal_numbers_are_normal():
    from scipy import stats

    with chance.keyed(np.arange(200, dtype=np.int32)):
        x = np.asarray(chance.normal("layer", (100,)))
        other = np.asarray(chance.normal("another", (100,)))
    assert stats.kstest(x.ravel(), "norm").pvalue > 0.01
    assert abs(np.corrcoef(x.ravel(), other.ravel())[0, 1]) < 0.02
    assert np.isfinite(x).all()


def test_a_backbone_without_a_bottleneck_is_refused():
    with pytest.raises(BadInput, match="no decoder for .*autoencoder_shallow"):
        Autoencoder(small.BACKBONES["resnet18"]())
