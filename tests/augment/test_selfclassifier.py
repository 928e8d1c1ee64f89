"""Self-Classifier's views: its own pictures, shares, strengths, and eight crops."""

import itertools

import numpy as np
import pictures
import pytest
import tensorflow as tf
from PIL import Image

from augment import golden
from ssl_tf import experiment
from ssl_tf.augment import blur, composed, contrastive, crop, hue, jitter, planes
from ssl_tf.data import pipeline, reading
from ssl_tf.data.source import Source
from ssl_tf.ops import draws

SELF = golden.load("selfclassifier/augmentation_ops")
IMAGE = SELF["image"]
MIXED = ("brightness", "contrast", "saturation")
OFF = {"p_blur": 0.0}
IMAGENET = pipeline.Normal((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def seeds(count, view=0):
    return draws.seeds(3, 0, tf.range(count), view)


def in_float(change, *values):
    """`change` of the golden image in [0, 1], as levels."""
    return 255 * golden.by_planes(change, IMAGE / np.float32(255), *values)


def by_name(name):
    """Our operation, not rounded, for a golden picture; `None` if it is another's."""
    kind, *rest = name.split("_")
    if kind == "gauss":
        sigma = float(rest[0].removeprefix("r"))
        return in_float(lambda x, s: blur.boxes(x, s, 2.0), sigma)
    if kind in MIXED:
        return in_float(jitter.mixed, MIXED.index(kind), float(rest[0]))
    if kind == "hue":
        return in_float(hue.turned, float(rest[0]))
    if kind == "grayscale":
        return in_float(jitter.grey)
    if kind == "rrc":
        boxes = tf.constant([[int(x) for x in rest[1:5]]])
        cut = crop.cut_planes(tf.constant(IMAGE[None]), boxes, 24, rest[0])
        return 255 * planes.back(cut)[0].numpy()
    return None


NAMES = [n for n in SELF if by_name(n) is not None]


@pytest.mark.parametrize("name", NAMES)
def test_operations_that_do_not_round_come_out_as_the_manifest_allows(name):
    error = np.abs(np.clip(by_name(name), 0, 255) - SELF[name])
    most = 1.01 if name.startswith(("grayscale", "brightness")) else 12
    assert error.max() <= most and error.mean() <= 1.5


@pytest.mark.parametrize("rounding", [False, True])
def test_solarised_and_flipped_pictures_come_out_exactly(rounding):
    off = {"flip": False, "p_jitter": 0.0, "p_grey": 0.0, "p_blur": 0.0}
    recipe = composed.composed(24, None, **off, p_solarise=1.0, rounding=rounding)
    scale = 1 if rounding else 255
    x = planes.of(tf.constant(IMAGE[None] / np.float32(scale)))
    out = planes.back(recipe.planes(x, seeds(1)))[0] * scale
    np.testing.assert_array_equal(np.round(out), SELF["solarize"])
    square = tf.constant(IMAGE[None, :, :40])
    whole = tf.constant([[0, 0, 40, 40]])
    cut = crop.cut_planes(square, whole, 40, "bicubic", rounding, tf.constant([True]))
    out = planes.back(cut)[0] * scale
    np.testing.assert_array_equal(np.round(out), SELF["hflip"][:, -40:])


def test_pictures_are_normalised_as_theirs():
    ours = IMAGENET.by_rows(tf.constant(IMAGE[None] / np.float32(255)))[0]
    np.testing.assert_allclose(ours, SELF["normalize_out_hwc"], atol=2e-6)


@pytest.mark.parametrize("shape", [(37, 80), (224, 100), (30, 31)])
def test_files_are_cut_by_pils_bicubic_filter(rng, shape):
    pixels = rng.integers(90, 160, (*shape, 3), np.uint8)  # no overshoot to cut
    wide = Image.fromarray(pixels).resize((24, 24), Image.Resampling.BICUBIC)
    ours = crop.resize_one(tf.constant(pixels), 24, "bicubic").numpy()
    assert np.abs(ours - np.asarray(wide)).max() < 1.01


@pytest.mark.parametrize("rounding", [False, True])
def test_shares_of_blurred_and_solarised_images_are_the_papers(rng, rounding):
    x = tf.constant(rng.random((400, 12, 12, 3), np.float32))
    more = {"size": 12, "rounding": rounding}
    rough = lambda x: np.abs(np.diff(x, axis=2)).mean(axis=(1, 2, 3))
    still = contrastive.self_classifier(**more, **OFF).change(x, seeds(400)).numpy()
    for share in (0.1, 1.0):
        recipe = contrastive.self_classifier(**more, p_blur=share)
        out = recipe.change(x, seeds(400)).numpy()
        # PIL's boxes below 0.4 pixels or so hardly change anything.
        found = np.mean(rough(out) < 0.95 * rough(still))
        assert 0.75 * share < found < share + 0.05
    recipe = contrastive.self_classifier(**more, **OFF, p_solarise=0.2)
    out = recipe.change(x, seeds(400)).numpy()
    turned = np.abs(out - still).max(axis=(1, 2, 3)) > 0.01
    assert abs(turned.mean() - 0.2) < 0.06
    expected = np.where(still >= 127.5 / 255, 1 - still, still)
    np.testing.assert_allclose(out[turned], expected[turned], atol=1e-5)


def test_colours_change_as_strongly_as_the_papers():
    """Grey tones show brightness and contrast, one coloured pixel the other two."""
    image = np.full((8, 8, 3), 100, np.float32)
    image[4:] = 156
    image[0, 0] = 110, 128, 146
    x = tf.constant(np.stack([image / 255] * 3000))
    recipe = contrastive.self_classifier(size=8, **OFF)
    out = 255 * recipe.change(x, seeds(3000)).numpy()
    chroma = np.ptp(out[:, 0, 0], axis=1)
    greyed, same = chroma < 1e-3, np.abs(out - image).max(axis=(1, 2, 3)) < 1e-3
    assert abs(greyed.mean() - 0.2) < 0.03
    assert abs(same.mean() - 0.2 * 0.8) < 0.03
    out, chroma = out[~(greyed | same)], chroma[~(greyed | same)]
    brightness = out.mean(axis=(1, 2, 3)) / image.mean()
    spread = (out[:, 7, 7, 0] - out[:, 3, 3, 0]) / 56  # brightness times contrast
    saturation = chroma / 36 / spread
    for found, most in ((brightness, 0.4), (spread / brightness, 0.4)):
        assert 1 - most - 0.02 < found.min() < 1 - most + 0.03
        assert 1 + most - 0.03 < found.max() < 1 + most + 0.02
    assert 0.79 < saturation.min() < 0.82 and 1.18 < saturation.max() < 1.21
    degrees = np.degrees(np.angle(out[:, 0, 0] @ np.exp(2j * np.pi * np.arange(3) / 3)))
    before = np.degrees(np.angle(image[0, 0] @ np.exp(2j * np.pi * np.arange(3) / 3)))
    shift = (degrees - before + 180) % 360 - 180
    assert 33 < shift.max() < 38 and -38 < shift.min() < -33  # a tenth of the circle


VIEWS = [
    {"name": "self_classifier", "size": 20, "p_blur": 0.1},
    {"name": "self_classifier", "size": 20, "p_blur": 1.0, "p_solarise": 0.2},
    {"name": "self_classifier", "size": 10, "scale": [0.05, 0.4], "count": 6},
]
SPEC = {
    "method": {"name": "supervised"},
    "backbone": {"name": "resnet18", "width": 4, "stem": "small"},
    "data": {"name": "digits"},
    "views": VIEWS,
    "optimizer": {"name": "lars", "learning_rate": 0.1},
    "train": {"batch_size": 6, "epochs": 1},
}


@pytest.fixture(params=["array", "disk"])
def source(request, rng, tmp_path):
    images = np.stack([pictures.smooth(rng, 32, 32) for _ in range(6)])
    if request.param == "disk":
        for i, image in enumerate(images):
            pictures.write(tmp_path / f"{i}.png", image)
        images = np.array([str(tmp_path / f"{i}.png") for i in range(6)])
    return Source("x", "train", images, np.arange(6, dtype=np.int32), ())


def test_a_config_mixes_two_large_and_six_small_crops_each_drawn_anew(source):
    recipes = experiment.check(SPEC).recipes
    assert experiment.view_size(experiment.check(SPEC)) == 20
    assert experiment.work(recipes, 20) == 2 + 6 / 4
    order = lambda epoch: np.arange(6, dtype=np.int64)[None]
    found = pipeline.views(source, recipes, order, pipeline.Normal(), seed=0, size=20)
    first, second = ([x.numpy() for x in b["views"]] for b in found.take(2))
    assert [x.shape for x in first] == [(6, 20, 20, 3)] * 2 + [(6, 10, 10, 3)] * 6
    every = [*first, *second]
    for a, b in itertools.combinations(every, 2):
        if a.shape == b.shape:
            assert np.abs(a - b).max(axis=(1, 2, 3)).min() > 1e-3  # of every image


def test_views_computed_together_are_those_computed_apart(source):
    order = lambda epoch: np.arange(6, dtype=np.int64)[None]
    make = lambda: contrastive.self_classifier(8, p_blur=0.5)
    one = make()
    found = [
        next(iter(pipeline.views(source, recipes, order, IMAGENET, seed=0, size=8)))
        for recipes in ([one, one], [one, make()])
    ]
    for together, apart in zip(*(batch["views"] for batch in found)):
        np.testing.assert_array_equal(together, apart)


def test_every_crop_has_its_own_box_of_its_own_area():
    recipes = experiment.check(SPEC).recipes
    viewing = reading.Viewing(recipes, IMAGENET, 0, 20)
    sides = tf.fill([500], 200)
    batch = {"index": tf.range(500, dtype=tf.int64), "epoch": tf.constant(0, tf.int64)}
    boxes = np.stack(
        [
            recipe.boxes(viewing.seeds(batch, [view])[0], sides, sides)
            for view, recipe in enumerate(recipes)
        ]
    )
    assert len(np.unique(boxes.reshape(-1, 4), axis=0)) > 0.99 * 8 * 500
    area = boxes[..., 2] * boxes[..., 3] / 200**2
    for part, (low, high) in ((area[:2], (0.4, 1.0)), (area[2:], (0.05, 0.4))):
        assert low - 0.01 < part.min() < low + 0.02
        assert high - 0.08 < part.max() < high + 0.01
