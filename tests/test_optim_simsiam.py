"""Update rules, schedules and steps of the SimSiam study against its own numbers."""

import functools
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssl_tf import schedules
from ssl_tf.optim import SGD, Adam, RMSprop
from ssl_tf.sections import Plateau
from ssl_tf.watching import reduced

STUDY = {
    name: np.load(Path(__file__).parent / "golden" / "simsiam" / f"{name}.npz")
    for name in ("b_optimizers", "c_lr_schedules")
}


@pytest.mark.parametrize(
    ("name", "make", "factor"),
    [
        ("sgd", functools.partial(SGD, 0.0, 0.9), 1.0),
        ("adam", functools.partial(Adam, 0.0), 0.01),
        ("rmsprop", functools.partial(RMSprop, 0.0), 0.01),
    ],
)
def test_every_rule_moves_as_the_simsiam_studys(name, make, factor):
    golden = STUDY["b_optimizers"]
    variable = keras.Variable(golden["w0"], name="kernel")
    optimizer = make(weight_decay=float(golden["weight_decay"]))
    optimizer.build([variable])
    trace = golden[f"{name}_trace"]
    for gradient, rate, expected in zip(golden["grads"], golden["lrs"], trace):
        optimizer.learning_rate.assign(factor * rate)
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        np.testing.assert_allclose(variable, expected, atol=1e-6)


@pytest.mark.parametrize("tag", ["small", "stl10_pit"])
def test_the_studys_rates_are_its_list_and_in_force_one_step_late(tag):
    golden = STUDY["c_lr_schedules"]
    epochs, steps, peak, warmup = golden[f"{tag}/args"]
    epochs, steps, warmup = int(epochs), int(steps), int(warmup)
    make = functools.partial(schedules.warmup_cosine_steps, warmup=warmup)
    every = np.arange(epochs * steps)
    ours = schedules.rates(make, peak, every, steps, epochs)
    np.testing.assert_allclose(ours, golden[f"{tag}/schedule"], rtol=1e-12, atol=1e-18)
    late = functools.partial(make, lag=True)
    used = golden[f"{tag}/lr_in_force_at_optimizer_step_base"]
    ours = schedules.rates(late, peak, every[: len(used)], steps, epochs)
    np.testing.assert_allclose(ours, used, rtol=1e-12, atol=1e-18)
    held = golden[f"{tag}/lr_in_force_at_optimizer_step_predictor"]
    np.testing.assert_allclose(moves(ours, peak), held, rtol=1e-6)


def moves(rates, peak):
    """How far SGD moves a weight of the predictor by gradients of 1."""
    held = keras.Variable([0.0], name="predictor_dense1")
    sgd = SGD(0.0, held="predictor_")
    sgd.peak = peak
    sgd.build([held])
    found = []
    one = keras.ops.convert_to_tensor([1.0])
    update = tf.function(lambda: sgd.apply([one], [held]))
    for rate in rates:
        held.assign([0.0])
        sgd.learning_rate.assign(rate)
        update()
        found.append(-float(held[0]))
    return found


@pytest.mark.parametrize(
    ("tag", "epochs"), [("trace_exact", 7), ("trace_remainder", 4)]
)
def test_the_studys_trainer_steps_and_breaks_off_where_theirs_did(tag, epochs):
    golden = STUDY["c_lr_schedules"]
    steps, every, planned, peak = golden[f"{tag}/args_nbatches_accum_epochs_base"]
    steps, every, planned = int(steps), int(every), int(planned)
    late = functools.partial(schedules.warmup_cosine_steps, every=every, lag=True)
    values = schedules.warmup_cosine_values(planned, steps, 5, every, lag=True)
    assert len(values) == golden[f"{tag}/schedule_len"]
    assert (epochs < planned) == golden[f"{tag}/overflowed"]
    assert schedules.epochs_left(late, steps, planned) == epochs
    variable = keras.Variable([0.0], name="kernel")
    held = keras.Variable([0.0], name="predictor")
    sgd = SGD(0.0, held="predictor", every=every)
    sgd.peak, sgd.period = peak, steps
    sgd.build([variable, held])
    batches = np.arange(epochs * steps)
    rates = schedules.rates(late, peak, batches, steps, planned)
    ones = keras.ops.convert_to_tensor([1.0])
    found, waiting = [], 0
    for batch, rate in zip(batches, rates):
        before = np.array([variable[0], held[0]])
        sgd.learning_rate.assign(rate)
        sgd.apply([ones, ones], [variable, held])
        moved = before - np.array([variable[0], held[0]])
        waiting += 1
        if moved[1]:  # the gradients waiting, each over `every`
            np.testing.assert_allclose(
                moved, np.array([rate, peak]) * waiting / every, rtol=1e-3, atol=1e-6
            )
            found.append([*divmod(batch, steps), rate, moved[1] * every / waiting])
            waiting = 0
    theirs = golden[f"{tag}/epoch_batch"]
    count = int(np.sum(theirs[:, 0] < epochs))
    assert [row[:2] for row in found] == theirs[:count].tolist()
    np.testing.assert_allclose(
        [row[2] for row in found], golden[f"{tag}/lr_base"][:count], rtol=1e-12
    )
    np.testing.assert_allclose(
        [row[3] for row in found], golden[f"{tag}/lr_predictor"][:count], rtol=1e-5
    )


def test_gradients_between_steps_are_forgotten_where_the_study_did():
    variable = keras.Variable([0.0], name="kernel")
    sgd = SGD(1.0, every=2, carry=False)
    sgd.period = 4
    sgd.build([variable])
    for gradient in (1.0, 10.0, 100.0, 1000.0):
        sgd.apply([keras.ops.convert_to_tensor([gradient])], [variable])
    np.testing.assert_allclose(variable, [-(1.0 + 100.0) / 2])


def test_adam_counts_its_steps_and_not_the_batches_between():
    one, two = (keras.Variable([0.0], name="kernel") for _ in range(2))
    plain, late = Adam(0.1), Adam(0.1, every=3)
    late.period = 4  # batches 0 and 3 of every 4 make a step
    plain.build([one])
    late.build([two])
    gradients = [3.0, 1.0, 1.0, 1.0, 5.0]
    for gradient in gradients:
        late.apply([keras.ops.convert_to_tensor([gradient])], [two])
    for gradient in (1.0, 1.0, 5 / 3):
        plain.apply([keras.ops.convert_to_tensor([gradient])], [one])
    np.testing.assert_allclose(two, one, rtol=1e-6)


def test_simsiams_imagenet_rates_are_the_authors_in_every_epoch():
    golden = STUDY["c_lr_schedules"]
    for name, peak, epochs in (("pretrain", 0.1, 100), ("lincls", 1.6, 90)):
        every = np.arange(epochs * 3)
        ours = schedules.rates(schedules.cosine_epochs, peak, every, 3, epochs)
        theirs = golden[f"official_{name}/lr"].repeat(3)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-18)
    ours = schedules.rates(schedules.cosine_epochs, 0.1, np.arange(100), 1, 100)
    held = golden["official_pretrain/lr_predictor_fixed"]
    np.testing.assert_allclose(moves(ours, 0.1), held, rtol=1e-6)


@pytest.mark.parametrize(("tag", "rate"), [("sgd_1e-2", 1e-2), ("adam_1e-4", 1e-4)])
def test_the_rate_falls_at_a_plateau_as_the_studys(tag, rate):
    golden = STUDY["c_lr_schedules"]
    rows = [{"validation_loss": x} for x in golden[f"plateau_{tag}/val_loss"]]
    settings = Plateau(factor=0.5, patience=0, least=1e-3)
    ours = [
        rate * reduced(rows[: i + 1], rate, settings, "validation")
        for i in range(len(rows))
    ]
    np.testing.assert_allclose(
        ours, golden[f"plateau_{tag}/lr_after_epoch"], rtol=1e-12
    )
