"""Blur: OpenCV's, torchvision's and PIL's results, and the sums written out."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageFilter

from augment import golden
from ssl_tf.augment import blur

SCAT = golden.load("scatsimclr/augment")
SIAM = golden.load("simsiam/g_image_ops")
SELF = golden.load("selfclassifier/augmentation_ops")


def gaussian(image, sigma, taps):
    return golden.by_planes(lambda x, s: blur.gaussian(x, s, taps), image, sigma)


def boxes(image, sigma, rounding=True):
    change = lambda x, s: blur.boxes(x, s, 2.0, rounding)
    return golden.by_planes(change, image, sigma)


@pytest.mark.parametrize("name", [n for n in SCAT if n.startswith("blur")])
def test_opencvs_results_come_out_within_a_level(name):
    side, taps, sigma = name.removeprefix("blur").split("_")
    ours = np.round(gaussian(SCAT[f"img{side}"], float(sigma[1:]), int(taps[1:])))
    assert np.abs(ours - SCAT[name]).max() <= 1


@pytest.mark.parametrize("name", [n for n in SIAM if n.endswith("_torchvision")])
def test_torchvisions_results_come_out_exactly(name):
    _, taps, sigma, _ = name.split("_")
    sigma = float(sigma.removeprefix("sigma"))
    ours = np.round(gaussian(SIAM["image"], sigma, int(taps[1:])))
    np.testing.assert_array_equal(ours, SIAM[name])


@pytest.mark.parametrize("name", [n for n in SELF if n.startswith("gauss")])
def test_pils_results_come_out_within_two_levels(name):
    ours = boxes(SELF["image"], float(name.removeprefix("gauss_r")))
    assert np.abs(ours - SELF[name]).max() <= 2
    expected = SIAM["blur_radius1.3_pil_official"]
    assert np.abs(boxes(SIAM["image"], 1.3) - expected).max() <= 1


@pytest.mark.parametrize("sigma", [0.2, 0.8, 1.1, 1.4, 2.0])
def test_boxes_are_pils_on_this_machine(rng, sigma):
    image = rng.integers(0, 256, (31, 40, 3), np.uint8)
    expected = Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma))
    assert np.abs(boxes(image, sigma) - np.asarray(expected)).max() <= 2
    smooth = boxes(image, sigma, rounding=False)
    assert np.abs(smooth - np.asarray(expected)).max() <= 4


def test_the_gaussian_is_its_sum_with_reflected_edges(rng):
    image, sigma, taps = rng.random((7, 9, 3)).astype(np.float32), 1.1, 5
    weight = np.exp(-0.5 * (np.arange(-2, 3) / sigma) ** 2)
    weight /= weight.sum()
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), "reflect")
    expected = np.zeros(image.shape)
    for r in range(taps):
        for c in range(taps):
            expected += weight[r] * weight[c] * padded[r : r + 7, c : c + 9]
    np.testing.assert_allclose(gaussian(image, sigma, taps), expected, atol=1e-6)


KINDS = [lambda x, s: blur.gaussian(x, s, 9), lambda x, s: blur.boxes(x, s, 2.0)]


@pytest.mark.parametrize("change", KINDS, ids=["gaussian", "boxes"])
def test_every_image_has_its_own_sigma_and_knows_no_neighbour(rng, change):
    x = tf.constant(rng.random((6, 3, 16, 16)).astype(np.float32))
    sigma = tf.linspace(0.1, 2.0, 6)
    whole = change(x, sigma).numpy()
    for i in range(6):
        alone = change(x[i : i + 1], sigma[i : i + 1])
        np.testing.assert_array_equal(alone[0], whole[i])
    rough = np.abs(np.diff(whole, axis=3)).mean(axis=(1, 2, 3))
    assert (np.diff(rough) < 0).all()


@pytest.mark.parametrize("change", [gaussian, boxes])
def test_a_flat_image_stays_as_it_is(change):
    flat = np.full((12, 12, 3), 77.0, np.float32)
    out = change(flat, 1.3, 5) if change is gaussian else change(flat, 1.3)
    np.testing.assert_allclose(out, flat, atol=1e-4)
