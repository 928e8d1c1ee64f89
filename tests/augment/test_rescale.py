"""Whole images scaled and mirrored with their boxes and outlines."""

import numpy as np
import tensorflow as tf

from augment import golden
from ssl_tf.augment import rescale

GOLDEN = golden.load("detection/resize_flip")


def test_sizes_are_those_of_the_table():
    for *given, down, across in GOLDEN["shape_table_h_w_short_max_newh_neww"].tolist():
        assert rescale.new_size(*given).numpy().tolist() == [down, across], given


def test_the_shorter_side_is_chosen_and_the_longer_one_limited():
    assert rescale.new_size(100, 200, 50, 1000).numpy().tolist() == [50, 100]
    assert rescale.new_size(100, 200, 50, 60).numpy().tolist() == [30, 60]
    assert rescale.new_size(2, 3, 3, 99).numpy().tolist() == [3, 5]  # 4.5 goes up


def test_pixels_are_exact():
    for name, size in (("resized_37x50", (37, 50)), ("downsized_11x15", (11, 15))):
        pixels = rescale.resized(GOLDEN["img"], size)
        np.testing.assert_array_equal(pixels, GOLDEN[name])


def test_boxes_and_pixels_of_the_authors_flip_are_ours():
    box = rescale.scaled_boxes(GOLDEN["box"], (23, 31), (37, 50))
    np.testing.assert_allclose(box, GOLDEN["resized_box"], rtol=1e-12)
    flipped = rescale.mirrored_boxes(box, 50)
    np.testing.assert_allclose(flipped, GOLDEN["flipped_box"], rtol=1e-12)
    pixels = rescale.mirrored(GOLDEN["resized_37x50"]).numpy()
    np.testing.assert_array_equal(pixels, GOLDEN["flipped"])


def test_there_and_back_is_where_it_began(rng):
    boxes = np.sort(rng.uniform(0, 30, (2, 5, 2, 2)), axis=2).reshape(2, 5, 4)
    boxes = boxes.astype(np.float32)
    points = rng.uniform(0, 30, (5, 2, 7, 2)).astype(np.float32)
    there = rescale.scaled_boxes(boxes, (24, 32), (48, 37))
    back = rescale.scaled_boxes(there, (48, 37), (24, 32))
    np.testing.assert_allclose(back, boxes, rtol=1e-5)
    there = rescale.scaled_points(points, (24, 32), (48, 37))
    back = rescale.scaled_points(there, (48, 37), (24, 32))
    np.testing.assert_allclose(back, points, rtol=1e-5)
    twice = rescale.mirrored_boxes(rescale.mirrored_boxes(boxes, 32), 32)
    np.testing.assert_allclose(twice, boxes, atol=1e-5)
    twice = rescale.mirrored_points(rescale.mirrored_points(points, 32), 32)
    np.testing.assert_allclose(twice, points, atol=1e-5)


def test_boxes_outlines_and_pixels_move_together():
    image = np.zeros((10, 20, 3), np.uint8)
    image[2:5, 3:9] = 255
    box = np.array([3, 2, 9, 5], np.float32)
    outline = np.array([(3, 2), (9, 2), (9, 5), (3, 5)], np.float32)
    pixels = rescale.resized(rescale.mirrored(image), (20, 60))
    box = rescale.scaled_boxes(rescale.mirrored_boxes(box, 20), (10, 20), (20, 60))
    outline = rescale.mirrored_points(outline, 20)
    outline = rescale.scaled_points(outline, (10, 20), (20, 60)).numpy()
    assert box.numpy().tolist() == [33, 4, 51, 10]
    np.testing.assert_array_equal(outline.min(axis=0), [33, 4])
    np.testing.assert_array_equal(outline.max(axis=0), [51, 10])
    rows, columns = np.where(pixels[..., 0] > 127)
    assert (columns.min(), rows.min()) == (33, 4)
    assert (columns.max() + 1, rows.max() + 1) == (51, 10)


def test_a_box_beyond_the_image_is_cut_and_one_without_area_is_no_object():
    boxes = tf.constant([[-3.0, 2, 9, 50], [33, 2, 40, 5], [0, 0, 0, 0], [1, 1, 2, 2]])
    cut = rescale.clipped(boxes, (24, 32))
    assert cut.numpy()[:2].tolist() == [[0, 2, 9, 24], [32, 2, 32, 5]]
    label = rescale.without_empty(cut, tf.constant([4, 5, 6, 7]), 1e-5)
    assert label.numpy().tolist() == [4, -1, -1, 7]
