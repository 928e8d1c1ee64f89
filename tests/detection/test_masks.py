"""Masks: COCO's rule point by point, Detectron2's targets, loss and pasted masks."""

import json

import numpy as np
import pytest
import tensorflow as tf
from given import golden

from ssl_tf.detection import masks, polygons


@pytest.fixture(scope="module")
def arrays():
    with golden("detection", "masks") as archive:
        return {name: archive[name] for name in archive.files}


def padded(instances, most=3, longest=9, fill=7.0):
    """`(vertices [N, Q, V, 2], lengths [N, Q])`; behind a length is anything."""
    vertices = np.full((len(instances), most, longest, 2), fill, "f4")
    lengths = np.zeros((len(instances), most), "i4")
    for i, instance in enumerate(instances):
        for j, polygon in enumerate(instance):
            points = np.reshape(polygon, (-1, 2))
            vertices[i, j, : len(points)], lengths[i, j] = points, len(points)
    return vertices, lengths


def outline(points):
    """Fifths of pixels that the outline passes, one step at a time."""
    fine = [(int(5 * x + 0.5), int(5 * y + 0.5)) for x, y in np.asarray(points, "f4")]
    for (x1, y1), (x2, y2) in zip(fine, fine[1:] + fine[:1]):
        steps = max(abs(x2 - x1), abs(y2 - y1))
        flat = abs(x2 - x1) >= abs(y2 - y1)
        turned = x1 > x2 if flat else y1 > y2
        (u, v), (s, t) = ((x2, y2), (x1, y1)) if turned else ((x1, y1), (x2, y2))
        line = [
            (
                u + (2 * (s - u) * n + steps) // (2 * steps) if steps else u,
                v + (2 * (t - v) * n + steps) // (2 * steps) if steps else v,
            )
            for n in range(steps + 1)
        ]
        yield from reversed(line) if turned else line


def by_walking(points, height, width):
    """`[height, width]` bool: parity of crossings at or above each pixel."""
    path = list(outline(points))
    changes = np.zeros((height + 1, width), int)
    for (u, v), (s, t) in zip(path, path[1:]):
        column = (min(u, s) + 0.5) / 5 - 0.5
        if u != s and column == int(column) and 0 <= column <= width - 1:
            row = np.ceil(np.clip((min(v, t) + 0.5) / 5 - 0.5, 0, height))
            changes[int(row), int(column)] += 1
    return changes.cumsum(0)[:height] % 2 > 0


def test_polygons_are_rastered_as_if_their_outline_were_walked(rng):
    shapes = [rng.uniform(-6, 24, (n, 2)) for n in (3, 4, 5, 6, 7, 8, 9) * 4]
    shapes += [rng.integers(-2, 20, (n, 2)) for n in (3, 4, 5, 9) * 4]  # on pixels
    found = polygons.rasterise(*padded([[s] for s in shapes], 1), 15, 18)
    for ours, points in zip(np.asarray(found), shapes):
        np.testing.assert_array_equal(ours, by_walking(points, 15, 18))


def test_a_square_and_the_union_of_two():
    square = [[1, 1, 4, 1, 4, 3, 1, 3], [3, 2, 6, 2, 6, 4, 3, 4]]
    wanted = np.zeros((2, 5, 7), bool)
    wanted[:, 1:3, 1:4] = True
    wanted[1, 2:4, 3:6] = True
    found = polygons.rasterise(*padded([square[:1], square]), 5, 7)
    np.testing.assert_array_equal(found, wanted)


def test_whole_images_are_cocos(arrays):
    instances = json.loads(str(arrays["polygons_json"]))
    found = polygons.rasterise(*padded(instances), 90, 100)
    np.testing.assert_array_equal(found, arrays["full_bitmask_90x100"])


@pytest.mark.parametrize("size,compiled", [(14, False), (28, False), (14, True)])
def test_targets_are_detectron2s(arrays, size, compiled):
    vertices, lengths = padded(json.loads(str(arrays["polygons_json"])))
    matched, boxes = arrays["instance"].reshape(2, 3), arrays["boxes"].reshape(2, 3, 4)

    @tf.function(jit_compile=compiled)
    def function(boxes):
        pair = [np.stack([x, x]) for x in (vertices, lengths)]
        return masks.targets(*pair, matched.astype("i4"), boxes, size)

    found = np.reshape(function(boxes), (6, size, size))
    np.testing.assert_array_equal(found, arrays[f"targets{size}"])


def test_loss_and_gradient_are_detectron2s_however_regions_are_dealt(arrays):
    """Six regions as images of 4 and 2, of which padding has no part."""

    def dealt(x):
        rows = np.zeros((2, 5, *x.shape[1:]), x.dtype)
        rows[0, :4], rows[1, :2] = x[:4], x[4:]
        return rows

    logits = tf.constant(dealt(np.moveaxis(arrays["logits"], 1, -1)))
    classes, wanted = dealt(arrays["classes"]), dealt(arrays["targets14"])
    objects = dealt(np.ones(6, bool))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = masks.mask_loss(logits, classes, wanted, objects)
        mean = tf.reduce_mean(loss)
    assert loss.shape == (2,)
    np.testing.assert_allclose(mean, arrays["loss_mask"], rtol=0, atol=1e-6)
    theirs = dealt(np.moveaxis(arrays["grad_logits"], 1, -1))
    np.testing.assert_allclose(tape.gradient(mean, logits), theirs, rtol=0, atol=1e-6)
    nothing = masks.mask_loss(logits, classes, wanted, np.zeros_like(objects))
    np.testing.assert_array_equal(nothing, [0, 0])


def test_pasted_masks_are_detectron2s(arrays):
    found = masks.paste(arrays["paste_probs"], arrays["paste_boxes"], 90, 100)
    assert np.mean(found != arrays["pasted_90x100"]) <= 1e-3


def test_a_mask_of_one_bin_a_pixel_is_pasted_as_it_is(rng):
    mask = rng.random((1, 4, 4)) < 0.5
    found = masks.paste(mask.astype("f4"), np.float32([[2, 1, 6, 5]]), 7, 8)
    np.testing.assert_array_equal(found[0, 1:5, 2:6], mask[0])
    assert np.sum(found) == mask.sum()
