"""Crops and resizing against PIL, pixel by pixel."""

import numpy as np
import pictures
import pytest
import tensorflow as tf
from PIL import Image

from augment import golden
from ssl_tf.augment import crop, planes
from ssl_tf.augment.recipe import unit
from ssl_tf.data.pipeline import Normal
from ssl_tf.ops import draws

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def seeds(count, start=0):
    return draws.seeds(start, 0, tf.range(count), 0)


def by_pil(image, box, size, method):
    """Cut out, then resized, in float32 as PIL's mode F does it without rounding."""
    top, left, height, width = box
    cut = image[top : top + height, left : left + width]
    channels = [
        Image.fromarray(cut[..., c]).resize((size, size), FILTERS[method])
        for c in range(3)
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


@pytest.mark.parametrize("method", FILTERS)
@pytest.mark.parametrize("size", [5, 17, 32, 61])
def test_boxes_are_cut_and_resized_as_pil_does(rng, method, size):
    images = rng.random((8, 37, 45, 3)).astype(np.float32)
    height, width = rng.integers(3, 38, 8), rng.integers(3, 46, 8)
    top, left = rng.integers(0, 38 - height), rng.integers(0, 46 - width)
    boxes = np.stack([top, left, height, width], axis=1).astype(np.int32)
    expected = [by_pil(x, box, size, method) for x, box in zip(images, boxes)]
    ours = crop.resize_boxes(tf.constant(images), boxes, size, method)
    np.testing.assert_allclose(ours, expected, atol=2e-5)


def test_a_box_of_the_whole_image_at_its_own_size_is_the_image(rng):
    images = rng.random((2, 9, 9, 3)).astype(np.float32)
    boxes = tf.constant([[0, 0, 9, 9]] * 2)
    for method in FILTERS:
        same = crop.resize_boxes(tf.constant(images), boxes, 9, method)
        np.testing.assert_allclose(same, images, atol=1e-6)


def test_a_box_does_not_know_its_neighbours(rng):
    images = tf.constant(rng.random((5, 20, 20, 3)).astype(np.float32))
    boxes = crop.random_boxes(seeds(5), tf.fill([5], 20), tf.fill([5], 20), (0.2, 1.0))
    whole = crop.resize_boxes(images, boxes, 12).numpy()
    for i in range(5):
        alone = crop.resize_boxes(images[i : i + 1], boxes[i : i + 1], 12)
        np.testing.assert_array_equal(alone[0], whole[i])


@pytest.mark.parametrize("shape", [(37, 80), (224, 100), (30, 31), (7, 300)])
@pytest.mark.parametrize("size", [16, 64])
def test_one_image_is_resized_as_pil_does(rng, shape, size):
    pixels = pictures.noise(rng, *shape)
    wide = Image.fromarray(pixels).resize((size, size), FILTERS["bilinear"])
    ours = crop.resize_one(tf.constant(pixels), size).numpy()
    # PIL rounds to whole grey levels after each axis.
    assert np.abs(ours - np.asarray(wide)).max() < 1.01


def by_torchvision(pixels, resize, size):
    """Resize(resize), CenterCrop(size) as documented, on PIL images."""
    height, width = pixels.shape[:2]
    if width < height:
        new = (resize, int(resize * height / width))
    else:
        new = (int(resize * width / height), resize)
    scaled = Image.fromarray(pixels).resize(new, FILTERS["bilinear"])
    top, left = round((new[1] - size) / 2), round((new[0] - size) / 2)
    return np.asarray(scaled.crop((left, top, left + size, top + size)))


@pytest.mark.parametrize("resize, size", [(256, 224), (64, 64), (40, 33), (100, 7)])
def test_the_centre_is_torchvisions(rng, resize, size):
    for height, width in rng.integers(20, 500, (6, 2)):
        pixels = pictures.noise(rng, height, width)
        ours = crop.centre_one(tf.constant(pixels), resize, size).numpy().astype(int)
        expected = by_torchvision(pixels, resize, size)
        assert np.abs(ours - expected).max() <= 1
        assert ours.shape == (size, size, 3)


@pytest.mark.parametrize("shape", [(300, 400), (32, 32), (40, 200)])
def test_random_boxes_lie_inside_with_area_and_aspect_in_range(shape):
    height, width = (tf.fill([5000], side) for side in shape)
    boxes = crop.random_boxes(seeds(5000), height, width, (0.2, 0.9)).numpy()
    top, left, h, w = boxes.T
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + h <= shape[0]).all() and (left + w <= shape[1]).all()
    area, aspect = h * w / (shape[0] * shape[1]), w / h
    slack = 2 / min(h.min(), w.min())  # sides are whole pixels
    assert (aspect > 3 / 4 * (1 - slack)).all() and (aspect < 4 / 3 * (1 + slack)).all()
    assert (area > 0.2 * (1 - slack)).all() and (area < 0.9 * (1 + slack)).all()
    assert len(np.unique(boxes, axis=0)) > 1000


def test_areas_and_positions_are_spread_evenly():
    sides = tf.fill([20_000], 200)
    boxes = crop.random_boxes(seeds(20_000), sides, sides, (0.1, 0.5)).numpy()
    top, left, h, w = boxes.T
    area = h * w / 200**2
    np.testing.assert_allclose(
        np.quantile(area, [0.25, 0.5, 0.75]), [0.2, 0.3, 0.4], atol=0.01
    )
    assert abs(np.mean(np.log(w / h))) < 0.01
    for place, room in ((top, 200 - h), (left, 200 - w)):
        share = (place + 0.5) / (room + 1)
        np.testing.assert_allclose(
            np.quantile(share, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.02
        )


def test_areas_beyond_the_image_are_drawn_again():
    sides = tf.fill([20_000], 200)
    boxes = crop.random_boxes(seeds(20_000), sides, sides, (0.3, 4 / 3)).numpy()
    area = boxes[:, 2] * boxes[:, 3] / 200**2
    assert area.max() <= 1 and area.min() > 0.28
    # Two thirds of the draws are below 1; some of those are too wide or too high.
    # Nearly none of 10 draws fit, so the whole image is rare.
    assert 0 < np.mean((boxes[:, 2:] == 200).all(axis=1)) < 0.02
    assert abs(np.median(area) - 0.58) < 0.06


@pytest.mark.parametrize(
    "shape, box",
    [
        ((200, 200), (0, 0, 200, 200)),
        ((100, 400), (0, 134, 100, 133)),
        ((400, 100), (134, 0, 133, 100)),
    ],
)
def test_where_nothing_fits_the_largest_central_box_is_taken(shape, box):
    sides = (tf.constant([side]) for side in shape)
    found = crop.random_boxes(seeds(1), *sides, (5.0, 6.0))
    assert tuple(found.numpy()[0]) == (
        (shape[0] - box[2]) // 2,
        (shape[1] - box[3]) // 2,
        *box[2:],
    )


def test_a_boxs_draw_depends_on_its_own_seed_only():
    sides = tf.fill([6], 50)
    whole = crop.random_boxes(seeds(6), sides, sides, (0.2, 1.0)).numpy()
    for i in range(6):
        one = slice(i, i + 1)
        alone = crop.random_boxes(seeds(6)[one], sides[one], sides[one], (0.2, 1.0))
        np.testing.assert_array_equal(alone[0], whole[i])


SCAT = golden.load("scatsimclr/augment")
SIAM = golden.load("simsiam/g_image_ops")
SELF = golden.load("selfclassifier/augmentation_ops")


def cut(image, box, size, method, flip=None):
    flip = None if flip is None else tf.constant([flip])
    given = tf.constant(image[None]), tf.constant([box])
    found = crop.cut_planes(*given, size, method, rounding=True, flip=flip)
    return planes.back(found)[0].numpy()


@pytest.mark.parametrize("name", [n for n in SCAT if n.startswith("lanczos_crop")])
def test_scatsimclrs_lanczos_crops_come_out_within_a_level(name):
    size, *box = (
        int("".join(filter(str.isdigit, part))) for part in name.split("_")[1:]
    )
    ours = cut(SCAT[f"img{size}"], box, size, "lanczos")
    assert np.abs(ours - SCAT[name]).max() <= 1


@pytest.mark.parametrize("name", [n for n in SELF if n.startswith("rrc")])
def test_self_classifiers_crops_come_out_within_a_level(name):
    _, method, *box, _ = name.split("_")
    ours = cut(SELF["image"], [int(x) for x in box], 24, method)
    assert np.abs(ours - SELF[name]).max() <= 1


def test_simsiams_crop_and_the_resized_images_come_out_within_a_level():
    ours = cut(SIAM["image"], [3, 5, 30, 27], 32, "bilinear")
    expected = SIAM["resized_crop_top3_left5_h30_w27_to32"]
    assert np.abs(ours - expected).max() <= 1
    for method, name, image in (
        ("lanczos", "lanczos_resize_32to96", SCAT["img32"]),
        ("bilinear", "bilinear_32to96_patch", SCAT["img96"][32:64, 32:64]),
        ("bilinear", "bilinear_10to32", SCAT["img32"][:10, :10]),
    ):
        size = len(SCAT[name])
        whole = planes.back(crop.whole(tf.constant(image[None]), size, method))[0]
        assert np.abs(whole.numpy() - SCAT[name]).max() <= 1


def test_simsiams_shorter_side_and_normalisation_come_out():
    image, expected = SIAM["image"], SIAM["resize_short_side_24"]
    assert expected.shape == (28, 24, 3)  # of 48 x 40; the middle is rows 2 to 26
    ours = crop.centre_one(image, 24, 24).numpy().astype(int)
    assert np.abs(ours - expected[2:26]).max() <= 1
    normal = Normal((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    theirs = SIAM["normalised_chw"].transpose(1, 2, 0)
    for found in (normal(unit(image)), normal.by_rows(unit(image[None]))[0]):
        np.testing.assert_allclose(found, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", FILTERS)
def test_rounded_cuts_are_pils_up_to_a_level(rng, method):
    image = pictures.noise(rng, 40, 40)
    for box in ([0, 0, 40, 40], [3, 7, 30, 22], [10, 0, 5, 9]):
        top, left, height, width = box
        inner = Image.fromarray(image[top : top + height, left : left + width])
        expected = np.asarray(inner.resize((32, 32), FILTERS[method]), np.float32)
        error = np.abs(cut(image, box, 32, method) - expected)
        assert error.max() <= 1 and error.mean() < 0.1  # ties


@pytest.mark.parametrize("method", FILTERS)
@pytest.mark.parametrize("rounding", [False, True])
def test_planes_are_cut_as_images_are_and_flipped_if_asked(rng, method, rounding):
    # Of medium grey: PIL cuts the overshoot of the first axis before the second.
    images = tf.constant(rng.integers(90, 160, (6, 20, 22, 3), np.uint8))
    sides = tf.fill([6], 20), tf.fill([6], 22)
    boxes = crop.random_boxes(seeds(6), *sides, (0.2, 1.0))
    flip = tf.constant([True, False] * 3)
    found = crop.cut_planes(images, boxes, 13, method, rounding, flip)
    found = planes.back(found).numpy() * (1 if rounding else 255)
    plain = crop.resize_boxes(tf.cast(images, tf.float32), boxes, 13, method).numpy()
    expected = np.where(flip[:, None, None, None], plain[:, :, ::-1], plain)
    slack = 1.6 if rounding else 1e-3  # two roundings
    np.testing.assert_allclose(found, np.clip(expected, 0, 255), 0, slack)
    for i in range(6):
        one = slice(i, i + 1)
        alone = crop.cut_planes(
            images[one], boxes[one], 13, method, rounding, flip[one]
        )
        alone = planes.back(alone).numpy() * (1 if rounding else 255)
        np.testing.assert_array_equal(alone[0], found[i])


@pytest.mark.parametrize("shape", ["16x16", "64x64"])
def test_interpolation_is_g_simclrs(shape):
    found = golden.load("gsimclr/resize")
    size = int(shape.split("x")[0])
    ours = crop.fit_one(tf.constant(found["img"]), size, fit="interpolate") / 255
    np.testing.assert_allclose(ours, found[f"tf_{shape}"], 0, 1e-6)
    assert np.abs(ours - found[f"cv2_{shape}"]).max() <= 1 / 255


def test_interpolation_is_g_simclrs_along_each_axis_by_itself():
    """To 24 x 20 pixels: we make squares alone, but each axis is scaled as theirs."""
    found = golden.load("gsimclr/resize")
    height, width = found["img"].shape[:2]
    fit = lambda x, size: crop.fit_one(tf.constant(x), size, fit="interpolate").numpy()
    rows = fit(np.eye(height, dtype=np.float32)[:, None], 24)[:, 0]  # [24, 37]
    columns = fit(np.eye(width, dtype=np.float32)[None], 20)[0]  # [20, 53]
    ours = np.einsum("rh,cw,hwk->rck", rows, columns, found["img"] / 255)
    np.testing.assert_allclose(ours, found["tf_24x20"], 0, 1e-6)
    assert np.abs(ours - found["cv2_24x20"]).max() <= 1 / 255


@pytest.mark.parametrize("shape", [(37, 80), (30, 31)])
def test_squashing_is_pils_resize_to_a_square(rng, shape):
    pixels = pictures.noise(rng, *shape)
    expected = Image.fromarray(pixels).resize((24, 24), FILTERS["bilinear"])
    ours = crop.fit_one(tf.constant(pixels), 24, fit="squash")
    assert np.abs(ours - np.asarray(expected)).max() <= 1


def test_fitting_the_centre_is_the_central_cut(rng):
    pixels = tf.constant(pictures.noise(rng, 37, 80))
    ours = crop.fit_one(pixels, 24, resize=30)
    np.testing.assert_array_equal(ours, crop.centre_one(pixels, 30, 24))


@pytest.mark.parametrize("scale", ["ssl_0.2_1.0", "finetune_0.8_1.2"])
def test_kept_areas_are_spread_as_simsiams(scale):
    """Mean, three quantiles and the share of whole images, over draws on 224 pixels."""
    low, high = (float(end) for end in scale.split("_")[1:])
    sides = tf.fill([20_000], 224)
    boxes = crop.random_boxes(seeds(20_000), sides, sides, (low, high)).numpy()
    area = boxes[:, 2] * boxes[:, 3] / 224**2
    found = [area.mean(), *np.quantile(area, [0.1, 0.5, 0.9]), np.mean(area == 1)]
    np.testing.assert_allclose(found, SIAM[f"crop_stats_{scale}"], 0, 0.01)


def test_the_centre_is_self_classifiers():
    down, across = np.mgrid[:300, :420].astype(np.float64)
    channels = [127 + 90 * np.sin(across / 17), 127 + 80 * np.cos(down / 11)]
    channels.append((across + down) * 255 / 720)
    image = np.clip(np.stack(channels, axis=-1), 0, 255).astype(np.uint8)
    ours = crop.centre_one(tf.constant(image), 256, 224).numpy().astype(int)
    assert np.abs(ours - SELF["val_out_224"]).max() <= 1
