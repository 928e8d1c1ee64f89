"""The five classes in every form they come in, and what is said where they do not."""

import shutil
import socket
import sys
import tarfile
import zipfile

import numpy as np
import pictures
import pytest
import tensorflow as tf

from ssl_tf.data.imagenet5 import CLASSES, imagenet5, squash
from ssl_tf.data.skipped import told
from ssl_tf.errors import BadInput

MODULE = sys.modules["ssl_tf.data.imagenet5"]  # the package has the function's name


@pytest.fixture
def root(rng, tmp_path):
    """Three training and two test images of each class, of different sizes."""
    for split, count in (("train", 3), ("test", 2)):
        for name in CLASSES[::-1]:
            for i in range(count):
                place = tmp_path / "data" / split / f"{name}_{9 - i}_x.png"
                pictures.write(place, pictures.noise(rng, 20 + i, 30))
    return tmp_path / "data"


def packed(root, form, inner=""):
    """The folder as an archive beside it."""
    path = root.parent / f"five.{form}"
    files = sorted(root.rglob("*.png"))
    name = lambda file: inner + file.relative_to(root).as_posix()
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in files:
                archive.write(file, name(file))
        return path
    with tarfile.open(path, "w:gz" if form == "tgz" else "w") as archive:
        for file in files:
            archive.add(file, name(file))
    return path


def test_labels_and_order_come_from_the_names(root):
    source = imagenet5("train", root, None)
    assert source.classes == CLASSES and source.size == 15
    assert source.label.tolist() == [i for i in range(5) for _ in range(3)]
    names = [path.rpartition("/")[2] for path in source.images]
    assert names == sorted(names) and names[0] == "airplane_7_x.png"


@pytest.mark.parametrize("form", ["tar", "tgz", "zip"])
@pytest.mark.parametrize("inner", ["", "imagenet-5-categories-f69f/"])
def test_archives_give_what_the_folder_gives(root, form, inner):
    path = packed(root, form, inner)
    for split in ("train", "test"):
        ours, theirs = imagenet5(split, path, 16), imagenet5(split, root, 16)
        np.testing.assert_array_equal(ours.images, theirs.images)
        np.testing.assert_array_equal(ours.label, theirs.label)
        assert ours.images.shape[1:] == (16, 16, 3) and ours.images.dtype == np.uint8


@pytest.mark.parametrize("layout", ["{0}/{1}/{2}", "{1}/{0}/{2}"])
def test_folders_of_classes_are_understood(root, tmp_path, layout):
    for file in root.rglob("*.png"):
        name, _, rest = file.name.partition("_")
        to = tmp_path / "other" / layout.format(file.parent.name, name, rest)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, to)
    ours, theirs = (imagenet5("test", x, 8) for x in (tmp_path / "other", root))
    np.testing.assert_array_equal(ours.images, theirs.images)
    np.testing.assert_array_equal(ours.label, theirs.label)


def test_images_of_no_split_are_said(root, rng):
    pictures.write(root / "cat" / "lost.png", pictures.noise(rng))
    (root / "train" / "dog_gone.png").symlink_to("/nowhere")
    source = imagenet5("train", root, 8)
    assert source.size == 15 and len(source.paths) == 15
    line = told(source.skipped)
    assert line.startswith("2 not used: ") and "1 dead link" in line
    assert "1 image in neither train/ nor test/" in line


@pytest.mark.parametrize("shape", [(37, 53), (16, 16), (9, 200), (1, 1)])
@pytest.mark.parametrize("size", [16, 24, 64])
def test_squashing_is_tensorflows_plain_resize_rounded(rng, shape, size):
    image = pictures.noise(rng, *shape)
    theirs = tf.image.resize(image, (size, size)).numpy()
    ours = squash(image, size)
    assert ours.dtype == np.uint8 and np.abs(ours - theirs).max() <= 0.51


def test_squashing_two_pixels_to_four():
    image = np.array([[[0] * 3, [100] * 3]], np.uint8)
    assert squash(image, 4)[0, :, 0].tolist() == [0, 25, 75, 100]


@pytest.fixture
def offline(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    path = tmp_path / "cache" / "imagenet-5-categories.zip"
    monkeypatch.setattr(MODULE, "cached", lambda: path)
    return path


def test_offline_one_line_says_where_to_put_it(offline):
    with pytest.raises(BadInput) as error:
        imagenet5("train")
    text = str(error.value)
    assert f"put it at {offline} by hand" in text and "\n" not in text


def test_the_download_is_pinned_and_must_be_whole(root, offline, monkeypatch):
    offline.parent.mkdir()
    shutil.copy(packed(root, "zip", "x/"), offline)
    monkeypatch.setattr(MODULE, "COUNTS", {"train": 15, "test": 10})
    assert MODULE.download() == offline
    assert (
        "imagenet-5-categories.zip" in (offline.parent / "checksums.yaml").read_text()
    )
    assert imagenet5("train", None, 8).size == 15
    monkeypatch.setattr(MODULE, "COUNTS", {"train": 16, "test": 10})
    with pytest.raises(BadInput, match="holds 15 train images, not 16; remove it"):
        MODULE.download()


def broken(root, what):
    """The data set with one fault."""
    if what == "a class is missing":
        for file in (root / "test").glob("cat_*"):
            file.unlink()
    if what == "another class":
        pictures.write(root / "train" / "zebra_1.png", np.zeros((4, 4, 3), np.uint8))
    if what == "a damaged image":
        (root / "train" / "dog_9_x.png").write_bytes(b"no image")
    if what == "no test folder":
        shutil.rmtree(root / "test")
    return root


FAULTS = {
    "a class is missing": "no test image of class 'cat'",
    "another class": "zebra_1.png: begins with no class",
    "a damaged image": "dog_9_x.png: is no readable image",
    "no test folder": "needs train/ and test/",
}


@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("form", ["folder", "tar"])
def test_a_fault_is_one_line(root, what, form):
    place = broken(root, what)
    if form == "tar":
        place = packed(place, "tar")
        told = FAULTS[what].replace("needs train", "has no test image; .* needs train")
        if what == "no test folder":
            told = "has no test image"
    else:
        told = FAULTS[what]
    with pytest.raises(BadInput, match=told) as error:
        for split in ("train", "test"):
            imagenet5(split, place, 8)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("cut", [0, 700, 3000])
def test_a_damaged_archive_is_one_line(root, cut):
    path = packed(root, "tgz")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadInput, match="readable archive"):
        imagenet5("train", path, 8)


def test_names_in_an_archive_choose_no_path(root, tmp_path):
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as archive:
        for file in sorted(root.rglob("*.png")):
            inside = file.relative_to(root).as_posix()
            archive.add(file, f"/{inside}")
            archive.add(file, f"../../{inside}")
        link = tarfile.TarInfo("train/cat_link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    before = set(tmp_path.rglob("*"))
    assert imagenet5("train", path, 8).size == 15  # links and .. are left out
    assert set(tmp_path.rglob("*")) == before


def test_an_archive_cannot_be_cut_while_training(root):
    with pytest.raises(BadInput, match="unpack the archive"):
        imagenet5("train", packed(root, "tar"), None)
    with pytest.raises(BadInput, match="does not exist"):
        imagenet5("train", root / "gone")
