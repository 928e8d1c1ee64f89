"""Held-out images shown as training shows its own: the same draws every time."""

import numpy as np
import pictures
import pytest

from ssl_tf import config, experiment, opening
from ssl_tf.augment.recipes import crop_flip
from ssl_tf.data import pipeline
from ssl_tf.data.celeba import celeba
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import features, store

NORMAL = pipeline.Normal((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("celeba")
    pictures.celeba(root, np.random.default_rng(0), (8, 5, 6))
    return root


@pytest.fixture(params=["files", "memory"])
def shown(request, root, rng):
    """`pipeline.Images` of 6, shown by a recipe."""
    source = celeba("test", root)
    if request.param == "memory":
        pixels = rng.integers(0, 256, (6, 20, 20, 3), np.uint8)
        source = Source("x", "test", pixels, np.arange(6, dtype=np.int32), ("a",) * 6)
    return pipeline.Images(source, NORMAL, 16, recipe=crop_flip(16, (0.3, 1)), seed=7)


def pixels(images, size):
    return np.concatenate([batch["views"][0] for batch in images.batches(size)])


def test_they_are_the_views_of_training_whatever_the_batches(shown):
    batches = list(shown.batches(4))
    assert [batch["weight"].numpy().tolist() for batch in batches] == [
        [1, 1, 1, 1],
        [1, 1, 0, 0],
    ]
    label = np.concatenate([batch["label"] for batch in batches])[:6]
    np.testing.assert_array_equal(label, shown.source.label)
    found = pixels(shown, 4)[:6]
    np.testing.assert_array_equal(found, pixels(shown, 3))
    order = lambda epoch: np.arange(6)[None]
    views = pipeline.views(shown.source, [shown.recipe], order, NORMAL, seed=7, size=16)
    np.testing.assert_array_equal(found, next(iter(views))["views"][0])
    assert np.abs(found - pixels(shown._replace(seed=8), 6)).max() > 0.1
    assert np.abs(found - pixels(shown._replace(recipe=None), 6)).max() > 0.1


def test_replicas_share_them_out(shown):
    parts = [pipeline.Part(first, 1, 2) for first in (0, 1)]
    first, second = (next(iter(shown.batches(6, part))) for part in parts)
    both = np.concatenate([first["views"][0], second["views"][0]])
    np.testing.assert_array_equal(both, pixels(shown, 6))


def test_pictures_show_the_whole_image_and_features_of_both_are_apart(shown):
    plain = shown._replace(recipe=None)
    np.testing.assert_array_equal(features.pixels(shown), features.pixels(plain))
    again = shown._replace(recipe=crop_flip(16, (0.3, 1)))
    assert store.likeness(again) == store.likeness(shown) != store.likeness(plain)


def opened(root, *changes):
    spec = config.load(
        config.find("multilabel", "resnet18", "celeba"),
        "faithful",
        ["views.0.size=16", "train.batch_size=4", "train.seed=3", *changes],
    )
    return opening.open_data(experiment.check(spec), root)


def test_the_faithful_run_shows_what_is_held_out_by_its_own_recipe(root):
    found = opened(root)
    for split in ("validation", "test"):
        images = found.plain(split)
        assert images.recipe.boxes and images.seed == pipeline.HELD_OUT + 3
    assert found.plain("train").recipe is None
    plain = opened(root, "data.held_out=plain").plain("test")
    assert plain.recipe is None and plain.resize == 224


@pytest.mark.parametrize("arch", ["resnet18", "pit_tiny"])
def test_the_faithful_fine_tuning_is_judged_so_and_pre_training_is_not(arch):
    path = config.find("simsiam", arch, "celeba")
    spec = config.load(path, "faithful")
    faithful = {"held_out": "views", "repeated": True}
    assert spec["evaluations"]["finetune"]["data"] == faithful
    assert experiment.check(spec).data.held_out == "plain"
    with pytest.raises(BadInput, match="held_out: views needs a single view") as error:
        experiment.check(config.load(path, None, ["data.held_out=views"]))
    assert "\n" not in str(error.value)
