"""ROIAlign against golden arrays, coordinates, and itself in chunks."""

import numpy as np
import pytest
import tensorflow as tf
from given import golden

from ssl_tf.detection.roi_align import roi_align


@pytest.fixture(scope="module")
def arrays():
    with golden("detection", "roi_align") as archive:
        return {name: archive[name] for name in archive.files}


def last(x):
    return np.moveaxis(x, -3, -1)


def by_image(x, image, number):
    """`[B, R, ...]` of `x` `[R, ...]`: rows of other images are zeros."""
    own = (image == np.arange(number)[:, None]).reshape(number, -1, *[1] * (x.ndim - 1))
    return np.where(own, x, 0).astype("f4")


def value_and_gradient(arrays, size, chunk, compiled=False):
    """Pooled golden regions `[R, P, P, C]`, and the gradient of the features."""
    image = arrays["rois"][:, 0]
    boxes = by_image(arrays["rois"][:, 1:], image, 2)
    upstream = by_image(last(arrays[f"gout_{size}"]), image, 2)
    scale = float(arrays["spatial_scale"])

    @tf.function(jit_compile=compiled)
    def both(features):
        with tf.GradientTape() as tape:
            tape.watch(features)
            found = roi_align(features, boxes, size, scale, chunk, samples=16)
        return found, tape.gradient(found, features, upstream)

    found, gradient = both(tf.constant(last(arrays["x"])))
    return found.numpy()[image.astype(int), np.arange(len(image))], gradient.numpy()


@pytest.mark.parametrize("size", [4, 14])
@pytest.mark.parametrize("chunk,compiled", [(None, False), (4, False), (4, True)])
def test_features_and_gradients_are_the_golden_ones(arrays, size, chunk, compiled):
    found, gradient = value_and_gradient(arrays, size, chunk, compiled)
    close = {"rtol": 0, "atol": 2e-5}
    np.testing.assert_allclose(found, last(arrays[f"out_{size}"]), **close)
    np.testing.assert_allclose(gradient, last(arrays[f"gin_{size}"]), **close)


def test_empty_and_inverted_regions_are_zeros(arrays):
    image = arrays["rois_degenerate"][:, 0]
    boxes = by_image(arrays["rois_degenerate"][:, 1:], image, 2)
    found = roi_align(last(arrays["x"]), boxes, 4, float(arrays["spatial_scale"]))
    np.testing.assert_array_equal(found, np.zeros_like(found))
    assert not np.any(arrays["out_degenerate_4"])


def test_features_that_are_coordinates_give_the_centres_of_bins(arrays):
    boxes = arrays["lin_roi"][None, :, 1:]
    scale = float(arrays["spatial_scale"])
    found = roi_align(last(arrays["lin"]), boxes, 14, scale)[0]
    wanted = last(arrays["lin_out_14"])  # up to 171, where float32 has steps of 1.5e-5
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=2e-5)


def test_a_box_of_one_cell_at_full_scale_is_that_cell():
    features = np.arange(12, dtype="f4").reshape(1, 3, 4, 1)
    boxes = np.float32([[[32, 16, 48, 32]]])
    np.testing.assert_allclose(roi_align(features, boxes, 1), [[[[[6.0]]]]])


def test_sizes_of_chunks_change_nothing(rng):
    features = tf.constant(rng.normal(size=(2, 5, 6, 3)).astype("f4"))
    corner = rng.uniform(0, 40, (2, 7, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (2, 7, 2))], -1)
    boxes = boxes.astype("f4")
    upstream = rng.normal(size=(2, 7, 2, 2, 3)).astype("f4")

    def both(chunk):
        with tf.GradientTape() as tape:
            tape.watch(features)
            found = roi_align(features, boxes, 2, chunk=chunk)
        return found, tape.gradient(found, features, upstream)

    wanted = both(None)
    for chunk in (1, 3, 7, 20):
        for ours, theirs in zip(both(chunk), wanted):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
