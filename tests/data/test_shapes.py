"""Drawn shapes: what they are, and that they are always the same."""

import numpy as np
import pytest

from ssl_tf.data.coco import area, coco
from ssl_tf.data.instances import for_training
from ssl_tf.data.shapes import CLASSES, ground, shapes, within, write


@pytest.fixture(scope="module")
def train():
    return shapes("train", train=60)


def test_boxes_are_those_of_the_outlines_and_within_the_image(train):
    assert train.images.shape == (60, 96, 128, 3) and train.images.dtype == np.uint8
    counts = [own.count for own in train.objects]
    assert min(counts) == 1 and max(counts) == 4
    for own in train.objects:
        sides = own.boxes[:, 2:] - own.boxes[:, :2]
        assert (sides > 15.99).all() and (sides < 56.01).all()
        assert (own.boxes > -0.01).all()
        assert (own.boxes < np.array([128, 96, 128, 96]) + 0.01).all()
        for box, (polygon,) in zip(own.boxes, own.polygons):
            np.testing.assert_array_equal(box[:2], polygon.min(axis=0))
            np.testing.assert_array_equal(box[2:], polygon.max(axis=0))


def test_a_kind_has_its_share_of_the_box(train):
    share = {"box": 1.0, "disc": np.pi / 4, "triangle": 0.5}
    seen = set()
    for own in train.objects:
        for box, label, (polygon,) in zip(own.boxes, own.label, own.polygons):
            full = np.prod(box[2:] - box[:2])
            assert abs(area(polygon) / full - share[CLASSES[label]]) < 0.012
            seen.add(int(label))
    assert seen == {0, 1, 2}


def test_objects_do_not_overlap_and_stand_out(train):
    for pixels, own in zip(train.images, train.objects):
        masks = [within(polygon, (96, 128)) for (polygon,) in own.polygons]
        assert np.sum(masks, axis=0).max() == 1
        for mask in masks:
            assert pixels[mask].std(axis=0).max() < 16  # one colour and a little noise


def test_an_image_depends_on_seed_split_and_place_alone(train):
    again = shapes("train", train=3)
    np.testing.assert_array_equal(again.images, train.images[:3])
    for other in (shapes("test", test=1), shapes("train", train=1, seed=1)):
        assert (other.images[0] != train.images[0]).mean() > 0.5
    assert len(np.unique(train.images.reshape(60, -1), axis=0)) == 60


def test_crowded_images_still_have_an_object():
    small = shapes("train", train=5, height=20, width=20, smallest=18, largest=60)
    assert all(own.count == 1 for own in small.objects)
    assert ground(np.random.default_rng(0), (20, 33)).shape == (20, 33, 3)


def test_the_set_written_as_coco_reads_back(train, tmp_path):
    few = shapes("train", train=4)
    write(few, tmp_path)
    write(shapes("test", test=2), tmp_path)
    found = coco("train", tmp_path)
    assert found.classes == CLASSES and found.ids == few.ids
    assert found.sizes.tolist() == few.sizes.tolist()
    for place in range(4):
        np.testing.assert_array_equal(found.pixels(place), few.pixels(place))
        one, other = found.objects[place], few.objects[place]
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-4)
        np.testing.assert_array_equal(one.label, other.label)
        for a, b in zip(one.polygons, other.polygons):
            np.testing.assert_array_equal(a[0], b[0])
    assert (
        for_training(found, masks=True).size == 4 and coco("test", tmp_path).size == 2
    )
