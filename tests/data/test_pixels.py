"""One way from a file to pixels: decoder, memory or disk and command do not matter."""

import importlib
import io
import types

import numpy as np
import pictures
import pytest
import tensorflow as tf
from PIL import Image

from ssl_tf import embed, evaluator, opening
from ssl_tf.augment import crop
from ssl_tf.augment.contrastive import jigsaw, scatsimclr
from ssl_tf.augment.recipes import crop_flip, plain
from ssl_tf.data import decode, examine, files, pipeline
from ssl_tf.data.instances import Instances
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput

FOLDER = importlib.import_module("ssl_tf.data.folder")  # hidden by its function
SUBSAMPLED = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


def jpeg(image, **more):
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", **more)
    return out.getvalue()


def cmyk(marker):
    """`(bytes of a CMYK JPEG, its RGB image)`; without Adobe's marker if asked so."""
    image = np.full((16, 24, 3), 200, np.uint8)
    image[:, :12, 0] = 30
    out = io.BytesIO()
    Image.fromarray(image).convert("CMYK").save(out, "JPEG", quality=95)
    data = out.getvalue()
    if not marker:
        start = data.index(b"\xff\xee")
        length = int.from_bytes(data[start + 2 : start + 4], "big")
        data = data[:start] + data[start + 2 + length :]
    return data, image


@pytest.mark.parametrize("marker", [True, False])
def test_a_jpeg_in_cmyk_has_the_colours_that_pil_shows(marker):
    data, image = cmyk(marker)
    ours = decode.decode(data).numpy()
    np.testing.assert_array_equal(ours, files.pixels(io.BytesIO(data)))
    assert np.abs(ours.astype(int) - image)[:, [2, 21]].max() <= 3
    window = tf.constant([3, 5, 8, 10])
    box = decode.decode_box(data, lambda *_: window)
    np.testing.assert_array_equal(box, ours[3:11, 5:15])


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", SUBSAMPLED)
def test_a_box_of_a_jpeg_has_the_colours_of_the_whole(rng, subsampling, progressive):
    image = pictures.smooth(rng, 45, 61)
    more = {"subsampling": SUBSAMPLED[subsampling], "progressive": progressive}
    data = jpeg(image, **more)
    whole = files.read(io.BytesIO(data))
    np.testing.assert_array_equal(decode.decode(data), whole)
    for _ in range(12):
        high, wide = rng.integers(1, 45), rng.integers(1, 61)
        top, left = rng.integers(0, 46 - high), rng.integers(0, 62 - wide)
        window = tf.constant([top, left, high, wide], tf.int32)
        box = decode.decode_box(data, lambda *_, window=window: window)
        wanted = whole[top : top + high, left : left + wide]
        np.testing.assert_array_equal(box, wanted)


@pytest.fixture
def striped(tmp_path):
    """Twelve images of 24 x 72 whose left and right thirds are red, in two classes."""
    image = np.zeros((24, 72, 3), np.uint8)
    image[:, :22, 0] = image[:, -22:, 0] = 255
    for i in range(12):
        pictures.write(tmp_path / "ab"[i % 2] / f"{i}.png", image)
    return tmp_path


@pytest.fixture
def square(rng, tmp_path):
    """Six images of 24 x 24 with sharp edges, in two classes."""
    for i in range(6):
        image = 255 * rng.integers(0, 2, (6, 6, 3)).repeat(4, 0).repeat(4, 1)
        pictures.write(tmp_path / "ab"[i % 2] / f"{i}.png", image.astype(np.uint8))
    return tmp_path


def both(root, monkeypatch):
    """The training images of a folder, and the same from disk."""
    held = FOLDER.folder("train", root, test_share=0.0)
    monkeypatch.setattr(FOLDER, "IN_MEMORY", 0)
    return held, FOLDER.folder("train", root, test_share=0.0)


def views(source, recipe, size, fit="centre"):
    order = lambda epoch: np.arange(source.size)[None]
    look = {"seed": 0, "size": size, "fit": fit}
    found = pipeline.views(source, [recipe], order, pipeline.Normal(), **look)
    return next(iter(found))["views"][0].numpy()


def test_crops_of_a_small_folder_see_the_ends_of_long_images(striped):
    source = FOLDER.folder("train", striped, size=24, test_share=0.0)
    shown = views(source, crop_flip(scale=(0.08, 0.2)), 24)
    assert (shown[..., 0] > 0.5).any((1, 2)).mean() > 0.4
    assert (shown[..., 0] > 0.5).all((1, 2)).any()  # nothing but an end


@pytest.mark.parametrize("fit, red", [("centre", 0.0), ("squash", 44 / 72)])
def test_a_small_folder_is_fitted_as_the_config_says(striped, fit, red):
    source = FOLDER.folder("train", striped, size=24, test_share=0.0)
    images = pipeline.Images(source, pipeline.Normal(), 24, None, fit)
    (batch,) = images.batches(12)
    assert np.mean(batch["views"][0][..., 0]) == pytest.approx(red, abs=0.01)


@pytest.mark.parametrize("resize", [32, 24])
def test_the_shorter_side_of_evaluation_holds_in_memory_and_on_disk(
    square, monkeypatch, resize
):
    held, disk = both(square, monkeypatch)
    assert not held.files and disk.files
    for source in (held, disk):
        images = pipeline.Images(source, pipeline.Normal(), 24, resize)
        (batch,) = images.batches(6)
        wanted = Image.fromarray(held.images[3]).resize((resize,) * 2, Image.BILINEAR)
        edge = (resize - 24) // 2
        wanted = np.asarray(wanted)[edge:, edge:][:24, :24]
        assert np.abs(batch["views"][0][3] * 255 - wanted).max() < 1.01


@pytest.mark.parametrize(
    "recipe", [plain(16), plain(), jigsaw(16), crop_flip(16), scatsimclr(color=False)]
)
def test_views_are_the_same_from_memory_and_from_disk(square, monkeypatch, recipe):
    held, disk = both(square, monkeypatch)
    ours, theirs = views(held, recipe, 16), views(disk, recipe, 16)
    assert ours.shape == theirs.shape and ours.shape[-2] == 16
    assert np.abs(ours - theirs).max() < 1.01 / 255


def test_a_rounded_lanczos_resize_is_pils(rng):
    image = 255 * rng.integers(0, 2, (9, 7, 3)).repeat(4, 0).repeat(4, 1)
    image = image.astype(np.uint8)
    ours = crop.resize_one(tf.constant(image), 20, "lanczos", rounding=True)
    theirs = np.asarray(Image.fromarray(image).resize((20, 20), Image.LANCZOS))
    assert np.abs(ours - theirs.astype(int)).max() <= 1


@pytest.fixture
def levels(tmp_path):
    """Paths of files of one grey level each, 0, 100 and 200, of three shapes."""
    shapes = {0: (10, 10), 100: (10, 30), 200: (40, 20)}
    for level, shape in shapes.items():
        pictures.write(tmp_path / f"{level}.png", np.full((*shape, 3), level, np.uint8))
    return Source(
        "x", "train", np.array(files.images_in(tmp_path)), np.zeros(3, np.int32), ("a",)
    )


@pytest.mark.parametrize("fit", ["centre", "squash", "interpolate"])
def test_mean_and_deviation_of_files_are_of_the_images_as_shown(levels, fit):
    normal = opening.normalisation("mean_std", levels, 8, None, fit)
    np.testing.assert_allclose(normal.mean, [100 / 255] * 3, rtol=1e-6)
    wanted = np.sqrt(2e4 / 3) / 255
    np.testing.assert_allclose(normal.deviation, [wanted] * 3, rtol=1e-6)


def test_mean_and_deviation_are_the_same_from_memory_and_from_disk(square, monkeypatch):
    held, disk = both(square, monkeypatch)
    ours, theirs = (opening.normalisation("mean_std", s, 24) for s in (held, disk))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    exact = held.images.reshape(-1, 3) / 255
    np.testing.assert_allclose(ours, [exact.mean(0), exact.std(0)], rtol=1e-12)


def test_mean_and_deviation_of_annotated_files_are_of_their_pixels(levels):
    """100 pixels of level 0, 300 of 100, 800 of 200."""
    sizes = np.array([[10, 10], [10, 30], [40, 20]], np.int32)
    found = Instances("x", "train", levels.images, sizes, ((),) * 3, (), (), ())
    normal = opening.normalisation("mean_std", found)
    mean = (300 * 100 + 800 * 200) / 1200
    spread = (100 * mean**2 + 300 * (100 - mean) ** 2 + 800 * (200 - mean) ** 2) / 1200
    np.testing.assert_allclose(normal.mean, [mean / 255] * 3)
    np.testing.assert_allclose(normal.deviation, [spread**0.5 / 255] * 3)


def test_a_constant_channel_and_sums_of_files_are_refused(levels):
    one = levels._replace(images=levels.images[:1], label=levels.label[:1])
    with pytest.raises(BadInput, match="deviation of a channel is 0"):
        opening.normalisation("mean_std", one, 8)
    with pytest.raises(BadInput, match="Write mean_std"):
        opening.normalisation("saturated", levels, 8)


def test_embed_shows_images_as_the_run_does(striped, monkeypatch):
    """The features of this stand-in are the pixels themselves."""

    class Run:
        facts = {"size": 24}
        parts = types.SimpleNamespace(
            data=types.SimpleNamespace(resize=None, fit="squash")
        )
        method = types.SimpleNamespace(
            backbone=lambda x, training: tf.reshape(x, [tf.shape(x)[0], -1])
        )
        normal = lambda self: pipeline.Normal((0.5,) * 3, (0.25,) * 3)
        shown = evaluator.Run.shown

    monkeypatch.setattr(evaluator, "Run", lambda folder, weights: Run())
    features = embed.embed("run", FOLDER.image_root(striped))
    shown = features.reshape(12, 24, 24, 3) * 0.25 + 0.5
    assert shown[..., 0].mean() == pytest.approx(44 / 72, abs=0.01)


@pytest.mark.parametrize("place", [-1, -5, -20])
def test_a_png_that_tensorflow_refuses_is_found_beforehand(rng, tmp_path, place):
    """A wrong checksum, or a chunk that ends too early."""
    path = pictures.write(tmp_path / "a.png", pictures.noise(rng))
    assert not examine.examine(path).error
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    assert examine.examine(path).error
    assert "a.png" in str(decode.trouble(str(path)))
