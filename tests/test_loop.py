"""The compiled update: replicas, parts, recomputation and XLA change nothing."""

import keras
import numpy as np
import pytest
import small
import tensorflow as tf

from ssl_tf.errors import BadInput
from ssl_tf.loop import Loop
from ssl_tf.ops.distribute import Part
from ssl_tf.optim import SGD

RATES = [0.01, 0.01, 0.01]


def optimizer():
    return SGD(0.0, 0.9, nesterov=True, l2={"kernel": 1e-3}, form="keras")


def train(method, strategy=None, given=None, rates=RATES, make=optimizer, **options):
    """A few updates; the weights and the terms."""
    strategy = strategy or tf.distribute.get_strategy()
    given = given or small.batches(method=method)
    with strategy.scope():
        loop = Loop(method, make(), strategy, **options)
    loop.feed(lambda part: small.dataset(given, part))
    terms, waiting = loop.run(rates)
    assert waiting.shape == (len(rates),)
    return [np.asarray(v) for v in method.weights], terms


def built(make, strategy=None, **more):
    keras.utils.set_random_seed(1)
    with (strategy or tf.distribute.get_strategy()).scope():
        return make(**more)


@pytest.fixture(scope="module")
def plain():
    """What three plain updates of SSAL give."""
    return train(built(small.ssal))


def compare(ours, theirs, atol=1e-5, terms=slice(None)):
    """Absolute for what is below 1; running variances of wide sums are larger."""
    for a, b in zip(ours[0], theirs[0], strict=True):
        scale = max(1.0, np.abs(b).max())
        np.testing.assert_allclose(a / scale, b / scale, atol=atol, rtol=0)
    ours, theirs = ours[1][:, terms], theirs[1][:, terms]
    scale = max(1.0, np.abs(theirs).max())
    np.testing.assert_allclose(ours / scale, theirs / scale, atol=atol, rtol=0)


# What another method of the list has all of, but for a setting; and the longest two.
SIBLINGS = ("gsimclr", "scatsimclr_jigsaw", "self_classifier_plain", "simsiam")
SIBLINGS += ("supervised", "multilabel", "faster_rcnn", "mask_rcnn")
METHODS = [
    pytest.param(name, marks=[pytest.mark.slow] * (name in SIBLINGS))
    for name in small.METHODS
]


@pytest.mark.parametrize("name", METHODS)
def test_two_replicas_train_like_one_dropout_included(name, two_replicas, request):
    make = small.METHODS[name]
    method = built(make, two_replicas)
    # Gradients through batch norm and unit vectors are large: rounding grows with them.
    rates = [1e-3] * 3 if method.couples or method.attributes else RATES
    two = train(method, two_replicas, rates=rates)
    # Of two vectors equal to rounding either may be nearer: no match is compared.
    terms = [i for i, term in enumerate(method.terms) if term != "match"]
    if name == "ssal":
        one = request.getfixturevalue("plain")
    else:
        one = train(built(make), rates=rates)
    compare(one, two, terms=terms)


@pytest.mark.slow
def test_two_replicas_make_the_simsiam_studys_steps_like_one(two_replicas):
    """Batches 0 and 2 of 3 make a step, from what has waited; one rate is held."""

    def make():
        sgd = SGD(0.0, 0.9, weight_decay=1e-3, held="predictor_", every=2)
        sgd.peak, sgd.period = 0.02, 3
        return sgd

    simsiam = small.METHODS["simsiam_ablation"]
    one = train(built(simsiam), make=make)
    compare(one, train(built(simsiam, two_replicas), two_replicas, make=make))
    compare(one, train(built(simsiam), make=make, xla=True))


def test_recomputation_gives_the_same_weights_and_statistics(plain):
    method = built(small.ssal)
    method.recompute(1)
    compare(plain, train(method), atol=1e-6)


def test_the_update_compiles_under_xla_and_is_the_same():
    # One update: in later ones an activation next to 0 may fall on either side of it.
    plain = train(built(small.supervised), rates=[1.0])
    compare(plain, train(built(small.supervised), rates=[1.0], xla=True))


# A rate for a small network with large gradients: rounding grows with them.
STEEP = {"efficientnet": 1e-3, "scatsimclr12": 0.01, "se_wide_resnet": 0.01}
# Eight images of one pixel in its last norms: already its loss is good to 1e-4 only.
SHAKY = {"resnet50_keras"}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["replicas", "recompute", "xla"])
@pytest.mark.parametrize("name", sorted(set(small.BACKBONES) - SHAKY))
def test_every_backbone_trains_alike_however_it_is_run(name, how, two_replicas):
    make = lambda: small.supervised(small.BACKBONES[name]())
    rates = [STEEP.get(name, 0.1)]
    plain = train(built(make), rates=rates)
    if how == "replicas":
        two = train(built(make, two_replicas), two_replicas, rates=rates)
        compare(plain, two)
    elif how == "xla":
        # Fused sums round otherwise; among a million activations one may change sides.
        compare(plain, train(built(make), rates=rates, xla=True), atol=1e-4)
    else:
        method = built(make)
        method.recompute(1)
        compare(plain, train(method, rates=rates))


def flat(**more):
    """A backbone whose images do not meet: no batch norm."""
    images = keras.Input(small.SHAPE)
    x = keras.layers.Conv2D(4, 3, activation="relu", name="stage1_block1")(images)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return small.supervised(keras.Model(images, x), **more)


@pytest.mark.parametrize("xla", [False, True])
def test_micro_batches_add_up_to_the_batch(xla):
    whole = train(built(flat))
    compare(whole, train(built(flat), micro_batches=4, xla=xla))


def test_micro_batches_keep_running_statistics_of_every_part():
    method = built(small.ssal)
    before = method.backbone.get_layer("head_norm").moving_mean.numpy()
    train(method, micro_batches=2)
    after = method.backbone.get_layer("head_norm").moving_mean.numpy()
    assert np.abs(after - before).max() > 1e-3


def test_a_loss_that_couples_images_refuses_micro_batches():
    method = built(flat)
    method.couples = True
    with pytest.raises(BadInput, match="train.accumulate"):
        Loop(method, optimizer(), tf.distribute.get_strategy(), micro_batches=2)


def test_one_call_of_three_updates_is_three_calls_of_one(plain):
    weights, terms = plain
    method = built(small.ssal)
    loop = Loop(method, optimizer(), tf.distribute.get_strategy())
    loop.feed(lambda part: small.dataset(small.batches(), part))
    rows = np.concatenate([loop.run([rate])[0] for rate in RATES])
    np.testing.assert_array_equal(rows, terms)
    for a, b in zip(method.weights, weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_fit_works_on_one_device_and_does_the_same_updates(plain):
    weights, terms = plain
    method = built(small.ssal)
    sgd = optimizer()
    sgd.learning_rate = RATES[0]
    method.compile(optimizer=sgd)
    data = small.dataset(small.batches(), Part()).take(3)
    data = data.apply(tf.data.experimental.assert_cardinality(3))
    history = method.fit(data, epochs=1, verbose=0, shuffle=False).history
    np.testing.assert_allclose(history["loss"][-1], terms[:, 0].mean(), rtol=1e-5)
    for a, b in zip(method.weights, weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
