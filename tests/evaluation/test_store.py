"""Features on disk: computed once, never those of other weights or images."""

import re

import given
import numpy as np
import pytest

from ssl_tf.errors import BadInput
from ssl_tf.evaluation import features, store


@pytest.fixture
def place(tmp_path):
    (tmp_path / "last.weights.h5").write_bytes(b"the weights")
    return tmp_path


def opened(method, place, **more):
    return store.Store(
        method, place / "features", place / "last.weights.h5", batch_size=4, **more
    )


def test_features_are_computed_once_and_read_from_a_map(place):
    method, images = given.Pixels(), given.images(np.zeros(10))
    first = opened(method, place)(images)
    assert method.passes.numpy() == 3
    expected = images.source.images.reshape(10, -1) / np.float32(255)
    np.testing.assert_allclose(first, expected, atol=1e-6)
    again = opened(method, place)(images)
    assert isinstance(again, np.memmap)
    np.testing.assert_array_equal(again, first)
    assert method.passes.numpy() == 3


def test_several_levels_take_one_pass_over_the_images(place):
    method, images = given.Pixels(), given.images(np.zeros(8))
    flat, mean = opened(method, place).many(images, ["features", "p1"])
    assert method.passes.numpy() == 2
    np.testing.assert_allclose(mean, flat.reshape(8, -1, 3).mean(axis=1), atol=1e-6)


def test_without_a_folder_features_live_as_long_as_the_store():
    method, images = given.Pixels(), given.images(np.zeros(8))
    kept = store.Store(method, batch_size=4)
    assert kept(images) is kept(images)
    assert method.passes.numpy() == 2


def test_other_weights_replace_the_features_of_the_old_ones(place):
    method, images = given.Pixels(), given.images(np.zeros(4))
    opened(method, place)(images)
    (place / "last.weights.h5").write_bytes(b"other weights")
    opened(method, place)(images)
    assert method.passes.numpy() == 2
    assert len(list((place / "features").iterdir())) == 1


def test_other_pixels_normalisation_and_order_are_other_features(place):
    images = given.images(np.zeros(4))
    changed = images.source.images.copy()
    changed[3, 0, 0, 0] ^= 1
    others = [
        images._replace(source=images.source._replace(images=changed)),
        images._replace(normal=type(images.normal)((0.5,) * 3)),
        images._replace(source=images.source._replace(images=changed[::-1])),
        images._replace(resize=8),
    ]
    names = {store.likeness(i) for i in (images, *others)}
    assert len(names) == 5
    relabelled = images.source._replace(label=images.source.label + 1)
    assert store.likeness(images._replace(source=relabelled)) in names


def test_a_file_that_changed_is_another_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    before = store.stamp(str(path))
    path.write_bytes(b"three")
    assert store.stamp(str(path)) != before


def test_a_damaged_file_is_computed_again(place):
    method, images = given.Pixels(), given.images(np.zeros(4))
    first = np.array(opened(method, place)(images))
    (file,) = (place / "features").iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    np.testing.assert_array_equal(opened(method, place)(images), first)
    assert method.passes.numpy() == 2


def test_half_precision_halves_the_file_and_refuses_what_it_cannot_hold(place):
    method, images = given.Pixels(), given.images(np.zeros(4))
    rows = opened(method, place, kind="float16")(images)
    assert rows.dtype == np.float16
    np.testing.assert_allclose(rows, opened(method, place)(images), atol=5e-4)
    rows = [[np.full((2, 3), 1e5, np.float32)]]
    path = place / "features" / "large.npy"
    with pytest.raises(BadInput, match="exceed float16; keep them as float32"):
        store.write([path], rows, 2, np.float16)
    assert not path.exists()


def test_nothing_is_left_when_the_forward_pass_fails(place):
    def rows():
        yield [np.zeros((2, 3), np.float32)]
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        store.write([place / "features" / "x.npy"], rows(), 4, np.float32)
    assert not list((place / "features").iterdir())


def test_a_level_the_method_lacks_is_refused_with_those_it_has(place):
    message = "level: pixels has no 'p7'. Have: features, p1, pixels."
    with pytest.raises(BadInput, match=re.escape(message)):
        opened(given.Pixels(), place)(given.images(np.zeros(4)), "p7")


def test_the_level_pixels_is_the_normalised_image_flat(place):
    images = given.images(np.zeros(6))
    mean, deviation = (0.5, 0.4, 0.3), (0.25, 0.5, 0.1)
    shown = images._replace(normal=type(images.normal)(mean, deviation))
    found = opened(given.Pixels(), place)(shown, "pixels")
    expected = (images.source.images / 255.0 - mean) / deviation
    np.testing.assert_allclose(found, expected.reshape(6, -1), atol=1e-5)


def test_pixels_are_what_the_model_sees_before_normalisation():
    images = given.images(np.zeros(6))
    shown = images._replace(normal=type(images.normal)((0.5,) * 3, (0.25,) * 3))
    found = features.pixels(shown, [4, 1])
    np.testing.assert_array_equal(found, images.source.images[[4, 1]])
