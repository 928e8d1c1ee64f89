"""Checkpoints as people have them: names behind prefixes, copies beside the weights."""

import numpy as np
import pytest
import simsiam_files as official
from torch_containers import ordered, storage, tensor, write_state, write_zip

from ssl_tf.backbones.vit import vit
from ssl_tf.errors import BadInput
from ssl_tf.methods.supervised import Supervised
from ssl_tf.weights import filling, safetensors_files, trunks

VIT = {"patch": 8, "width": 24, "depth": 2, "heads": 3, "mlp": 3.0}
VIT |= {"qkv_bias": False, "epsilon": 1e-5}


@pytest.fixture(scope="module")
def golden():
    with np.load(official.GOLDEN / "e_vit_timm_tiny.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def state(golden):
    """timm's names, its classifier `head` included."""
    return {n.removeprefix("w/"): x for n, x in golden.items() if n.startswith("w/")}


@pytest.fixture(scope="module")
def method():
    return Supervised(vit((32, 32, 3), **VIT), 5)


@pytest.fixture
def filled(method, golden, tmp_path):
    """A function that fills from a state dict and compares logits with timm's."""
    images = golden["input_nchw"].transpose(0, 2, 3, 1)

    def fill(state, *, write=write_state, factor=1.0, trunk=False, **options):
        for variable in method.weights:
            variable.assign(np.zeros(variable.shape))
        file = tmp_path / "x.pth"
        write(file, state)
        model, told = filling.fill(method, file, "torch", **options)
        wanted = golden["features" if trunk else "logits"] * factor
        found = method.backbone(images) if trunk else method(images)
        np.testing.assert_allclose(found, wanted, atol=2e-5)
        assert (model is method) != trunk
        return told

    return fill


def behind(prefix, state, factor=1.0):
    """The state dict behind a prefix; its classifier's numbers times a factor."""
    scale = lambda name: factor if name.startswith("head.") else 1
    return {f"{prefix}{n}": (x * scale(n)).astype(x.dtype) for n, x in state.items()}


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "_orig_mod.",
        "model.",
        "backbone.",
        "encoder_q.",
        "trunk.",
        "module.encoder.",
        "_orig_mod.module.backbone.",
        "model._orig_mod.net.",
        "a.name.nobody.knows.",
    ],
)
def test_a_prefix_of_all_names_is_found(filled, state, prefix):
    told = filled(behind(prefix, state))
    assert told["weights"] == told["arrays"] == len(state)
    assert "left_out" not in told


def test_wrappers_are_no_part_of_a_name_wherever_they_stand(filled, state):
    names = {n: n.replace("blocks.", "blocks._orig_mod.") for n in state}
    names = {n: m.replace("head.", "head.module.") for n, m in names.items()}
    assert any("_orig_mod" in m for m in names.values())
    told = filled({names[n]: x for n, x in state.items()})
    assert "prefix" not in told


def test_a_classifier_beside_a_prefixed_backbone_is_taken_too(filled, state):
    parts = lambda n: f"model.{n}" if n.startswith("head.") else f"model.backbone.{n}"
    told = filled({parts(n): x for n, x in state.items()})
    assert told["prefix"] == "model.backbone."


def test_what_stands_beside_is_counted_and_named(filled, state, capsys):
    beside = {"queue": np.zeros((4, 2), np.float32)}
    beside |= {f"projector.{i}.weight": np.ones((3, 3), np.float32) for i in range(3)}
    told = filled(behind("encoder.", state) | beside)
    assert told["left_out"] == 4
    err = capsys.readouterr().err
    assert "names taken without 'encoder.'" in err
    assert "arrays of the file that are not used: projector (3), queue (1)" in err


def test_a_backbone_alone_behind_a_prefix_is_said_to_have_no_classifier(
    filled, state, capsys
):
    trunk = {n: x for n, x in state.items() if not n.startswith("head.")}
    other = {"student.head.mlp.0.weight": np.ones((7, 24), np.float32)}
    filled(behind("student.backbone.", trunk) | other, trunk=True)
    err = capsys.readouterr().err
    assert "holds a backbone without a classifier; the run's is zero" in err
    assert "arrays of the file that are not used: student (1)" in err


def test_two_networks_are_a_question_that_a_prefix_answers(filled, state):
    both = behind("student.", state) | behind("teacher.", state, 2.0)
    with pytest.raises(BadInput, match="student., teacher.; choose with --prefix"):
        filled(both)
    filled(both, prefix="student")
    filled(both, prefix="teacher.", factor=2.0)


def test_two_equal_networks_are_no_question(filled, state):
    filled(behind("student.", state) | behind("teacher.", state))


@pytest.mark.parametrize(
    ("fast", "slow"),
    [
        ("encoder_q.", "encoder_k."),
        ("model.", "model_ema."),
        ("net.", "ema_net."),
        ("online.", "target."),
        ("encoder.", "momentum_encoder."),
        ("model.", "ema.module."),
    ],
)
def test_the_trained_network_is_taken_before_its_average_and_said(
    filled, state, fast, slow, capsys
):
    filled(behind(slow, state, 3.0) | behind(fast, state))
    bare = slow.replace("module.", "")
    assert f"{bare} fits, too; --prefix takes it" in capsys.readouterr().err
    both = behind(slow, state, 3.0) | behind(fast, state)
    filled(both, prefix=slow, factor=3.0)


def test_a_slow_copy_beside_names_without_prefix_is_left_out(filled, state, capsys):
    filled(state | behind("ema.", state, 2.0))
    n = len(state)
    assert f"arrays of the file that are not used: ema ({n})" in capsys.readouterr().err
    filled(state | behind("ema.", state, 2.0), prefix="ema", factor=2.0)


def test_a_slow_copy_does_not_stand_in_for_a_damaged_network(filled, state):
    broken = {n: x for n, x in state.items() if n != "norm.weight"}
    both = behind("model.", broken) | behind("model_ema.", state)
    with pytest.raises(BadInput, match="nothing for .*head_norm/gamma") as caught:
        filled(both)
    assert "--prefix model_ema. fits, a slow copy by its name" in str(caught.value)
    filled(both, prefix="model_ema")


@pytest.mark.parametrize("prefix", ["module.", "module.net", "net."])
def test_a_prefix_may_be_given_with_or_without_wrappers(filled, state, prefix):
    begin = "module." if prefix == "module." else "module.net."
    filled(behind(begin, state), prefix=prefix)


def test_a_prefix_that_no_name_has_is_refused(filled, state):
    with pytest.raises(BadInput, match="--prefix net.: .* Have: model.") as caught:
        filled(behind("model.", state), prefix="net")
    assert "\n" not in str(caught.value)


def entries(path, state, keys=("model", "state_dict_ema")):
    """A checkpoint with the weights, an average of them, and an optimizer's moments."""
    storages, trees = {}, []
    kinds = {"float32": "Float", "int64": "Long"}
    moments = {f"{i}.exp_avg": x for i, x in enumerate(state.values())}
    for key, factor in zip((*keys, "optimizer"), (1.0, 2.0, 1.0)):
        pairs = []
        for name, x in behind("", moments if key == "optimizer" else state).items():
            x = x * np.float32(factor if name.startswith("head.") else 1)
            place = str(len(storages))
            held = storage(place, x.size, kinds[str(x.dtype)])
            storages[place] = x.tobytes()
            pairs.append((name, tensor(held, x.shape)))
        trees.append((key, ordered(*pairs)))
    write_zip(path, ordered(*trees), storages)


def test_an_average_beside_the_weights_is_said_and_can_be_taken(filled, state, capsys):
    filled(state, write=entries)
    err = capsys.readouterr().err
    assert "took 'model'; --key takes state_dict_ema, of the same names" in err
    assert "optimizer" not in err
    filled(state, write=entries, key="state_dict_ema", factor=2.0)
    assert "--key" not in capsys.readouterr().err


def test_entries_of_other_names_are_prefixes_to_choose_from(filled, state, capsys):
    write = lambda path, state: entries(path, state, ("net", "net_ema"))
    told = filled(state, write=write)
    assert (told["prefix"], told["left_out"]) == ("net.", 2 * len(state))
    err = capsys.readouterr().err
    assert "net_ema. fits, too" in err
    assert f"net_ema ({len(state)}), optimizer ({len(state)})" in err


def test_safetensors_behind_a_prefix_are_read_like_checkpoints(
    method, golden, state, tmp_path
):
    file = tmp_path / "x.safetensors"
    safetensors_files.write(file, behind("trunk.", state))
    filling.fill(method, file, "safetensors")
    images = golden["input_nchw"].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(method(images), golden["logits"], atol=2e-5)


def test_a_number_alone_is_left_out_a_missing_or_unknown_array_is_not(
    filled, state, capsys
):
    filled(state | {"best_acc": np.float32(0.7)})
    assert (
        "arrays of the file that are not used: best_acc (1)" in capsys.readouterr().err
    )
    unknown = {"blocks.0.gate.weight": np.ones((2, 2), np.float32)}
    with pytest.raises(BadInput, match="blocks.0.gate.weight: no rule"):
        filled(behind("model.", state | unknown))
    short = {n: x for n, x in state.items() if n != "blocks.1.mlp.fc2.bias"}
    with pytest.raises(BadInput, match="nothing for .*mlp2/bias") as caught:
        filled(behind("model.", short))
    assert "without 'model.' before names, 1 misfit" in str(caught.value)


def test_a_classifier_of_other_classes_is_refused_with_the_way_out(filled, state):
    other = state | {"head.weight": np.zeros((9, 24), np.float32)}
    other |= {"head.bias": np.zeros(9, np.float32)}
    with pytest.raises(BadInput, match="of other classes: take --part backbone"):
        filled(behind("module.", other))


def test_the_scale_of_timms_vit_is_seen_behind_a_prefix():
    shapes = {"blocks.7.attn.qkv.weight": (2304, 768), "head.weight": (1000, 768)}
    arrays = {f"model.{n}": np.broadcast_to(0.0, s) for n, s in shapes.items()}
    assert trunks.scaled_by_width(arrays)
    assert not trunks.scaled_by_width(
        arrays | {"model.blocks.8.norm1.weight": np.zeros(768)}
    )
