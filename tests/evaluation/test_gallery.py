"""Galleries of clusters and lists of discovered classes: what is in them."""

import re

import heads
import numpy as np
import pictures
import pytest
from PIL import Image

from ssl_tf import galleries
from ssl_tf.data import folder, hierarchy, pipeline
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import discover, features, gallery
from ssl_tf.evaluation.centres import KMeans
from ssl_tf.evaluation.gallery import shown

CLASSES = ("n02123045", "n02124075", "n02088364", "n03838899", "n01440764")
# Tabby and Egyptian cat, beagle, oboe; the tench is in none of entity13's superclasses.


def split(clusters, label, classes=CLASSES, **more):
    return heads.told(np.array(clusters), 0, np.array(label), classes, **more)


def test_the_best_clusters_come_first_with_images_of_their_own():
    label = np.repeat([0, 1, 2], 20)
    clusters = label.copy()
    clusters[:5], clusters[20] = 1, 2  # cluster 0: 15 right, 1: 19 of 24, 2: 20 of 21
    test = split(clusters, label)
    found = gallery(heads.Told((5,)), None, test, images=4)
    assert found["table"]["cluster"].tolist() == [0, 2, 1] and found["clusters"] == 3
    assert found["titles"].tolist() == [
        "tabby: 100 % of 15",
        "beagle: 95 % of 21",
        "Egyptian cat: 79 % of 24",
    ]
    places = found["places"]
    assert places.shape == (3, 4) and (np.diff(np.sort(places)) > 0).all()
    for row, cluster in zip(places, (0, 2, 1)):
        assert (clusters[row] == cluster).all()
    expected = features.pixels(test, places.ravel()).reshape(found["grids"].shape)
    np.testing.assert_array_equal(found["grids"], expected)
    right = label[places] == np.array([[0], [2], [1]])
    np.testing.assert_array_equal(found["marks"], right)


def test_a_draw_is_that_of_its_seed_in_each_cluster():
    test = split(np.repeat([0, 1], 30), np.repeat([0, 1], 30))
    found = gallery(heads.Told((5,)), None, test)["places"]
    theirs = np.random.RandomState(0).choice(30, 9, replace=False)
    np.testing.assert_array_equal(found, [theirs, theirs + 30])
    other = gallery(heads.Told((5,)), None, test, seed=1)["places"]
    assert (found != other).any()


def test_small_clusters_come_last_and_are_filled_up_with_white():
    clusters = np.repeat([0, 1, 2], [12, 3, 9])
    label = np.where(np.arange(24) % 4 == 0, 3, clusters)
    found = gallery(heads.Told((5,)), None, split(clusters, label))
    assert found["table"]["cluster"].tolist()[-1] == 1
    assert (found["places"][-1, 3:] == -1).all() and found["places"][-1, 2] >= 0
    assert (found["marks"][-1] == -2).sum() == 6
    assert (found["grids"][-1, 3:] == 255).all()
    few = gallery(heads.Told((5,)), None, split(clusters, label), classes=1)
    assert few["clusters"] == 1


def test_a_task_shows_its_own_images_and_judges_by_superclasses():
    label = np.tile([4, 0, 1, 2, 3], 12)  # tench first: filtered places are shifted
    clusters = np.where(label == 1, 0, label)
    test = split(clusters, label)
    found = gallery(heads.Told((5,)), None, test, task="level3", images=6)
    task = hierarchy.task("level3", CLASSES)
    there = found["places"] >= 0
    assert (task.member[label[found["places"][there]]] >= 0).all()
    # Both cats are in cluster 0, and of one superclass: all of it is right.
    row = found["table"]["cluster"].tolist().index(0)
    assert found["table"]["accuracy"][row] == 1
    assert set(found["marks"][row]) == {1}
    assert set(label[found["places"][row]]) <= {0, 1}
    fine = gallery(heads.Told((5,)), None, test, images=6)["table"]
    assert fine["accuracy"][fine["cluster"] == 0] == 0.5


def test_unlabelled_images_are_shown_by_the_size_of_their_cluster():
    test = split(np.repeat([0, 1, 2], [5, 30, 12]), np.full(47, -1), ())
    found = gallery(heads.Told((5,)), None, test, images=4)
    assert found["titles"].tolist() == [
        "cluster 1: 30",
        "cluster 2: 12",
        "cluster 0: 5",
    ]
    assert set(found["marks"].ravel()) == {-1}
    with pytest.raises(BadInput, match="the data has no classes"):
        gallery(heads.Told((5,)), None, test, task="level2")


def test_clusters_of_kmeans_are_shown_as_well():
    label = np.repeat([0, 1], 20)
    make = lambda part: split(label * 90, label, ("a", "b"), split=part)
    wanted = KMeans(clusters=2)
    found = gallery(heads.Told(()), make("train"), make("test"), kmeans=wanted)
    assert sorted(found["titles"].tolist()) == ["a: 100 % of 20", "b: 100 % of 20"]
    message = "gallery: told has no heads; --set kmeans={clusters: K} instead."
    with pytest.raises(BadInput, match=re.escape(message)):
        gallery(heads.Told(()), make("train"), make("test"))


def test_whole_images_of_files_are_shown(tmp_path, rng):
    path = tmp_path / "wide.png"
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 50:] = 200  # a central square would miss it
    Image.fromarray(wide).save(path)
    test = split([0, 0], [0, 0])
    source = test.source._replace(images=np.array([str(path)] * 2))
    grid = shown(test._replace(source=source, size=224), np.array([[1, -1]]))
    assert grid.shape == (1, 2, 128, 128, 3) and (grid[0, 1] == 255).all()
    assert grid[0, 0, :, -1].min() == 200 and grid[0, 0, :, 0].max() == 0


def test_a_gallery_is_drawn_with_frames_of_right_and_wrong(tmp_path):
    label = np.repeat([0, 1, 2], 20)
    clusters = np.where(np.arange(60) % 5 == 0, (label + 1) % 3, label)
    found = gallery(heads.Told((5,)), None, split(clusters, label))
    for key, value in found.items():
        if isinstance(value, np.ndarray):
            np.save(tmp_path / f"gallery_{key}.npy", value)
    (path,) = galleries.draw(tmp_path)
    assert path.name == "gallery.png" and min(Image.open(path).size) > 150
    images = np.zeros((4, 40, 40, 3), np.uint8)
    sheet = galleries.square(images, np.array([1, 0, -1, -2]))
    assert sheet.shape == (88, 88, 3)
    frame = lambda row, column: "#" + bytes(sheet[row, column]).hex()
    assert frame(1, 20) == galleries.GREEN and frame(1, 64) == galleries.RED
    assert frame(45, 20) == "#000000" and (sheet[44:, 44:] == 255).all()


def images_in(place, split):
    """`pipeline.Images` of a folder without classes."""
    source = folder(split, place, size=16, labels=False)
    return pipeline.Images(source, pipeline.Normal(), 16)


@pytest.mark.parametrize("in_memory", [True, False])
def test_discovered_classes_are_listed_with_the_files(tmp_path, rng, in_memory):
    for i in range(10):
        shade = np.full((16, 16, 3), i % 3, np.uint8)
        pictures.write(tmp_path / f"ä {i}.png", shade)
    train, test = (images_in(tmp_path, split) for split in ("train", "test"))
    if not in_memory:
        train, test = (
            x._replace(source=x.source._replace(images=x.source.paths, paths=None))
            for x in (train, test)
        )
    found = discover(heads.Told(), train, test)
    assert found["images"] == 10 and found["clusters"] == 3
    table = found["table"]
    assert sorted(table["file"]) == sorted(map(str, tmp_path.iterdir()))
    for file, part, cluster in table:
        assert int(file[-5]) % 3 == cluster and part in ("train", "test")
    assert (table["split"] == "test").sum() == 2
    only = discover(heads.Told(), train, test, splits=["test"])["table"]
    assert set(only["file"]) == set(table["file"][table["split"] == "test"])


def test_images_without_files_are_listed_by_their_place():
    test = split([2, 0, 1], np.full(3, -1), ())
    table = discover(heads.Told(), test, test, splits=["test"])["table"]
    assert table.tolist() == [("0", "test", 2), ("1", "test", 0), ("2", "test", 1)]
