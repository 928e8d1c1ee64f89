"""CIFAR in every form it comes in, and what is said where it does not."""

import pickle
import socket

import numpy as np
import pictures
import pytest

from ssl_tf.data import cifar
from ssl_tf.data.cifar import FOLDERS, cifar10, cifar20, cifar100
from ssl_tf.data.cifar_classes import COARSE, coarse_of
from ssl_tf.errors import BadInput

READ = {10: cifar10, 100: cifar100}


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """An empty cache and no network."""

    def refuse(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(cifar, "caches", lambda: [tmp_path / "cache"])
    return tmp_path / "cache"


def expected(files, classes, split):
    """Images and labels by NumPy's own unpickling."""
    names = {
        10: {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]},
        100: {"train": ["train"], "test": ["test"]},
    }[classes][split]
    batches = [pickle.loads(files[name]) for name in names]
    key = b"labels" if classes == 10 else b"fine_labels"
    x = np.concatenate([batch[b"data"] for batch in batches])
    x = np.stack([row.reshape(3, 32, 32).transpose(1, 2, 0) for row in x])
    return x, np.concatenate([batch[key] for batch in batches])


@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize(
    "form", ["batches", "folder", "archive", "archive inside", "cache"]
)
def test_every_form_gives_the_same_images(rng, tmp_path, offline, classes, form):
    files = pictures.cifar_files(classes, rng)
    root = tmp_path / "data"
    if form == "batches":
        pictures.unpack(files, root)
    elif form == "folder":
        pictures.unpack(files, root / FOLDERS[classes])
    elif form == "cache":
        inner = f"{FOLDERS[classes]}-target/{FOLDERS[classes]}"
        pictures.unpack(files, offline / inner)
        root = None
    else:
        root.mkdir()
        place = root / cifar.ARCHIVES[classes]
        pictures.archive(files, place, FOLDERS[classes])
        root = place if form == "archive" else root
    for split in ("train", "test"):
        source = READ[classes](split, root)
        images, label = expected(files, classes, split)
        np.testing.assert_array_equal(source.images, images)
        np.testing.assert_array_equal(source.label, label)
        assert source.images.dtype == np.uint8 and source.label.dtype == np.int32
        assert source.classes == tuple(f"class{i}" for i in range(classes))


def test_a_tree_of_files_gives_labels_in_the_order_of_the_names(rng, tmp_path):
    names = [f"{letter}x" for letter in "jihgfedcba"]
    for split in ("train", "test"):
        pictures.tree(tmp_path / split, rng, dict.fromkeys(names, 2), size=32)
    source = cifar10("test", tmp_path)
    assert source.classes == tuple(sorted(names))
    assert source.label.tolist() == [i for i in range(10) for _ in range(2)]
    assert source.images.shape == (20, 32, 32, 3)


def test_offline_one_line_says_what_was_looked_for_where_and_what_to_do(offline):
    with pytest.raises(BadInput) as error:
        cifar100("train")
    text = str(error.value)
    assert str(offline) in text and "--datadir" in text
    assert "cifar-100-python.tar.gz" in text and "\n" not in text


def broken(files, name, **changes):
    """The files with other values in one batch."""
    batch = pickle.loads(files[name]) | {k.encode(): v for k, v in changes.items()}
    return files | {name: pickle.dumps(batch, protocol=2)}


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f: {k: v for k, v in f.items() if k != "data_batch_3"}, "data_batch_3"),
        (lambda f: f | {"data_batch_2": b"no pickle"}, "no readable pickle"),
        (lambda f: f | {"data_batch_2": f["data_batch_2"][:99]}, "no readable pickle"),
        (lambda f: f | {"test_batch": pickle.dumps([1, 2])}, "no CIFAR batch"),
        (lambda f: broken(f, "test_batch", labels=[0, 1]), "4 images and 2 labels"),
        (lambda f: broken(f, "test_batch", labels=[0, 1, 2, 10]), "outside 0 ... 9"),
        (lambda f: broken(f, "test_batch", data=np.zeros(7, "u1")), "32-pixel"),
        (lambda f: broken(f, "test_batch", data=np.zeros((4, 3072))), "32-pixel"),
        (lambda f: broken(f, "batches.meta", label_names=["a"]), "10 classes"),
    ],
)
def test_a_damaged_batch_is_named_in_one_line(rng, tmp_path, change, message):
    root = pictures.unpack(change(pictures.cifar_files(10, rng)), tmp_path)
    with pytest.raises(BadInput, match=message) as error:
        for split in ("train", "test"):
            cifar10(split, root)
    assert str(tmp_path) in str(error.value)


def test_a_batch_runs_no_code(rng, tmp_path):
    class Touch:
        def __reduce__(self):
            return open, (str(tmp_path / "touched"), "w")

    files = pictures.cifar_files(10, rng)
    files["test_batch"] = pickle.dumps({b"data": Touch(), b"labels": []}, protocol=2)
    with pytest.raises(BadInput):
        cifar10("test", pictures.unpack(files, tmp_path / "data"))
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("cut", [0, 20, 2000])
def test_a_damaged_archive_is_named_in_one_line(rng, tmp_path, cut):
    place = tmp_path / "cifar-10-python.tar.gz"
    pictures.archive(pictures.cifar_files(10, rng), place, "x")
    place.write_bytes(place.read_bytes()[:cut])
    with pytest.raises(BadInput, match="no readable archive"):
        cifar10("train", place)


def test_an_archive_that_would_fill_the_memory_is_not_unpacked(
    rng, tmp_path, monkeypatch
):
    place = tmp_path / "cifar-10-python.tar.gz"
    pictures.archive(pictures.cifar_files(10, rng), place, "x")
    monkeypatch.setattr("ssl_tf.data.cifar.LARGEST", 10_000)
    with pytest.raises(BadInput, match="'data_batch_1' unpacks to more than"):
        cifar10("train", place)


def test_the_archive_of_the_other_cifar_is_noticed(rng, tmp_path):
    place = tmp_path / "some.tar.gz"
    pictures.archive(pictures.cifar_files(100, rng), place, "cifar-100-python")
    with pytest.raises(BadInput, match="holds no 'batches.meta'"):
        cifar10("train", place)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda root, rng: root, "needs cifar-10-batches-py"),
        (lambda root, rng: root / "gone", "does not exist"),
        (
            lambda root, rng: pictures.tree(root / "train", rng, {"a": 1}).parent,
            "no test/",
        ),
        (
            lambda root, rng: (
                pictures.tree(root / "test", rng, {"a": 1}),
                pictures.tree(root / "train", rng, {"a": 1}).parent,
            )[1],
            "1 class folders; cifar10 has 10",
        ),
    ],
)
def test_a_folder_without_cifar_says_what_is_needed(rng, tmp_path, make, message):
    with pytest.raises(BadInput, match=message):
        cifar10("train", make(tmp_path, rng))


def test_cifar20_has_the_coarse_labels_of_the_batches(rng, tmp_path):
    files = pictures.cifar_files(100, rng)
    root = pictures.unpack(files, tmp_path)
    for split in ("train", "test"):
        source, fine = cifar20(split, root), cifar100(split, root)
        np.testing.assert_array_equal(source.images, fine.images)
        np.testing.assert_array_equal(source.label, fine.label % 20)
        assert source.name == "cifar20" and source.classes == tuple(COARSE)


def test_the_coarse_classes_partition_the_fine_ones():
    fine = sorted(name for members in COARSE.values() for name in members.split())
    assert len(set(fine)) == 100 and list(COARSE) == sorted(COARSE)
    counts = np.bincount(coarse_of(fine))
    assert counts.tolist() == [5] * 20
    told = coarse_of(["maple tree", "sweet-pepper", "Trout", "tractor"])
    names = [list(COARSE)[place] for place in told]
    assert names == ["trees", "fruit and vegetables", "fish", "vehicles 2"]


def test_a_tree_of_fine_classes_becomes_coarse(rng, tmp_path):
    fine = sorted(name for members in COARSE.values() for name in members.split())
    for split in ("train", "test"):
        pictures.tree(tmp_path / split, rng, dict.fromkeys(fine, 1), size=32)
    source = cifar20("test", tmp_path)
    assert source.classes == tuple(COARSE) and source.size == 100
    assert source.classes[source.label[fine.index("whale")]] == "aquatic mammals"
    for split in ("train", "test"):
        (tmp_path / split / "whale").rename(tmp_path / split / "wale")
    with pytest.raises(BadInput, match="'wale' is no class of CIFAR-100"):
        cifar20("test", tmp_path)


def test_a_tree_of_coarse_classes_keeps_its_names(rng, tmp_path):
    names = [f"group{i:02}" for i in range(20)]
    for split in ("train", "test"):
        pictures.tree(tmp_path / split, rng, dict.fromkeys(names, 1), size=32)
    assert cifar20("train", tmp_path).classes == tuple(names)
