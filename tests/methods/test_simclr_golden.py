"""G-SimCLR's SimCLR step: outputs, loss, gradients and update of the authors."""

import hash_weights
import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.backbones.cifar_resnet import cifar_resnet38
from ssl_tf.methods.simclr import SimCLR
from ssl_tf.optim import SGD

GOLDEN = hash_weights.arrays("cifar_simclr_forward")
SHAPE = (8, 32, 32, 3)
HEAD = ("head_dense1", "head_dense2", "head_dense3")


@pytest.fixture
def method():
    method = SimCLR(cifar_resnet38(SHAPE[1:]), temperature=0.1, head=(256, 128, 50))
    order = [*hash_weights.resnet_order(method.backbone), *HEAD]
    assert hash_weights.fill([*method.backbone.layers, *method.head], order) == 234
    return method


def batch():
    views = tuple(tf.constant(hash_weights.images(m, SHAPE)) for m in (0, 1))
    return {"views": views, "label": tf.fill([8], -1), "index": tf.range(8)}


def numbers(method):
    """`{path: number of the tensor}` of all weights in the authors' order."""
    layers = {x.name: x for x in [*method.backbone.layers, *method.head]}
    found = {}
    for name in [*hash_weights.resnet_order(method.backbone), *HEAD]:
        for kind in hash_weights.KINDS:
            if getattr(layers[name], kind, None) is not None:
                found[getattr(layers[name], kind).path] = len(found)
    return found


def close(ours, theirs, tolerance=1e-5):
    return np.abs(np.asarray(ours) - theirs).max() <= tolerance * np.abs(theirs).max()


@pytest.mark.parametrize("training", [False, True])
def test_every_level_is_the_authors(method, training):
    features = method.features(hash_weights.images(0, SHAPE), training)[0]
    *hidden, z = method.project(features)
    mode = "train" if training else "infer"
    found = {"P3_gap": features, "P2": hidden[0], "P1": hidden[1], "z": z}
    for name, ours in found.items():
        assert close(ours, GOLDEN[f"{mode}_{name}"]), name


def test_one_step_is_the_authors(method):
    """Loss, the norm of each gradient, then the weights after plain SGD at 0.1."""
    optimizer = SGD(0.1)
    optimizer.build(method.trainable_variables)
    gradients, terms = method.gradients(batch(), optimizer)
    assert abs(float(np.mean(terms["loss"])) - GOLDEN["step_loss"]) <= 1e-4
    place = numbers(method)
    of_number = {
        place[v.path]: float(tf.norm(g))
        for v, g in zip(method.trainable_variables, gradients, strict=True)
    }
    index, norms = GOLDEN["step_grad_norm_index"], GOLDEN["step_grad_norm"]
    assert sorted(of_number) == sorted(index.tolist())
    small = norms <= 1e-4  # a bias before a batch norm: zero up to rounding
    assert small.sum() == 37
    found = np.array([of_number[k] for k in index])
    np.testing.assert_allclose(found[~small], norms[~small], rtol=1e-2)
    assert found[small].max() < 1e-5
    optimizer.apply(gradients, method.trainable_variables)
    last = GOLDEN["step_after_last_kernel"]
    assert place[method.head[-1].kernel.path] == GOLDEN["step_after_last_kernel_index"]
    np.testing.assert_allclose(method.head[-1].kernel, last, atol=2e-4)
    stem = method.backbone.get_layer("stem_conv").kernel
    np.testing.assert_allclose(stem, GOLDEN["step_after_first_kernel"], atol=2e-4)


def test_the_size_is_the_notebooks(method):
    assert method.count_params() == 1_226_482
    trainable = sum(np.prod(v.shape) for v in method.trainable_variables)
    assert trainable == 1_219_538
