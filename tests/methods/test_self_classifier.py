"""Self-Classifier's parts and what its queue refuses."""

import re

import keras
import numpy as np
import pytest
import small
import tensorflow as tf
from given import golden

from ssl_tf import runs
from ssl_tf.errors import BadInput
from ssl_tf.losses.contrastive import unit
from ssl_tf.methods.self_classifier import FLOOR, mlp, queue_length, share_used

KINDS = {"weight": ("kernel", "gamma"), "bias": ("bias", "beta")}
KINDS |= {"running_mean": ("", "moving_mean"), "running_var": ("", "moving_variance")}


def ours(key, depth, norm):
    """Path of a projection's weight by its PyTorch name, e.g. `mlp.3.bias`."""
    if depth == 1:
        return f"mlp_dense1/{KINDS[key.removeprefix('mlp.')][0]}"
    place, kind = re.fullmatch(r"mlp\.(\d+)\.(\w+)", key).groups()
    block, rest = divmod(int(place), 3 if norm else 2)
    part = "norm" if norm and rest == 1 else "dense"
    return f"mlp_{part}{block + 1}/{KINDS[kind][part == 'norm']}"


def taken(arrays, prefix, depth, norm):
    """`{our path: array}`, kernels transposed."""
    found = {}
    for name, value in arrays.items():
        if name.startswith(prefix) and "num_batches" not in name:
            path = ours(name.removeprefix(prefix), depth, norm)
            found[path] = value.T if path.endswith("kernel") else value
    return found


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 7])
def test_the_projection_is_the_authors_with_its_gradients_and_statistics(number):
    with golden("selfclassifier", "mlp_head") as archive:
        arrays = {k.removeprefix(f"m{number}_"): archive[k] for k in archive.files}
        told = archive["configs"][number]
    depth, norm, no_leaky = (int(x) for x in re.findall(r"=(\d)", str(told)))
    activation = "relu" if no_leaky else "leaky_relu"
    model = mlp(16, 20, 8, depth, norm, activation)
    init = taken(arrays, "init/", depth, norm)
    assert {v.path for v in model.weights} == init.keys()
    for v in model.weights:
        v.assign(init[v.path])
    x = tf.Variable(arrays["x"])
    with tf.GradientTape() as tape:
        out = unit(model(x, training=True), FLOOR)
        loss = tf.reduce_sum(out * arrays["cot"])
    np.testing.assert_allclose(out, arrays["train_out"], rtol=1e-5, atol=2e-6)
    wrt = {v.path: v.value for v in model.trainable_variables}
    to_x, to_weights = tape.gradient(loss, [x, wrt])
    rows = np.arange(12) != 3 if depth == 0 else slice(None)  # row 3 of x is zero
    close(to_x.numpy()[rows], arrays["grad_x"][rows])
    for path, theirs in taken(arrays, "grad/", depth, norm).items():
        close(to_weights[path], theirs)
    after = taken(arrays, "after/", depth, norm)
    for v in model.non_trainable_variables:
        np.testing.assert_allclose(v, after[v.path], rtol=1e-5, atol=1e-6)
    out = unit(model(x, training=False), FLOOR)
    np.testing.assert_allclose(out, arrays["eval_out"], rtol=1e-5, atol=2e-6)


def close(a, b):
    # A bias before a batch norm has no gradient but for rounding: 1e-6.
    np.testing.assert_allclose(a, b, rtol=0, atol=max(1e-4 * np.abs(b).max(), 2e-6))


def test_the_queue_is_the_largest_multiple_of_the_batch_within_half_the_images():
    assert queue_length("auto", 1000, 64) == 448
    assert queue_length("auto", 10**7, 4092) == 64 * 4092
    assert queue_length("auto", None, 64) == queue_length(0, 1000, 64) == 0


@pytest.mark.parametrize(("queue", "said"), [(32, "batch of 64"), (1000, "own neigh")])
def test_a_queue_that_cannot_work_is_refused(queue, said):
    with pytest.raises(BadInput, match=said):
        queue_length(queue, 1000, 64)


def step(method, batch):
    batch = tf.nest.map_structure(tf.constant, batch)
    return method.gradients(batch, keras.optimizers.SGD(0.1))


def test_a_full_queue_stands_for_the_first_view_and_takes_its_gradient():
    method = small.self_classifier(queue=16, neighbours=True)
    batches = small.batches(4)
    for batch in batches[:2]:
        _, terms = step(method, batch)
        assert not terms["neighbour_accuracy"].numpy().any()
    assert method.queue.full
    stored = method.queue.embeddings.numpy()
    changed = batches[2] | {"views": (batches[3]["views"][0], batches[2]["views"][1])}
    z = method.embed(method.all_features(changed["views"], False), False)
    _, replaced = method.remember(changed, z, training=False)
    for row in replaced[0].numpy():
        assert (np.abs(stored - row).max(axis=1) < 1e-7).any()
    np.testing.assert_array_equal(replaced[1], z[1])
    _, kept = small.self_classifier(queue=16, neighbours=False).remember(
        changed, z, training=False
    )
    np.testing.assert_array_equal(kept[0], z[0])


def test_views_of_one_size_are_normalised_together():
    method = small.self_classifier()
    a, b = small.batches()[0]["views"]
    together = method.backbone(np.concatenate([a, b]), training=True)
    first, second = method.all_features((a, b), training=True)
    np.testing.assert_allclose(np.concatenate([first, second]), together, atol=1e-6)


def test_frozen_classifiers_are_not_trained():
    method = small.self_classifier(train_heads=False)
    paths = {v.path for v in method.trainable_variables}
    assert not any(path.startswith("head") for path in paths)
    assert any(path.startswith("mlp") for path in paths)


def test_classes_in_use_are_counted():
    logits = np.eye(5, dtype="f4")[[0, 0, 3]]
    assert float(share_used(logits)) == pytest.approx(0.4)


def test_a_run_with_a_queue_starts_from_weights_that_have_none(tmp_path):
    without, ours = small.self_classifier(queue=0), small.self_classifier()
    runs.save_weights(without, tmp_path, "last")
    file = tmp_path / "last.weights.h5"
    with pytest.raises(BadInput, match="is missing"):
        runs.load_weights(ours, file)
    before = [v.numpy() for v in ours.queue.weights]
    runs.load_weights(ours, file, but=ours.remembers)
    for mine, theirs in zip(ours.trainable_weights, without.trainable_weights):
        np.testing.assert_array_equal(mine, theirs)
    for mine, old in zip(ours.queue.weights, before, strict=True):
        np.testing.assert_array_equal(mine, old)
    runs.save_weights(ours, tmp_path, "last")
    runs.load_weights(without, file, but=without.remembers)
