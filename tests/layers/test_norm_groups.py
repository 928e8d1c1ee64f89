"""Batch norm in groups of images: each group alone, wherever its images lie."""

import functools

import keras
import numpy as np
import pytest
import small
import tensorflow as tf
from test_loop import built, compare, train

from ssl_tf.errors import BadInput
from ssl_tf.layers import norm
from ssl_tf.layers.norm import BatchNorm
from ssl_tf.methods.base import Method
from ssl_tf.ops import distribute, view_major
from ssl_tf.optim import SGD

VIEWS, IMAGES = 2, 12


def layer(group, width=4, **more):
    made = BatchNorm(momentum=0.7, epsilon=1e-3, group=group, **more)
    made.build((None, width))
    made.gamma.assign(np.linspace(0.5, 1.5, width))
    made.beta.assign(np.linspace(-1, 1, width))
    return made


def drawn(rng, *inner):
    """`[V, N, ..., 4]`, every image with a mean of its own."""
    x = rng.normal(size=(VIEWS, IMAGES, *inner, 4))
    return (x + 3 * rng.normal(size=(IMAGES, *[1] * len(inner), 4))).astype("f4")


def concatenated(x):
    return x.reshape(-1, *x.shape[2:])


@pytest.mark.parametrize("inner", [(), (3, 2)])
@pytest.mark.parametrize("group", [1, 3, 6, 12])
@pytest.mark.parametrize("unbiased", [False, True])
def test_groups_are_separate_layers_each_on_all_views_of_its_images(
    rng, inner, group, unbiased
):
    if group == 1 and not inner:
        group = 2  # a variance of two numbers at least
    x = drawn(rng, *inner)
    whole = layer(group, unbiased=unbiased)
    with view_major.rows_of(IMAGES):
        y = np.asarray(whole(concatenated(x), training=True)).reshape(x.shape)
    means, variances = [], []
    for start in range(0, IMAGES, group):
        mine = slice(start, start + group)
        alone = layer(0, unbiased=unbiased)
        expected = alone(concatenated(x[:, mine]), training=True)
        np.testing.assert_allclose(concatenated(y[:, mine]), expected, atol=1e-4)
        means.append(alone.moving_mean.numpy())
        variances.append(alone.moving_variance.numpy())
    np.testing.assert_allclose(whole.moving_mean, np.mean(means, 0), atol=1e-5)
    np.testing.assert_allclose(whole.moving_variance, np.mean(variances, 0), rtol=1e-4)


def test_outside_of_a_training_step_rows_are_images_of_one_view(rng):
    x = rng.normal(size=(8, 4)).astype("f4")
    y = layer(4)(x, training=True)
    np.testing.assert_allclose(y[4:], layer(0)(x[4:], training=True), atol=1e-5)


def test_at_inference_groups_change_nothing(rng):
    x = rng.normal(size=(7, 4)).astype("f4")  # not even a multiple
    np.testing.assert_array_equal(layer(4)(x), layer(0)(x))


@pytest.mark.parametrize("group", [2, 3, 4, 6, 12])
def test_two_replicas_give_outputs_gradients_and_statistics_of_one(group, two_replicas):
    """Of 6 images a replica: groups within one, across both, and all of them."""
    rng = np.random.default_rng(group)
    x, weight = drawn(rng, 2, 1), drawn(rng, 2, 1)

    def results(made, x, weight):
        with tf.GradientTape() as tape, view_major.rows_of(x.shape[0] // VIEWS):
            tape.watch(x)
            y = made(x, training=True)
            loss = tf.reduce_sum(y * weight)
        return y, *tape.gradient(loss, [x, made.gamma.value, made.beta.value])

    one = layer(group)
    given = (tf.constant(concatenated(a)) for a in (x, weight))
    expected = [np.asarray(value) for value in results(one, *given)]
    with two_replicas.scope():
        two = layer(group)

    def run():
        mine = lambda a: tf.constant(np.stack(np.split(a, 2, axis=1)))
        rows = lambda a: tf.reshape(mine(a)[distribute.place()], [-1, *a.shape[2:]])
        with keras.StatelessScope() as scope:
            found = results(two, rows(x), rows(weight))
        moving = two.moving_mean, two.moving_variance
        return *found, *(scope.get_current_value(v) for v in moving)

    found = tf.function(lambda: two_replicas.run(run))()
    found = [[np.asarray(part) for part in value.values] for value in found]
    joined = lambda parts: np.concatenate(
        [part.reshape(VIEWS, -1, *part.shape[1:]) for part in parts], axis=1
    ).reshape(-1, *parts[0].shape[1:])
    for ours, theirs in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_allclose(joined(ours), theirs, atol=2e-4)
    for ours, theirs in zip(found[2:4], expected[2:], strict=True):
        np.testing.assert_allclose(sum(ours), theirs, rtol=1e-4, atol=1e-4)
    for ours, theirs in zip(found[4:], (one.moving_mean, one.moving_variance)):
        for value in ours:
            np.testing.assert_allclose(value, theirs, rtol=1e-5, atol=1e-6)


def simsiam_in_groups(group):
    method = small.simsiam()
    norm.in_groups(method, group)
    return method


@pytest.mark.parametrize("how, group", [("replicas", 2), ("recompute", 4), ("xla", 2)])
def test_a_method_in_groups_trains_alike_however_it_is_run(how, group, two_replicas):
    make, rates = functools.partial(simsiam_in_groups, group), [1e-3]
    plain = train(built(make), rates=rates)
    if how == "replicas":
        other = train(built(make, two_replicas), two_replicas, rates=rates)
    else:
        method = built(make)
        if how == "recompute":
            method.recompute(1)
        other = train(method, rates=rates, xla=how == "xla")
    compare(plain, other, atol=1e-4 if how == "xla" else 1e-5)


def test_all_batch_norms_of_a_method_and_no_other_layers_get_the_group():
    def in_it(part):
        below = [in_it(x) for x in getattr(part, "layers", ())]
        return sum(below, [part] if isinstance(part, BatchNorm) else [])

    method = simsiam_in_groups(4)
    found = in_it(method)
    assert len(found) == 6 and {x.group for x in found} == {4}


def test_a_training_step_tells_how_many_views_its_rows_are(rng):
    """Both views at once, in groups, against each group by itself."""
    x = rng.normal(size=(2, 8, 3)).astype("f4")
    features = keras.Input((3,), name="images")
    backbone = keras.Model(features, BatchNorm(name="features")(features))
    norm.in_groups(backbone, 4)
    method = Method(backbone)
    seen = []

    def objective(batch, training):
        both = keras.ops.concatenate(batch["views"])
        seen.append(method.features(both, training)[0])
        return {"loss": keras.ops.sum(seen[-1][:8] ** 2, -1)}

    method.objective = objective
    batch = {"views": tuple(tf.constant(x)), "label": tf.zeros([8], tf.int32)}
    method.gradients(batch, SGD())
    rows = np.asarray(seen[0]).reshape(2, 8, 3)
    for part in (slice(4), slice(4, 8)):
        expected = x[:, part] - x[:, part].mean((0, 1))
        expected /= np.sqrt(x[:, part].var((0, 1)) + 1e-5)
        np.testing.assert_allclose(rows[:, part], expected, atol=1e-4)


@pytest.mark.parametrize("group, rows", [(5, 12), (24, 12), (4, 6)])
def test_groups_that_do_not_divide_the_batch_are_refused(group, rows):
    told = f"groups of {group} images: they must divide the batch of {rows}"
    with pytest.raises(BadInput, match=told):
        layer(group)(np.zeros((rows, 4), "f4"), training=True)


def test_rows_that_are_no_whole_views_are_refused():
    with view_major.rows_of(5), pytest.raises(BadInput, match="12 rows of 5 images"):
        layer(5)(np.zeros((12, 4), "f4"), training=True)
