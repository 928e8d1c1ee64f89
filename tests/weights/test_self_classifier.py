"""Self-Classifier's checkpoints: every name, and nothing of what is pickled beside."""

import json

import numpy as np
import pytest
import self_classifier_files as official

from ssl_tf import config, convert, evaluator
from ssl_tf.backbones.resnet import resnet
from ssl_tf.errors import BadInput
from ssl_tf.methods.self_classifier import SelfClassifier
from ssl_tf.weights import files, port, tables

SMALL = {"hidden": 10, "dim": 6, "heads": (4, 7)}


@pytest.fixture(scope="module")
def trunk():
    return resnet((32, 32, 3), 50, 2)


def built(trunk, depth=2, norm=True):
    return SelfClassifier(trunk, depth=depth, norm=norm, **SMALL)


def put_in(method, arrays):
    return port.port(method, arrays, tables.torch_rules(method))


def test_the_layout_is_the_released_one():
    rows = official.layout()
    kept = [shape for name, shape in rows.items() if not name.endswith("tracked")]
    trained = [s for n, s in rows.items() if not n.endswith(("mean", "var", "tracked"))]
    assert len(rows) == 335 and len(kept) == 335 - 54
    assert sum(map(np.prod, trained)) == 34_368_344


TARGETS = {
    "backbone.conv1.weight": "stem_conv/kernel",
    "backbone.bn1.running_var": "stem_norm/moving_variance",
    "backbone.layer1.0.downsample.1.bias": "stage1_block1_shortcut_norm/beta",
    "backbone.layer4.2.conv3.weight": "stage4_block3_conv3/kernel",
    "mlp_head.mlp.0.weight": "mlp_dense1/kernel",
    "mlp_head.mlp.0.bias": "mlp_dense1/bias",
    "mlp_head.mlp.1.weight": "mlp_norm1/gamma",
    "mlp_head.mlp.1.running_mean": "mlp_norm1/moving_mean",
    "mlp_head.mlp.3.weight": "mlp_dense2/kernel",
    "cls_0.weight_g": "head0/gain",
    "cls_3.weight_v": "head3/direction",
}


def test_every_name_of_the_released_layout_has_a_target(trunk):
    """Also of its shape, at the released width, without building that network."""
    rules = tables.torch_rules(built(trunk))
    found = {}
    for name, shape in official.layout().items():
        path, value = port.target(name, np.broadcast_to(np.float32(0), shape), rules)
        found[name.removeprefix("module.")] = path, value.shape
    dropped = [name for name, (path, _) in found.items() if not path]
    assert len(dropped) == 54 and all("num_batches_tracked" in n for n in dropped)
    paths = [path for path, _ in found.values() if path]
    assert len(paths) == len(set(paths)) == 335 - 54
    assert {name: found[name][0] for name in TARGETS} == TARGETS
    shapes = {path: shape for path, shape in found.values()}
    assert shapes["mlp_dense1/kernel"] == (2048, 4096)
    assert shapes["head3/direction"] == (128, 8000) and shapes["head3/gain"] == (8000,)
    assert shapes["stem_conv/kernel"] == (7, 7, 3, 64)


@pytest.mark.parametrize("depth, norm", [(1, True), (2, True), (2, False), (3, True)])
def test_each_projection_is_filled(trunk, depth, norm):
    arrays = official.state(width=2, depth=depth, norm=norm, **SMALL)
    method = built(trunk, depth, norm)
    sources = put_in(method, arrays)
    assert len(sources) == len(method.weights)
    last = "" if depth == 1 else f".{(3 if norm else 2) * (depth - 1)}"
    theirs = arrays[f"module.mlp_head.mlp{last}.weight"]
    dense = method.mlp.get_layer(f"mlp_dense{depth}")
    np.testing.assert_array_equal(dense.kernel, official.kernel(theirs))
    head = method.heads[1]
    theirs = arrays["module.cls_1.weight_v"]
    np.testing.assert_array_equal(head.direction, official.kernel(theirs))
    np.testing.assert_array_equal(head.gain, arrays["module.cls_1.weight_g"][:, 0])


def test_a_projection_of_no_layers_has_no_names(trunk):
    arrays = official.state(width=2, depth=0, dim=64, heads=(4, 7))
    sources = put_in(built(trunk, depth=0), arrays)
    assert not [path for path in sources if "mlp" in path]


def test_heads_give_the_logits_of_weight_norm(trunk, rng):
    arrays = official.state(width=2, **SMALL)
    method = built(trunk)
    put_in(method, arrays)
    z = rng.normal(size=(5, 6)).astype(np.float32)
    g, v = (arrays[f"module.cls_0.weight_{part}"] for part in "gv")
    wanted = z @ (g * v / np.linalg.norm(v, axis=1, keepdims=True)).T
    np.testing.assert_allclose(method.heads[0](z), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "file, ours", [((2, True), (2, False)), ((3, True), (2, True))]
)
def test_the_projection_of_another_setting_is_a_misfit(trunk, file, ours):
    arrays = official.state(width=2, depth=file[0], norm=file[1], **SMALL)
    method = built(trunk, *ours)
    before = [v.numpy() for v in method.weights]
    with pytest.raises(BadInput, match="nothing imported") as caught:
        put_in(method, arrays)
    assert "\n" not in str(caught.value) and "mlp_head" in str(caught.value)
    for variable, old in zip(method.weights, before, strict=True):
        np.testing.assert_array_equal(variable, old)


def test_the_pickled_queue_and_optimizer_are_not_run(tmp_path):
    arrays = official.state(width=2, **SMALL)
    official.write(tmp_path / "x.pth.tar", arrays, tmp_path / "owned")
    found = files.read(tmp_path / "x.pth.tar", "torch")
    assert list(found) == list(arrays) and not (tmp_path / "owned").exists()
    with pytest.raises(BadInput, match="is a utils.NNQueue, which is not read"):
        files.read(tmp_path / "x.pth.tar", "torch", "nn_queue")
    assert not (tmp_path / "owned").exists()


def test_a_checkpoint_becomes_a_run(tmp_path):
    spec = config.load(config.find("simsiam", "resnet18", "digits"))
    spec["backbone"] = {"name": "resnet50", "width": 2}
    spec["method"] = {"name": "self_classifier", "queue": 512} | SMALL
    spec["method"]["heads"] = [4, 7]
    (tmp_path / "narrow_digits.yaml").write_text(config.dump(spec))
    arrays = official.state(width=2, **SMALL)
    official.write(tmp_path / "model_800.pth.tar", arrays, tmp_path / "owned")
    place = ["--config", str(tmp_path / "narrow_digits.yaml"), "--runs", str(tmp_path)]
    file = str(tmp_path / "model_800.pth.tar")
    assert convert.main([file, "--from", "torch", *place]) == 0
    run = tmp_path / "self_classifier" / "narrow_digits_official" / "seed0"
    certificate = json.loads((run / "certificate.json").read_text())
    # 53 convolutions and norms of the trunk, 2 layers and a norm, 2 heads.
    assert (certificate["arrays"], certificate["weights"]) == (318 + 13, 265 + 12)
    assert config.read_yaml(run / "config.yaml")["method"]["queue"] == 0
    method = evaluator.Run(run).method
    assert method.queue is None and not (tmp_path / "owned").exists()
    theirs = arrays["module.mlp_head.mlp.3.bias"]
    np.testing.assert_array_equal(method.mlp.get_layer("mlp_dense2").bias, theirs)
