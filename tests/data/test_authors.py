"""The order and draws of SSAL's Keras code, against arrays their generator gave."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from ssl_tf.augment.recipes import crop_flip, shift_flip
from ssl_tf.data import authors, orders, pipeline
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput

GOLDEN = Path(__file__).parents[1] / "golden/ssal/augment_keras.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return dict(file)


def shifted(image, row, column, flip):
    """One image moved by NumPy's symmetric padding."""
    pad = 8
    wide = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), "symmetric")
    height, width = image.shape[:2]
    moved = wide[pad + row :, pad + column :][:height, :width]
    return moved[:, ::-1] if flip else moved


def test_the_stream_is_theirs_image_by_image(golden):
    stream = authors.authors_batches(len(golden["gen_X"]), 8)
    batches = list(itertools.islice(stream, len(golden["gen_batch_sizes"])))
    sizes = [len(index) for index, *_ in batches]
    assert sizes == golden["gen_batch_sizes"].tolist() == [8, 8, 4, 8, 8, 4, 8]
    index, rows, columns, flip = (np.concatenate(x) for x in zip(*batches))
    np.testing.assert_array_equal(index, golden["gen_ids"])
    np.testing.assert_array_equal(index[:, None] * [1, 10, 100], golden["gen_all"])
    ours = [
        shifted(golden["gen_X"][i], *move)
        for i, *move in zip(index, rows, columns, flip)
    ]
    np.testing.assert_array_equal(ours, golden["gen_x"])


@pytest.mark.parametrize("start", [1, 2, 3, 4, 11])
def test_the_stream_can_begin_anywhere(start):
    whole = itertools.islice(authors.authors_batches(20, 8), start, start + 4)
    part = itertools.islice(authors.authors_batches(20, 8, start=start), 4)
    for expected, got in zip(whole, part, strict=True):
        for a, b in zip(expected, got):
            np.testing.assert_array_equal(a, b)


def test_epochs_are_so_many_batches_of_the_stream_whose_short_ones_are_repeated():
    order = authors.order(20, 8)
    batches = list(itertools.islice(authors.authors_batches(20, 8), 6))
    assert [len(batch[0]) for batch in batches] == [8, 8, 4, 8, 8, 4]
    for epoch in (2, 0, 1):
        rows = order(epoch)
        assert rows.shape == (2, 8, 4) and rows.dtype == np.int64
        for step in range(2):
            expected = np.stack(batches[2 * epoch + step], axis=1)
            filled = np.concatenate([expected] * (8 // len(expected)))
            np.testing.assert_array_equal(rows[step], filled)


def test_shifts_are_zero_twice_as_often_and_never_beyond_the_largest():
    _, rows, columns, flip = next(authors.authors_batches(20_000, 20_000))
    for shifts in (rows, columns):
        share = np.bincount(shifts + 4, minlength=9) / len(shifts)
        np.testing.assert_allclose(share, [0.1] * 4 + [0.2] + [0.1] * 4, atol=0.01)
    assert abs(flip.mean() - 0.5) < 0.015
    assert not next(authors.authors_batches(50, 50, flip=False))[3].any()


def test_views_in_the_authors_order_are_their_images(golden):
    images = golden["gen_X"]
    pixels = np.round(images / np.abs(images).max() * 255).astype(np.uint8)
    source = Source("x", "train", pixels, np.arange(20, dtype=np.int32), ())
    recipes = [shift_flip(pixels=4)]
    order = orders.ordered("authors", recipes, 20, 8, seed=0)
    batches = iter(
        pipeline.views(source, recipes, order, pipeline.Normal(), seed=0, size=8)
    )
    stream = authors.authors_batches(20, 8)
    for _ in range(5):
        batch, theirs = next(batches), [np.resize(x, 8) for x in next(stream)]
        np.testing.assert_array_equal(batch["index"], theirs[0])
        np.testing.assert_array_equal(batch["label"], theirs[0])
        for view, i, *move in zip(batch["views"][0].numpy(), *theirs):
            np.testing.assert_array_equal(
                np.round(view * 255), shifted(pixels[i], *move)
            )


def test_a_run_resumed_in_mid_epoch_meets_the_same_batch(rng):
    source = Source(
        "x",
        "train",
        rng.integers(0, 256, (20, 8, 8, 3), np.uint8),
        np.zeros(20, np.int32),
        (),
    )
    recipes = [shift_flip(pixels=2)]
    order = orders.ordered("authors", recipes, 20, 4, seed=5)
    views = lambda start: iter(
        pipeline.views(
            source,
            recipes,
            order,
            pipeline.Normal(),
            seed=5,
            size=8,
            start=start,
        )
    )
    whole = views((0, 0))
    for _ in range(8):
        next(whole)
    resumed = views((1, 3))
    for _ in range(4):
        expected, got = next(whole), next(resumed)
        np.testing.assert_array_equal(got["index"], expected["index"])
        np.testing.assert_array_equal(got["views"][0], expected["views"][0])


def test_other_seeds_give_other_orders():
    recipes = [shift_flip()]
    first, second = (
        orders.ordered("authors", recipes, 100, 10, seed)(0) for seed in (0, 1)
    )
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, authors.order(100, 10, seed=1337)(0))


@pytest.mark.parametrize("recipes", [[crop_flip()], [shift_flip(), shift_flip()]])
def test_other_views_than_one_shift_flip_are_refused(recipes):
    with pytest.raises(BadInput, match="data.order: authors"):
        orders.ordered("authors", recipes, 20, 8, seed=0)
