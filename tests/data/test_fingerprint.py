"""A data set is known by what it holds, wherever it lies, and labels by their names."""

import builtins
import json
import shutil
import unicodedata

import numpy as np
import pytest

from ssl_tf import config, runs
from ssl_tf.data import digits, fingerprint, noise
from ssl_tf.data import instances as scenes
from ssl_tf.data import source as sources
from ssl_tf.data.instances import Instances, Objects
from ssl_tf.errors import BadInput

NAMES = ("apple", "lime", "plum")


def tree(root, classes=NAMES, count=4, content=b"pixels"):
    """Files of each class that say which they are, all of one size."""
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(count):
            (root / name / f"{i}.bmp").write_bytes(
                content + name.encode()[:1] + b"%d" % i
            )
    return root


def split(root, classes=NAMES, name="train"):
    paths = [sorted((root / each).iterdir()) for each in classes]
    label = np.repeat(np.arange(len(classes), dtype=np.int32), [len(p) for p in paths])
    paths = np.array([str(p) for own in paths for p in own])
    return sources.Source("folder", name, paths, label, tuple(classes))


def found(root, classes=NAMES):
    return fingerprint.fingerprint(split(root, classes), split(root, classes, "test"))


@pytest.fixture
def kept(tmp_path):
    """The folder of the images, and their fingerprint as a run's file gives it back."""
    root = tree(tmp_path / "own")
    return root, json.loads(json.dumps(found(root)))


def test_the_same_images_elsewhere_are_the_same(kept, tmp_path):
    root, print_ = kept
    moved = shutil.move(root, tmp_path / "a" / "long way" / "off")
    assert fingerprint.difference(print_, found(moved)) is None
    pixels = split(moved)._replace(
        images=np.zeros((12, 2, 2, 3), np.uint8), paths=split(moved).images
    )
    assert fingerprint.part(pixels) == print_["train"]  # read to memory or not


def renamed(root):
    (root / "plum").rename(root / "rose")
    return ("apple", "lime", "rose")


def another_order(root):
    return ("lime", "apple", "plum")


def one_more(root):
    (root / "lime" / "9.bmp").write_bytes(b"")


def moved_to_another_class(root):
    (root / "lime" / "3.bmp").rename(root / "plum" / "9.bmp")


def another_name(root):
    (root / "lime" / "3.bmp").rename(root / "lime" / "8.bmp")


def another_size(root):
    (root / "lime" / "3.bmp").write_bytes(b"p")


def other_pixels_of_the_same_size(root):
    (root / "lime" / "3.bmp").write_bytes(b"pixels??")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (renamed, "classes rose instead of plum"),
        (another_order, "classes in another order, lime, apple, plum instead of apple"),
        (lambda root: NAMES[:2], "classes without plum"),
        (one_more, "13 training images instead of 12"),
        (moved_to_another_class, "3 training images of class 'lime' instead of 4"),
        (another_name, "other file names of the training images"),
        (another_size, "other file sizes or contents of the training images"),
        (other_pixels_of_the_same_size, "other file sizes or contents of the training"),
    ],
)
def test_other_images_are_told_apart_and_what_differs_is_named(kept, change, words):
    root, print_ = kept
    classes = change(root) or NAMES
    assert words in fingerprint.difference(print_, found(root, classes))
    with pytest.raises(BadInput, match="--name") as error:
        fingerprint.check("run", {"fingerprint": print_}, found(root, classes))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_changed_test_split_is_noticed(kept):
    root, print_ = kept
    other = dict(print_, test=fingerprint.part(split(root, NAMES[:2], "test")))
    assert "classes without plum" in fingerprint.difference(print_, other)


def test_arrays_are_known_by_every_pixel_and_label():
    train, test = noise("train", count=40, size=4), noise("test", count=40, size=4)
    print_ = fingerprint.fingerprint(train, test)
    images, label = train.images.copy(), train.label.copy()
    images[17, 2, 3, 1] ^= 1
    swap = np.flatnonzero(label != label[0])[0]
    label[[0, swap]] = label[[swap, 0]]
    for other, words in (
        (train._replace(images=images), "other pixels of the training images"),
        (train._replace(label=label), "other labels of the training images"),
    ):
        different = fingerprint.fingerprint(other, test)
        assert fingerprint.difference(print_, different) == words
    fresh = noise("train", count=40, size=4, fresh=True)
    assert fingerprint.part(fresh) == fingerprint.part(fresh)
    assert fingerprint.part(fresh) != fingerprint.part(train)


def test_no_more_than_a_thousand_files_are_opened(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    paths = np.array([str(tmp_path / "a" / f"{i}.jpg") for i in range(5_000)])
    source = sources.Source("folder", "train", paths, np.zeros(5_000, np.int32), ("a",))
    opened, first = [], builtins.open
    monkeypatch.setattr(
        builtins, "open", lambda path, *more: opened.append(path) or first(path, *more)
    )
    fingerprint.part(source)  # files that are gone are told where they are read
    assert len(opened) == 1_000 and paths[0] in opened and paths[-1] in opened


def test_accents_in_two_forms_are_one_class():
    one, two = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert one != two
    label = np.array([0, 1], np.int32)
    images = np.zeros((2, 1, 1, 3), np.uint8)
    train = sources.Source("x", "train", images, label, (one, "tea"))
    again = train._replace(classes=(two, "tea"))
    assert fingerprint.part(train) == fingerprint.part(again)
    turned = sources.aligned(train._replace(classes=("tea", two)), (one, "tea"))
    assert turned.label.tolist() == [1, 0] and turned.classes == (one, "tea")


def test_boxes_are_part_of_annotated_images():
    def one(x1):
        own = Objects(
            np.array([[x1, 0, 9, 9]], np.float32),
            np.zeros(1, np.int32),
            *2 * [np.zeros(1, bool)],
            ((),),
        )
        images = np.zeros((1, 9, 9, 3), np.uint8)
        sizes = np.full((1, 2), 9, np.int32)
        return Instances(
            "shapes", "train", images, sizes, (own,), ("a", "b"), (1,), (1, 2)
        )

    assert fingerprint.part(one(1)) == fingerprint.part(one(1.001))
    assert fingerprint.part(one(1)) != fingerprint.part(one(2))
    turned = scenes.aligned(one(1), ("c", "b", "a"))
    assert turned.objects[0].label.tolist() == [2] and turned.classes == ("c", "b", "a")
    assert turned.numbers[1:] == (2, 1) and turned.numbers[0] not in (1, 2)
    with pytest.raises(BadInput, match="classes a are not among the 2"):
        scenes.aligned(one(1), ("b", "c"))


def test_labels_count_the_classes_of_the_network_by_name():
    images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1).repeat(3, 3)
    label = np.array([0, 1, 1, 0], np.int32)
    source = sources.Source("x", "test", images, label, ("plum", "lime"))
    few = sources.aligned(source, NAMES)
    assert few.label.tolist() == [2, 1, 1, 2] and few.classes == NAMES
    with pytest.raises(BadInput, match="classes plum are not among the 2"):
        sources.aligned(source, NAMES[:2])
    only = sources.aligned(source, NAMES[:2], drop=True)
    assert only.label.tolist() == [1, 1] and only.images[:, 0, 0, 0].tolist() == [1, 2]
    with pytest.raises(BadInput, match="none of its test images"):
        sources.aligned(source, ("apple", "kiwi"), drop=True)
    flat = source._replace(label=np.full(4, -1, np.int32), classes=())
    assert sources.aligned(flat, NAMES) is flat


def test_attributes_are_matched_by_name_and_none_may_lack():
    label = np.array([[1, 0, 0], [0, 1, 1]], np.int32)
    images = np.zeros((2, 1, 1, 3), np.uint8)
    source = sources.Source("x", "test", images, label, ("a", "b", "c"))
    turned = sources.aligned(source, ("c", "a", "b"))
    assert turned.label.tolist() == [[0, 1, 0], [1, 0, 1]]
    with pytest.raises(BadInput, match="lacks some of the 4 attributes"):
        sources.aligned(source, ("a", "b", "c", "d"))


def test_images_without_a_class_are_of_none_of_the_chosen_classes():
    images = np.zeros((3, 1, 1, 3), np.uint8)
    source = sources.Source("x", "train", images, np.array([0, -1, 1]), ("a", "b"))
    assert sources.first_classes(source, ["b"]).label.tolist() == [0]
    assert sources.first_classes(source, ["b", "a"]).label.tolist() == [1, 0]


def test_shipped_runs_keep_the_fingerprint_of_their_digits():
    own = fingerprint.fingerprint(digits("train"), digits("test"))
    files = sorted((config.home() / "models/demo").rglob("data.json"))
    assert len(files) > 8
    for file in files:
        assert fingerprint.known(runs.facts(file.parent)) == own
