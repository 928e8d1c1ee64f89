"""Shares and lists of labelled images."""

import numpy as np
import pytest

from ssl_tf import schema
from ssl_tf.data import digits, lists
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput
from ssl_tf.sections import Data


def files(names):
    paths = np.array([f"/x/{name}" for name in names])
    label = np.arange(len(names), dtype=np.int32)
    return Source("made", "train", paths, label, tuple(names))


def test_a_list_chooses_files_by_name_in_its_order(tmp_path):
    (tmp_path / "mine.txt").write_text("c.jpg\na.jpg\n")
    chosen = lists.share_of(files(["a.jpg", "b.jpg", "c.jpg"]), f"{tmp_path}/mine.txt")
    assert [p.rpartition("/")[2] for p in chosen.images] == ["c.jpg", "a.jpg"]
    np.testing.assert_array_equal(chosen.label, [2, 0])


@pytest.mark.parametrize(
    ("share", "why"),
    [(0.0, "must be > 0"), (1.5, "must be > 0"), ("2percent", "1percent, authors")],
)
def test_a_share_that_is_none_is_refused(share, why):
    with pytest.raises(BadInput, match=why):
        lists.share_of(files(["a.jpg"]), share)


@pytest.mark.parametrize("share", ["authors", "10percent", "mine.txt", 0.1, None])
def test_a_config_may_name_every_kind_of_share(share):
    assert schema.checked(Data, {"share": share}, "data").share == share


def test_a_config_may_not_name_more_than_all():
    with pytest.raises(BadInput, match="data.share: is 1.5; must be <= 1 and > 0"):
        schema.checked(Data, {"share": 1.5}, "data")


def test_a_list_of_other_images_is_refused_in_one_line(tmp_path):
    (tmp_path / "mine.txt").write_text("z.jpg\ny.jpg\n")
    with pytest.raises(BadInput, match="no 'z.jpg' and 1 more"):
        lists.share_of(files(["a.jpg"]), str(tmp_path / "mine.txt"))
    with pytest.raises(BadInput, match="names files; digits has none"):
        lists.share_of(digits("train"), str(tmp_path / "mine.txt"))


@pytest.mark.parametrize(
    "text, labels",
    [
        ("cat/001.jpg\ndog/001.jpg\n", [0, 1]),
        ("dog/001\n", [1]),
        ("my cat.jpg\nb.png\n", [2, 3]),
        ("b.png\r\nmy cat.jpg\r\n", [3, 2]),
        ("\ufeffb.png\n", [3]),
        ("# mine\n\nb.png\n", [3]),
        ("./cat/001.jpg\n/x/dog/001.jpg\n", [0, 1]),
        ("dog\\001.jpg\n", [1]),
        ("b.png dog/001.jpg\n", [3, 1]),
        ("caf\u00e9/1.jpg\n", [4]),
    ],
)
@pytest.mark.parametrize("memory", [False, True])
def test_a_list_means_the_images_it_names(tmp_path, text, labels, memory):
    names = ["cat/001.jpg", "dog/001.jpg", "my cat.jpg", "b.png", "cafe\u0301/1.jpg"]
    source = files(names)
    if memory:
        images = np.zeros((len(names), 2, 2, 3), np.uint8)
        source = source._replace(images=images, paths=source.images)
    path = tmp_path / "mine.txt"
    path.write_bytes(text.encode())
    assert lists.share_of(source, str(path)).label.tolist() == labels


@pytest.mark.parametrize(
    "text, why",
    [
        ("001.jpg", "'001.jpg' in .* stands for 2 images .cat/001.jpg, dog/001.jpg."),
        ("c\nc.jpg", "lists 'c' twice"),
        ("b.png\nother/b.png", "no 'other/b.png' among its 4 train images"),
        ("at/001.jpg", "no 'at/001.jpg'"),
        ("b.png\nb.png", "lists 'b.png' twice"),
        ("# none\n", "lists no image"),
    ],
)
def test_a_list_that_has_no_one_meaning_is_refused(tmp_path, text, why):
    path = tmp_path / "mine.txt"
    path.write_text(text)
    source = files(["cat/001.jpg", "dog/001.jpg", "c.jpg", "b.png"])
    with pytest.raises(BadInput, match=why) as error:
        lists.share_of(source, str(path))
    assert "\n" not in str(error.value)


def test_a_downloaded_list_must_be_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    place = tmp_path / "datasets" / "simclr_lists"
    place.mkdir(parents=True)
    (place / "1percent.txt").write_text("a.jpg\n" * 12_810)
    with pytest.raises(BadInput, match="lists 12810 images, not 12811"):
        lists.share_of(files(["a.jpg"]), "1percent")


def test_a_share_is_of_each_class():
    chosen = lists.share_of(digits("train"), 0.1)
    counts = np.bincount(chosen.label)
    whole = np.bincount(digits("train").label)
    np.testing.assert_array_equal(counts, np.round(whole * 0.1))
