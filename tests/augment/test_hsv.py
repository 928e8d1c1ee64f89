"""G-SimCLR's colour changes against its notebooks' own results."""

import numpy as np
import pytest
import tensorflow as tf

from augment import golden
from ssl_tf.augment import contrastive, hsv, hue, planes
from ssl_tf.ops import draws

GOLDEN = golden.load("gsimclr/color_ops")
STAGES = {
    "brightness": hsv.brightness,
    "contrast": hsv.contrast,
    "saturation": hsv.saturation,
    "hue": hue.turned,
}


@pytest.mark.parametrize("number", range(8))
def test_every_stage_is_the_notebooks_also_outside_the_unit_range(number):
    x = planes.of(tf.constant(GOLDEN["x"]))
    for (name, change), value in zip(STAGES.items(), GOLDEN[f"jit{number}_params"]):
        x = change(x, tf.fill([4], value))
        expected = GOLDEN[f"jit{number}_after_{name}"]
        np.testing.assert_allclose(planes.back(x), expected, 0, 2e-6, err_msg=name)
    out = planes.back(tf.clip_by_value(x, 0.0, 1.0))
    np.testing.assert_allclose(out, GOLDEN[f"jit{number}_out"], 0, 2e-6)


def test_grey_is_the_notebooks():
    ours = planes.back(hsv.grey(planes.of(tf.constant(GOLDEN["x"]))))
    np.testing.assert_allclose(ours, GOLDEN["drop_imagenet"], 0, 1e-6)
    np.testing.assert_allclose(hsv.LUMA, GOLDEN["gray_weights"], 1e-6)


def test_flipped_and_dropped_colours_are_the_notebooks():
    """The notebook for CIFAR computes grey images and returns the coloured ones."""
    x, keys = tf.repeat(GOLDEN["x"], 8, axis=0), draws.seeds(0, 0, tf.range(32), 0)
    plain = contrastive.gsimclr(p_jitter=0.0, p_drop=0.0).change(x, keys).numpy()
    turned = [i for i in range(32) if not np.array_equal(plain[i], x[i])]
    assert 8 <= len(turned) <= 24
    for i, image in enumerate(plain):
        name = "flip" if i in turned else "drop_cifar"
        np.testing.assert_array_equal(image, GOLDEN[name][i // 8])
    grey = contrastive.gsimclr(p_jitter=0.0, p_drop=1.0).change(x, keys).numpy()
    for i, image in enumerate(grey):
        expected = GOLDEN["drop_imagenet"][i // 8]
        expected = expected[:, ::-1] if i in turned else expected
        np.testing.assert_allclose(image, expected, 0, 1e-6)


def test_a_pixel_without_a_positive_value_becomes_grey():
    x = tf.constant([-0.3, -0.1, -0.2], shape=[1, 3, 1, 1])
    assert np.unique(hsv.saturation(x, tf.constant([0.7]))) == np.float32(-0.1)


@pytest.mark.parametrize("strength", [0.2, 1.0])
def test_factors_cover_the_papers_ranges(strength):
    """A flat image's brightness tells the offset; each seed draws its own."""
    seeds = draws.seeds(0, 0, tf.range(4000), 0)
    x = tf.fill([4000, 3, 1, 2], 0.5) + tf.constant([-0.01, 0.01])
    out = hsv.jitter(x, seeds, strength).numpy()
    offset = out.mean(axis=(1, 2, 3)) - 0.5
    inside = np.abs(offset) < 0.45
    limit = min(0.8 * strength, 0.45)
    assert abs(np.quantile(offset, 0.25) + min(0.4 * strength, 0.45)) < 0.03
    assert np.abs(offset[inside]).max() <= limit + 0.01
    # What sets the two columns apart is the contrast factor.
    factor = (out[..., 1] - out[..., 0])[inside].mean(axis=(1, 2)) / 0.02
    assert abs(factor.min() - (1 - 0.8 * strength)) < 0.02 * (1 + strength)
    assert abs(factor.max() - (1 + 0.8 * strength)) < 0.02 * (1 + strength)


def test_equal_seeds_change_alike_but_for_each_images_mean(rng):
    x = planes.of(tf.constant(rng.random((3, 6, 6, 3)).astype(np.float32)))
    same = tf.repeat(draws.seeds(0, 0, tf.range(1), 0), 3)
    whole = hsv.jitter(x, same, 1.0).numpy()
    for i in range(3):
        alone = hsv.jitter(x[i : i + 1], same[:1], 1.0)
        np.testing.assert_array_equal(alone[0], whole[i])
