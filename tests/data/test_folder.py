"""A user's folder, whatever its shape."""

import importlib
import types
import unicodedata

import numpy as np
import pictures
import pytest
from PIL import Image

from ssl_tf import config, experiment, opening, progress
from ssl_tf.data.folder import common_size, folder, image_root
from ssl_tf.data.skipped import Skipped, told
from ssl_tf.errors import BadInput

MODULE = importlib.import_module("ssl_tf.data.folder")  # hidden by its function


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


def test_images_of_all_kinds_and_sizes_stay_in_their_files(rng, tmp_path):
    wide = Image.fromarray(pictures.smooth(rng, 40, 60))
    pictures.tree(tmp_path, rng, {"a": 4, "b": 4}, size=50)
    pictures.write(tmp_path / "a/wide.JPEG", wide.convert("CMYK"))
    pictures.write(tmp_path / "a/grey.png", wide.convert("L"))
    pictures.write(tmp_path / "b/palette.gif", wide.convert("P"))
    pictures.write(tmp_path / "b/deep.png", Image.new("I;16", (50, 50)))
    pictures.write(tmp_path / "b/alpha.webp", wide.convert("RGBA"))
    source = folder("train", tmp_path)
    assert source.files and source.side == 32
    assert folder("train", tmp_path, size=20).side == 20


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
def test_the_size_is_taken_from_the_images(sizes, side):
    assert common_size(set(sizes)) == side


def test_what_does_not_fit_memory_stays_on_disk(rng, tmp_path, monkeypatch):
    pictures.tree(tmp_path, rng, {"a": 4, "b": 4})
    assert not folder("train", tmp_path).files
    monkeypatch.setattr(MODULE, "IN_MEMORY", 6 * 12 * 12 * 3 - 1)  # a byte too few
    source = folder("train", tmp_path)
    assert source.files and source.images[0].endswith(".png")
    assert source.side == 12


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
    pictures.tree(tmp_path, rng, {"a": 4, "b": 4}, size=64)
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


def classes_of(source):
    """`{class: images}` of a split."""
    counts = np.bincount(source.label, minlength=len(source.classes)).tolist()
    return dict(zip(source.classes, counts))


@pytest.mark.parametrize(
    "train, test",
    [
        ("Train", "TEST"),
        ("training", "testing"),
        ("TRAIN ", "Validation"),
        ("training_set", "test_set"),
        ("train-images", "dev"),
        ("data/train", "data/hold-out"),
        ("train/train", "val/val"),
    ],
)
def test_splits_are_found_by_the_names_people_give_them(rng, tmp_path, train, test):
    pictures.tree(tmp_path / train, rng, {"a": 3, "b": 2})
    pictures.tree(tmp_path / test, rng, {"a": 1, "b": 2})
    (tmp_path / "__MACOSX/data/train/a").mkdir(parents=True)
    assert classes_of(folder("train", tmp_path)) == {"a": 3, "b": 2}
    assert classes_of(folder("test", tmp_path)) == {"a": 1, "b": 2}


def test_classes_in_a_folder_of_their_own_are_split_as_without_it(rng, tmp_path):
    pictures.tree(tmp_path / "archive" / "dataset", rng, {"a": 5, "b": 10})
    assert classes_of(folder("train", tmp_path)) == {"a": 4, "b": 8}
    assert classes_of(folder("test", tmp_path)) == {"a": 1, "b": 2}


def test_a_class_called_train_is_a_class_beside_others(rng, tmp_path):
    pictures.tree(tmp_path, rng, {"train": 5, "bus": 5, "car": 5})
    assert classes_of(folder("train", tmp_path)) == {"bus": 4, "car": 4, "train": 4}


@pytest.mark.parametrize(
    "train, test",
    [
        ("caf\u00e9", "cafe\u0301"),
        ("cafe\u0301", "caf\u00e9"),
        ("caf\u00e9 ", "caf\u00e9"),
        ("caf\u00e9", "Caf\u00e9"),
    ],
)
def test_a_class_is_the_same_in_both_forms_of_its_name(rng, tmp_path, train, test):
    pictures.tree(tmp_path / "train", rng, {train: 2, "z": 1})
    pictures.tree(tmp_path / "test", rng, {test: 3, "z": 1})
    assert classes_of(folder("train", tmp_path)) == {"z": 1, "caf\u00e9": 2}
    assert classes_of(folder("test", tmp_path)) == {"z": 1, "caf\u00e9": 3}


def test_both_forms_of_a_name_in_one_split_are_one_class(rng, tmp_path):
    for name in ("caf\u00e9", "cafe\u0301"):
        pictures.tree(tmp_path / "train", rng, {name: 2, "b": 1})
    if len(list((tmp_path / "train").iterdir())) < 3:
        pytest.skip("this file system has one form only")
    source = folder("train", tmp_path, test_share=0.0)
    assert classes_of(source) == {"b": 1, "caf\u00e9": 4}
    forms = {unicodedata.is_normalized("NFC", str(path)) for path in source.paths}
    assert forms == {True, False}


def test_case_alone_tells_classes_apart_only_if_it_must(rng, tmp_path):
    pictures.tree(tmp_path / "train", rng, {"cat": 1, "Cat": 2})
    pictures.tree(tmp_path / "test", rng, {"cat": 1, "CAT": 1})
    if len(list((tmp_path / "train").iterdir())) < 2:
        pytest.skip("this file system ignores case")
    assert classes_of(folder("train", tmp_path)) == {"Cat": 2, "cat": 1}
    with pytest.raises(BadInput, match="CAT: there is no such class"):
        folder("test", tmp_path)


def test_numbers_stay_in_the_order_of_text(rng, tmp_path):
    pictures.tree(tmp_path, rng, {"10": 2, "9": 2, "1": 2})
    assert folder("train", tmp_path).classes == ("1", "10", "9")


def test_a_class_without_test_images_keeps_its_label(rng, tmp_path):
    pictures.tree(tmp_path / "train", rng, {"a": 1, "b": 1, "c": 1, "d": 1})
    pictures.tree(tmp_path / "test", rng, {"a": 1, "b": 0, "d": 2})
    test = folder("test", tmp_path)
    assert test.classes == ("a", "b", "c", "d") and test.label.tolist() == [0, 3, 3]


def test_what_is_left_out_is_counted_by_its_reason(rng, tmp_path):
    train = tmp_path / "train"
    pictures.tree(train, rng, {"a": 2, "b": 2, "": 3, "a/more/deep": 4})
    pictures.tree(train, rng, {".hidden": 1, "b/@eaDir/0.png": 1})
    pictures.tree(tmp_path, rng, {"test/a": 1, "val/a": 5, "extra": 6})
    for name in ("a/scan.TIF", "a/bare", "b/list.csv", "b/._0.png", "b/Thumbs.db"):
        (train / name).write_bytes(b"x")
    (train / "a/gone.jpg").symlink_to("/nowhere")
    (train / "lost").symlink_to("/nowhere")  # a class that is not there
    (train / "b/loop.png").symlink_to("loop.png")
    (train / "b/up").symlink_to("..")
    (train / "b/linked.png").symlink_to("0.png")  # used
    source = folder("train", tmp_path, test_share=0.0)
    assert classes_of(source) == {"a": 2, "b": 3}
    line = told(source.skipped, source.skipped, None)
    assert line.startswith("28 not used: ")
    for words in (
        "5 images in val/, as test/ is used",
        "6 images in extra/ beside train/",
        "3 images beside the class folders",
        "4 images in nested folders",
        "3 dead links",
        "3 hidden images",
        "1 image in a format that is not read (.tif)",
        "1 file without a suffix",
        "1 other file (.csv)",
        "1 link to folders that are listed already",
    ):
        assert words in line
    assert f"`python -m ssl_tf.doctor data folder --datadir {tmp_path}` lists" in line
    assert "\n" not in line


def test_nothing_is_said_where_all_is_used(rng, tmp_path):
    pictures.tree(tmp_path, rng, {"a": 5, "b": 5})
    (tmp_path / "LICENSE").write_text("x")
    (tmp_path / "a/.DS_Store").write_bytes(b"x")
    assert told(folder("train", tmp_path).skipped) == ""


def test_a_class_of_dead_links_is_refused_as_such(rng, tmp_path):
    pictures.tree(tmp_path, rng, {"a": 2, "b": 0})
    for i in range(3):
        (tmp_path / f"b/{i}.jpg").symlink_to(f"/nowhere/{i}.jpg")
    with pytest.raises(BadInput, match="b: holds no image; it has 3 dead links"):
        folder("train", tmp_path)


def test_embedding_says_what_it_leaves_out_and_ends_in_loops(rng, tmp_path):
    pictures.tree(tmp_path, rng, {"a": 1, "a/b": 1})
    (tmp_path / "a/b/up").symlink_to(tmp_path)
    (tmp_path / "a/scan.tif").write_bytes(b"x")
    (tmp_path / "gone.png").symlink_to("/nowhere")
    skipped = Skipped()
    assert len(image_root(tmp_path, skipped)) == 2
    line = told(skipped)
    assert line.startswith("3 not used: ") and "1 dead link" in line
    assert "doctor" not in line


def test_classes_without_an_image_are_said_once(rng, tmp_path, capsys):
    pictures.tree(tmp_path / "train", rng, {"a": 2, "b": 2, "c": 2})
    pictures.tree(tmp_path / "test", rng, {"b": 1})
    (tmp_path / "test/b/gone.png").symlink_to("/nowhere")
    train, test = (folder(split, tmp_path) for split in ("train", "test"))
    train = train._replace(label=np.minimum(train.label, 1))
    lines = progress.remarks(types.SimpleNamespace(train=train, test=test))
    assert len(lines) == 3 and "1 not used: 1 dead link" in lines[0]
    assert lines[1:] == [
        "note      no training image of class 'c'",
        "note      no test image of 2 classes: 'a', 'c'",
    ]
    for _ in range(2):
        progress.tell(lines)
    assert capsys.readouterr().err.splitlines() == lines


def test_a_limit_leaves_all_classes_and_all_test_images(rng, tmp_path):
    for split in ("train", "test"):
        pictures.tree(tmp_path / split, rng, {"a": 20, "b": 10}, size=32)
    path = config.find("supervised", dataset="folder")
    changes = ["train.batch_size=4", "data.validation=0.2"]

    def opened(*more):
        parts = experiment.check(config.load(path, None, [*changes, *more]))
        return opening.open_data(parts, tmp_path)

    few = opened("data.limit=15")
    assert classes_of(few.train) == {"a": 8, "b": 4}
    assert classes_of(few.validation) == {"a": 2, "b": 1}
    assert classes_of(few.test) == {"a": 20, "b": 10}
    for key in ("data.limit=15", "data.per_class=5"):
        draws = [opened(key, f"data.draw={seed}").train.names for seed in (0, 0, 1)]
        assert draws[0] == draws[1] != draws[2]
