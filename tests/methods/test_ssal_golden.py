"""SSAL equals the authors' code: forward passes, updates, losses, joint prediction."""

import golden_models
import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_models import arrays, relative
from golden_weights import role

from ssl_tf.loop import Loop
from ssl_tf.losses.classification import cross_entropy, hit, smooth
from ssl_tf.losses.joint import joint_log_scores, joint_prediction

FAST = [
    "resnet18_baseline",
    "resnet18_ssal_x2_paper_table1",
    "wrn10-2_ssal_tiny",
    "se-wrn10-2_tiny",
    "densenet22-12_ssal_tiny",
]
SLOW = [
    "resnet50_baseline",
    "resnet50_ssal",
    "wrn28-10_baseline",
    "se-wrn16-8_baseline",
    "densenet190-40_baseline",
    "densenet190-40_ssal",
]


@pytest.mark.parametrize(
    "name", [*FAST, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)]
)
def test_forward_passes_equal_the_authors(name):
    golden = arrays(f"forward_{name}")
    method, optimizer = golden_models.build(name)
    ours = method.outputs(golden["x"]) if hasattr(method, "outputs") else None
    ours = ours or [method(golden["x"])]
    assert f"logits{len(ours)}" not in golden
    for k, logits in enumerate(ours):
        assert relative(logits, golden[f"logits{k}"]) < 1e-5
    for k, logits in enumerate(ours):
        shares = tf.nn.softmax(logits)
        np.testing.assert_allclose(shares, golden[f"probs{k}"], rtol=0, atol=1e-5)
    features, *tapped = method.forward(golden["x"], False)
    assert relative(features, golden["gap"]) < 1e-5
    assert len(tapped) == len(ours) - 1
    for k, tap in enumerate(tapped):
        assert tuple(tap.shape) == tuple(golden[f"tap{k}_shape"])
        assert relative(tap[:, ::4, ::4, :8], golden[f"tap{k}_slice"]) < 1e-5
        moments = [np.mean(tap, dtype=np.float64), np.std(tap, dtype=np.float64)]
        np.testing.assert_allclose(moments, golden[f"tap{k}_mean_std"], rtol=1e-5)
        pooled = pooled_by(method.branches[k])(tap)
        assert relative(pooled, golden[f"aux{k}_gap"]) < 1e-5
    assert sum(p > 0 for p in optimizer.penalties) == golden["l2_terms"]
    np.testing.assert_allclose(optimizer.penalty(), golden["l2_sum"], rtol=1e-6)


def pooled_by(branch):
    """From what a branch hangs on to what its last pooling gives, `[B, c]`."""
    pools = keras.layers.GlobalAveragePooling2D
    last = [layer for layer in branch.layers if isinstance(layer, pools)][-1]
    return keras.Model(branch.input, last.output)


def told(method, optimizer, golden, training=False):
    """The authors' row of a batch: total loss, each head's loss, each head's accuracy.

    In training mode batch norms use the batch; their running statistics stay.
    """
    before, label = method.get_weights(), golden["y"]
    outputs = method.outputs(golden["x"], training)
    method.set_weights(before)
    of = [label, *(np.array(groups)[label] for groups in method.groups)]
    pairs = list(zip(outputs, of, strict=True))
    losses = [np.mean(cross_entropy(q, own, method.smoothing)) for q, own in pairs]
    total = np.dot([1, *method.weights_of_branches], losses)
    total += float(optimizer.penalty())
    return np.array([total, *losses, *(np.mean(hit(q, own)) for q, own in pairs)])


def assert_told(ours, theirs, tolerance):
    """Losses within a share of theirs, accuracies exactly."""
    count = len(theirs) // 2 + 1
    np.testing.assert_allclose(ours[:count], theirs[:count], rtol=tolerance)
    np.testing.assert_array_equal(ours[count:], theirs[count:])


@pytest.mark.parametrize(
    "name", ["resnet18_ssal_x2_paper_table1", "densenet22-12_ssal_tiny"]
)
def test_losses_and_penalties_equal_the_authors(name):
    golden = arrays(f"train_{name}")
    method, optimizer = golden_models.build(name)
    assert_told(told(method, optimizer, golden), golden["test_before"], 1e-4)
    np.testing.assert_allclose(optimizer.penalty(), golden["l2_before"], rtol=1e-6)
    assert sum(p > 0 for p in optimizer.penalties) == golden["n_l2_terms"]
    weights = [1, *method.weights_of_branches]
    np.testing.assert_allclose(weights, golden["loss_weights"])


def test_three_updates_equal_the_authors():
    name = "resnet18_ssal_x2_paper_table1"
    golden = arrays(f"train_{name}")
    method, optimizer = golden_models.build(name)
    loop = Loop(method, optimizer, tf.distribute.get_strategy())
    batch = {
        "views": (tf.constant(golden["x"]),),
        "label": tf.constant(golden["y"], tf.int32),
        "index": tf.range(8, dtype=tf.int64),
    }
    loop.feed(lambda part: tf.data.Dataset.from_tensors(batch).repeat())
    for theirs in golden["train_steps"]:
        penalty = float(optimizer.penalty())
        ours = told(method, optimizer, golden, training=True)
        assert_told(ours, theirs, 1e-4)
        terms, _ = loop.run([0.002])
        np.testing.assert_allclose(terms[0, 0] + penalty, ours[0], rtol=1e-6)
    own = {role(v.path, "preact_resnet"): np.asarray(v) for v in method.weights}
    checked = 0
    for key, value in golden.items():
        if key.startswith("after:"):
            tolerance = {"atol": 1e-4, "rtol": 0}
            if "moving_variance" in key:
                tolerance = {"atol": 0, "rtol": 5e-3}
            ours = own[key.removeprefix("after:")]
            np.testing.assert_allclose(ours, value, **tolerance, err_msg=key)
            checked += 1
    assert checked == sum(key.startswith("after") for key in golden) == 22
    assert_told(told(method, optimizer, golden), golden["test_after"], 2e-4)


def powers(golden, prefix):
    return [key for key in golden if key.startswith(f"{prefix}_joint_")]


@pytest.mark.parametrize(("prefix", "branches"), [("toy", 2), ("c100", 3)])
def test_joint_prediction_equals_the_authors(prefix, branches):
    golden = arrays("joint_prediction_keras")
    fine, label = golden[f"{prefix}_fine_probs"], golden[f"{prefix}_labels"]
    coarse = [golden[f"{prefix}_aux{k}_probs"] for k in range(branches)]
    groups = [golden[f"{prefix}_group{k}"] for k in range(branches)]
    assert len(powers(golden, prefix)) == {"toy": 3, "c100": 4}[prefix]
    for key in powers(golden, prefix):
        used = 1 if "single" in key else branches
        power = float(key.rpartition("eta")[2])
        joint = np.asarray(joint_prediction(fine, coarse[:used], groups[:used], power))
        np.testing.assert_allclose(joint, golden[key], atol=1e-6, err_msg=key)
        accuracy = np.mean(joint.argmax(axis=1) == label)
        assert accuracy == golden[key.replace("joint", "acc")]
    if prefix == "c100":
        assert np.mean(fine.argmax(axis=1) == label) == golden["c100_base_acc"]


def test_an_all_zero_row_of_the_joint_prediction_stays_zero():
    golden = arrays("joint_prediction_keras")
    coarse = [golden["toy_aux0_probs"], golden["toy_aux1_probs"]]
    groups = [golden["toy_group0"], golden["toy_group1"]]
    joint = joint_prediction(golden["toy_fine_probs"], coarse, groups, 1.0)
    assert np.asarray(joint)[0].max() == 0


def test_imagenet_loss_and_metrics_equal_the_authors():
    golden = arrays("imagenet_joint_and_loss_pytorch")
    fine, label = golden["logits"], golden["labels"]
    coarse = [golden[f"aux{k}_logits"] for k in (1, 2, 3)]
    groups = [golden[f"group{k}"] for k in (1, 2, 3)]
    parts = [np.mean(cross_entropy(fine, label))]
    parts += [np.mean(cross_entropy(q, g[label])) for q, g in zip(coarse, groups)]
    np.testing.assert_allclose(parts, golden["loss_parts"], rtol=1e-5)
    np.testing.assert_allclose(sum(parts), golden["loss_total"], rtol=1e-5)
    scores = np.asarray(joint_log_scores(fine, coarse, groups, 0.3))
    unnormalised = golden["joint_unnormalised_eta0.3"]
    assert relative(np.exp(scores), unnormalised) < 1e-5
    for k in (1, 5):
        metric = lambda name, k=k: golden[f"metric:{name}"]
        assert np.mean(hit(fine, label, k)) == metric(f"base top{k} acc")
        assert np.mean(hit(scores, label, k)) == metric(f"top{k} comb. acc")
        for i, (q, g) in enumerate(zip(coarse, groups)):
            assert np.mean(hit(q, g[label], k)) == metric(f"aux{i} top{k} acc")


@pytest.mark.parametrize("classes", [100, 20, 33, 50])
def test_smoothed_labels_equal_the_authors(classes):
    golden = arrays("label_smoothing")
    ours = smooth(golden[f"labels{classes}"], classes, 0.1)
    np.testing.assert_allclose(ours, golden[f"smooth{classes}"], atol=1e-6)
