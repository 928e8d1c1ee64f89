"""The authors' pretext losses and three of their updates, from the same weights."""

import given
import numpy as np
import pytest
import scatsimclr_files as official
import tensorflow as tf

from ssl_tf.backbones.scatsimclr import scatsimclr8
from ssl_tf.losses.classification import hit
from ssl_tf.methods.scatsimclr import ScatSimCLR, pretext_terms
from ssl_tf.optim import Adam
from ssl_tf.weights import port, scatsimclr, tables

# What our weights are called in a state dict, for those that the golden file has.
NAMES = {
    "_adapter_network.0.weight": "stem_conv/kernel",
    "_adapter_network.1.weight": "stem_norm/gamma",
    "_adapter_network.3.0.downsample.0.weight": "stage1_block1_shortcut_conv/kernel",
    "_adapter_network.4.3.bn2.bias": "stage2_block4_norm2/beta",
    "l2.bias": "head_dense2/bias",
    "l1.bias": "head_dense1/bias",
    "l2.weight": "head_dense2/kernel",
}
HEADS = {
    "rotation": "pretext_rotation_scatsimclr_or_resnet50",
    "jigsaw": "pretext_jigsaw35_scatsimclr_or_resnet50",
}
RATE = 3e-4


def network(**more):
    """ScatSimCLR8 at J = 2, L = 4 with the golden weights."""
    method = ScatSimCLR(scatsimclr8((32, 32, 3), J=2, L=4), **more)
    rows = official.layout("scatsimclr8_J2_L16_32x32x3_out128")
    arrays = official.state(official.resized(rows, 75))
    rules = tables.torch_rules(method)
    if method.pretext:
        task = method.pretext
        heads = official.layout(HEADS[task])
        for part, rows in heads.items():
            names = {f"{task}.{part}.{name}": shape for name, shape, _ in rows}
            arrays |= {name: official.value(name, s) for name, s in names.items()}
        own = scatsimclr.pretext_rules(task)
        rules += [r._replace(pattern=rf"{task}\.{r.pattern}") for r in own]
    port.port(method, arrays, rules)
    return method


def nhwc(array):
    axes = (0, 2, 3, 1) if array.ndim == 4 else (0, 1, 3, 4, 2)
    return tf.constant(array.transpose(axes))


@pytest.mark.parametrize("task", ["rotation", "jigsaw"])
def test_the_pretext_step_is_the_authors(task):
    golden = given.golden("scatsimclr", f"pretext_{task}")
    method = network(pretext=task)
    features = [
        method.features(nhwc(golden[name]), training=False)[0]
        for name in ("img1", "img2")
    ]
    label = tf.constant(golden["label"], tf.int32)
    loss = method.contrast(features, label)["loss"]
    assert abs(float(np.mean(loss)) - golden["loss_contrastive"]) < 1e-4
    logits = method.pretext_logits(nhwc(golden["pretext"]), training=False)
    flat = np.reshape(logits, golden["logits"].shape)
    np.testing.assert_allclose(flat, golden["logits"], atol=1e-4)
    terms = pretext_terms(logits, label)
    assert abs(float(np.mean(terms["pretext_loss"])) - golden["loss_pretext"]) < 1e-4
    right = float(np.mean(hit(logits, label)))
    assert right == pytest.approx(float(golden["accuracy"]), abs=1e-6)


def first_rows(variable):
    """The first 8 rows in PyTorch's layout."""
    array = np.asarray(variable)
    if array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)
    return (array.T if array.ndim == 2 else array)[:8]


def test_three_updates_are_the_authors():
    golden = given.golden("scatsimclr", "train_step")
    method = network()
    adam = Adam(RATE, weight_decay=1e-5)
    adam.build(method.trainable_variables)
    views = tuple(nhwc(golden[name]) for name in ("x1", "x2"))
    batch = {"views": views, "label": tf.zeros([4], tf.int32)}
    named = {"/".join(v.path.split("/")[-2:]): v for v in method.weights}
    places = {v.path: i for i, v in enumerate(method.trainable_variables)}
    step = tf.function(lambda: method.gradients(batch, adam))
    held = method.get_weights()
    for view, name in zip(views, ("step0_z1", "step0_z2")):
        z = method.project(method.features(view, training=True)[0])[-1]
        np.testing.assert_allclose(z, golden[name], rtol=0, atol=1e-4)
    method.set_weights(held)
    for number, tolerance in enumerate((1e-5, 1e-3, 1e-3)):
        gradients, terms = step()
        wanted = golden[f"step{number}_loss"]
        assert abs(float(np.mean(terms["loss"])) - wanted) < tolerance
        if number == 0:
            for theirs, ours in NAMES.items():
                got = first_rows(gradients[places[named[ours].path]])
                wanted = golden[f"grad0:{theirs}"]
                # Where the true gradient is rounding, a bias before a norm, it is 0.
                atol = 5e-3 * np.abs(wanted).max() + 1e-7
                np.testing.assert_allclose(got, wanted, atol=atol, err_msg=theirs)
        adam.apply(gradients, method.trainable_variables)
        if number in (0, 2):
            for theirs, ours in NAMES.items():
                error = np.abs(
                    first_rows(named[ours]) - golden[f"after{number}:{theirs}"]
                )
                assert error.max() <= 2 * RATE * (number + 1) + 1e-6, theirs
                if number == 0:
                    assert (error < 1e-5).mean() >= 0.99, theirs
    # The norm before their adapter is out of use: theirs never moves it, we have none.
    unused = golden["scatnet_bn_weight_after"]
    same = official.value("_scatnet_bn.weight", unused.shape)
    np.testing.assert_array_equal(unused, same)
    for part, ours in (("mean", "moving_mean"), ("var", "moving_variance")):
        wanted = golden[f"after2:_adapter_network.1.running_{part}"]
        # The weights behind it differ by up to two rates a step: Adam takes signs.
        np.testing.assert_allclose(named[f"stem_norm/{ours}"], wanted, atol=1e-3)
