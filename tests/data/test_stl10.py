"""STL-10 from binary files, their archive and TensorFlow Datasets; images in files."""

import io
import sys
import tarfile
import types

import numpy as np
import pytest

from ssl_tf.augment.recipes import RECIPES
from ssl_tf.data import mapped, orders, pipeline
from ssl_tf.data.source import Source, moments, subset
from ssl_tf.data.stl10 import CLASSES, PIXELS, stl10
from ssl_tf.errors import BadInput

MODULE = sys.modules["ssl_tf.data.stl10"]
SIZES = {"train": 40, "test": 20, "unlabeled": 30}


@pytest.fixture
def files(rng):
    """`{name: bytes}` of small binary files."""
    found = {}
    for part, count in SIZES.items():
        found[f"{part}_X.bin"] = rng.bytes(count * PIXELS)
        if part != "unlabeled":
            found[f"{part}_y.bin"] = bytes(1 + i % 10 for i in range(count))
    draws = [rng.choice(40, 12, replace=False) for _ in range(10)]
    rows = (" ".join(map(str, row)) for row in draws)
    found["fold_indices.txt"] = "\n".join(rows).encode() + b"\n"
    return found


@pytest.fixture
def root(files, tmp_path):
    folder = tmp_path / "data" / "stl10_binary"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return tmp_path / "data"


def image(data, place):
    """One image by the definition: column after column, plane after plane."""
    pixels, at = np.empty((96, 96, 3), np.uint8), place * PIXELS
    for plane in range(3):
        for column in range(96):
            pixels[:, column, plane] = list(data[at : at + 96])
            at += 96
    return pixels


def packed(files, path, inner="stl10_binary/"):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(inner + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_images_lie_column_after_column(root, files):
    source = stl10("train", root)
    assert source.images.shape == (40, 96, 96, 3) and source.images.dtype == np.uint8
    for place in (0, 7, 39):
        data = files["train_X.bin"]
        np.testing.assert_array_equal(source.images[place], image(data, place))
    assert source.label.tolist() == [i % 10 for i in range(40)]
    assert source.classes == CLASSES == tuple(sorted(CLASSES))
    assert stl10("test", root).size == 20


def test_pools_put_unlabeled_images_behind(root, files):
    both = stl10("train", root, pool="train+unlabeled")
    assert both.size == 70 and both.label[40:].tolist() == [-1] * 30
    rows = np.asarray(both.images)
    np.testing.assert_array_equal(rows[45], image(files["unlabeled_X.bin"], 5))
    np.testing.assert_array_equal(rows[:40], stl10("train", root).images)
    assert stl10("train", root, pool="unlabeled").size == 30
    assert stl10("test", root, pool="unlabeled").size == 20


def test_folds_are_the_official_draws(root, files):
    whole = stl10("train", root)
    for fold in (0, 9):
        row = files["fold_indices.txt"].decode().splitlines()[fold]
        chosen = [int(word) for word in row.split()]
        source = stl10("train", root, fold=fold)
        np.testing.assert_array_equal(source.images, whole.images[chosen])
        np.testing.assert_array_equal(source.label, whole.label[chosen])
        assert stl10("test", root, fold=fold).size == 20


@pytest.mark.parametrize("named", [True, False])
def test_the_archive_is_unpacked_once_beside_itself(files, tmp_path, named, capsys):
    files = files | {"../../outside.bin": b"x", "class_names.txt": b"airplane"}
    path = packed(files, tmp_path / "stl10_binary.tar.gz")
    given = path if named else tmp_path
    first = stl10("train", given, pool="train+unlabeled")
    assert "unpacking" in capsys.readouterr().err
    again = stl10("train", given, pool="train+unlabeled")
    np.testing.assert_array_equal(np.asarray(first.images), np.asarray(again.images))
    assert "unpacking" not in capsys.readouterr().err
    inside = {x.name for x in (tmp_path / "stl10_binary").iterdir()}
    assert inside == set(MODULE.MEMBERS)
    assert not (tmp_path.parent / "outside.bin").exists()


@pytest.mark.parametrize("cut", [0, 1000, 200_000])
def test_a_damaged_archive_is_one_line(files, tmp_path, cut):
    path = packed(files, tmp_path / "stl10_binary.tar.gz")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadInput, match="no readable archive") as error:
        stl10("train", path)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_member_that_would_fill_the_disk_is_refused(files, tmp_path):
    path = packed({"train_y.bin": b"\1" * 5001}, tmp_path / "x.tar.gz")
    with pytest.raises(BadInput, match="5001 bytes; too many"):
        stl10("train", path)


FAULTS = [
    ("train_X.bin", lambda x: x[:-5], "are no 96-pixel images"),
    ("train_X.bin", lambda x: b"", "are no 96-pixel images"),
    ("train_y.bin", lambda x: x[:-1], "39 labels for 40 images"),
    ("train_y.bin", lambda x: b"\0" + x[1:], "outside 1 ... 10"),
    ("train_y.bin", None, "train_y.bin: No such file"),
]


@pytest.mark.parametrize("name, change, told", FAULTS)
def test_damage_is_one_line(root, files, name, change, told):
    path = root / "stl10_binary" / name
    path.unlink() if change is None else path.write_bytes(change(files[name]))
    with pytest.raises(BadInput, match=told) as error:
        stl10("train", root)
    assert "\n" not in str(error.value)


def test_what_cannot_be_asked_for_is_one_line(root, tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="fold: is of the labeled images"):
        stl10("train", root, pool="unlabeled", fold=1)
    (root / "stl10_binary" / "fold_indices.txt").write_text("1 2\n")
    with pytest.raises(BadInput, match="ten draws of 40"):
        stl10("train", root, fold=1)
    with pytest.raises(BadInput, match="does not exist"):
        stl10("train", root / "gone")
    with pytest.raises(BadInput, match="stl10_binary.tar.gz"):
        stl10("train", tmp_path)
    monkeypatch.setattr(MODULE, "installed", lambda: False)
    with pytest.raises(BadInput, match="needs --datadir .*tensorflow-datasets"):
        stl10("train")


def test_tensorflow_datasets_serves_where_it_is_installed(monkeypatch, rng):
    pixels = {
        part: rng.integers(0, 256, (n, 96, 96, 3), "u1") for part, n in SIZES.items()
    }

    def load(name, split, batch_size, data_dir):
        assert (name, batch_size, data_dir) == ("stl10", -1, None)
        if split == "test":
            raise ConnectionError("no route\nto host")
        return {"image": pixels[split], "label": np.arange(SIZES[split]) % 10}

    fake = types.SimpleNamespace(load=load, as_numpy=lambda x: x)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", fake)
    monkeypatch.setattr(MODULE, "installed", lambda: True)
    both = stl10("train", pool="train+unlabeled")
    np.testing.assert_array_equal(both.images[:40], pixels["train"])
    assert both.label[:12].tolist() == [*range(10), 0, 1] and both.label[-1] == -1
    with pytest.raises(BadInput, match="has none; give --datadir"):
        stl10("train", fold=0)
    with pytest.raises(BadInput, match="fails .no route to host."):
        stl10("test")


@pytest.fixture
def large(root, monkeypatch):
    """The pool as it is when it does not fit: in its files."""
    monkeypatch.setattr(MODULE, "IN_MEMORY", 0)
    return stl10("train", root, pool="train+unlabeled")


def test_what_is_large_stays_in_its_files(large):
    assert isinstance(large.images, mapped.Stacked) and large.images.ndim == 4
    assert large.images.shape == (70, 96, 96, 3) and not large.files
    whole = np.asarray(large.images)
    places = np.array([69, 3, 41, 3])
    some = subset(large, places)
    assert isinstance(some.images, mapped.Stacked)
    np.testing.assert_array_equal(np.asarray(some.images), whole[places])
    np.testing.assert_array_equal(np.asarray(some.images[1:3]), whole[[3, 41]])
    np.testing.assert_array_equal(large.images[41], whole[41])
    for ours, theirs in zip(moments(large.images), moments(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_batches_from_files_are_those_from_memory(large):
    memory = Source(*large)._replace(images=np.asarray(large.images))
    recipes = [RECIPES["shift_flip"](pixels=4)] * 2
    for make in (
        lambda source: pipeline.Images(source, pipeline.Normal(), 96).batches(16),
        lambda source: pipeline.Images(source, pipeline.Normal(), 32).batches(16),
        lambda source: pipeline.views(
            source,
            recipes,
            orders.shuffled(70, 16, 0),
            pipeline.Normal(),
            seed=1,
            size=96,
        ).take(4),
    ):
        for ours, theirs in zip(make(large), make(memory), strict=True):
            for a, b in zip(ours["views"], theirs["views"], strict=True):
                np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(ours["label"], theirs["label"])
