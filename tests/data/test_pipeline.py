"""Batches: what is in them, and that only (seed, epoch, index, view) decides it."""

from pathlib import Path

import keras
import numpy as np
import pictures
import pytest
import tensorflow as tf
from PIL import Image

from ssl_tf.augment import crop
from ssl_tf.augment.recipes import crop_flip, crop_jitter_flip, plain, shift_flip
from ssl_tf.data import decode, files, orders, pipeline
from ssl_tf.data.folder import folder
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput
from ssl_tf.ops.distribute import Part

NORMAL = pipeline.Normal((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.fixture
def array(rng):
    images = rng.integers(0, 256, (40, 16, 16, 3), np.uint8)
    label = rng.integers(0, 4, 40).astype(np.int32)
    return Source("x", "train", images, label, tuple("abcd"))


@pytest.fixture
def disk(rng, tmp_path):
    """20 files of differing shapes and kinds."""
    for i in range(20):
        image = pictures.smooth(rng, 20 + i, 45 - i)
        suffix = (".jpg", ".png", ".webp", ".bmp")[i % 4]
        pictures.write(tmp_path / f"{i:02}{suffix}", image)
    paths = np.array(files.images_in(tmp_path))
    return Source("x", "train", paths, np.arange(20, dtype=np.int32), ())


def batches(source, recipes, batch_size=8, count=3, seed=1, normal=NORMAL, **more):
    order = more.pop("order", orders.shuffled(source.size, batch_size, seed))
    found = pipeline.views(
        source, recipes, order, normal, seed=seed, **({"size": 16} | more)
    )
    return [tf.nest.map_structure(np.asarray, b) for b in found.take(count)]


def by_image(found):
    """`{(epoch's turn, index): views}`; each image once a turn."""
    views = {}
    for batch in found:
        for i, index in enumerate(batch["index"].tolist()):
            turn = sum((t, index) in views for t in range(9))
            views[turn, index] = np.stack([view[i] for view in batch["views"]])
    return views


@pytest.fixture(params=["array", "disk"])
def source(request):
    return request.getfixturevalue(request.param)


def test_a_batch_holds_views_labels_places_and_keys(source):
    recipes = [crop_flip(size=12), crop_jitter_flip(size=16)]
    (batch,) = batches(source, recipes, count=1)
    assert [view.shape for view in batch["views"]] == [(8, 12, 12, 3), (8, 16, 16, 3)]
    assert all(view.dtype == np.float32 for view in batch["views"])
    assert batch["index"].dtype == np.int64 and batch["label"].dtype == np.int32
    np.testing.assert_array_equal(batch["label"], source.label[batch["index"]])
    assert batch["key"].dtype == np.int32 and len(set(batch["key"].tolist())) == 8
    assert batch["epoch"].dtype == np.int32 and batch["epoch"].tolist() == [0] * 8


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(source):
    recipes = [crop_jitter_flip(size=12)]
    first, again = batches(source, recipes), batches(source, recipes)
    for a, b in zip(first, again):
        tf.nest.map_structure(np.testing.assert_array_equal, a, b)
    other = batches(source, recipes, seed=2)
    assert not np.array_equal(first[0]["index"], other[0]["index"])


def test_views_do_not_depend_on_the_batch_an_image_is_in(source):
    recipes = [crop_jitter_flip(size=16), shift_flip(pixels=2)]
    wide = by_image(batches(source, recipes, 10, source.size // 10))
    for size in (1, 4):
        narrow = by_image(batches(source, recipes, size, source.size // size))
        assert narrow.keys() == wide.keys()
        for key in wide:
            np.testing.assert_array_equal(narrow[key], wide[key])


def test_views_differ_between_epochs_and_between_views(source):
    recipes = [crop_flip(size=12), crop_flip(size=12)]
    views = by_image(batches(source, recipes, 10, 2 * source.size // 10))
    half = source.size // 2
    epochs = [np.array_equal(views[0, i], views[1, i]) for i in range(source.size)]
    assert sum(epochs) < half
    pairs = [np.array_equal(*views[0, i]) for i in range(source.size)]
    assert sum(pairs) < half


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own(array):
    index = [b["index"] for b in batches(array, [plain()], 10, 8)]
    first, second = np.concatenate(index[:4]), np.concatenate(index[4:])
    assert sorted(first) == sorted(second) == list(range(40))
    assert not np.array_equal(first, second)


def test_a_start_within_an_epoch_goes_on_where_it_was(source):
    recipes = [crop_jitter_flip(size=12)]
    whole = batches(source, recipes, 4, 8)
    start = (5 // (source.size // 4), 5 % (source.size // 4))
    for a, b in zip(whole[5:], batches(source, recipes, 4, 3, start=start)):
        tf.nest.map_structure(np.testing.assert_array_equal, a, b)


def test_replicas_read_the_rows_of_the_same_batches(source):
    recipes = [crop_jitter_flip(size=12)]
    whole = batches(source, recipes, 8, 2)
    both = batches(source, recipes, 8, 4, part=Part(0, 2, 2))
    second = batches(source, recipes, 8, 2, part=Part(1, 1, 2))
    for i, batch in enumerate(whole):
        index = batch["index"]
        np.testing.assert_array_equal(second[i]["index"], index[4:])
        np.testing.assert_array_equal(both[2 * i]["index"], index[:4])
        views = [both[2 * i]["views"][0], second[i]["views"][0]]
        np.testing.assert_array_equal(np.concatenate(views), batch["views"][0])


def test_normalising_subtracts_and_divides_per_channel(array):
    (batch,) = batches(array, [plain()], count=1)
    images = array.images[batch["index"]] / 255
    expected = (images - NORMAL.mean) / NORMAL.deviation
    np.testing.assert_allclose(batch["views"][0], expected, atol=1e-6)


def test_normalising_by_rows_gives_the_same_bits_and_any_tensor_will_do(rng):
    images = tf.constant(rng.random((3, 5, 7, 3)).astype(np.float32))
    np.testing.assert_array_equal(NORMAL.by_rows(images), NORMAL(images))
    assert NORMAL(keras.Input((5, 7, 3))).shape == (None, 5, 7, 3)


def test_plain_views_of_files_are_their_central_squares(disk):
    (batch,) = batches(disk, [plain()], count=1, normal=pipeline.Normal())
    for view, index in zip(batch["views"][0], batch["index"]):
        expected = crop.centre_one(files.read(disk.images[index]), 16, 16)
        assert np.abs(view * 255 - expected).max() < 1.01


def test_evaluation_sees_every_image_in_order_and_marks_the_filling(source):
    images = pipeline.Images(source, NORMAL, 16)
    found = list(images.batches(16))
    assert len(found) == images.steps(16) == -(-source.size // 16)
    index = np.concatenate([b["index"] for b in found])
    weight = np.concatenate([b["weight"] for b in found])
    assert index[: source.size].tolist() == list(range(source.size))
    assert weight.sum() == source.size and set(index[weight == 0]) <= {source.size - 1}
    assert found[0]["views"][0].shape == (16, 16, 16, 3)


def test_evaluation_is_dealt_to_replicas_row_by_row(source):
    images = pipeline.Images(source, NORMAL, 16)
    whole = list(images.batches(16))
    parts = [list(images.batches(16, Part(r, 1, 2))) for r in range(2)]
    for i, batch in enumerate(whole):
        for key in ("index", "label", "weight"):
            joined = np.concatenate([part[i][key] for part in parts])
            np.testing.assert_array_equal(joined, batch[key])
        views = np.concatenate([part[i]["views"][0] for part in parts])
        np.testing.assert_array_equal(views, batch["views"][0])


def test_evaluation_of_files_scales_the_shorter_side_then_cuts(disk):
    images = pipeline.Images(disk, pipeline.Normal(), 16, resize=20)
    (batch,) = images.batches(20)
    data = tf.io.read_file(str(disk.images[3]))
    cut = crop.centre_one(decode.decode(data), 20, 16)
    np.testing.assert_allclose(batch["views"][0][3] * 255, cut, atol=1e-3)


def test_evaluation_brings_arrays_of_another_size_to_the_views_size(array):
    (batch,) = pipeline.Images(array, pipeline.Normal(), 12).batches(40)
    assert batch["views"][0].shape == (40, 12, 12, 3)
    scaled = Image.fromarray(array.images[7]).resize((12, 12), Image.BILINEAR)
    assert np.abs(batch["views"][0][7] * 255 - np.asarray(scaled)).max() < 1.01


@pytest.mark.parametrize("place", [4, 5, 6, 7])
def test_a_damaged_file_is_blamed_whatever_its_kind(disk, rng, place):
    path = Path(disk.images[place])
    path.write_bytes(path.read_bytes()[:150])
    order = orders.shuffled(disk.size, 4, 1)
    places = lambda: orders.indices(order(0))
    with (
        pytest.raises(BadInput, match=path.name) as error,
        decode.blamed(disk, places),
    ):
        batches(disk, [plain()], 4, 5)
    assert "\n" not in str(error.value)
    with pytest.raises(decode.FAILURES):
        list(pipeline.Images(disk, NORMAL, 16).batches(5))


def test_a_deleted_file_is_blamed_and_a_good_one_is_not(disk):
    Path(disk.images[2]).unlink()
    name, read = Path(disk.images[2]).name, lambda: batches(disk, [plain()], 4, 5)
    with pytest.raises(BadInput, match=name), decode.blamed(disk, lambda: [2, 3]):
        read()
    with pytest.raises(decode.FAILURES), decode.blamed(disk, lambda: [0, 1, 3]):
        read()


def test_an_order_with_moves_is_refused_by_other_recipes(array):
    order = lambda epoch: np.zeros((2, 4, 4), np.int64)
    with pytest.raises(BadInput, match="for views of shift_flip only"):
        batches(array, [crop_flip()], order=order)


def test_a_folder_too_large_for_memory_trains_like_a_small_one(rng, tmp_path):
    pictures.tree(tmp_path, rng, {"a": 10, "b": 10}, size=16)
    small = folder("train", tmp_path)
    paths = [str(p) for name in "ab" for p in sorted((tmp_path / name).iterdir())]
    kept = {files.read(p).tobytes(): p for p in paths}
    on_disk = np.array([kept[image.tobytes()] for image in small.images])
    large = small._replace(images=on_disk)
    for recipes in ([shift_flip(pixels=3)], [plain()]):
        for a, b in zip(batches(small, recipes), batches(large, recipes)):
            np.testing.assert_array_equal(a["index"], b["index"])
            np.testing.assert_allclose(a["views"][0], b["views"][0], atol=1e-6)


def test_a_filled_order_shows_every_image_and_ends_with_the_first_ones():
    order = orders.ordered("filled", [], 10, 4, seed=3)(1)
    assert order.shape == (3, 4)
    flat = order.ravel()
    assert sorted(flat[:10]) == list(range(10)) and (flat[10:] == flat[:2]).all()
    short = orders.ordered("shuffled", [], 10, 4, seed=3)(1)
    np.testing.assert_array_equal(short, order[:2])


def test_a_repeated_order_brings_the_first_epochs_views_again(array):
    order = orders.Repeated(orders.shuffled(array.size, 20, 1))
    first, second, third, fourth = batches(
        array, [shift_flip()], 20, count=4, order=order
    )
    for before, after in ((first, third), (second, fourth)):
        np.testing.assert_array_equal(before["index"], after["index"])
        np.testing.assert_array_equal(before["views"][0], after["views"][0])
    assert set(first["index"]).isdisjoint(second["index"])
