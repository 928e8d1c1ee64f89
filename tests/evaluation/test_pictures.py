"""Grids and maps: what they show, and that they are drawn once."""

import os
import re

import given
import numpy as np
import pytest
from PIL import Image

from ssl_tf import galleries, runs
from ssl_tf.augment.recipes import crop_flip, plain, shift_flip
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import embedding_map, neighbours, views
from ssl_tf.evaluation.neighbours import spread_over_classes


def test_a_query_stands_before_the_training_images_most_like_it():
    train = given.images(np.arange(30) % 3)
    source = train.source
    test = given.images(source.label[::-1], split="test")
    turned = test.source._replace(images=source.images[::-1])
    found = neighbours(
        given.Pixels(), train, test._replace(source=turned), images=6, k=4
    )
    assert found["tiles"].shape == (6, 5, given.SIDE, given.SIDE, 3)
    np.testing.assert_array_equal(found["tiles"][:, 0], found["tiles"][:, 1])
    np.testing.assert_array_equal(found["labels"][:, 0], found["labels"][:, 1])
    np.testing.assert_array_equal(found["places"][:, 1], 29 - found["places"][:, 0])
    np.testing.assert_allclose(found["similarity"][:, 0], 1, atol=1e-5)
    same = found["labels"][:, :1] == found["labels"][:, 1:]
    assert found["same_class"] == same.mean()


def test_neighbours_need_no_labels_but_enough_images():
    train, test = given.images(np.full(9, -1)), given.images(np.full(5, -1))
    found = neighbours(given.Pixels(), train, test, images=2, k=3)
    assert "same_class" not in found
    with pytest.raises(BadInput, match="neighbours.k: is 10; there are only 9"):
        neighbours(given.Pixels(), train, test, k=10)


def test_queries_are_spread_over_the_classes():
    label = np.repeat([0, 1, 2, 3], [90, 5, 2, 1])
    found = label[spread_over_classes(label, 8, 0)]
    np.testing.assert_array_equal(np.bincount(found), [3, 2, 2, 1])
    assert len(spread_over_classes(label, 1000, 0)) == 98


def test_views_are_those_of_the_epochs_draws_beside_the_image():
    train = given.images(np.arange(9) % 3)
    recipes = [plain(), shift_flip(1), crop_flip(2)]
    found = views(None, train, None, recipes, images=5)["tiles"]
    assert found.shape == (5, 4, given.SIDE, given.SIDE, 3)
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    assert (found[:, 0] != found[:, 2]).any()
    assert (found[:, 3, 2:] == 255).all() and (found[:, 3, :, 2:] == 255).all()
    again = views(None, train, None, recipes, images=5)["tiles"]
    np.testing.assert_array_equal(found, again)
    later = views(None, train, None, recipes, images=5, epoch=1)["tiles"]
    np.testing.assert_array_equal(found[:, 0], later[:, 0])
    assert (found != later).any()
    with pytest.raises(BadInput, match="views.images: is 10; there are only 9"):
        views(None, train, None, recipes, images=10)


def test_a_map_keeps_classes_together_and_repeats_itself():
    x, label = given.blobs(90, 3, apart=8.0)
    images, store = given.images(label, split="test"), given.Fixed(test=x)
    found = embedding_map(None, None, images, store, images=60, perplexity=10.0)
    points, label = found["points"], found["labels"]
    assert points.shape == (60, 2)
    np.testing.assert_array_equal(label, images.source.label[found["places"]])
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (label[distance.argmin(axis=1)] == label).mean() > 0.95
    again = embedding_map(None, None, images, store, images=60, perplexity=10.0)
    np.testing.assert_array_equal(points, again["points"])
    with pytest.raises(BadInput, match="perplexity: is 30; must be less than the 20"):
        embedding_map(None, None, images, store, images=20)


def test_umap_says_how_to_install_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "umap", None)
    x, label = given.blobs(90, 3)
    images = given.images(label, split="test")
    message = "map.algorithm: umap is not here; pip install umap-learn"
    with pytest.raises(BadInput, match=re.escape(message)):
        embedding_map(None, None, images, given.Fixed(test=x), algorithm="umap")


@pytest.fixture
def folder(tmp_path):
    """A run folder with the arrays of a grid and of a map."""
    train = given.images(np.arange(30) % 3)
    test = given.images([0, 1, -1], split="test")
    found = neighbours(given.Pixels(), train, test, images=3, k=2)
    for key, value in found.items():
        if isinstance(value, np.ndarray):
            np.save(tmp_path / f"neighbours_{key}.npy", value)
    draw = np.random.default_rng(0)
    np.save(tmp_path / "map_points.npy", draw.normal(size=(50, 2)))
    np.save(tmp_path / "map_labels.npy", np.arange(50) % 25 - 1)
    return tmp_path


def test_pictures_are_drawn_once_and_again_when_the_arrays_change(folder):
    found = galleries.draw(folder)
    assert [p.name for p in found] == ["map.png", "neighbours.png"]
    for path in found:
        assert min(Image.open(path).size) > 150
    before = [p.stat().st_mtime_ns for p in found]
    assert [p.stat().st_mtime_ns for p in galleries.draw(folder)] == before
    later = found[0].stat().st_mtime + 10
    os.utime(folder / "map_points.npy", (later, later))
    galleries.draw(folder)
    after = [p.stat().st_mtime_ns for p in found]
    assert after[0] > before[0] and after[1] == before[1]


def test_pictures_of_others_in_the_folder_are_listed_too(folder):
    with runs.atomic(folder / "figures" / "another.png") as out:
        Image.new("RGB", (4, 4)).save(out, "png")
    names = [p.name for p in galleries.draw(folder)]
    assert names == ["another.png", "map.png", "neighbours.png"]


def test_frames_say_whether_a_neighbour_is_of_the_same_class(folder):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import colors, pyplot

    _, axes = pyplot.subplots(1, 4)
    label = np.array([1, 1, 2, -1])
    for column, axis in enumerate(axes):
        galleries.frame(axis, label, column)
    edge = lambda axis: colors.to_hex(axis.spines["left"].get_edgecolor())
    shown = [edge(axis) for axis in axes[:3]]
    assert shown == ["#000000", galleries.GREEN, galleries.RED]
    assert not axes[3].spines["left"].get_visible()
    pyplot.close()
