"""LARS and rates of Self-Classifier against the authors' numbers."""

import functools
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssl_tf import schedules
from ssl_tf.ops import distribute
from ssl_tf.optim import LARS, OPTIMIZERS, SGD, match

FOLDER = Path(__file__).parent / "golden" / "selfclassifier"
RULE, RATES = (np.load(FOLDER / f"{name}.npz") for name in ("lars", "schedules"))
# The file lacks two variants that its manifest lists, bbone_wd and clip: the rule by
# hand, which is the authors' in these five, stands in for them.
VARIANTS = ["default", "wd1e-2", "wd0", "no_bias_wd", "sgd"]
NO_DECAY = r"\.bias$|\.(bn1|1)\.weight$"  # ends in "bias", or has one axis
UNMADE = {"no_gradient": "extra.nograd.weight", "frozen": "extra.frozen.weight"}


def gradients(step):
    return {n: RULE[f"grad{step}/{n}"] for n in start() if n not in UNMADE.values()}


def start():
    """`{name: array}` of the tensors that an optimiser gets."""
    names = RULE["names"].tolist()
    return {n: RULE[f"init/{n}"] for n in names if n != UNMADE["frozen"]}


def by_hand(decays, clip=None, plain=(), trust=0.001, momentum=0.9):
    """`[{name: array}]` after each step and the momenta, in float64, from the spec."""
    weights = {n: w.astype(np.float64) for n, w in start().items()}
    slots, after = {}, []
    for step, rate in enumerate(RULE["lrs"], start=1):
        for name, g in gradients(step).items():
            w, g = weights[name], g.astype(np.float64)
            if clip is not None:
                g = g * min(1, clip / (np.linalg.norm(g) + 1e-6))
            decay, a, b = decays(name), np.linalg.norm(w), np.linalg.norm(g)
            if a and b and name not in plain:
                g = (g + decay * w) * (trust * a / (b + decay * a + 1e-8))
            slots[name] = momentum * slots.get(name, 0.0) + g
            weights[name] = w - rate * slots[name]
        after.append(dict(weights))
    return after, slots


def by_ours(optimizer):
    """The same by an optimiser of ours."""
    variables = {n: keras.Variable(w, name=n) for n, w in start().items()}
    optimizer.build([*variables.values()])
    after = []
    for step, rate in enumerate(RULE["lrs"], start=1):
        given = gradients(step)
        given = [
            keras.ops.convert_to_tensor(given[n]) if n in given else None
            for n in variables
        ]
        optimizer.learning_rate.assign(rate)
        optimizer.apply(given, [*variables.values()])
        after.append({n: v.numpy().copy() for n, v in variables.items()})
    return after, {n: v.numpy().copy() for n, v in zip(variables, optimizer.momentums)}


def alike(ours, expected):
    (after, slots), (theirs, momenta) = ours, expected
    for mine, other in zip(after, theirs, strict=True):
        for name in other:
            np.testing.assert_allclose(mine[name], other[name], 1e-5, 1e-6, name)
    for name in momenta:
        np.testing.assert_allclose(slots[name], momenta[name], 1e-5, 1e-6, name)


def golden(variant):
    after = [{n: RULE[f"{variant}/step{k}/{n}"] for n in start()} for k in (1, 2, 3)]
    kept = [n for n in start() if n != UNMADE["no_gradient"]]
    assert sum(n.startswith(f"{variant}/mom3/") for n in RULE) == len(kept) == 10
    return after, {n: RULE[f"{variant}/mom3/{n}"] for n in kept}


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("variant", VARIANTS)
def test_three_steps_move_weights_and_momenta_as_the_authors(variant):
    decay, _, _, adapted, no_bias = RULE[f"{variant}/cfg"]
    table = {NO_DECAY: 0.0} if no_bias else {}
    table[".*"] = float(decay)
    momentum = float(RULE["momentum"])
    optimizer = (LARS if adapted else SGD)(0.0, momentum, weight_decay=table)
    expected = golden(variant)
    alike(by_ours(optimizer), expected)
    groups = dict(zip(RULE["names"].tolist(), RULE[f"{variant}/group_index"]))
    decays = lambda name: RULE[f"{variant}/group_wd"][groups[name]]
    for name in start():
        np.testing.assert_allclose(match(table, name, 0.0), decays(name), rtol=1e-12)
    if adapted:
        constants = float(RULE["trust_coefficient"]), float(RULE["lars_eps"])
        assert (optimizer.trust, optimizer.epsilon) == constants
        # The rule by hand is the authors', so that it can stand for them.
        alike(expected, by_hand(decays))


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_decay_of_the_backbone_and_a_shortest_gradient_are_the_written_rule():
    table = {NO_DECAY: 0.0, "^backbone": 0.05, ".*": 0.01}

    def decay(name):
        short = RULE[f"init/{name}"].ndim == 1
        return 0.0 if short else 0.05 if "backbone" in name else 0.01

    alike(by_ours(LARS(0.0, weight_decay=table, clip=0.1)), by_hand(decay, clip=0.1))


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_excluded_tensors_are_neither_scaled_nor_decayed():
    plain = ["backbone.bn1.weight", "backbone.bn1.bias"]
    optimizer = LARS(0.0, weight_decay=0.01, excluded=r"bn1\.(weight|bias)")
    found = by_ours(optimizer)
    alike(found, by_hand(lambda name: 0.01, plain=plain))
    first = RULE["init/backbone.bn1.weight"] - 0.3 * RULE["grad1/backbone.bn1.weight"]
    np.testing.assert_allclose(found[0][0][plain[0]], first, rtol=1e-6)
    decayed = [w for n, w in found[0][-1].items() if n not in plain]
    squares = sum(np.sum(w.astype(np.float64) ** 2) for w in decayed)
    np.testing.assert_allclose(optimizer.penalty(), 0.005 * squares, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_weight_without_a_gradient_stays_and_one_of_zeros_only_forgets():
    after, slots = by_ours(LARS(0.0, weight_decay=0.01))
    for name in (UNMADE["no_gradient"], "extra.zgrad.weight"):
        np.testing.assert_array_equal(after[-1][name], RULE[f"init/{name}"])
        np.testing.assert_array_equal(slots[name], 0)


def test_what_starts_at_zero_makes_one_step_of_the_full_rate():
    zero, one = keras.Variable([0.0, 0.0], name="beta"), keras.Variable([3.0, 4.0])
    lars = LARS(0.5, weight_decay=0.1)
    lars.build([zero, one])
    gradient = keras.ops.convert_to_tensor([0.6, 0.8])
    lars.apply([gradient, gradient], [zero, one])
    np.testing.assert_allclose(zero, [-0.3, -0.4], rtol=1e-6)
    # |w| = 5, |g| = 1: g + 0.1 w = (0.9, 1.2), times 0.001 * 5 / (1 + 0.5).
    np.testing.assert_allclose(one, [3 - 0.0015, 4 - 0.002], rtol=1e-6)


def test_a_gradient_longer_than_clip_is_cut_for_every_rule():
    for name in ("sgd", "lars"):
        more = {"excluded": ".*"} if name == "lars" else {}
        variable = keras.Variable([1.0, 1.0], name="kernel")
        optimizer = OPTIMIZERS[name](momentum=0.0, clip=1.0, **more)
        optimizer.build([variable])
        optimizer.learning_rate.assign(1.0)
        for gradient, moved in (([3.0, 4.0], [0.6, 0.8]), ([0.3, 0.4], [0.3, 0.4])):
            variable.assign([1.0, 1.0])
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
            np.testing.assert_allclose(1 - variable.numpy(), moved, rtol=1e-5)


def test_replicas_scale_by_the_length_of_the_whole_gradient(two_replicas):
    with two_replicas.scope():
        variable = keras.Variable([3.0, 4.0], name="kernel")
        lars = LARS(0.5, weight_decay=0.1)
        lars.build([variable])

    def update():
        parts = keras.ops.convert_to_tensor([[0.6, 0.0], [0.0, 0.8]])
        lars.apply([parts[distribute.place()]], [variable])

    tf.function(lambda: two_replicas.run(update))()
    np.testing.assert_allclose(variable, [3 - 0.0015, 4 - 0.002], rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["small", "nowarm", "const_final_none", "ep800_like", "official100"]
)
def test_rates_are_the_authors_at_every_update(name):
    settings = (4.8, 0.0048, 100, 313, 10, 0.3)
    peak, final, epochs, steps, warmup, start = RATES.get(f"{name}_cfg", settings)
    final = None if final < 0 else final / peak
    make = functools.partial(
        schedules.warmup_cosine, warmup=int(warmup), start=start / peak, final=final
    )
    official = name == "official100"
    expected = RATES["official100_lr" if official else name]
    updates = RATES["official100_idx"] if official else np.arange(len(expected))
    ours = schedules.rates(make, peak, updates, int(steps), int(epochs))
    np.testing.assert_allclose(ours, expected, rtol=1e-9)
    if official:  # the defaults are the paper's
        ours = schedules.rates(schedules.warmup_cosine, peak, updates, 313, 100)
        np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_a_warm_up_reaches_the_peak_twice_and_one_update_of_it_stays_at_its_start():
    ours = schedules.rates(schedules.warmup_cosine, 1.0, np.arange(60), 2, 30)
    assert ours[0] == 0.0625 and (ours[19:21] == 1).all() and ours[21] < 1
    assert 0.001 < ours[-1] < 0.01
    one = functools.partial(schedules.warmup_cosine, warmup=1)
    np.testing.assert_allclose(schedules.rates(one, 1.0, [0, 1], 1, 5), [0.0625, 1.0])


def test_rates_of_the_linear_probe_are_the_authors_in_every_epoch():
    expected = RATES["lincls_lr_per_epoch"]
    ours = schedules.rates(schedules.cosine_epochs, 0.8, np.arange(300), 3, 100)
    np.testing.assert_allclose(ours, expected.repeat(3), rtol=1e-9)
