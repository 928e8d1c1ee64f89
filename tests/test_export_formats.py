"""Exports for other programs: safetensors, ONNX, Detectron2."""

import importlib.util
import json
import pickle

import keras
import numpy as np
import pytest
import resnet50_files
import simsiam_files
import small

from ssl_tf import config, convert, evaluator, export
from ssl_tf.backbones.resnet import resnet
from ssl_tf.data.pipeline import Normal
from ssl_tf.errors import BadInput
from ssl_tf.methods.supervised import Supervised
from ssl_tf.weights import (
    detectron2,
    files,
    onnx_files,
    port,
    safetensors_files,
    tables,
)

NORMAL = Normal((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of digits, its weights drawn at random."""
    place = tmp_path_factory.mktemp("runs")
    spec = config.load(config.find("supervised", "resnet18", "digits"))
    spec["backbone"] = {"name": "resnet18", "width": 2, "stem": "small"}
    (place / "tiny_digits.yaml").write_text(config.dump(spec))
    method = Supervised(resnet((32, 32, 3), 18, 2, "small"), 10)
    arrays = {v.path: np.asarray(v) for v in method.weights}
    safetensors_files.write(place / "w.safetensors", arrays)
    arguments = ["--config", str(place / "tiny_digits.yaml"), "--runs", str(place)]
    form = ["--from", "safetensors", *arguments]
    convert.main([str(place / "w.safetensors"), *form])
    return place / "supervised" / "tiny_digits_official" / "seed0"


def refused(*arguments):
    with pytest.raises(BadInput) as caught:
        export.main([str(x) for x in arguments])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_safetensors_are_our_weights_and_come_back_as_a_run(run, tmp_path, capsys):
    path = tmp_path / "x.safetensors"
    to = ["--to", "safetensors", "-o", path, "--part", "method"]
    assert export.main([str(x) for x in (run, *to)]) == 0
    assert "largest difference after reloading 0.0e+00" in capsys.readouterr().err
    found, method = files.read(path, "safetensors"), evaluator.Run(run).method
    assert list(found) == [v.path for v in method.weights]
    assert found["stage4_block2_conv2/kernel"].shape == (3, 3, 16, 16)
    assert {"head/kernel", "stem_norm/moving_variance"} < found.keys()
    other = Supervised(resnet((32, 32, 3), 18, 2, "small"), 10)
    port.port(other, found, tables.own_rules(other))
    for ours, theirs in zip(method.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]
    assert "exists already" in refused(run, *to)


def test_a_safetensors_file_says_what_images_its_network_takes(run, tmp_path):
    path = tmp_path / "x.safetensors"
    assert export.export(run, "safetensors", path) == 0
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    facts = json.loads(raw[8 : 8 + length])["__metadata__"]
    assert length % 8 == 0 and set(map(type, facts.values())) == {str}
    assert facts["size"] == "32" and json.loads(facts["mean"]) == [0, 0, 0]
    assert "head/kernel" not in files.read(path, "safetensors")


@pytest.mark.parametrize("kind", ["float64", "float16", "bfloat16", "int64", "bool"])
def test_every_kind_of_array_comes_back(kind, tmp_path, rng):
    arrays = {"a": rng.normal(size=(3, 2)), "b": np.array(1.0), "c": np.zeros((0, 4))}
    arrays = {name: x.astype(files.dtype(kind)) for name, x in arrays.items()}
    safetensors_files.write(tmp_path / "x", arrays)
    found = files.read(tmp_path / "x", "safetensors")
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("kind, ending", [("onnx", ".onnx"), ("detectron2", ".pkl")])
def test_a_wrong_ending_is_told(run, kind, ending):
    assert f"must end in {ending}" in refused(run, "--to", kind, "-o", "x.bin")


def test_detectron2_takes_a_resnet50_alone(run, tmp_path):
    to = ("--to", "detectron2", "-o", tmp_path / "x.pkl")
    assert "this backbone is resnet18" in refused(run, *to)
    assert "takes the backbone alone" in refused(run, *to, "--part", "method")
    for backbone, told in (
        (resnet((32, 32, 3), 50, 2), "stem_conv/kernel is [2, 3, 7, 7]"),
        (resnet((32, 32, 3), 50, 2, epsilon=1e-3), "epsilon"),
    ):
        with pytest.raises(BadInput) as caught:
            detectron2.arrays(backbone)
        assert told in str(caught.value) and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


KEYS = {
    "conv1.weight": "stem.conv1.weight",
    "bn1.running_var": "stem.conv1.norm.running_var",
    "layer1.0.conv1.weight": "res2.0.conv1.weight",
    "layer1.0.downsample.0.weight": "res2.0.shortcut.weight",
    "layer2.0.downsample.1.running_mean": "res3.0.shortcut.norm.running_mean",
    "layer3.5.bn2.bias": "res4.5.conv2.norm.bias",
    "layer4.2.bn3.num_batches_tracked": "res5.2.conv3.norm.num_batches_tracked",
}


def test_the_names_are_detectron2s():
    found = {name: detectron2.key(name) for name in detectron2.shapes()}
    assert len(found) == len(set(found.values())) == 318
    assert {name: found[name] for name in KEYS} == KEYS
    names = list(found)
    assert names[0] == "conv1.weight" and names[-1] == list(KEYS)[-1]
    layout = {k: list(v) for k, v in detectron2.shapes().items()}
    assert layout == resnet50_files.layout()


def test_a_resnet50_of_pytorch_goes_to_detectron2_bit_by_bit(tmp_path):
    state = simsiam_files.state(resnet50_files.layout())
    backbone = resnet((32, 32, 3), 50)
    port.port(backbone, state, tables.torch_rules(Supervised(backbone, 2)))
    detectron2.write(tmp_path / "x.pkl", detectron2.arrays(backbone))
    with open(tmp_path / "x.pkl", "rb") as file:
        tree = pickle.load(file, encoding="latin1")  # as Detectron2 does
    assert tree.keys() == {"model", "__author__", "matching_heuristics"}
    assert tree["matching_heuristics"] is True and len(tree["model"]) == 318
    read = detectron2.read(tmp_path / "x.pkl")
    for (name, array), found in zip(state.items(), tree["model"].items()):
        assert found[0] == detectron2.key(name)
        assert found[1].dtype == array.dtype and found[1].flags.writeable
        np.testing.assert_array_equal(found[1], array)
        np.testing.assert_array_equal(read[found[0]], array)
    stem = tree["model"]["stem.conv1.weight"]
    assert stem.shape == (64, 3, 7, 7) and stem.flags.c_contiguous


def test_self_classifiers_heads_are_exported_multiplied_out(tmp_path, rng):
    method = small.METHODS["self_classifier"]()
    for head in method.heads:
        head.gain.assign(rng.uniform(0.5, 2, head.classes))
    images = small.batches()[0]["views"][0]
    model = export.plain(export.network(method, "method"), NORMAL, small.SHAPE[0])
    got = export.written(model, "keras", tmp_path / "x.keras", images)
    wanted = method.representations(NORMAL(images))
    for i, logits in enumerate(got):
        np.testing.assert_allclose(logits, wanted[f"logits{i}"], atol=2e-5)


def test_onnx_without_its_packages_is_one_line(run, tmp_path):
    if all(map(importlib.util.find_spec, onnx_files.NEEDED)):
        pytest.skip("the packages are there")
    told = refused(run, "--to", "onnx", "-o", tmp_path / "x.onnx")
    assert told.endswith("pip install 'ssl_tf[onnx]'.")
    assert list(tmp_path.iterdir()) == []


def test_gelu_by_the_error_function_is_keras(rng):
    x = rng.normal(scale=3, size=100).astype(np.float32)
    wanted = keras.activations.gelu(x, approximate=False)
    np.testing.assert_allclose(onnx_files.gelu(x), wanted, atol=2e-6)


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("efficientnet", "pit")]


@pytest.mark.parametrize("name", ["densenet", "resnet50", "vit", *SLOW])
def test_onnxruntime_gives_the_same_outputs(name, tmp_path):
    for package in (*onnx_files.NEEDED, "onnxruntime"):
        pytest.importorskip(package)
    backbone = small.BACKBONES[name]()
    images = small.batches()[0]["views"][0]
    model = export.plain(backbone, NORMAL, small.SHAPE[0])
    (got,) = onnx_files.write(model, tmp_path / "x.onnx", images)
    wanted = np.asarray(backbone(NORMAL(images)))
    np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())


def test_what_onnx_has_no_name_for_is_told(tmp_path):
    for package in onnx_files.NEEDED:
        pytest.importorskip(package)
    model = export.plain(small.BACKBONES["scatsimclr12"](), NORMAL, small.SHAPE[0])
    images = small.batches()[0]["views"][0]
    with pytest.raises(BadInput, match="tf2onnx has nothing for .*; take savedmodel"):
        onnx_files.write(model, tmp_path / "x.onnx", images)


def test_a_run_goes_to_onnx(run, tmp_path, capsys):
    for package in (*onnx_files.NEEDED, "onnxruntime"):
        pytest.importorskip(package)
    to = ("--to", "onnx", "-o", tmp_path / "x.onnx", "--part", "method")
    assert export.main([str(x) for x in (run, *to)]) == 0
    assert "largest difference after reloading" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["x.onnx"]
