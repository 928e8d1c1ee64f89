"""What every recipe in the table promises."""

import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.augment.recipes import RECIPES, unit
from ssl_tf.ops import draws


@pytest.fixture(params=sorted(RECIPES))
def name(request):
    return request.param


def changed(recipe, x, seeds):
    return recipe.change(x, seeds).numpy()


def test_a_recipe_keeps_shape_and_range(rng, name):
    x = tf.constant(rng.random((8, 12, 12, 3)).astype(np.float32))
    out = changed(RECIPES[name](), x, draws.seeds(0, 0, tf.range(8), 0))
    assert out.shape == ((8, 9, 12, 12, 3) if name == "jigsaw" else x.shape)
    assert out.dtype == np.float32
    assert out.min() >= 0 and out.max() <= 1


def test_a_recipe_is_a_function_of_image_and_seed(rng, name):
    x = tf.constant(rng.random((8, 12, 12, 3)).astype(np.float32))
    seeds, recipe = draws.seeds(0, 0, tf.range(8), 0), RECIPES[name]()
    whole = changed(recipe, x, seeds)
    np.testing.assert_array_equal(changed(recipe, x, seeds), whole)
    for i in range(8):
        alone = changed(recipe, x[i : i + 1], seeds[i : i + 1])
        np.testing.assert_array_equal(alone[0], whole[i])


def test_a_recipe_does_something_but_for_the_plain_one(rng, name):
    x = tf.constant(rng.random((8, 12, 12, 3)).astype(np.float32))
    recipe = RECIPES[name]()
    same = np.array_equal(changed(recipe, x, draws.seeds(0, 0, tf.range(8), 0)), x)
    assert same == (name == "plain")


@pytest.mark.parametrize("recipe", [r() for r in RECIPES.values() if r().exact])
def test_an_exact_recipe_commutes_with_the_scale(rng, recipe):
    x = tf.constant(rng.integers(0, 256, (8, 12, 12, 3), np.uint8))
    seeds = draws.seeds(0, 0, tf.range(8), 0)
    np.testing.assert_array_equal(
        unit(recipe.change(x, seeds)), recipe.change(unit(x), seeds)
    )


def test_unit_maps_bytes_to_shares():
    x = tf.constant([[0, 51, 255]], tf.uint8)
    np.testing.assert_allclose(unit(x), [[0.0, 0.2, 1.0]], atol=1e-7)
