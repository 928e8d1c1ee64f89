"""SimSiam's heads and step against the authors' numbers; the stop-gradient."""

from pathlib import Path

import keras
import numpy as np
import pytest
import small
import tensorflow as tf

from ssl_tf.methods.simsiam import SimSiam, prediction, projector

GOLDEN = Path(__file__).parents[1] / "golden" / "simsiam"
STATS = {"running_mean": "moving_mean", "running_var": "moving_variance"}
KINDS = {"weight": ("kernel", "gamma"), "bias": ("bias", "beta")} | STATS
PLACES = {  # our layer by the authors' name of it
    "ablation": {
        **{f"projector.layer{i}.0": f"projector_dense{i}" for i in (1, 2, 3)},
        **{f"projector.layer{i}.1": f"projector_norm{i}" for i in (1, 2, 3)},
        "predictor.layer1.0": "predictor_dense1",
        "predictor.layer1.1": "predictor_norm1",
        "predictor.layer2": "predictor_dense2",
    },
    "official": {
        **{f"encoder.fc.{3 * i - 3}": f"projector_dense{i}" for i in (1, 2, 3)},
        **{f"encoder.fc.{3 * i - 2}": f"projector_norm{i}" for i in (1, 2, 3)},
        "predictor.0": "predictor_dense1",
        "predictor.1": "predictor_norm1",
        "predictor.3": "predictor_dense2",
    },
}


def golden(head):
    with np.load(GOLDEN / f"b_heads_{head}.npz") as archive:
        return {name: archive[name] for name in archive.files}


def weights(arrays, prefix, head):
    """`{"our_layer/kind": array}` of the authors' arrays below `prefix`."""
    found = {}
    for name, value in arrays.items():
        if name.startswith(prefix):
            layer, kind = name.removeprefix(prefix).rsplit(".", 1)
            ours = PLACES[head][layer]
            kinds = KINDS[kind]
            if isinstance(kinds, tuple):
                kinds = kinds["norm" in ours]
            found[f"{ours}/{kinds}"] = value.T if kinds == "kernel" else value
    return found


def heads(head, arrays):
    """A SimSiam on a backbone that passes its input on, with the authors' weights."""
    images = keras.Input((12,))
    same = keras.Model(images, keras.layers.Identity(name="features")(images))
    dim = 16
    hidden = 16 if head == "ablation" else None
    method = SimSiam(same, head=head, dim=dim, hidden=hidden, predictor=4)
    theirs = weights(arrays, "w/", head)
    ours = {v.path: v for v in method.weights}
    assert ours.keys() == theirs.keys()
    for path, variable in ours.items():
        variable.assign(theirs[path])
    return method


@pytest.fixture(params=["ablation", "official"])
def head(request):
    return request.param


def test_outputs_gradients_and_statistics_of_a_step_are_the_authors(head):
    arrays = golden(head)
    method = heads(head, arrays)
    h1, h2 = tf.Variable(arrays["h1"]), tf.Variable(arrays["h2"])
    label = tf.fill([10], -1)
    with tf.GradientTape() as tape:
        terms = method.compare([h1, h2], label, training=True)
        loss = tf.reduce_mean(terms["loss"])
    assert abs(float(loss) - arrays["loss"]) <= 1e-5
    variables = method.trainable_variables
    gradients = tape.gradient(loss, [h1, h2, *variables])
    np.testing.assert_allclose(gradients[0], arrays["grad_h1"], atol=1e-5)
    np.testing.assert_allclose(gradients[1], arrays["grad_h2"], atol=1e-5)
    theirs = weights(arrays, "grad/", head)
    assert {v.path for v in variables} == theirs.keys()
    for variable, gradient in zip(variables, gradients[2:], strict=True):
        np.testing.assert_allclose(gradient, theirs[variable.path], atol=1e-5)
    after = weights(arrays, "after_both/", head)
    for variable in method.non_trainable_variables:
        if variable.path in after:  # all but the bias that is never trained
            np.testing.assert_allclose(variable, after.pop(variable.path), atol=1e-6)
    assert not after
    z = method.projector(arrays["h1"], training=False)
    np.testing.assert_allclose(z, arrays["z1_eval"], atol=1e-5)
    p = method.predictor(z, training=False)
    np.testing.assert_allclose(p, arrays["p1_eval"], atol=1e-5)


def test_both_views_are_projected_before_either_is_predicted(head):
    arrays = golden(head)
    method = heads(head, arrays)
    z = [method.projector(arrays[name], training=True) for name in ("h1", "h2")]
    p = [method.predictor(x, training=True) for x in z]
    for name, ours in zip(("z1", "z2", "p1", "p2"), [*z, *p]):
        np.testing.assert_allclose(ours, arrays[name], atol=1e-5)


def test_statistics_after_the_first_view_are_the_authors():
    arrays = golden("ablation")
    method = heads("ablation", arrays)
    method.projector(arrays["h1"], training=True)
    after = weights(arrays, "after_view1/", "ablation")
    ours = {v.path: v for v in method.non_trainable_variables}
    assert len(after) == 6
    for path, value in after.items():
        np.testing.assert_allclose(ours[path], value, atol=1e-6)


def test_two_layers_leave_out_the_middle_one():
    arrays = golden("ablation")
    short = projector(12, 16, 16, 2, "ablation")
    theirs = weights(arrays, "w/", "ablation")
    theirs |= weights(arrays, "after_both/", "ablation")
    for variable in short.weights:
        path = variable.path.replace("dense2", "dense3").replace("norm2", "norm3")
        variable.assign(theirs[path])
    ours = short(arrays["h1"], training=False)
    np.testing.assert_allclose(ours, arrays["z1_eval_two_layer"], atol=1e-5)


@pytest.mark.parametrize(
    ("width", "count"),
    [(512, 2_630_656), (1280, 3_417_088), (768, 2_892_800), (256, 2_368_512)],
)
def test_the_studys_heads_have_its_parameters(width, count):
    built = projector(width, 1024, 1024, 3, "ablation")
    assert sum(np.prod(v.shape) for v in built.trainable_variables) == count
    predictor = prediction(1024, 256, "ablation")
    assert sum(np.prod(v.shape) for v in predictor.trainable_variables) == 526_080


def test_the_papers_heads_have_its_parameters_and_a_bias_that_never_moves():
    built = projector(2048, 2048, 2048, 3, "official")
    predictor = prediction(2048, 512, "official")
    count = lambda weights: sum(np.prod(v.shape) for v in weights)
    frozen = [v for v in built.non_trainable_variables if "moving" not in v.path]
    assert [v.path for v in frozen] == ["projector_dense3/bias"]
    assert np.abs(frozen[0]).max() > 0
    encoder = 23_508_032 + count(built.trainable_variables) + 2048
    assert encoder == 36_101_184
    assert count(predictor.trainable_variables) == 2_100_224


def test_only_predictions_learn_unless_the_stop_gradient_is_left_out():
    """A projection that is also a target moves otherwise than one that is not."""
    batch = small.batches(1)[0]
    found = []
    for stop in (True, False):
        keras.utils.set_random_seed(0)
        method = small.simsiam(stop_gradient=stop)
        optimizer = keras.optimizers.SGD()
        optimizer.build(method.trainable_variables)
        gradients, terms = method.gradients(batch, optimizer)
        found.append((float(tf.reduce_mean(terms["loss"])), gradients[0].numpy()))
    assert found[0][0] == found[1][0]
    assert np.abs(found[0][1] - found[1][1]).max() > 1e-3 * np.abs(found[0][1]).max()
