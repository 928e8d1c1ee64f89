"""Annotated images as batches: whole, scaled, mirrored, padded; objects with them."""

import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.augment.scene import scene
from ssl_tf.data import orders, pipeline
from ssl_tf.data.scenes import Scenes
from ssl_tf.data.shapes import shapes
from ssl_tf.ops.distribute import Part

NORMAL = pipeline.Normal((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.fixture(scope="module")
def source():
    return shapes("train", train=12, test=1, height=48, width=64, largest=30)


def batches(source, view, count=3, size=4, seed=1, **more):
    scenes = Scenes(source, view, NORMAL)
    order = orders.oriented(source.sizes[:, 1] > source.sizes[:, 0], size, seed)
    found = scenes.training(order, seed=seed, **more).take(count)
    return [tf.nest.map_structure(np.asarray, batch) for batch in found]


def test_a_batch_of_one_size_shows_images_and_objects_as_they_are(source):
    (batch,) = batches(source, scene([48], flip=False), 1)
    images = batch["views"][0] * NORMAL.deviation + NORMAL.mean
    for image, index, boxes, classes in zip(
        images, batch["index"], batch["boxes"], batch["classes"]
    ):
        np.testing.assert_allclose(255 * image, source.images[index], atol=1e-3)
        own = source.objects[index]
        np.testing.assert_array_equal(classes[: own.count], own.label)
        assert (classes[own.count :] == -1).all()
        np.testing.assert_allclose(boxes[: own.count], own.boxes, atol=1e-4)
    assert (batch["label"] == -1).all()
    assert (batch["extent"] == [48, 64]).all()


def test_mirrored_images_have_mirrored_boxes_and_outlines(source):
    plain = batches(source, scene([48], flip=False), 3)
    drawn = batches(source, scene([48], flip=True), 3)
    turned = 0
    for ours, theirs in zip(drawn, plain):
        for i in range(len(ours["index"])):
            if np.array_equal(ours["views"][0][i], theirs["views"][0][i]):
                continue
            turned += 1
            mirrored = theirs["views"][0][i, :, ::-1]
            np.testing.assert_array_equal(ours["views"][0][i], mirrored)
            there = ours["classes"][i] >= 0
            mine, other = ours["boxes"][i][there], theirs["boxes"][i][there]
            np.testing.assert_allclose(
                mine[:, [0, 2]], 64 - other[:, [2, 0]], atol=1e-4
            )
            outline = ours["polygons"][i][there]
            x = outline[..., 0].reshape(len(outline), -1)
            np.testing.assert_allclose(x.min(1), mine[:, 0], atol=1e-3)
            np.testing.assert_allclose(x.max(1), mine[:, 2], atol=1e-3)
    assert 2 < turned < 10


def test_images_of_several_sizes_are_padded_below_and_to_the_right(source):
    view = scene([24, 48, 60], flip=False, multiple=8)
    heights = set()
    for batch in batches(source, view, 3):
        _, height, width, _ = batch["views"][0].shape
        tallest, widest = batch["extent"].max(axis=0)
        assert (height, width) == (-(-tallest // 8) * 8, -(-widest // 8) * 8)
        for image, (h, w), boxes in zip(
            batch["views"][0], batch["extent"], batch["boxes"]
        ):
            heights.add(int(h))
            assert (image[h:] == 0).all() and (image[:, w:] == 0).all()
            assert boxes[:, 2].max() <= w and boxes[:, 3].max() <= h
    assert len(heights) == 3


def test_replicas_share_a_batch_and_a_later_start_goes_on_with_it(source):
    view = scene([24, 48])
    whole = batches(source, view, 4)
    halves = [batches(source, view, 4, part=Part(place, 1, 2)) for place in range(2)]
    for all_, left, right in zip(whole, *halves):
        both = np.concatenate([left["views"][0], right["views"][0]])
        np.testing.assert_array_equal(both, all_["views"][0])
        keys = np.concatenate([left["key"], right["key"]])
        np.testing.assert_array_equal(keys, all_["key"])
    later = batches(source, view, 2, start=(0, 2))
    for ours, theirs in zip(later, whole[2:]):
        np.testing.assert_array_equal(ours["views"][0], theirs["views"][0])


def test_single_images_come_in_order_at_the_size_of_evaluation(source):
    found = list(Scenes(source, scene(test=24), NORMAL).plain())
    assert [int(batch["index"][0]) for batch in found] == list(range(12))
    assert found[0]["views"][0].shape == (1, 24, 32, 3)
    np.testing.assert_array_equal(found[0]["original"], [[48, 64]])


def test_wide_and_other_images_have_batches_of_their_own_but_for_one():
    wide = np.arange(23) % 3 > 0  # 15 wide, 8 others
    order = orders.oriented(wide, 4, 0)
    for epoch in range(3):
        rows = order(epoch)
        assert rows.shape == (5, 4) and len(set(rows.ravel())) == 20
        assert (wide[rows].all(axis=1) | ~wide[rows].any(axis=1)).all()
    assert (order(0) != order(1)).any()
    assert orders.oriented(np.arange(11) < 6, 4, 0)(0).shape == (2, 4)
