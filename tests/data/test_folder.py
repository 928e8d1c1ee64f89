"""A user's folder, whatever its shape."""

import numpy as np
import pictures
import pytest
from PIL import Image

from ssl_tf.data.folder import IN_MEMORY, common_size, folder, image_root
from ssl_tf.errors import BadInput


def test_train_and_test_trees_share_their_labels(rng, tmp_path):
    pictures.tree(tmp_path / "train", rng, {"katze": 3, "hund": 2, "übrige": 1})
    pictures.tree(tmp_path / "val", rng, {"katze": 1, "hund": 1, "übrige": 2})
    train, test = folder("train", tmp_path), folder("test", tmp_path)
    assert train.classes == test.classes == ("hund", "katze", "übrige")
    assert train.label.tolist() == [0, 0, 1, 1, 1, 2]
    assert test.label.tolist() == [0, 1, 2, 2]
    assert train.images.shape == (6, 12, 12, 3) and not train.files


def test_a_single_tree_is_split_class_by_class_and_without_overlap(rng, tmp_path):
    pictures.tree(tmp_path, rng, {"a": 10, "b": 5})
    train, test = folder("train", tmp_path), folder("test", tmp_path)
    assert np.bincount(train.label).tolist() == [8, 4]
    assert np.bincount(test.label).tolist() == [2, 1]
    images = np.concatenate([train.images, test.images])
    assert len(np.unique(images.reshape(15, -1), axis=0)) == 15
    np.testing.assert_array_equal(folder("test", tmp_path).images, test.images)


def test_nothing_held_out_tests_on_the_training_images(rng, tmp_path):
    pictures.tree(tmp_path, rng, {"a": 3, "b": 2})
    train, test = (folder(s, tmp_path, test_share=0.0) for s in ("train", "test"))
    np.testing.assert_array_equal(train.images, test.images)


def test_a_flat_folder_serves_methods_without_labels(rng, tmp_path):
    pictures.tree(tmp_path, rng, {"": 10})
    with pytest.raises(BadInput, match="has no class folders"):
        folder("train", tmp_path)
    source = folder("train", tmp_path, labels=False)
    assert source.size == 8 and source.classes == ()
    assert set(source.label.tolist()) == {-1}


def test_images_of_all_kinds_and_sizes_become_one_array(rng, tmp_path):
    wide = Image.fromarray(pictures.smooth(rng, 40, 60))
    pictures.tree(tmp_path, rng, {"a": 4, "b": 4}, size=50)
    pictures.write(tmp_path / "a/wide.JPEG", wide.convert("CMYK"))
    pictures.write(tmp_path / "a/grey.png", wide.convert("L"))
    pictures.write(tmp_path / "b/palette.gif", wide.convert("P"))
    pictures.write(tmp_path / "b/deep.png", Image.new("I;16", (50, 50)))
    pictures.write(tmp_path / "b/alpha.webp", wide.convert("RGBA"))
    source = folder("train", tmp_path)
    assert source.images.shape[1:] == (32, 32, 3)
    assert folder("train", tmp_path, size=20).images.shape[1:] == (20, 20, 3)


@pytest.mark.parametrize(
    "sizes, side",
    [
        ([(48, 48)] * 3, 48),
        ([(500, 375), (400, 300), (640, 480)], 224),
        ([(100, 70), (90, 80)], 64),
        ([(20, 9)], 32),
        ([(300, 300)] * 2, 224),
    ],
)
def test_the_size_is_taken_from_the_images(rng, tmp_path, sizes, side):
    paths = [
        str(pictures.write(tmp_path / f"{i}.png", Image.new("RGB", size)))
        for i, size in enumerate(sizes)
    ]
    assert common_size(paths) == side


def test_what_does_not_fit_memory_stays_on_disk(rng, tmp_path):
    pictures.tree(tmp_path, rng, {"a": 4, "b": 4})
    side = int((IN_MEMORY / 3) ** 0.5) + 1
    source = folder("train", tmp_path, size=side)
    assert source.files and source.images[0].endswith(".png")


@pytest.mark.parametrize("parts, message", pictures.BROKEN_FOLDERS)
def test_a_folder_that_cannot_be_used_says_why(rng, tmp_path, parts, message):
    pictures.layout(tmp_path, rng, parts)
    with pytest.raises(BadInput, match=message) as error:
        for split in ("train", "test"):
            folder(split, tmp_path)
    assert str(tmp_path) in str(error.value) or "folder:" in str(error.value)


@pytest.mark.parametrize(
    "root, message", [(None, "needs --datadir"), ("gone", "does not exist")]
)
def test_a_missing_folder_says_what_is_needed(tmp_path, root, message):
    with pytest.raises(BadInput, match=message):
        folder("train", root and tmp_path / root)


def test_a_file_is_no_folder(rng, tmp_path):
    path = pictures.write(tmp_path / "a.png", pictures.noise(rng))
    with pytest.raises(BadInput, match="is a file; folder needs"):
        folder("train", path)


def test_a_damaged_image_is_named(rng, tmp_path):
    pictures.tree(tmp_path, rng, {"a": 4, "b": 4})
    pictures.damaged(tmp_path / "a/1.png", rng)
    with pytest.raises(BadInput, match="a/1.png: is no readable image"):
        for split in ("train", "test"):
            folder(split, tmp_path)


def test_all_images_below_a_path_are_found_for_embedding(rng, tmp_path):
    pictures.tree(tmp_path, rng, {"a": 1, "a/b": 1, ".hidden": 1, "": 1})
    names = [path[len(str(tmp_path)) :] for path in image_root(tmp_path)]
    assert names == ["/0.png", "/a/0.png", "/a/b/0.png"]
    one = str(tmp_path / "0.png")
    assert image_root(one) == [one]
    with pytest.raises(BadInput, match="no such file"):
        image_root(tmp_path / "gone")
