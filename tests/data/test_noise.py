"""Noise of the ablation study's "Random" row: its values, and draws without memory."""

import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.augment.recipes import crop_flip, plain
from ssl_tf.data import drawn, orders, pipeline
from ssl_tf.data import source as sources
from ssl_tf.data.noise import noise
from ssl_tf.ops.distribute import Part


def fresh(kind="normal", split="train", count=40, size=8):
    return noise(split, size=size, count=count, kind=kind, fresh=True)


@pytest.mark.parametrize("again", [False, True])
def test_normal_noise_wraps_around_to_the_studys_mean_and_deviation(again):
    images = noise("train", size=64, count=80, kind="normal", fresh=again).images
    pixels = np.asarray(images).astype(float)
    # The study's one image: 127.6 and 74.2. What lies in (-1, 1) becomes 0.
    assert abs(pixels.mean() - 127.6) < 0.6 and abs(pixels.std() - 74.2) < 0.4
    assert 1.3 < (pixels == 0).mean() * 256 < 1.5


def test_uniform_noise_is_uniform():
    pixels = np.asarray(fresh("uniform", size=64).images)
    counts = np.bincount(pixels.ravel(), minlength=256) / pixels.size
    np.testing.assert_allclose(counts, 1 / 256, rtol=0.08)


def views(source, batch_size, steps, seed=1, recipe=None, **more):
    order = orders.shuffled(source.size, batch_size, seed)
    recipes = [recipe or plain()]
    found = pipeline.views(
        source, recipes, order, pipeline.Normal(), seed=seed, size=8, **more
    )
    return [tf.nest.map_structure(np.asarray, b) for b in found.take(steps)]


def by_image(batches):
    """`{(epoch, index): view}`."""
    return {
        (epoch, index): batch["views"][0][i]
        for batch in batches
        for i, (epoch, index) in enumerate(zip(batch["epoch"], batch["index"]))
    }


def test_an_image_is_a_function_of_seed_epoch_and_index_alone():
    source = fresh()
    wide, narrow = by_image(views(source, 20, 4)), by_image(views(source, 4, 20))
    assert wide.keys() == narrow.keys() and len(wide) == 80
    for key in wide:
        np.testing.assert_array_equal(wide[key], narrow[key])
    other = by_image(views(source, 20, 4, seed=2))
    images = {image.tobytes() for image in (*wide.values(), *other.values())}
    assert len(images) == 160  # no two epochs, images or seeds share one


def test_a_resumed_run_and_a_second_replica_see_the_same_images():
    whole = views(fresh(), 10, 8, recipe=crop_flip(size=6))
    for batch, later in zip(
        whole[5:], views(fresh(), 10, 3, recipe=crop_flip(size=6), start=(1, 1))
    ):
        np.testing.assert_array_equal(batch["views"][0], later["views"][0])
    half = views(fresh(), 10, 8, recipe=crop_flip(size=6), part=Part(1, 1, 2))
    for batch, mine in zip(whole, half):
        np.testing.assert_array_equal(batch["views"][0][5:], mine["views"][0])


def test_a_subset_keeps_its_images_and_splits_differ():
    source = fresh()
    whole = np.asarray(source.images)
    few = sources.subset(source, np.array([7, 3, 30]))
    np.testing.assert_array_equal(np.asarray(few.images), whole[[7, 3, 30]])
    np.testing.assert_array_equal(source.images[5:7][1], whole[6])
    other = np.asarray(fresh(split="test").images)
    assert not (other == whole).all(axis=(1, 2, 3)).any()


def test_evaluation_sees_one_epoch_and_nothing_is_stored():
    source = fresh(count=1000, size=224)
    assert isinstance(source.images, drawn.Drawn) and not source.files
    assert source.images.places.nbytes < 10_000
    assert source.images.shape == (1000, 224, 224, 3)
    few = sources.subset(source, slice(5))
    batch = next(iter(pipeline.Images(few, pipeline.Normal(), 224).batches(5)))
    expected = np.asarray(few.images) / np.float32(255)
    np.testing.assert_allclose(batch["views"][0], expected, atol=1e-6)
    small = next(iter(pipeline.Images(few, pipeline.Normal(), 32).batches(5)))
    assert small["views"][0].shape == (5, 32, 32, 3)
