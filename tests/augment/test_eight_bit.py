"""8-bit colours: bit by bit what PIL gives, and what the papers' pipelines gave."""

import numpy as np
import pictures
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from augment import golden
from ssl_tf.augment import eight_bit

FILES = (
    "scatsimclr/augment",
    "simsiam/g_image_ops",
    "selfclassifier/augmentation_ops",
)
MIXED = ("brightness", "contrast", "saturation")
PIL = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
GOLDEN = {f"{file}/{name}": rest for file, name, *rest in golden.cases(*FILES)}


def mixed(image, which, factor):
    return golden.by_planes(eight_bit.mixed, image, which, factor)


def turned(image, turns):
    return golden.by_planes(eight_bit.turned, image, turns)


def by_pil(image, turns):
    """Hue as torchvision's adjust_hue is documented for PIL images."""
    hsv = np.array(Image.fromarray(image).convert("HSV"))
    hsv[..., 0] += np.array(int(255 * turns)).astype(np.uint8)
    return np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))


def named(*starts):
    return [n for n in GOLDEN if n.split("/")[2].startswith(starts)]


@pytest.mark.parametrize("name", named(*MIXED))
def test_the_papers_brightness_contrast_and_saturation_come_out_exactly(name):
    image, expected = GOLDEN[name]
    change, factor = name.split("/")[2].split("_")
    ours = mixed(image, MIXED.index(change), float(factor))
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("name", named("hue"))
def test_the_papers_hues_come_out_exactly(name):
    image, expected = GOLDEN[name]
    np.testing.assert_array_equal(turned(image, float(name.split("_")[-1])), expected)


@pytest.mark.parametrize("name", named("gray"))
def test_the_papers_grey_images_come_out_exactly(name):
    image, expected = GOLDEN[name]
    np.testing.assert_array_equal(golden.by_planes(eight_bit.grey, image), expected)


@pytest.mark.filterwarnings("ignore:'mode' parameter")
@pytest.mark.parametrize("turns", [0.0, 0.002, -0.2, 0.37, -0.5, 0.5])
def test_hue_is_pils_on_all_kinds_of_colours(rng, turns):
    image = pictures.noise(rng, 200, 200)
    image[:20] = rng.integers(0, 4, (20, 200, 3))  # nearly black
    image[20:40] = image[20:40, :, :1] + rng.integers(0, 2, (20, 200, 3))  # greyish
    image[40:60] = 255 * rng.integers(0, 2, (20, 200, 3))  # corners of the cube
    np.testing.assert_array_equal(turned(image, turns), by_pil(image, turns))


@pytest.mark.parametrize("factor", [0.0, 0.35, 1.0, 1.77, 3.0])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_mixing_is_pils(rng, which, factor):
    image = pictures.noise(rng, 50, 60)
    expected = PIL[which](Image.fromarray(image)).enhance(factor)
    np.testing.assert_array_equal(mixed(image, which, factor), np.asarray(expected))


def test_the_whole_part_of_255_x_is_exact():
    x = np.arange(1, 256, dtype=np.float32) / np.float32(255)
    x = np.concatenate([x, np.nextafter(x, 0), np.random.default_rng(0).random(9999)])
    x = x.astype(np.float32)
    expected = np.floor(255 * x.astype(np.float64))
    np.testing.assert_array_equal(eight_bit.byte(tf.constant(x)), expected)


def test_truncation_is_towards_zero():
    x = tf.constant([-51.9, -0.5, 0.0, 0.5, 51.9])
    assert eight_bit.truncated(x).numpy().tolist() == [-51, 0, 0, 0, 51]
