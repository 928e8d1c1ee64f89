"""Self-Classifier's loss: the authors' numbers, the loops, and replicas."""

import numpy as np
import pytest
import tensorflow as tf
from given import golden

from ssl_tf.losses.uniform_prior import pairs, uniform_prior

CASES = ("c00", "c01", "c03", "c04", "c06", "c07", "c09", "c10")


@pytest.fixture(scope="module")
def arrays():
    with golden("selfclassifier", "loss") as archive:
        return {name: archive[name] for name in archive.files}


def case(arrays, name):
    """`(heads of views of logits, (row, column, epsilon))`."""
    _, views, heads = arrays[f"{name}_cfg"]
    logits = [
        [arrays[f"{name}_logits_h{h}_v{v}"] for v in range(views)] for h in range(heads)
    ]
    return logits, [float(x) for x in arrays[f"{name}_hyper"]]


def value_and_gradients(logits, row, column, epsilon):
    variables = [[tf.Variable(x) for x in head] for head in logits]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(uniform_prior(variables, row, column, epsilon))
    return float(loss), tape.gradient(loss, variables)


@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradients_are_the_authors(arrays, name):
    logits, hyper = case(arrays, name)
    loss, gradients = value_and_gradients(logits, *hyper)
    for wanted in ("loss", "loss_f64ref"):
        wanted = arrays[f"{name}_{wanted}"]
        np.testing.assert_allclose(loss, wanted, rtol=2e-5, atol=2e-6)
    assert len(logits) * pairs(len(logits[0])) == arrays[f"{name}_num_terms"]
    share = 1e-3 if name == "c07" else 1e-4
    for h, head in enumerate(gradients):
        for v, ours in enumerate(head):
            theirs = arrays[f"{name}_grad_h{h}_v{v}"]
            limit = share * np.abs(theirs).max() + 1e-6
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=limit)


def by_hand(heads, row, column, epsilon):
    """The definition, pair by pair, in float64."""
    terms = []
    for head in heads:
        targets, predictions = [], []
        for s in head:
            s = s.astype(np.float64)
            n, c = s.shape
            a = np.exp(s / column) / np.exp(s / column).sum(0)
            targets.append(a / np.maximum(a.sum(1, keepdims=True), epsilon))
            r = np.exp(s / row) / np.exp(s / row).sum(1, keepdims=True)
            q = r / np.maximum(r.sum(0), epsilon)
            predictions.append(np.log(n / c * q + epsilon))
        for i, t in enumerate(targets):
            for j, logs in enumerate(predictions):
                if i != j and not (i >= 2 and j >= 2):
                    terms.append(-(t * logs).sum(1))
    return np.mean(terms, axis=0)


@pytest.mark.parametrize(("views", "widths"), [(2, [5]), (3, [4, 7]), (4, [9, 3])])
def test_every_images_loss_equals_the_sum_over_pairs(rng, views, widths):
    heads = [
        [rng.normal(size=(6, c)).astype("f4") / 5 for _ in range(views)] for c in widths
    ]
    ours = uniform_prior(heads, 0.1, 0.05, 1e-12)
    np.testing.assert_allclose(ours, by_hand(heads, 0.1, 0.05, 1e-12), rtol=1e-4)


def test_logits_that_say_nothing_cost_the_logarithm_of_the_classes():
    heads = [[np.zeros((7, 9), "f4")] * 2]
    np.testing.assert_allclose(uniform_prior(heads), np.full(7, np.log(9)), rtol=1e-5)


def test_a_single_image_costs_the_logarithm_of_the_classes(rng):
    heads = [[rng.normal(size=(1, 6)).astype("f4") for _ in range(2)]]
    np.testing.assert_allclose(uniform_prior(heads), [np.log(6)], rtol=1e-5)


def test_two_views_make_two_pairs_and_eight_make_twenty_six():
    assert [pairs(v) for v in (2, 3, 8)] == [2, 6, 26]


def test_replicas_share_one_loss_and_its_gradient(two_replicas):
    with golden("selfclassifier", "loss_distributed") as archive:
        arrays = {name: archive[name] for name in archive.files}
    widths, views = arrays["cls_sizes"], int(arrays["num_views"])
    hyper = [float(x) for x in arrays["hyper"]]
    logits = [
        [arrays[f"logits_h{h}_v{v}"] for v in range(views)] for h in range(len(widths))
    ]
    parts = tf.nest.map_structure(
        lambda x: two_replicas.experimental_distribute_values_from_function(
            lambda c, x=x: tf.constant(
                np.split(x, 2)[c.replica_id_in_sync_group], tf.float32
            )
        ),
        logits,
    )

    def local(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = tf.reduce_mean(uniform_prior(logits, *hyper))
        return loss, tape.gradient(loss, logits)

    loss, gradients = tf.function(lambda x: two_replicas.run(local, (x,)))(parts)
    values = two_replicas.experimental_local_results
    np.testing.assert_allclose(values(loss), arrays["rank_losses"], rtol=2e-5)
    single, slopes = value_and_gradients(logits, *hyper)
    np.testing.assert_allclose(single, arrays["single_loss"], rtol=2e-5)
    for h, head in enumerate(slopes):
        for v, ours in enumerate(head):
            theirs = arrays[f"single_grad_h{h}_v{v}"]
            limit = 1e-4 * np.abs(theirs).max() + 1e-6
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=limit)
    for h, head in enumerate(gradients):
        for v, ours in enumerate(head):
            theirs = arrays[f"rank_grad_h{h}_v{v}"]
            np.testing.assert_allclose(
                np.concatenate(values(ours)), theirs, atol=1e-4 * abs(theirs).max()
            )
