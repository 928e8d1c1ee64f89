"""Linear probes: what they minimise, how they choose, the authors' protocols."""

import re

import given
import numpy as np
import pytest

from ssl_tf.errors import BadInput
from ssl_tf.evaluation import EVALUATIONS, scoring, softmax
from ssl_tf.evaluation.linear import Fit, divided, linear, scaled, sweep
from ssl_tf.evaluation.linear_gsimclr import linear_gsimclr, stopped
from ssl_tf.evaluation.linear_scatsimclr import linear_scatsimclr, trained

PROBES = ["knn", "linear", "linear_gsimclr", "linear_scatsimclr"]


def pair(count=90, classes=3, **more):
    """`(train, test, store)` of clouds."""
    x, a = given.blobs(count, classes, **more)
    y, b = given.blobs(count // 2, classes, seed=1, **more)
    splits = given.images(a, classes), given.images(b, classes, "test")
    return *splits, given.Fixed(train=x, test=y)


def test_the_gradient_is_that_of_finite_differences(rng):
    x, label = rng.normal(size=(7, 5)), rng.integers(0, 4, 7)
    weights = softmax.Weights(rng.normal(size=(5, 4)), rng.normal(size=4))
    found = softmax.gradient(weights, x, label)
    for part, slope in zip(weights, found):
        for place in np.ndindex(part.shape):
            old, h = part[place], 1e-5
            part[place] = old + h
            above = softmax.loss(weights, x, label)
            part[place] = old - h
            below = softmax.loss(weights, x, label)
            part[place] = old
            np.testing.assert_allclose(slope[place], (above - below) / 2 / h, atol=1e-8)


def test_the_loss_of_equal_logits_is_the_logarithm_of_the_classes():
    weights = softmax.Weights(np.zeros((3, 8)), np.zeros(8))
    loss = softmax.loss(weights, np.ones((5, 3)), np.arange(5), chunk=2)
    assert abs(loss - np.log(8)) < 1e-12


def test_adam_takes_keras_own_steps(rng):
    import keras

    start = rng.normal(size=(3, 4)).astype(np.float32)
    x = rng.normal(size=(6, 3)).astype(np.float32)
    label = rng.integers(0, 4, 6)
    trainer = softmax.Trainer(
        softmax.Weights(start, np.zeros(4, np.float32)), softmax.Adam(0.05), 6
    )
    variable, adam = keras.Variable(start), keras.optimizers.Adam(0.05)
    for _ in range(5):
        current = softmax.Weights(np.asarray(variable), trainer.weights.bias.copy())
        slope, _ = softmax.gradient(current, x, label)
        adam.apply([slope], [variable])
        trainer.step(x, label)
    np.testing.assert_allclose(trainer.weights.kernel, variable, atol=1e-5)


def test_scatsimclrs_classifier_ends_at_the_authors_weights():
    arrays = given.golden("scatsimclr", "misc")
    x, y = (arrays[f"lr_x{s}"].astype(np.float32).copy() for s in ("tr", "te"))
    weights = trained(
        softmax.Weights(arrays["lr_w0"].T.copy(), arrays["lr_b0"]),
        softmax.Adam(3e-4, 1e-8, "torch", 1e-4),
        *standardised(x, arrays["lr_ytr"]),
        epochs=100,
        batch_size=64,
    )
    np.testing.assert_allclose(weights.kernel.T, arrays["lr_w100"], atol=1e-3)
    np.testing.assert_allclose(weights.bias, arrays["lr_b100"], atol=1e-3)
    hits = weights(scaled_by(x, y)).argmax(axis=1) == arrays["lr_yte"]
    assert abs(hits.sum() - arrays["lr_acc"] * len(hits)) <= 1


def standardised(x, label):
    return scaled_by(x, x), label


def scaled_by(x, y):
    return ((y - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)


@pytest.mark.parametrize("l2", [1e-1, 1e-3])
def test_the_common_probe_is_at_a_stationary_point_of_its_objective(l2):
    x, label = given.blobs(120, 4, apart=1.0)
    model, converged = Fit(1000, 1e-6, 4)(x, label, l2)
    kernel, bias = model.coef_.T, model.intercept_
    slope, free = softmax.gradient(softmax.Weights(kernel, bias), x, label)
    assert converged
    np.testing.assert_allclose(slope + l2 * kernel, 0, atol=1e-4)
    np.testing.assert_allclose(free, 0, atol=1e-4)


def test_the_l2_is_chosen_on_held_out_images_and_not_on_test_images():
    train, test, store = pair(200, apart=0.3, width=60)
    factors = [1e3, 1.0, 1e-2, 1e-5]
    one = linear(None, train, test, store, l2=factors)
    x, label = store.rows["train"].copy(), train.source.label
    rest, held = divided(train, 0.1, 0)
    x, tried = scaled_by(x, x), []
    for factor in factors:
        fit = Fit(1000, 1e-4, 3)
        scores = fit.scores(fit(x[rest], label[rest], factor)[0], x[held])
        tried.append(np.mean(scores.argmax(axis=1) == label[held]))
    assert len(set(tried)) > 1
    assert one["l2"] == factors[int(np.argmax(tried))]
    assert one["held_out_accuracy"] == max(tried) and one["converged"] == 1
    store.rows["test"] = store.rows["test"][::-1]
    assert linear(None, train, test, store, l2=factors)["l2"] == one["l2"]


def test_the_sweep_ends_when_two_in_a_row_are_worse():
    asked = []

    class Known:
        """Predicts as many of ten images as its L2 is told to."""

        def __call__(self, x, label, l2, start):
            asked.append(l2)
            return l2, True

        def scores(self, l2, x):
            right = {9.0: 5, 8.0: 7, 7.0: 6, 6.0: 8, 5.0: 3, 4.0: 7, 3.0: 10}[l2]
            return np.eye(2)[(np.arange(10) < right).astype(int)]

    held = (np.zeros((10, 1)), np.ones(10, int))
    found = sweep(Known(), [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0], held, held)
    assert asked == [9.0, 8.0, 7.0, 6.0, 5.0, 4.0]
    assert max(found, key=found.get) == 6.0 and found[6.0] == 0.8


def test_a_single_l2_is_taken_as_it_is_and_a_short_fit_says_it_did_not_converge():
    train, test, store = pair(apart=0.3)
    found = linear(None, train, test, store, l2=[1e-6], iterations=2)
    assert found["l2"] == 1e-6 and found["converged"] == 0
    assert "held_out_accuracy" not in found


def test_standardised_features_do_not_depend_on_their_scale():
    train, test, store = pair(apart=1.0)
    before = linear(None, train, test, store, l2=[1e-2])
    store.rows = {k: v * [1, 9, 1, 1, 5, 1] + 3 for k, v in store.rows.items()}
    after = linear(None, train, test, store, l2=[1e-2])
    assert before["accuracy"] == after["accuracy"]


def test_the_common_probe_leaves_the_stored_features_alone():
    train, test, store = pair()
    before = {k: v.copy() for k, v in store.rows.items()}
    for name in PROBES[1:]:
        EVALUATIONS[name](None, train, test, store, level="features")
    for split, rows in before.items():
        np.testing.assert_array_equal(store.rows[split], rows)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("name", PROBES)
def test_clouds_far_apart_are_told_apart(name, classes):
    train, test, store = pair(140, classes, apart=8.0)
    own = {"knn": {"k": [3]}, "linear": {}}
    more = own.get(name, {"learning_rate": 0.05})
    found = EVALUATIONS[name](None, train, test, store, level="features", **more)
    head = "k3." if name == "knn" else ""
    assert found[f"{head}accuracy"] == 1
    np.testing.assert_array_equal(found[f"{head}per_class"], np.ones(classes))
    assert (f"{head}top5" in found) == (classes > 5)


def test_several_levels_stand_before_the_names():
    train, test, store = pair()
    found = linear_gsimclr(None, train, test, store, level=["p1", "features"])
    assert {"p1.accuracy", "features.accuracy", "p1.best_epoch"} <= set(found)


def test_early_stopping_keeps_the_weights_of_the_lowest_loss():
    x, label = given.blobs(300, 3, width=30, apart=0.2)
    y, truth = given.blobs(100, 3, width=30, apart=0.2, seed=1)
    start = softmax.keras_start(30, 3, 0)
    trainer = softmax.Trainer(start, softmax.Adam(0.05))
    kept, facts = stopped(trainer, (x, label), (y, truth), 100, 2, 0)
    assert softmax.loss(kept, y, truth) == facts["validation_loss"]
    assert facts["epochs"] == facts["best_epoch"] + 2 < 100
    assert softmax.loss(trainer.weights, y, truth) > facts["validation_loss"]


def test_the_test_images_stop_the_training_only_where_that_is_asked_for():
    train, test, store = pair(300, width=30, apart=0.2)
    held = linear_gsimclr(None, train, test, store, level="features")
    faithful = {"level": "features", "validation": "test"}
    chosen = linear_gsimclr(None, train, test, store, **faithful)
    store.rows["test"] = store.rows["test"][::-1]
    turned = linear_gsimclr(None, train, test, store, level="features")
    assert turned["validation_loss"] == held["validation_loss"]
    other = linear_gsimclr(None, train, test, store, **faithful)
    assert other["validation_loss"] != chosen["validation_loss"]


def test_partial_batches_are_left_out_where_the_authors_leave_them_out():
    train, test, store = pair(100)
    found = linear_scatsimclr(None, train, test, store, epochs=5, drop_last=32)
    used = given.Fixed(train=store.rows["train"][:96], test=store.rows["test"][:32])
    cut = lambda images, n: given.images(
        images.source.label[:n], 3, images.source.split
    )
    expected = linear_scatsimclr(None, cut(train, 96), cut(test, 32), used, epochs=5)
    np.testing.assert_array_equal(found["per_class"], expected["per_class"])
    with pytest.raises(BadInput, match="drop_last: is 64; the test split has only 50"):
        linear_scatsimclr(None, train, test, store, drop_last=64)


def test_a_class_without_a_training_image_is_never_predicted():
    x, label = given.blobs(40, 4)
    train, test = given.images(label[label != 2], 4), given.images(label, 4, "test")
    store = given.Fixed(train=x[label != 2], test=x)
    found = linear(None, train, test, store, l2=[1e-3])
    assert found["per_class"][2] == 0 and found["accuracy"] > 0.6


def test_equal_scores_go_to_the_smaller_class_and_empty_classes_are_nan():
    scores = np.array([[1.0, 1, 0], [0, 2, 2], [0, 0, 3]])
    found = scoring.summary(scores, np.array([0, 1, 1]))
    assert found["accuracy"] == 2 / 3
    np.testing.assert_array_equal(found["per_class"], [1, 0.5, np.nan])


@pytest.mark.parametrize("name", PROBES)
def test_images_without_labels_are_refused(name):
    train, test, store = pair()
    more = {"k": [3]} if name == "knn" else {}
    bare = given.images(np.full(90, -1))
    message = f"{name}: 90 of 90 train images of made have no label"
    with pytest.raises(BadInput, match=re.escape(message)):
        EVALUATIONS[name](None, bare, test, store, level="features", **more)


@pytest.mark.parametrize("name", PROBES[1:])
def test_one_class_alone_is_refused(name):
    train, test, store = pair()
    with pytest.raises(BadInput, match=f"{name}: all training images are of one class"):
        EVALUATIONS[name](None, given.images(np.zeros(90)), test, store)


@pytest.mark.parametrize("standardise", [True, False])
def test_a_large_offset_changes_no_accuracy(standardise):
    train, test, store = pair(apart=1.5)
    options = {"standardise": standardise, "l2": [1e-2]}
    plain = linear(None, train, test, store, **options)
    moved = given.Fixed(**{k: x + np.float32(4096) for k, x in store.rows.items()})
    found = linear(None, train, test, moved, **options)
    assert found["converged"] and found["accuracy"] == plain["accuracy"]
    assert 0.7 < found["accuracy"] < 1


@pytest.mark.parametrize("kind", ["offset", "tiny", "huge", "mixed"])
def test_standardised_features_are_those_of_float64(kind):
    x, y = given.ugly(kind, 200), given.ugly(kind, 50, seed=5)
    exact = x.astype(np.float64)
    mean, deviation = exact.mean(axis=0), exact.std(axis=0)
    expected = (exact - mean) / deviation, (y - mean) / deviation
    scaled(x, y)
    for rows, right in zip((x, y), expected):
        np.testing.assert_allclose(rows, right, rtol=1e-6, atol=1e-6)


def test_features_that_no_small_step_can_learn_from_are_refused():
    train, test, store = pair()
    huge = given.Fixed(**{k: x * np.float32(1e37) for k, x in store.rows.items()})
    with np.errstate(all="ignore"), pytest.raises(BadInput, match="are not finite"):
        linear_gsimclr(None, train, test, huge, level="p1", epochs=2)
