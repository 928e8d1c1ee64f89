"""Self-Classifier's whole update against the authors' training loop."""

import keras
import numpy as np
import pytest
import small
import tensorflow as tf
from given import golden

from ssl_tf.layers.norm import BatchNorm
from ssl_tf.loop import Loop
from ssl_tf.methods.self_classifier import SelfClassifier
from ssl_tf.optim import LARS, SGD

KINDS = {"running_mean": "moving_mean", "running_var": "moving_variance"}
LAYERS = {"mlp.0": "mlp_dense1", "mlp.1": "mlp_norm1", "mlp.3": "mlp_dense2"}
RUNS = {  # views, neighbours, optimiser, tolerance of the weights
    "nn_lars": (4, True, lambda: LARS(0.0, 0.9, weight_decay=1e-4), 2e-4),
    "nonn_sgd": (4, False, lambda: SGD(0.0, 0.9, weight_decay=1e-4), 2e-3),
}


@pytest.fixture(scope="module")
def arrays():
    with golden("selfclassifier", "train_e2e") as archive:
        return {name: archive[name] for name in archive.files}


def backbone():
    """The authors' toy: two convolutions with batch norm, for images of any size."""
    images = x = keras.Input((None, None, 3))
    for i, (width, strides) in enumerate(((8, 2), (12, 1)), start=1):
        x = keras.layers.ZeroPadding2D(1, name=f"pad{i}")(x)
        x = keras.layers.Conv2D(width, 3, strides, use_bias=False, name=f"conv{i}")(x)
        x = keras.layers.ReLU(name=f"relu{i}")(BatchNorm(name=f"bn{i}")(x))
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(images, x, name="toy")


def ours(key):
    """`(path, how to lay out)` of a weight by its PyTorch name."""
    part, *middle, kind = key.split(".")
    if part.startswith("cls_"):
        i = part[-1]
        if kind == "weight_g":
            return f"head{i}/gain", lambda x: x[:, 0]
        return f"head{i}/direction", np.transpose
    layer = ".".join(middle)
    layer = LAYERS.get(layer, layer)
    if "bn" in layer or "norm" in layer:
        names = {"weight": "gamma", "bias": "beta"} | KINDS
        return f"{layer}/{names[kind]}", lambda x: x
    if kind == "bias":
        return f"{layer}/bias", lambda x: x
    kernel = lambda x: x.transpose(2, 3, 1, 0) if x.ndim == 4 else x.T
    return f"{layer}/kernel", kernel


def taken(arrays, prefix):
    """`{our path: array in our layout}` of the weights below a prefix."""
    found = {}
    for name, value in arrays.items():
        if name.startswith(prefix) and "num_batches" not in name:
            path, laid_out = ours(name.removeprefix(prefix))
            found[path] = laid_out(value)
    return found


def method_of(arrays, tag, neighbours):
    method = SelfClassifier(
        backbone(), heads=[5, 9], hidden=16, dim=6, queue=12, neighbours=neighbours
    )
    init = taken(arrays, f"{tag}/init/")
    mine = {v.path: v for v in method.weights if not v.path.startswith("queue/")}
    assert mine.keys() == init.keys()
    for path, variable in mine.items():
        variable.assign(init[path])
    return method


def batches(arrays, views):
    label = lambda k: arrays[f"data/it{k}_labels"].astype(np.int32)
    return [
        {
            "views": tuple(
                arrays[f"data/it{k}_view{v}"].transpose(0, 2, 3, 1)
                for v in range(views)
            ),
            "label": label(k),
            "index": arrays[f"data/it{k}_indices"],
            "key": np.zeros(6, np.int32),
            "epoch": np.zeros(6, np.int32),
        }
        for k in range(8)
    ]


def near(ours, theirs, tolerance):
    """At a rate of 1 a rounding error grows with the weights."""
    limit = tolerance * max(1.0, np.abs(theirs).max())
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=limit)


@pytest.mark.parametrize("tag", RUNS)
def test_two_epochs_of_updates_are_the_authors(arrays, tag):
    views, neighbours, optimizer, tolerance = RUNS[tag]
    method = method_of(arrays, tag, neighbours)
    loop = Loop(method, optimizer(), tf.distribute.get_strategy())
    given = batches(arrays, views)
    loop.feed(lambda part: small.dataset(given, part))
    agreed, percent = [], arrays[f"{tag}/epoch_avg_nn_acc"]
    for k in range(8):
        terms, _ = loop.run([arrays[f"{tag}/lr"][k]])
        told = dict(zip(method.terms, terms[0]))
        agreed.append(told["neighbour_accuracy"])
        assert told["loss"] == pytest.approx(arrays[f"{tag}/losses"][k], abs=2e-4), k
        theirs = taken(arrays, f"{tag}/it{k}/")
        for variable in method.trainable_variables:
            if variable.path == "mlp_dense1/bias":  # no gradient but for rounding
                continue
            near(variable, theirs[variable.path], tolerance)
    # Theirs counts from where the queue is full, after two updates.
    assert np.mean(agreed[2:4]) * 100 == pytest.approx(percent[0], abs=1e-4)
    assert np.mean(agreed[4:]) * 100 == pytest.approx(percent[1], abs=1e-4)
    final = taken(arrays, f"{tag}/final/")
    for variable in method.non_trainable_variables:
        if variable.path in final:
            near(variable, final[variable.path], tolerance)
    queue = method.queue
    np.testing.assert_allclose(
        queue.embeddings, arrays[f"{tag}/final_queue"], atol=10 * tolerance
    )
    np.testing.assert_array_equal(queue.indices, arrays[f"{tag}/final_queue_indices"])
    assert int(queue.place) == arrays[f"{tag}/final_ptr"]
