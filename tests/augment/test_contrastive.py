"""Recipes of the contrastive papers: shares, switches, and what they do to an image."""

import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.augment import composed, contrastive, planes
from ssl_tf.augment.recipes import RECIPES
from ssl_tf.ops import draws

NAMES = ("simclr", "gsimclr", "scatsimclr", "rotations", "simsiam")
COUNT = 600


def seeds(count=COUNT):
    return draws.seeds(5, 0, tf.range(count), 0)


def colourful(rng, count=COUNT, side=8):
    """Whole levels, in [0, 1], of clearly coloured and rough images."""
    levels = rng.integers(60, 196, (count, side, side, 3))
    return tf.constant(levels / np.float32(255), tf.float32)


def is_grey(x):
    return np.ptp(x, axis=-1).max(axis=(1, 2)) < 1e-6


def is_same(x, y):
    return np.abs(x - y).max(axis=(1, 2, 3)) < 1e-6


@pytest.mark.parametrize("name", ["simclr", "scatsimclr", "simsiam"])
def test_one_image_in_five_is_grey_and_one_in_five_keeps_its_colours(rng, name):
    recipe = RECIPES[name](size=8)
    x = colourful(rng)
    more = {"blur": False} if name == "scatsimclr" else {"p_blur": 0.0}
    out = RECIPES[name](size=8, **more).change(x, seeds()).numpy()
    assert recipe.flip and recipe.boxes
    assert abs(is_grey(out).mean() - 0.2) < 0.05
    assert abs(is_same(out, x).mean() - 0.2 * 0.8) < 0.05


def test_g_simclr_flips_half_changes_half_and_greys_a_fifth(rng):
    x = colourful(rng)
    out = contrastive.gsimclr().change(x, seeds()).numpy()
    assert abs(is_grey(out).mean() - 0.2) < 0.05
    kept = is_same(out, x) | is_same(out, x.numpy()[:, :, ::-1])
    assert abs(is_same(out, x).mean() - 0.5 * 0.5 * 0.8) < 0.05
    assert abs(kept.mean() - 0.5 * 0.8) < 0.06


def test_the_faithful_g_simclr_for_cifar_never_greys(rng):
    recipe = contrastive.gsimclr(p_drop=0.0, per_batch=True)
    assert recipe.per_batch and recipe.boxes is None
    assert not is_grey(recipe.change(colourful(rng), seeds()).numpy()).any()


@pytest.mark.parametrize("switch", ["crop", "color", "gray", "flip", "blur"])
def test_scatsimclrs_switches_leave_out_what_they_name(rng, switch):
    recipe = contrastive.scatsimclr(size=24, **{switch: False})
    assert (recipe.boxes is None) == (switch == "crop")
    assert recipe.flip == (switch not in ("crop", "flip"))
    x = colourful(rng, side=24)
    out = recipe.change(x, seeds()).numpy()
    assert is_grey(out).any() == (switch != "gray")
    rough = lambda x: np.abs(np.diff(x, axis=2)).mean(axis=(1, 2, 3))
    alone = dict.fromkeys(("crop", "color", "gray", "flip", "blur"), False)
    only = contrastive.scatsimclr(size=24, **(alone | {switch: True}))
    changed = only.change(x, seeds()).numpy()
    if switch == "blur":
        assert abs(np.mean(rough(changed) < 0.98 * rough(x.numpy())) - 0.45) < 0.07
    elif switch in ("crop", "flip"):  # done when the image is cut out
        assert (only.flip or only.boxes) or not is_same(changed, x).all()
    else:
        share = {"color": 0.8, "gray": 0.2}[switch]
        assert abs(1 - is_same(changed, x).mean() - share) < 0.05


def test_without_crop_half_of_scatsimclrs_images_are_flipped(rng):
    off = {"crop": False, "color": False, "gray": False, "blur": False}
    x = colourful(rng)
    out = contrastive.scatsimclr(**off).change(x, seeds()).numpy()
    same, turned = is_same(out, x), is_same(out, x.numpy()[:, :, ::-1])
    assert (same ^ turned).all() and abs(turned.mean() - 0.5) < 0.06


def test_scatsimclrs_views_are_whole_levels(rng):
    out = 255 * contrastive.scatsimclr(size=8).change(colourful(rng), seeds()).numpy()
    np.testing.assert_allclose(out, np.round(out), 0, 1e-4)


def test_simclr_blurs_half_of_large_images_and_no_small_one(rng):
    recipe = contrastive.simclr(strength=0.0, p_grey=0.0)
    small = colourful(rng, 50, 32)
    assert is_same(recipe.change(small, seeds(50)).numpy(), small).all()
    large = colourful(rng, 200, 40)
    share = is_same(recipe.change(large, seeds(200)).numpy(), large).mean()
    assert 0.4 < share < 0.65


def test_solarisation_inverts_what_is_bright():
    levels = tf.reshape(tf.range(256, dtype=tf.float32), [1, 16, 16, 1])
    image = tf.repeat(levels, 3, axis=3)
    expected = np.where(image >= 128, 255 - image, image)
    for rounding, scale in ((True, 255.0), (False, 1.0)):
        off = {"flip": False, "p_jitter": 0.0, "p_grey": 0.0, "p_blur": 0.0}
        off |= {"p_solarise": 1.0, "rounding": rounding}
        recipe = composed.composed(16, None, **off)
        x = planes.of(image if rounding else image / 255)
        out = planes.back(recipe.planes(x, seeds(1))) * (255 / scale)
        np.testing.assert_allclose(out, expected, 0, 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_planes_and_images_go_the_same_way(rng, name):
    recipe, x = RECIPES[name](), colourful(rng, 20, 12)
    scale = 255 if recipe.rounding else 1
    by_planes = planes.back(recipe.planes(planes.of(x * scale), seeds(20))) / scale
    np.testing.assert_allclose(by_planes, recipe.change(x, seeds(20)), 0, 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_computes_what_python_does(rng, name):
    recipe, x = RECIPES[name](), colourful(rng, 24, 12)
    given = tf.data.Dataset.from_tensors((x, seeds(24))).map(recipe.change)
    eager = recipe.change(x, seeds(24))
    (found,) = given
    np.testing.assert_allclose(found, eager, 0, 1e-6)


def test_a_jigsaw_is_nine_tiles_row_by_row(rng):
    x = colourful(rng, 2, 12)
    out = contrastive.jigsaw(size=4).change(x, seeds(2)).numpy()
    assert out.shape == (2, 9, 4, 4, 3)
    for row in range(3):
        for column in range(3):
            tile = x[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            np.testing.assert_allclose(out[:, 3 * row + column], tile, 0, 1e-6)
