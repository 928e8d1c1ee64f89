"""Choosing from a source, and the numbers it is normalised by."""

import given
import hash_weights
import numpy as np
import pytest

from ssl_tf.data import source as sources
from ssl_tf.data.instances import Instances, Objects, limited
from ssl_tf.data.noise import digits, noise
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput


@pytest.fixture
def source(rng):
    """12 images: 6 of "a", 4 of "b", 2 of "c"; image i is filled with i."""
    label = np.array([0, 1, 0, 2, 1, 0, 0, 1, 0, 2, 1, 0], np.int32)
    images = np.tile(np.arange(12, dtype=np.uint8)[:, None, None, None], (1, 2, 2, 3))
    return Source("toy", "train", images, label, ("a", "b", "c"))


def numbers(source):
    return source.images[:, 0, 0, 0].tolist()


def test_a_subset_keeps_images_and_labels_together(source):
    few = sources.subset(source, [3, 0, 7], "validation")
    assert numbers(few) == [3, 0, 7] and few.label.tolist() == [2, 0, 1]
    assert few.split == "validation" and few.size == 3


def test_a_balanced_draw_has_every_class_alike_and_is_always_the_same(source):
    few = sources.balanced(source, 2)
    assert np.bincount(few.label).tolist() == [2, 2, 2]
    assert numbers(few) == sorted(numbers(few))
    assert numbers(few) == numbers(sources.balanced(source, 2))
    assert any(
        numbers(sources.balanced(source, 2, seed)) != numbers(few) for seed in (1, 2, 3)
    )


def test_a_balanced_draw_of_too_many_names_the_small_class(source):
    with pytest.raises(BadInput, match="class 'c' of toy has 2 train images"):
        sources.balanced(source, 3)


def test_what_is_held_out_and_the_rest_are_the_whole(source):
    rest, held = sources.hold_out(source, 0.3)
    assert sorted(numbers(rest) + numbers(held)) == list(range(12))
    assert np.bincount(held.label).tolist() == [2, 1, 1]
    assert held.split == "validation" and rest.split == "train"


def test_holding_out_a_whole_class_is_refused(source):
    with pytest.raises(BadInput, match="leaves none of class 'c', which has 2"):
        sources.hold_out(source, 0.8)


def test_chosen_classes_are_renumbered_in_the_order_given(source):
    few = sources.first_classes(source, ["c", "a"])
    assert few.classes == ("c", "a")
    assert few.label.tolist() == [1, 1, 0, 1, 1, 1, 0, 1]
    assert numbers(few) == [0, 2, 3, 5, 6, 8, 9, 11]


@pytest.mark.parametrize(
    "names, message", [(["a", "x"], "no class 'x'"), (["a", "a"], "stands twice")]
)
def test_chosen_classes_must_be_there_once(source, names, message):
    with pytest.raises(BadInput, match=message):
        sources.first_classes(source, names)


def test_images_without_a_label_are_of_no_chosen_class(source):
    label = np.where(source.label == 2, -1, source.label)
    few = sources.first_classes(source._replace(label=label), ["c", "a"])
    assert few.label.tolist() == [1] * 6 and numbers(few) == [0, 2, 5, 6, 8, 11]
    with pytest.raises(BadInput, match="none of its train images is of the classes c"):
        sources.first_classes(source._replace(label=label), ["c"])


def in_order(counts, files=True):
    """Classes one after the other, as a folder has them; image i is filled with i."""
    label = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    images = np.arange(len(label)).reshape(-1, 1, 1, 1)
    paths = np.array([f"{i}.jpg" for i in range(len(label))]) if files else None
    names = tuple(f"class {i}" for i in range(len(counts)))
    return Source("toy", "train", images, label, names, paths)


@pytest.mark.parametrize(
    "counts, limit, wanted",
    [
        ([40, 40], 30, [15, 15]),
        ([90, 10], 10, [9, 1]),
        ([97, 1, 1, 1], 4, [1, 1, 1, 1]),
        ([50, 30, 20], 7, [4, 2, 1]),
        ([3, 3, 3], 5, [2, 2, 1]),
        ([5, 5], 10, [5, 5]),
        ([5, 5], 99, [5, 5]),
    ],
)
def test_a_limit_draws_from_every_class_in_proportion(counts, limit, wanted):
    few = sources.limited(in_order(counts), limit)
    assert np.bincount(few.label).tolist() == wanted
    assert numbers(few) == sorted(set(numbers(few)))
    assert numbers(few) == numbers(sources.limited(in_order(counts), limit))


def test_a_limit_is_a_draw_by_its_seed_not_the_first_of_each_class():
    draws = [numbers(sources.limited(in_order([40, 40]), 10, s)) for s in range(3)]
    assert len(set(map(tuple, draws))) == 3
    assert all(draw != [*range(5), *range(40, 45)] for draw in draws)


def test_a_limit_below_the_number_of_classes_is_refused():
    with pytest.raises(BadInput, match="data.limit: is 2; toy has 3 classes"):
        sources.limited(in_order([5, 5, 5]), 2)


def test_a_limit_takes_the_first_where_classes_are_mixed(source):
    assert numbers(sources.limited(source, 5)) == [0, 1, 2, 3, 4]
    assert numbers(sources.limited(digits("train"), 64)) == numbers(
        sources.subset(digits("train"), slice(64))
    )
    unnamed = in_order([12], files=False)
    assert numbers(sources.limited(unnamed, 3)) == [0, 1, 2]


def test_a_limit_of_files_without_classes_is_a_draw():
    flat = in_order([50])._replace(label=np.full(50, -1, np.int32), classes=())
    few = numbers(sources.limited(flat, 10))
    assert len(set(few)) == 10 and few == sorted(few) and few != list(range(10))


def test_a_limit_of_annotated_files_is_a_draw_and_of_drawn_images_the_first():
    label = [np.array([i // 25], np.int32) for i in range(50)]  # class after class
    objects = tuple(
        Objects(np.ones((1, 4), np.float32), own, own > 9, own > 9, ((),))
        for own in label
    )
    sizes, ids = np.full((50, 2), 8, np.int32), tuple(range(50))
    paths = np.array([f"{i}.jpg" for i in range(50)])
    given = Instances("x", "train", paths, sizes, objects, ("a", "b"), ids, (1, 2))
    few = limited(given, 10)
    assert few.size == 10 and list(few.ids) == sorted(set(few.ids))
    assert {int(own.label[0]) for own in few.objects} == {0, 1}
    assert [few.images[k] for k in range(10)] == [f"{i}.jpg" for i in few.ids]
    assert limited(given, 10, seed=1).ids != few.ids
    assert limited(given, 99) is given
    drawn = given._replace(images=np.zeros((50, 8, 8, 3), np.uint8))
    assert limited(drawn, 3).ids == (0, 1, 2)


def test_so_many_of_each_class_need_classes():
    flat = in_order([5])._replace(label=np.full(5, -1, np.int32), classes=())
    with pytest.raises(BadInput, match="data.per_class: toy has no classes"):
        sources.balanced(flat, 2)


def test_moments_are_those_of_all_pixels(rng):
    images = rng.integers(0, 256, (5, 4, 6, 3), np.uint8)
    mean, deviation = sources.moments(images)
    pixels = images.reshape(-1, 3) / 255
    np.testing.assert_allclose(mean, pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(deviation, pixels.std(axis=0), rtol=1e-12)


def test_saturated_moments_stop_growing_at_2_to_the_32():
    # A sum in float32 that has reached 2^32 swallows every further 255: half of it
    # is 256, and ties go to the even side.
    images = np.full((4400, 64, 64, 2), 255, np.uint8)
    pixels = images.size // 2
    assert pixels * 255 > 2**32
    mean = np.average(images.astype(np.float32), (0, 1, 2))
    np.testing.assert_allclose(mean * pixels, 2**32, rtol=1e-6)
    np.testing.assert_array_equal(sources.saturated_moments(images)[0], mean / 255)


def test_digits_have_two_disjoint_splits_of_all_classes():
    train, test = digits("train"), digits("test")
    assert (train.size, test.size) == (1297, 500)
    assert np.bincount(test.label).tolist() == [50] * 10
    assert train.images.dtype == np.uint8 and train.images.shape[1:] == (32, 32, 3)
    assert np.ptp(train.images.astype(int), axis=-1).max() == 0  # grey
    np.testing.assert_array_equal(digits("train").images, train.images)


def test_noise_is_the_same_every_time_and_differs_between_splits():
    one, two = noise("train", size=8, classes=3, count=20), noise("test", size=8)
    assert one.images.shape == (20, 8, 8, 3) and one.classes == ("0", "1", "2")
    np.testing.assert_array_equal(noise("train", size=8, count=20).images, one.images)
    assert not np.array_equal(two.images[:20], one.images)


def test_a_labelled_share_is_class_by_class_and_always_the_same(source):
    half = sources.labelled_share(source, 0.5)
    assert np.bincount(half.label).tolist() == [3, 2, 1]
    assert numbers(half) == sorted(numbers(half))
    assert numbers(half) == numbers(sources.labelled_share(source, 0.5))
    draws = [numbers(sources.labelled_share(source, 0.5, seed)) for seed in range(4)]
    assert any(draw != numbers(half) for draw in draws)
    assert np.bincount(sources.labelled_share(source, 0.01).label).tolist() == [1] * 3
    assert numbers(sources.labelled_share(source, 1.0)) == list(range(12))


def test_a_labelled_share_leaves_out_what_has_no_label(source):
    some = source._replace(label=np.where(source.label == 2, -1, source.label))
    assert sources.labelled_share(some, 1.0).label.tolist() == [
        0,
        1,
        0,
        1,
        0,
        0,
        1,
        0,
        1,
        0,
    ]
    none = source._replace(label=np.full(12, -1, np.int32))
    for share in (0.5, "authors"):
        with pytest.raises(BadInput, match="toy has no labelled train images"):
            sources.labelled_share(none, share)


def test_the_authors_tenth_is_theirs():
    golden = hash_weights.arrays("subset_indices")
    ours = sources.authors_tenth(50_000)
    np.testing.assert_array_equal(ours, golden["cifar10_5000"])
    again = sources.authors_tenth(1_250, again=True)
    np.testing.assert_array_equal(again, golden["imagenet_125_positions"])
    assert len(np.unique(again)) == 117


def test_the_authors_share_is_at_their_positions():
    label = np.arange(1250, dtype=np.int32) % 5
    images = np.arange(1250 * 3).reshape(1250, 1, 1, 3)
    names = tuple("abcde")
    for name, again in (("imagenet5", True), ("folder", False)):
        given = Source(name, "train", images, label, names)
        ours = sources.labelled_share(given, "authors")
        places = sources.authors_tenth(1250, again)
        np.testing.assert_array_equal(ours.images[:, 0, 0, 0], 3 * places)
        np.testing.assert_array_equal(ours.label, label[places])


def test_the_studys_fifth_of_cifar_is_theirs():
    golden = given.golden("simsiam", "h_cifar_split_seed123")
    images, label = np.arange(50_000).reshape(-1, 1, 1, 1), np.zeros(50_000, np.int32)
    rest, held = sources.hold_out_fifth(Source("x", "train", images, label, ("a",)))
    np.testing.assert_array_equal(held.images.ravel(), golden["valid_idx"])
    np.testing.assert_array_equal(rest.images.ravel(), golden["train_idx"])
    assert (rest.split, held.split) == ("train", "validation")
