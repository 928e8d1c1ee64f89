"""Official checkpoints of ScatSimCLR give the authors' outputs, whatever their name."""

import given
import keras
import numpy as np
import pytest
import scatsimclr_files as official

from ssl_tf.backbones import BACKBONES
from ssl_tf.errors import BadInput
from ssl_tf.methods.scatsimclr import ScatSimCLR
from ssl_tf.weights import files, port, scatsimclr, tables

GOLDEN = given.golden("scatsimclr", "models")
# The golden file has no layout of its own for every network at L = 4: the layouts at
# L = 16 with the first convolution's and the unused norm's channels of L = 4.
OUTPUTS = {
    "scatsimclr8_J2_L4": (8, 4),
    "scatsimclr8_J2_L16": (8, 16),
    "scatsimclr12_J2_L4": (12, 4),
    "scatsimclr30_J2_L4": (30, 4),
    "scatsimclr30_J2_L16": (30, 16),
    "scatsimclr45_J2_L4": (45, 4),
}


def network(blocks, L, size=32):
    backbone = BACKBONES[f"scatsimclr{blocks}"]((size, size, 3), J=2, L=L)
    return ScatSimCLR(backbone)


def arrays(blocks, L):
    rows = official.layout(f"scatsimclr{blocks}_J2_L16_32x32x3_out128")
    if L != 16:
        rows = official.resized(rows, 3 * (1 + 2 * L + L * L))
        return official.state(rows)
    return official.state(rows, 32, 2, 16)


SLOW = ("scatsimclr45_J2_L4", "scatsimclr30_J2_L16", "scatsimclr30_J2_L4")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in OUTPUTS],
)
def test_outputs_are_the_authors(tmp_path, name):
    blocks, L = OUTPUTS[name]
    official.write(tmp_path / "model.pth", arrays(blocks, L))
    method = network(blocks, L)
    read = files.read(tmp_path / "model.pth", "torch")
    port.port(method, read, tables.torch_rules(method))
    images = GOLDEN["x"].transpose(0, 2, 3, 1)
    levels = method.representations(images)
    for level, theirs in (("features", "h"), ("z", "z")):
        wanted = GOLDEN[f"{name}_{theirs}_eval"]
        np.testing.assert_allclose(levels[level], wanted, atol=1e-4)


def test_every_stage_and_a_training_pass_are_the_authors():

    method = network(8, 4)
    rows = official.layout("scatsimclr8_J2_L4_32x32x3_out128")
    state = official.state(rows, 32, 2, 4)
    port.port(method, state, tables.torch_rules(method))
    stages = ("scattering", "stem_conv", "stem_norm", "stem", "stage1_block4")
    stages += ("stage2_block4", "pool")
    taken = [method.backbone.get_layer(name).output for name in stages]
    found = keras.Model(method.backbone.input, taken)(GOLDEN["x"].transpose(0, 2, 3, 1))
    names = ["scat", *(f"adapter{i}_eval" for i in range(6))]
    for ours, name in zip(found, names):
        wanted = GOLDEN[f"scatsimclr8_J2_L4_{name}"].transpose(0, 2, 3, 1)
        np.testing.assert_allclose(ours, wanted, atol=1e-4, err_msg=name)
    h = method.backbone(GOLDEN["xb"].transpose(0, 2, 3, 1), training=True)
    np.testing.assert_allclose(h, GOLDEN["scatsimclr8_J2_L4_h_train"], atol=1e-4)
    z = method.project(h)[-1]
    np.testing.assert_allclose(z, GOLDEN["scatsimclr8_J2_L4_z_train"], atol=1e-4)
    moved = "scatsimclr8_J2_L4_after_train_fwd:_adapter_network"
    for ours, theirs in (("stem_norm", "1"), ("stage2_block4_norm2", "4.3.bn2")):
        layer = method.backbone.get_layer(ours)
        mean = GOLDEN[f"{moved}.{theirs}.running_mean"]
        variance = GOLDEN[f"{moved}.{theirs}.running_var"]
        np.testing.assert_allclose(layer.moving_mean, mean, atol=1e-5)
        np.testing.assert_allclose(layer.moving_variance, variance, atol=1e-5)


@pytest.mark.parametrize("depth", [18, 50])
def test_the_baselines_names_find_their_places(depth):
    rows = official.layout(f"resnet{depth}_out128")
    state = official.state(rows)
    width = 512 if depth == 18 else 2048
    method = ScatSimCLR(BACKBONES[f"resnet{depth}"]((32, 32, 3)), head=[width, 128])
    sources = port.port(method, state, tables.torch_rules(method))
    used = [name for name in state if not name.endswith("num_batches_tracked")]
    assert sorted(sources.values()) == sorted(used)
    count = sum(np.prod(v.shape) for v in method.trainable_weights)
    assert count == {18: 11_504_832, 50: 27_966_656}[depth]
    kernel = method.backbone.get_layer("stage2_block1_shortcut_conv").kernel
    theirs = state["_features.5.0.downsample.0.weight"]
    np.testing.assert_array_equal(kernel, theirs.transpose(2, 3, 1, 0))
    kernel = method.backbone.get_layer("stage4_block2_conv2").kernel
    theirs = state["_features.7.1.conv2.weight"]
    np.testing.assert_array_equal(kernel, theirs.transpose(2, 3, 1, 0))


@pytest.mark.parametrize("task", ["rotation", "jigsaw"])
def test_the_heads_of_pretext_tasks_are_the_authors(task):
    stem = {"rotation": "rotation", "jigsaw": "jigsaw35"}[task]
    parts = official.layout(f"pretext_{stem}_scatsimclr_or_resnet50")
    rows = [
        (f"{part}.{name}", shape, dtype)
        for part, own in parts.items()
        for name, shape, dtype in own
    ]
    method = ScatSimCLR(BACKBONES["scatsimclr8"]((32, 32, 3), L=4), pretext=task)
    head = method.pretext_head

    head = head if isinstance(head, keras.Model) else keras.Sequential(head)
    sources = port.port(head, official.state(rows), scatsimclr.pretext_rules(task))
    assert len(sources) == 6
    count = {"rotation": 1_115_268, "jigsaw": 20_070_947}[task]
    assert sum(np.prod(v.shape) for v in head.trainable_weights) == count


@pytest.mark.parametrize(
    "model, backbone, size",
    [
        ("scatsimclr30_J2_L16_96x96x3_out128", ("scatsimclr30", 2, 16), (96, 96)),
        ("scatsimclr30_J2_L8_96x96x3_out128", ("scatsimclr30", 2, 8), (96, 96)),
        ("scatsimclr12_J2_L8_96x96x3_out128", ("scatsimclr12", 2, 8), (96, 96)),
        ("scatsimclr45_J2_L16_32x32x3_out128", ("scatsimclr45", 2, 16), (32, 32)),
        ("resnet18_out128", ("resnet18",), None),
        ("resnet50_out128", ("resnet50",), None),
    ],
)
def test_settings_are_told_by_shapes_alone(model, backbone, size):
    empty = {n: np.broadcast_to(0.0, shape) for n, shape, _ in official.layout(model)}
    told = scatsimclr.settings({f"module.{name}": x for name, x in empty.items()})
    assert tuple(told.backbone.values()) == backbone
    assert told.size == size and told.head[-1] == 128


def test_files_of_others_and_impossible_channels_are_refused():
    with pytest.raises(BadInput, match="none of ScatSimCLR's names"):
        scatsimclr.settings({"fc.weight": np.zeros((3, 4))})
    rows = official.layout("scatsimclr8_J2_L4_32x32x3_out128")
    state = {n: np.broadcast_to(0.0, shape) for n, shape, _ in rows}
    state["_adapter_network.0.weight"] = np.broadcast_to(0.0, (32, 76, 3, 3))
    with pytest.raises(BadInput, match="76 channels"):
        scatsimclr.settings(state)


def test_other_filters_are_misfits():
    method = network(8, 4)
    rows = official.layout("scatsimclr8_J2_L4_32x32x3_out128")
    state = official.state(rows, 32, 2, 4)
    state["_scatnet.tensor3"] = state["_scatnet.tensor3"] + 1e-3
    with pytest.raises(BadInput, match="tensor3: is another filter than ours"):
        port.port(method, state, tables.torch_rules(method))
    other = network(8, 4, size=48)
    with pytest.raises(BadInput, match="for images of another size"):
        port.port(other, state, tables.torch_rules(other))
