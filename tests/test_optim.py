"""The optimizer against its rule written out, the schedules against the authors."""

import functools
from pathlib import Path

import keras
import numpy as np
import pytest
from golden_models import arrays

from ssl_tf import config, experiment, optim, schedules
from ssl_tf.optim import OPTIMIZERS, SGD, Adam, AdamW


def by_hand(w, gradients, rates, momentum, nesterov, decay, form):
    """Momentum SGD with coupled decay, one weight at a time, in float64."""
    w, slot = np.array(w, np.float64), 0.0
    for g, rate in zip(gradients, rates):
        g = g + decay * w
        if form == "torch":
            slot = momentum * slot + g
            w = w - rate * (g + momentum * slot if nesterov else slot)
        else:
            slot = momentum * slot - rate * g
            w = w + (momentum * slot - rate * g if nesterov else slot)
    return w


@pytest.mark.parametrize("form", ["torch", "keras"])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_the_written_rule_with_a_changing_rate(rng, form, nesterov, momentum):
    start, gradients = rng.normal(size=4), rng.normal(size=(5, 4))
    rates = [0.1, 0.2, 0.05, 0.3, 0.1]
    variable = keras.Variable(start, name="kernel")
    sgd = SGD(0.0, momentum, nesterov, weight_decay=0.02, form=form)
    sgd.build([variable])
    for g, rate in zip(gradients, rates):
        sgd.learning_rate.assign(rate)
        sgd.apply([keras.ops.convert_to_tensor(g, "float32")], [variable])
    expected = by_hand(start, gradients, rates, momentum, nesterov, 0.02, form)
    np.testing.assert_allclose(variable, expected, rtol=1e-5, atol=1e-6)


def test_both_conventions_of_decay_are_the_gradient_of_the_logged_penalty():
    variable = keras.Variable([2.0, -3.0], name="kernel")
    for options, penalty in (({"l2": 0.1}, 1.3), ({"weight_decay": 0.2}, 1.3)):
        variable.assign([2.0, -3.0])
        sgd = SGD(1.0, **options)
        sgd.build([variable])
        np.testing.assert_allclose(sgd.penalty(), penalty, rtol=1e-6)
        sgd.apply([keras.ops.zeros(2)], [variable])
        np.testing.assert_allclose(variable, [2.0 - 0.4, -3.0 + 0.6], rtol=1e-6)


def test_the_first_pattern_found_in_a_path_counts():
    table = {"^branch.*bias": 0.0, "bias|kernel": 7.0}
    assert optim.match(table, "branch0_0_conv/bias", 1.0) == 0.0
    assert optim.match(table, "stem_conv/bias", 1.0) == 7.0
    assert optim.match(table, "stem_norm/gamma", 1.0) == 1.0


def test_rates_by_pattern_scale_the_update():
    fast, slow = keras.Variable([1.0], name="a"), keras.Variable([1.0], name="b")
    sgd = SGD(0.5, rates={"b": 0.1})
    sgd.build([fast, slow])
    sgd.apply([keras.ops.ones(1), keras.ops.ones(1)], [fast, slow])
    np.testing.assert_allclose([fast[0], slow[0]], [0.5, 0.95], rtol=1e-6)


GOLDEN = {
    "keras_resnet50_baseline": "supervised/resnet50_cifar100",
    "keras_resnet50_ssal": "ssal/resnet50_cifar100",
    "keras_wrn_baseline": "supervised/wrn28_10_cifar100",
    "keras_wrn_ssal": "ssal/wrn28_10_cifar100",
    "keras_densenet": "ssal/densenet190_cifar100",
}


def rates(setting, steps, steps_per_epoch, variant=None):
    path = config.home() / "configs" / f"{setting}.yaml"
    parts = experiment.check(config.load(path, variant))
    peak, epochs = experiment.peak(parts), parts.train.epochs
    return schedules.rates(parts.rate.schedule, peak, steps, steps_per_epoch, epochs)


@pytest.mark.parametrize("name", GOLDEN)
def test_cifar_rates_equal_the_authors_in_every_epoch(name):
    golden = arrays("lr_keras")[name]
    every = np.arange(len(golden) * 7)  # 7 updates an epoch: constant within it
    ours = rates(GOLDEN[name], every, 7).reshape(-1, 7)
    np.testing.assert_allclose(ours, golden[:, None].repeat(7, 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("setting", ["ssal/resnet50_imagenet"])
def test_imagenet_rates_equal_the_authors_at_every_progress(setting):
    golden = arrays("lr_pytorch")
    # Their progress t = epoch + i / n counts epochs from 1: 360 updates, 4 an epoch.
    steps = np.round((golden["progress"] - 1) * 4).astype(int)
    np.testing.assert_allclose(rates(setting, steps, 4), golden["lr"], atol=1e-9)
    last = rates(setting, np.arange(89 * 4, 90 * 4), 4)
    assert (last == 0).all()
    first = rates(setting, [0], 4, "shifted")[0]
    assert first == golden["lr_initial"] == golden["base_lr"] / 5


def test_imagenet_batch_norm_momentum_is_the_authors():
    golden = float(arrays("lr_pytorch")["bn_momentum_torch"])
    path = config.home() / "configs" / "ssal" / "resnet50_imagenet.yaml"
    spec = config.load(path)
    assert abs(1 - spec["backbone"]["momentum"] - golden) < 1e-6
    assert abs(1 - spec["method"]["branch_momentum"] - golden) < 1e-6


def test_the_cosine_ends_at_zero_and_peaks_after_the_warm_up():
    epoch = np.array([0.0, 1.0, 2.0, 6.0, 10.0])
    ours = schedules.cosine(epoch, 10, warmup=2.0)
    np.testing.assert_allclose(ours, [0, 0.5, 1, 0.5, 0], atol=1e-12)


GUIDED = np.load(Path(__file__).parent / "golden" / "gsimclr" / "lr_schedules.npz")
SCATTERED = np.load(Path(__file__).parent / "golden" / "scatsimclr" / "misc.npz")


def test_gsimclrs_rates_restart_on_cifar_and_end_on_the_subset():
    growing = functools.partial(schedules.cosine_steps, growth=2)
    ours = schedules.rates(growing, 0.1, GUIDED["cifar_steps"], 781, 15)
    np.testing.assert_allclose(ours, GUIDED["cifar_lr"], atol=1e-6)
    steps = GUIDED["imagenet_steps"]
    ours = schedules.rates(schedules.cosine_steps, 0.1, steps, 19, 200)
    np.testing.assert_allclose(ours, GUIDED["imagenet_lr"], atol=1e-6)
    assert schedules.rates(schedules.cosine_steps, 0.1, [3799], 19, 200) == 0


@pytest.mark.parametrize("steps", [742, 1558, 8])
def test_scatsimclrs_rate_bounces_as_theirs(steps):
    bounce = functools.partial(schedules.held_cosine, bounce=True)
    epochs = np.arange(30) * steps
    ours = schedules.rates(bounce, 3e-4, epochs, steps, 1000)
    np.testing.assert_allclose(ours, SCATTERED[f"lr_used_T{steps}"], rtol=1e-12)


def test_the_mended_rate_falls_until_the_run_ends_and_never_reaches_zero():
    ours = schedules.rates(schedules.held_cosine, 1.0, np.arange(0, 500, 5), 5, 100)
    assert (ours[:10] == 1).all() and (np.diff(ours[10:]) < 0).all() and ours[-1] > 0


@pytest.mark.parametrize("form", ["torch", "keras"])
def test_adam_is_the_written_rule(rng, form):
    start, gradients = rng.normal(size=4), rng.normal(size=(5, 4))
    variable = keras.Variable(start, name="kernel")
    adam = Adam(0.0, weight_decay=0.02, epsilon=1e-3, form=form)
    adam.build([variable])
    w, m, v = start.copy(), 0.0, 0.0
    for t, (g, rate) in enumerate(zip(gradients, [0.1, 0.2, 0.05, 0.3, 0.1]), start=1):
        adam.learning_rate.assign(rate)
        adam.apply([keras.ops.convert_to_tensor(g, "float32")], [variable])
        g = g + 0.02 * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        if form == "torch":
            w = w - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-3)
        else:
            scaled = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            w = w - scaled * m / (np.sqrt(v) + 1e-3)
    np.testing.assert_allclose(variable, w, rtol=1e-5, atol=1e-6)


def test_adamw_shrinks_the_weight_by_rate_and_factor_beside_adams_step(rng):
    start, gradients = rng.normal(size=4), rng.normal(size=(5, 4))
    paths = {"kernel": 0.3}
    variable = keras.Variable(start, name="kernel")
    adamw = OPTIMIZERS["adamw"](epsilon=1e-3, weight_decay=paths)
    adamw.build([variable])
    w, m, v = start.copy(), 0.0, 0.0
    for t, (g, rate) in enumerate(zip(gradients, [0.1, 0.2, 0.05, 0.3, 0.1]), start=1):
        adamw.learning_rate.assign(rate)
        adamw.apply([keras.ops.convert_to_tensor(g, "float32")], [variable])
        w = w - rate * 0.3 * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-3)
    np.testing.assert_allclose(variable, w, rtol=1e-5, atol=1e-6)
    assert float(adamw.penalty()) == 0


def test_adamw_without_decay_is_adam_and_takes_no_l2(rng):
    ones = [keras.Variable(np.ones(3), name="kernel") for _ in range(2)]
    rules = [OPTIMIZERS["adamw"](weight_decay=None), OPTIMIZERS["adam"]()]
    for rule, variable in zip(rules, ones):
        rule.build([variable])
        rule.learning_rate.assign(0.1)
        for gradient in np.ones((3, 3), np.float32):
            rule.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    np.testing.assert_array_equal(*ones)
    with pytest.raises(ValueError, match="l2 is Adam's"):
        AdamW(l2=1e-4)


def test_adam_moves_as_scatsimclrs():
    variable = keras.Variable(SCATTERED["adam_w0"], name="kernel")
    rate, decay = (float(SCATTERED[f"adam_{n}"]) for n in ("lr", "weight_decay"))
    adam = Adam(rate, weight_decay=decay)
    adam.build([variable])
    for gradient, expected in zip(SCATTERED["adam_grads"], SCATTERED["adam_w"]):
        adam.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        np.testing.assert_allclose(variable, expected, atol=1e-6)


def test_adam_in_kerass_form_is_kerass_own(rng):
    ours, theirs = (keras.Variable(np.ones(3), name="kernel") for _ in range(2))
    mine, own = Adam(0.01, epsilon=1e-7, form="keras"), keras.optimizers.Adam(0.01)
    for optimizer, variable in ((mine, ours), (own, theirs)):
        optimizer.build([variable])
    for gradient in rng.normal(size=(4, 3)):
        gradient = keras.ops.convert_to_tensor(gradient, "float32")
        mine.apply([gradient], [ours])
        own.apply([gradient], [theirs])
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
