"""The authors' names: every layer of every model of theirs finds its place in ours.

Shapes cannot prove the order of layers, so three things do: the roles written down
when the authors' code built its models, the outputs it gave with known weights, and the
wiring that the files themselves hold.
"""

import functools
import json
import re
import zlib

import keras
import numpy as np
import pytest
from golden_weights import role, torch_value
from official_files import GOLDEN, MODELS, layout, spec, write_h5
from torch_containers import write_state

from ssl_tf import config, experiment, opening
from ssl_tf.errors import BadInput
from ssl_tf.weights import files, keras_files, port, tables, wiring

SLOW = ["densenet190-40_ssal"]
# The authors' names and wiring are known of these, their outputs are not.
UNKNOWN = ["wrn28-10_ssal"]
IMAGENET = {"baseline": "supervised", "ssal": "ssal"}


def sized(name):
    """A golden model as a test parameter."""
    return pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW))


@functools.lru_cache(maxsize=1)
def golden_model(model):
    """The method of a golden model; every test gives it weights of its own."""
    return built(spec(model))


def built(found):
    """The method of a config, built without its data."""
    parts = experiment.check(found)
    method = opening.settle_groups(parts.method, None, None)
    size = experiment.view_size(parts)
    return experiment.build(parts, method, experiment.class_count(parts), size)


def imported(method, path):
    layers = keras_files.keras_layers(path)
    names = tables.keras_names(method, layers)
    compared = wiring.check(method, layers, names)
    port.port(method, keras_files.flat(layers), tables.keras_rules(names))
    return names, compared


def logits(method, images):
    every = getattr(method, "outputs", lambda x: [method(x)])
    return [np.asarray(x) for x in every(images)]


def close(ours, theirs):
    return np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


@pytest.mark.parametrize("model", [sized(name) for name in MODELS])
def test_official_keras_files_give_the_authors_outputs(tmp_path, model):
    method = golden_model(model)
    roles = write_h5(tmp_path / "x.h5", layout(model), pieces=2)
    names, compared = imported(method, tmp_path / "x.h5")
    known = tables.family(method)
    for name, wanted in roles.items():
        assert role(f"{names[name]}/kernel", known) == f"{wanted}/kernel"
    assert compared == len(roles) == len(names)
    if model in UNKNOWN:
        return
    golden = np.load(GOLDEN / f"forward_{model}.npz")
    outputs = logits(method, golden["x"])
    for i, ours in enumerate(outputs):
        assert close(ours, golden[f"logits{i}"])
    assert f"logits{len(outputs)}" not in golden


@pytest.mark.parametrize("first", [0, 1, 98])
def test_numbers_may_start_anywhere(tmp_path, first):
    method = golden_model("se-wrn10-2_tiny")
    # At 98 the numbers of a class grow from two digits to three within the file.
    roles = write_h5(tmp_path / "x.h5", layout("se-wrn10-2_tiny"), first=first)
    names, _ = imported(method, tmp_path / "x.h5")
    for name, wanted in roles.items():
        assert role(f"{names[name]}/kernel", "wrn") == f"{wanted}/kernel"


def test_files_without_their_model_are_read_by_shapes(tmp_path):
    method = golden_model("se-wrn10-2_tiny")
    write_h5(tmp_path / "x.h5", layout("se-wrn10-2_tiny"), model=False)
    _, compared = imported(method, tmp_path / "x.h5")
    assert compared == 0
    golden = np.load(GOLDEN / "forward_se-wrn10-2_tiny.npz")
    assert close(logits(method, golden["x"])[0], golden["logits0"])


def swapped(layers, a, b):
    """The same network, but two layers of equal shapes made in the other order."""
    at = {one["role"]: one for one in layers}
    a, b = at[a], at[b]
    assert a["shapes"] == b["shapes"]
    a["name"], b["name"] = b["name"], a["name"]
    return layers


@pytest.mark.parametrize(
    "model, a, b",
    [
        ("resnet18_ssal_x2_paper_table1", "block1.conv2", "block2.conv1"),
        ("resnet50_ssal", "block1.conv3", "block1.shortcut"),
    ],
)
def test_another_order_of_equal_shapes_shows_in_the_wiring(tmp_path, model, a, b):
    method = golden_model(model)
    layers = swapped(layout(model), f"stage1.{a}", f"stage1.{b}")
    write_h5(tmp_path / "x.h5", layers)
    with pytest.raises(BadInput, match="layers are in another order"):
        imported(method, tmp_path / "x.h5")


@pytest.mark.parametrize(
    "kind, told",
    [
        ("Conv2D", r"has strides \[3, 3\]; stem_conv has \[1, 1\]"),
        ("BatchNormalization", r"has epsilon 3; stem_norm has 0.001"),
    ],
)
def test_constants_that_weights_do_not_show_must_agree(tmp_path, kind, told):
    method = golden_model("se-wrn10-2_tiny")
    layers = layout("se-wrn10-2_tiny")
    next(one for one in layers if one["kind"] == kind)["setting"] = 3
    write_h5(tmp_path / "x.h5", layers)
    with pytest.raises(BadInput, match=told):
        imported(method, tmp_path / "x.h5")


def test_the_file_of_another_architecture_is_told_by_its_counts(tmp_path):
    write_h5(tmp_path / "x.h5", layout("wrn10-2_ssal_tiny"))
    method = golden_model("se-wrn10-2_tiny")
    with pytest.raises(BadInput, match="has 56 Conv2D, 53 Batch.* of another arch"):
        imported(method, tmp_path / "x.h5")
    layers = layout("se-wrn10-2_tiny")
    layers.append(layers[-1] | {"name": "output2", "role": "x.fc", "place": 99})
    write_h5(tmp_path / "x.h5", layers)
    with pytest.raises(BadInput, match="output2/kernel: no rule"):
        imported(method, tmp_path / "x.h5")


def test_backbones_without_a_table_are_named(tmp_path):
    write_h5(tmp_path / "x.h5", layout("se-wrn10-2_tiny"))
    found = config.load(config.find("supervised", "resnet50", "imagenet"))
    found["backbone"] |= {"name": "resnet18", "width": 4}
    method = built(found)
    with pytest.raises(BadInput, match="no name table for Keras' resnet18"):
        imported(method, tmp_path / "x.h5")
    with pytest.raises(BadInput, match="no name table for PyTorch's wrn10_2"):
        tables.torch_rules(golden_model("se-wrn10-2_tiny"))


def official_state(name):
    """`{key: array}` of an ImageNet checkpoint, filled with the golden weights."""
    rows = json.loads((GOLDEN / f"statedict_imagenet_resnet50_{name}.json").read_text())
    constants = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    state = {}
    for key, shape, kind in rows["state_dict"]:
        bare = key.removeprefix("module.").removeprefix("module.")
        if bare in constants:
            state[key] = np.array(constants[bare], np.float32).reshape(shape)
        elif kind == "int64":
            state[key] = np.array(1_153_080, np.int64)
        else:
            state[key] = torch_value(bare, shape)
    return state


def imagenet(name):
    return built(config.load(config.find(IMAGENET[name], "resnet50", "imagenet")))


@pytest.mark.parametrize(
    "name", ["baseline", pytest.param("ssal", marks=pytest.mark.slow)]
)
def test_official_pytorch_files_give_the_authors_outputs(tmp_path, name):
    # One in each container: the authors' PyTorch wrote the older one.
    write_state(tmp_path / "x.pth", official_state(name), legacy=name == "baseline")
    method = imagenet(name)
    arrays = files.read(tmp_path / "x.pth", "torch")
    port.port(method, arrays, tables.torch_rules(method))
    golden = np.load(GOLDEN / f"forward_imagenet_resnet50_{name}.npz")
    images = np.random.RandomState(20200101).rand(2, 3, 224, 224).astype(np.float32)
    np.testing.assert_array_equal(images.ravel()[:8], golden["x_first8"])
    assert zlib.crc32(images.tobytes()) == golden["x_crc32"]
    normal = opening.normalisation(
        experiment.Explicit((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), None
    )
    x = normal(images.transpose(0, 2, 3, 1))
    outputs = logits(method, x)
    heads = ["output"] if name == "baseline" else ["output", "aux1", "aux2", "aux3"]
    for head, ours in zip(heads, outputs, strict=True):
        assert close(ours, golden[head])
    found = within(method, x)
    taps = [k.removeprefix("tap_") for k in golden if k.startswith("tap_")]
    taps = {tap.rpartition("_")[0].removesuffix("_mean") for tap in taps}
    assert found.keys() == taps and len(taps) == {"baseline": 5, "ssal": 15}[name]
    for tap, ours in found.items():
        ours = np.asarray(ours)
        ours = np.transpose(
            ours if ours.ndim == 4 else ours[:, None, None], (0, 3, 1, 2)
        )
        assert ours.shape == tuple(golden[f"tap_{tap}_shape"])
        assert close(ours[:, :8, :4, :4], golden[f"tap_{tap}_slice"])
        moments = [np.mean(ours, dtype=np.float64), np.std(ours, dtype=np.float64)]
        np.testing.assert_allclose(moments, golden[f"tap_{tap}_mean_std"], rtol=1e-5)


def within(method, images):
    """`{the authors' name: array}` of what the stages and parts of branches give."""
    ends = {f"layer{i}": f"stage{i}_block{n}" for i, n in enumerate((3, 4, 6, 3), 1)}
    ends["avgpool"] = "features"
    outputs = [method.backbone.get_layer(layer).output for layer in ends.values()]
    found = dict(zip(ends, keras.Model(method.backbone.input, outputs)(images)))
    for i, branch in enumerate(getattr(method, "branches", ())):
        last = {}  # layer of each block
        for layer in branch.layers:
            if block := re.match(rf"branch{i}_(\d)", layer.name):
                last[int(block[1])] = layer.output
        # Their second inception is all that follows the first.
        start = {"cbr1": 0, "inception1": 1} if i == 0 else {"inception1": 0}
        parts = start | {"inception2": len(last) - 2, "gap": len(last) - 1}
        part = keras.Model(branch.input, [last[k] for k in parts.values()])
        outputs = part(found[f"layer{i + 1}"])
        found |= {f"aux{i + 1}.{name}": x for name, x in zip(parts, outputs)}
    return found


def test_every_key_of_the_imagenet_checkpoints_has_a_rule():
    for name, count in (("baseline", 322), ("ssal", 994)):
        state = official_state(name)
        assert len(state) == count
        found = [port.target(key, x, prefixed())[0] for key, x in state.items()]
        kept = [path for path in found if path]
        assert len(set(kept)) == len(kept)
        # Batch norms lose their counter, the input its two constants.
        dropped = sum(key.endswith("tracked") for key in state) + 2
        assert len(kept) == count - dropped


def prefixed():
    wrapped = r"(?:module\.)*"
    return [r._replace(pattern=wrapped + r.pattern) for r in tables.SSAL_IMAGENET]


def test_other_input_constants_are_a_misfit():
    rule = next(r for r in tables.SSAL_IMAGENET if r.pattern == "mean")
    with pytest.raises(BadInput, match=r"is \[0.5, 0.5, 0.5\], not \[0.485"):
        port.target("mean", np.full((1, 3, 1, 1), 0.5), [rule])


def test_files_with_our_own_names_need_no_table():
    method = golden_model("se-wrn10-2_tiny")
    arrays = {v.path: np.full(v.shape, 0.5) for v in method.weights}
    port.port(method, arrays, tables.own_rules(method))
    assert all((x == 0.5).all() for x in method.get_weights())
