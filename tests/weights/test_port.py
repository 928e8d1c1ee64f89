"""The engine of imports: everything fits, or nothing moves and all misfits are told."""

import keras
import numpy as np
import pytest

from ssl_tf.errors import BadInput
from ssl_tf.weights.port import Rule, conv, dense, port

RULES = [
    Rule(r"conv(\d)\.weight", "conv{1:+1}/kernel", conv),
    Rule(r"fc\.weight", "head/kernel", dense),
    Rule(r"fc\.bias", "head/bias"),
    Rule(r".*counter", ""),
]


@pytest.fixture
def model():
    images = keras.Input((5, 5, 2))
    x = keras.layers.Conv2D(3, 3, use_bias=False, name="conv1")(images)
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="conv2")(x)
    x = keras.layers.Dense(6, name="head")(keras.layers.Flatten()(x))
    return keras.Model(images, x)


@pytest.fixture
def arrays(rng):
    shapes = {
        "conv0.weight": (3, 2, 3, 3),
        "conv1.weight": (4, 3, 3, 3),
        "fc.weight": (6, 4),
        "fc.bias": (6,),
        "bn.counter": (),
    }
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def misfits(model, arrays, rules=RULES):
    """The message of a port that fails; nothing may have moved."""
    before = model.get_weights()
    with pytest.raises(BadInput) as caught:
        port(model, arrays, rules)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_weight_gets_its_array_turned(model, arrays):
    sources = port(model, arrays, RULES)
    assert sources["conv2/kernel"] == "conv1.weight" and len(sources) == 4
    got = {v.path: v.numpy() for v in model.weights}
    for k, o, i in [(0, 1, 1), (1, 3, 2)]:
        theirs = arrays[f"conv{k}.weight"][o, i]
        np.testing.assert_allclose(got[f"conv{k + 1}/kernel"][:, :, i, o], theirs)
    np.testing.assert_allclose(got["head/kernel"][1, 5], arrays["fc.weight"][5, 1])
    np.testing.assert_allclose(got["head/bias"], arrays["fc.bias"])


def test_arrays_of_other_float_types_are_cast(model, arrays):
    half = {name: x.astype(np.float16) for name, x in arrays.items()}
    port(model, half, RULES)
    got = model.get_layer("head").bias.numpy()
    np.testing.assert_array_equal(got, half["fc.bias"].astype(np.float32))


def test_all_misfits_are_listed_and_nothing_is_assigned(model, arrays):
    arrays["stray"] = np.zeros(3)
    arrays["conv1.weight"] = arrays["conv1.weight"][:, :2]
    arrays["conv7.weight"] = arrays["conv0.weight"]
    arrays["fc.bias"] = np.array([1, 2, 3, 4, 5, np.inf])
    del arrays["fc.weight"]
    text = misfits(model, arrays)
    for part in (
        "7 misfits, nothing imported",
        "stray: no rule",
        "conv1.weight: is [3, 3, 2, 4], conv2/kernel is [3, 3, 3, 4]",
        "conv7.weight: no weight conv8/kernel",
        "fc.bias: holds numbers that are not finite, for head/bias",
        "nothing for conv2/kernel",
        "nothing for head/kernel",
        "nothing for head/bias",
    ):
        assert part in text


def test_a_long_list_is_cut_and_counted(model, arrays):
    arrays |= {f"stray{i}": np.zeros(1) for i in range(100)}
    text = misfits(model, arrays)
    assert text.startswith("100 misfits") and text.endswith("; and 92 more.")
    assert len(text) < 400


def test_a_weight_is_filled_once_only(model, arrays):
    rules = [Rule(r"twin", "head/bias"), *RULES]
    text = misfits(model, arrays | {"twin": np.zeros(6)}, rules)
    assert "1 misfit, nothing imported: twin: head/bias is filled by fc.bias" in text


def test_wrong_ranks_complex_and_whole_numbers_are_misfits(model, arrays):
    arrays["conv0.weight"] = arrays["conv0.weight"].ravel()
    arrays["fc.bias"] = arrays["fc.bias"] * 1j
    text = misfits(model, arrays)
    assert "conv0.weight: shape [54] is not of 4 axes" in text
    assert "fc.bias: is complex128" in text
    arrays["fc.bias"] = np.ones(6, np.int8)
    text = misfits(model, arrays)
    assert "fc.bias: is int8, head/bias holds floating-point numbers" in text


def test_a_rule_may_check_what_it_drops(model, arrays):
    def one(array):
        if array != 1:
            raise BadInput(f"is {array}, not 1")

    rules = [Rule(r"version", "", one), *RULES]
    assert "version: is 2, not 1" in misfits(model, arrays | {"version": 2}, rules)
    port(model, arrays | {"version": 1}, rules)


def test_a_rule_may_decline(model, arrays):
    rules = [Rule(r"(\w+)\.weight", lambda name: None), *RULES]
    port(model, arrays, rules)


def test_unique_ends_of_paths_are_enough(arrays):
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(6, name="head")], name="inner"
    )
    model = keras.Sequential([keras.Input((4,)), inner], name="outer")
    assert model.weights[0].path.endswith("inner/head/kernel")
    kept = {name: arrays[name] for name in ("fc.weight", "fc.bias")}
    port(model, kept, RULES)
    rules = [Rule(r"fc\.(\w+)", "inner/head/{1}"), *RULES]
    named = {"fc.kernel": arrays["fc.weight"].T, "fc.bias": arrays["fc.bias"]}
    port(model, named, rules)


def test_digits_of_other_scripts_match_no_rule(model, arrays):
    assert "no rule" in misfits(model, arrays | {"conv\u0663.weight": np.zeros(1)})
