"""What every method promises, whatever it minimises."""

import re

import keras
import numpy as np
import pytest
import small
import tensorflow as tf

from ssl_tf import runs
from ssl_tf.errors import BadInput
from ssl_tf.methods import METHODS
from ssl_tf.optim import SGD


@pytest.fixture(params=sorted(small.METHODS))
def make(request):
    return small.METHODS[request.param]


@pytest.fixture(scope="module", params=sorted(small.METHODS))
def made(request):
    """A method of which tests change no more than what it remembers."""
    return small.METHODS[request.param]()


def test_every_method_in_the_table_is_under_contract():
    under = [name for name in small.METHODS if name not in METHODS]
    assert set(METHODS) <= set(small.METHODS)
    assert all(any(name.startswith(f"{m}_") for m in METHODS) for name in under)


def test_it_is_built_when_constructed_and_paths_do_not_depend_on_history(make):
    first, second = make(), make()
    assert [v.path for v in first.weights] == [v.path for v in second.weights]
    assert len({v.path for v in first.weights}) == len(first.weights)
    assert first.count_params() > 0


@pytest.mark.parametrize("training", [False, True])
def test_terms_are_one_finite_number_an_image(made, training):
    method = made
    terms = method.objective(small.batches(method=method)[0], training=training)
    assert tuple(terms) == method.terms and set(method.minimised) <= set(terms)
    for name, values in terms.items():
        assert values.shape == (8,), name
        assert np.isfinite(values).all(), name


def test_evaluation_depends_on_no_other_image(made):
    method = made
    batch = small.batches(method=method)[0]
    batch["views"] = batch["views"][:1]
    whole = method.score(batch)
    assert tuple(whole) == method.scores
    half = tf.nest.map_structure(lambda x: x[4:], batch)
    for name, values in method.score(half).items():
        np.testing.assert_allclose(values, whole[name][4:], atol=1e-5)


def test_representations_are_vectors_and_the_first_is_the_backbones(made):
    method = made
    images = small.batches(method=method)[0]["views"][0]
    levels = method.representations(images)
    assert next(iter(levels)) == "features"
    np.testing.assert_array_equal(levels["features"], method.backbone(images))
    for name, values in levels.items():
        assert len(values.shape) == 2 and values.shape[0] == 8, name


# The batch norm behind them takes such a bias away: no gradient but for rounding.
SHADOWED = r"^(projector_dense\d|predictor_dense1|mlp_dense1)/bias$"


def test_every_trainable_weight_moves_in_one_step(make):
    method = make()
    before = [v.numpy() for v in method.trainable_variables]
    method.compile(optimizer=SGD(0.1))
    batch = small.batches(method=method)[0]
    method.train_step(tf.nest.map_structure(tf.constant, batch))
    still = [
        v.path
        for v, old in zip(method.trainable_variables, before, strict=True)
        if np.array_equal(v, old) and not re.search(SHADOWED, v.path)
    ]
    assert not still


def test_weights_survive_a_round_trip(make, tmp_path):
    method, other = make(), make()
    runs.save_weights(method, tmp_path, "last")
    runs.load_weights(other, tmp_path / "last.weights.h5")
    for ours, theirs in zip(method.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_gives_finite_float32_losses(make, policy):
    keras.config.set_dtype_policy(policy)
    method = make()
    sgd = SGD(1e-3)
    if policy == "mixed_float16":
        sgd = keras.optimizers.LossScaleOptimizer(sgd)
    sgd.build(method.trainable_variables)
    batch = tf.nest.map_structure(tf.constant, small.batches(method=method)[0])
    gradients, terms = method.gradients(batch, sgd)
    assert terms["loss"].dtype == tf.float32
    assert np.isfinite(terms["loss"]).all()
    assert {v.dtype for v in method.trainable_weights} == {"float32"}
    assert {v.dtype for v in method.weights} <= {"float32", "int32"}
    sgd.apply(gradients, method.trainable_variables)
    assert all(np.isfinite(v).all() for v in method.trainable_variables)


def test_weights_of_another_method_are_refused_and_change_nothing(tmp_path):
    runs.save_weights(small.ssal(), tmp_path, "last")
    other = small.supervised(small.BACKBONES["resnet18"]())
    before = [v.numpy() for v in other.weights]
    with pytest.raises(BadInput, match="last.weights.h5"):
        runs.load_weights(other, tmp_path / "last.weights.h5")
    for v, old in zip(other.weights, before, strict=True):
        np.testing.assert_array_equal(v, old)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("ssal", "supervised")] * 1 + [("supervised", "ssal")]
)
def test_weights_with_more_or_fewer_parts_are_refused(ours, theirs, tmp_path):
    runs.save_weights(small.METHODS[theirs](), tmp_path, "last")
    with pytest.raises(BadInput):
        runs.load_weights(small.METHODS[ours](), tmp_path / "last.weights.h5")


def test_a_damaged_weight_file_is_refused_in_one_line(tmp_path):
    file = tmp_path / "last.weights.h5"
    file.write_bytes(b"\x89HDF\r\n\x1a\n" + b"rubbish" * 99)
    with pytest.raises(BadInput) as error:
        runs.load_weights(small.supervised(), file)
    assert "\n" not in str(error.value)
