"""Views of the contrastive recipes, from memory and from files."""

import numpy as np
import pictures
import pytest
import tensorflow as tf
from augment import golden
from PIL import Image

from ssl_tf.augment import contrastive, crop, geometry
from ssl_tf.augment.recipes import RECIPES
from ssl_tf.data import files, orders, pipeline
from ssl_tf.data.source import Source
from ssl_tf.ops.distribute import Part

NORMAL = pipeline.Normal((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
NAMES = ["simclr", "gsimclr", "scatsimclr", "rotations", "jigsaw"]
STL = pipeline.Normal((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def of_arrays(rng, count=24, side=12):
    images = rng.integers(0, 256, (count, side, side, 3), np.uint8)
    return Source("x", "train", images, np.arange(count, dtype=np.int32), ())


@pytest.fixture
def array(rng):
    return of_arrays(rng)


@pytest.fixture
def disk(rng, tmp_path):
    for i in range(12):
        image = pictures.smooth(rng, 20 + i, 45 - i)
        pictures.write(tmp_path / f"{i:02}{('.jpg', '.png')[i % 2]}", image)
    paths = np.array(files.images_in(tmp_path))
    return Source("x", "train", paths, np.arange(12, dtype=np.int32), ())


@pytest.fixture(params=["array", "disk"])
def source(request):
    return request.getfixturevalue(request.param)


def batches(source, recipes, batch_size=6, count=2, normal=NORMAL, size=12, **more):
    order = more.pop("order", orders.shuffled(source.size, batch_size, 1))
    found = pipeline.views(source, recipes, order, normal, seed=1, size=size, **more)
    return [tf.nest.map_structure(np.asarray, b) for b in found.take(count)]


def by_image(found):
    """`{(epoch, index): views}`."""
    return {
        (int(batch["epoch"][i]), int(index)): [view[i] for view in batch["views"]]
        for batch in found
        for i, index in enumerate(batch["index"])
    }


@pytest.mark.parametrize("size", [pytest.param(None, marks=pytest.mark.slow), 20])
def test_views_have_the_shapes_their_recipes_promise(source, size):
    recipes = [RECIPES[name](size=size) for name in NAMES]
    (batch,) = batches(source, recipes, count=1)
    side = size or 12
    for name, view in zip(NAMES, batch["views"]):
        copies = {"rotations": (4,), "jigsaw": (9,)}.get(name, ())
        assert view.shape == (6, *copies, side, side, 3) and view.dtype == np.float32
        assert RECIPES[name](size=size).shape(12) == view.shape[1:]
        low, high = (0, 1) if name == "jigsaw" else (-2.51, 3.01)
        assert low <= view.min() < view.max() <= high


@pytest.mark.parametrize("size", [pytest.param(None, marks=pytest.mark.slow), 24])
def test_views_do_not_know_the_batch_they_are_in(source, size):
    recipes = [RECIPES[name](size=size) for name in NAMES[:4]]
    wide = by_image(batches(source, recipes, 12, source.size // 12))
    assert len(wide) == source.size
    # A batch of one takes other paths; of files, every image does.
    batch_size = 4 if source.files else 1
    narrow = by_image(batches(source, recipes, batch_size, source.size // batch_size))
    assert narrow.keys() == wide.keys()
    for key in wide:
        for view in range(4):
            np.testing.assert_array_equal(narrow[key][view], wide[key][view])


def test_replicas_and_a_later_start_give_the_same_views(array):
    recipes = [RECIPES["simclr"]()] * 2
    whole = batches(array, recipes, 6, 2)
    parts = [batches(array, recipes, 6, 2, part=Part(r, 1, 2)) for r in range(2)]
    (late,) = batches(array, recipes, 6, 1, start=(0, 1))
    for view in range(2):
        np.testing.assert_array_equal(late["views"][view], whole[1]["views"][view])
        for step, batch in enumerate(whole):
            both = [part[step]["views"][view] for part in parts]
            np.testing.assert_array_equal(np.concatenate(both), batch["views"][view])
    assert not np.array_equal(*whole[0]["views"])


def flipped(source, batch, view=0):
    """Which images of a batch were mirrored, if nothing else was done to them."""
    images = source.images[batch["index"]] / np.float32(255)
    shown = batch["views"][view]
    turned = np.abs(shown - images[:, :, ::-1]).max(axis=(1, 2, 3)) < 1e-6
    same = np.abs(shown - images).max(axis=(1, 2, 3)) < 1e-6
    assert (turned ^ same).all()
    return turned


def test_draws_per_batch_agree_within_it_and_differ_between_steps_and_views(rng):
    source = of_arrays(rng, 48)
    recipe = contrastive.gsimclr(p_jitter=0.0, p_drop=0.0, per_batch=True)
    unit = {"normal": pipeline.Normal()}
    found = batches(source, [recipe] * 2, 6, 32, **unit)
    coins = np.array([[flipped(source, b, v) for v in range(2)] for b in found])
    assert (coins == coins[..., :1]).all()
    coins = coins[..., 0]
    assert 20 < coins.sum() < 44 and (coins[:, 0] != coins[:, 1]).any()
    assert (coins[:8] != coins[8:16]).any()  # of another epoch
    late = batches(source, [recipe] * 2, 6, 3, start=(1, 2), **unit)
    for step, batch in enumerate(late):
        assert flipped(source, batch)[0] == coins[10 + step, 0]
    for replica in range(3):
        part = batches(source, [recipe], 6, 8, part=Part(replica, 1, 3), **unit)
        for step, batch in enumerate(part):
            assert (flipped(source, batch) == coins[step, 0]).all()


def test_draws_per_batch_serve_files_too(disk):
    recipe = contrastive.gsimclr(p_jitter=1.0, p_drop=0.0, per_batch=True)
    grey = np.full((20, 20, 3), 100, np.uint8)
    for path in disk.images:
        pictures.write(path, grey)
    for batch in batches(disk, [recipe], 6, 4):
        view = batch["views"][0]
        np.testing.assert_allclose(view, np.broadcast_to(view[:1], view.shape), 0, 1e-5)


def test_rotated_copies_are_the_four_turns_each_with_draws_of_its_own(array):
    off = dict.fromkeys(("crop", "color", "gray", "flip", "blur"), False)
    recipe = contrastive.rotations(**off)
    (batch,) = batches(array, [recipe], count=1, normal=pipeline.Normal())
    for view, index in zip(batch["views"][0], batch["index"]):
        for turns in range(4):
            turned = geometry.quarter(array.images[index][None], turns)[0]
            np.testing.assert_allclose(255 * view[turns], turned, 0, 1e-3)
    only = contrastive.rotations(**(off | {"color": True}))
    (batch,) = batches(array, [only], count=1, normal=pipeline.Normal())
    back = [
        np.asarray(geometry.quarter(batch["views"][0][:, turns], -turns))
        for turns in range(4)
    ]
    assert not np.array_equal(back[0], back[1])


def test_small_images_are_first_brought_to_size_by_lanczos(rng):
    found = golden.load("scatsimclr/augment")
    source = of_arrays(rng, 1)._replace(images=found["img32"][None])
    off = dict.fromkeys(("crop", "color", "gray", "flip", "blur"), False)
    recipe = contrastive.scatsimclr(size=96, **off)
    (batch,) = batches(source, [recipe], 1, 1, pipeline.Normal(), 32)
    error = 255 * batch["views"][0][0] - found["lanczos_resize_32to96"]
    assert np.abs(error).max() < 1.01


def test_files_are_squashed_if_asked(disk):
    recipe = contrastive.gsimclr(p_jitter=0.0, p_drop=0.0)
    images = [Image.open(path).convert("RGB") for path in disk.images]
    more = {"normal": pipeline.Normal(), "count": 1, "order": lambda epoch: ORDER}
    for fit in ("squash", "interpolate"):
        (batch,) = batches(disk, [recipe], fit=fit, **more)
        (test,) = pipeline.Images(disk, pipeline.Normal(), 12, fit=fit).batches(12)
        for i, index in enumerate(batch["index"]):
            expected = crop.fit_one(tf.constant(np.asarray(images[index])), 12, fit=fit)
            for shown in (batch["views"][0][i], test["views"][0][index]):
                turned = np.minimum(
                    np.abs(255 * shown - expected).max(),
                    np.abs(255 * shown[:, ::-1] - expected).max(),
                )
                assert turned < 0.01


ORDER = np.arange(6, dtype=np.int64)[None]


def test_a_fixed_order_shows_the_same_rows_every_epoch_in_new_views(array):
    fixed = lambda epoch: ORDER
    found = batches(array, [contrastive.simclr()], order=fixed, count=3)
    for epoch, batch in enumerate(found):
        np.testing.assert_array_equal(batch["index"], ORDER[0])
        assert set(batch["epoch"]) == {epoch}
    assert not np.array_equal(found[0]["views"][0], found[1]["views"][0])


@pytest.mark.parametrize("name, size", [("cifar20", 32), ("stl10_96", 96)])
def test_evaluation_is_scatsimclrs(rng, name, size):
    found = golden.load("scatsimclr/rotation_valid")
    cifar = pipeline.Normal((0.491, 0.482, 0.447), (0.247, 0.243, 0.261))
    normal = cifar if size == 32 else STL
    source = of_arrays(rng, 1)._replace(images=found["img"][None])
    (batch,) = pipeline.Images(source, normal, size, fit="squash").batches(1)
    expected = found[f"valid_{name}"].transpose(1, 2, 0)
    slack = 1e-6 if size == 32 else 2 / 255 / 0.224
    np.testing.assert_allclose(batch["views"][0][0], expected, 0, slack)
    assert batch["epoch"].numpy().tolist() == [0]
