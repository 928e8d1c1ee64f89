"""Files of the study become runs that others start from, with their scale."""

import json

import numpy as np
import pytest
import simsiam_files as official
from commands import refused
from torch_containers import write_state

from ssl_tf import config, convert, converter, evaluator, experiment, stages, train
from ssl_tf.errors import BadInput
from ssl_tf.sections import Init
from ssl_tf.weights import files

VIT = {"name": "vit", "patch": 8, "width": 24, "depth": 2, "heads": 3, "mlp": 3.0}
VIT |= {"qkv_bias": False, "epsilon": 1e-5}


def tiny(classes=5):
    """`(state, images, wanted)` of timm's tiny ViT; without classes, no classifier."""
    with np.load(official.GOLDEN / "e_vit_timm_tiny.npz") as golden:
        arrays = {key: golden[key] for key in golden.files}
    state = {k[2:]: x for k, x in arrays.items() if k.startswith("w/")}
    if not classes:
        state = {k: x for k, x in state.items() if not k.startswith("head.")}
    return state, arrays["input_nchw"].transpose(0, 2, 3, 1), arrays


def settings(tmp_path, **backbone):
    """A config of five digits for the tiny ViT."""
    path = config.find("supervised", "resnet18", "digits")
    spec = config.load(path, None, ["data.classes=['0', '1', '2', '3', '4']"])
    spec["backbone"] = VIT | backbone
    (tmp_path / "vit_digits.yaml").write_text(config.dump(spec))
    return spec


def converted(tmp_path, state, **backbone):
    settings(tmp_path, **backbone)
    write_state(tmp_path / "vit.pth", state)
    place = ["--config", str(tmp_path / "vit_digits.yaml"), "--runs", str(tmp_path)]
    convert.main([str(tmp_path / "vit.pth"), "--from", "torch", *place])
    return tmp_path / "supervised" / "vit_digits_official" / "seed0"


def test_a_vit_becomes_a_run_that_gives_timms_outputs(tmp_path):
    state, images, wanted = tiny()
    run = converted(tmp_path, state)
    certificate = json.loads((run / "certificate.json").read_text())
    assert certificate["arrays"] == certificate["weights"] == len(state)
    logits = evaluator.Run(run).method(images)
    np.testing.assert_allclose(logits, wanted["logits"], atol=2e-5)


def test_a_backbone_alone_becomes_a_run_with_a_classifier_of_zeros(tmp_path, capsys):
    state, images, wanted = tiny(classes=0)
    run = converted(tmp_path, {f"cnn.{name}": x for name, x in state.items()})
    assert "without a classifier; the run's is zero" in capsys.readouterr().err
    method = evaluator.Run(run).method
    np.testing.assert_allclose(method.backbone(images), wanted["features"], atol=2e-5)
    np.testing.assert_array_equal(method(images), np.zeros((2, 5)))


def test_another_entry_or_prefix_of_the_same_file_is_another_run(tmp_path, capsys):
    state, images, wanted = tiny()
    once = {f"student.{n}": x for n, x in state.items()}
    twice = {f"teacher.{n}": x + x for n, x in state.items()}
    settings(tmp_path)
    write_state(tmp_path / "vit.pth", once | twice)
    place = ["--config", tmp_path / "vit_digits.yaml", "--runs", tmp_path]
    command = [tmp_path / "vit.pth", "--from", "torch", *place]
    assert "choose with --prefix" in refused(capsys, convert.main, *command)
    taken = [*map(str, command), "--prefix", "student"]
    convert.main(taken)
    capsys.readouterr()
    convert.main(taken)
    assert "done already" in capsys.readouterr().err
    other = refused(capsys, convert.main, *command, "--prefix", "teacher")
    assert "another checkpoint; choose another --name" in other
    run = tmp_path / "supervised" / "vit_digits_official" / "seed0"
    logits = evaluator.Run(run).method(images)
    np.testing.assert_allclose(logits, wanted["logits"], atol=2e-5)
    wrong = refused(capsys, convert.main, *command[:1], "--from", "npz", "--key", "a")
    assert wrong == "--key: goes with --from torch.\n"


def test_half_a_classifier_is_a_misfit(tmp_path):
    state, _, _ = tiny()
    del state["head.bias"]
    with pytest.raises(BadInput, match="nothing for head/bias"):
        converted(tmp_path, state)
    assert not (tmp_path / "supervised").exists()


def started(spec, run):
    """The method of a config after `init` from a run."""
    parts = experiment.check(spec)
    method = experiment.build(parts, parts.method, 5, experiment.view_size(parts))
    stages.start(method, Init(str(run)), parts.backbone)
    return method


def test_weights_start_runs_of_their_own_scale_only(tmp_path):
    state, images, wanted = tiny(classes=0)
    run = converted(tmp_path, state, scale="width")
    with pytest.raises(BadInput, match="scale = width, this config has head") as caught:
        started(settings(tmp_path), run)
    assert "\n" not in str(caught.value) and str(run) in str(caught.value)
    method = started(settings(tmp_path, scale="width"), run)
    wide = wanted["features_qk_scale_dim"]
    np.testing.assert_allclose(method.backbone(images), wide, atol=2e-5)


def test_other_heads_of_the_same_shapes_are_refused(tmp_path):
    run = converted(tmp_path, tiny(classes=0)[0])
    with pytest.raises(BadInput, match="heads = 3, this config has 4"):
        started(settings(tmp_path, heads=4), run)


def test_commands_refuse_files_and_runs_of_other_heads_in_one_line(tmp_path, capsys):
    converted(tmp_path, tiny(classes=0)[0])
    run = tmp_path / "supervised" / "vit_digits_official" / "seed0"
    settings(tmp_path, heads=4)
    place = ["--config", tmp_path / "vit_digits.yaml", "--runs", tmp_path]
    capsys.readouterr()
    told = refused(capsys, train.main, *place, "--set", f"init={{run: {run}}}")
    assert "heads = 3, this config has 4" in told
    spec = settings(tmp_path) | {"method": {"name": "simsiam", "dim": 64}}
    spec["backbone"] = {"name": "resnet18", "width": 4, "stem": "small_pool"}
    spec["views"] = [{"name": "simsiam", "count": 2}]
    place[1].write_text(config.dump(spec))
    rows = official.layout("ablation_simsiam_resnet18_224_model_last")
    state = official.state(narrow(rows, 16))
    for name in list(state):
        if name.startswith("encoder."):
            del state[name]
    write_state(tmp_path / "model_last.pth.tar", state, key="state_dict")
    file = [tmp_path / "model_last.pth.tar", "--from", "torch"]
    told = refused(capsys, convert.main, *file, *place)
    assert "misfits, nothing imported: " in told and "projector" in told
    assert not (tmp_path / "simsiam").exists()


def test_positions_are_resized_where_a_run_starts_on_larger_images(tmp_path):
    run = converted(tmp_path, tiny(classes=0)[0])
    spec = settings(tmp_path)
    spec["views"] = [{"name": "crop_flip", "size": 64}]
    table = started(spec, run).backbone.get_layer("position").table.numpy()
    old = evaluator.Run(run).method.backbone.get_layer("position").table.numpy()
    assert (table.shape, old.shape) == ((65, 24), (17, 24))
    np.testing.assert_array_equal(table[0], old[0])
    np.testing.assert_allclose(table[[1, 64]], old[[1, 16]], atol=1e-6)


def narrow(rows, by):
    """A layout with all widths of 64 or more divided."""
    less = lambda n, axis: n // by if n >= 64 and axis < 2 else n
    return {k: [less(n, i) for i, n in enumerate(shape)] for k, shape in rows.items()}


def linear_layout():
    """SimSiam's linear checkpoint, trunk and `fc`, 32 times narrower."""
    start, rows = "module.encoder.", {}
    for key, shape in official.layout("official_simsiam_resnet50_checkpoint").items():
        if key.startswith(start) and not key.startswith(f"{start}fc."):
            rows[f"module.{key.removeprefix(start)}"] = shape
    return narrow(rows, 32) | official.classifier(64, 1000, "module.fc")


def test_simsiams_linear_checkpoint_becomes_a_supervised_run(tmp_path):
    state = official.state(linear_layout())
    assert len(state) == 320  # of torchvision's ResNet-50
    write_state(
        tmp_path / "simsiam_resnet50_linear.pth.tar",
        state,
        key="state_dict",
        more=[("arch", "resnet50"), ("best_acc1", 68)],
    )
    narrower = {"models": tmp_path, "overrides": ["backbone.width=2"]}
    root = tmp_path / "runs"
    run = convert.from_manifest("simsiam_resnet50_linear", root, **narrower)
    assert run.parts[-3:-1] == ("supervised", "resnet50_simsiam_imagenet_official")
    certificate = json.loads((run / "certificate.json").read_text())
    kept = [name for name in state if not name.endswith("tracked")]
    assert certificate["weights"] == len(kept) and certificate["arrays"] == len(state)
    done = evaluator.Run(run)
    assert done.normal().deviation == [0.229, 0.224, 0.225]
    np.testing.assert_array_equal(done.method.head.bias, state["module.fc.bias"])
    kernel = done.method.backbone.get_layer("stage4_block3_conv3").kernel
    theirs = state["module.layer4.2.conv3.weight"]
    np.testing.assert_array_equal(kernel, theirs.transpose(2, 3, 1, 0))
    assert done.method(np.ones((1, 224, 224, 3), "f4")).shape == (1, 1000)


def sparse(path, rows):
    """A safetensors file of zeros that takes no space."""
    header, end = {}, 0
    for name, shape in rows.items():
        size = 4 * int(np.prod(shape))
        header[name] = {
            "dtype": "F32",
            "shape": shape,
            "data_offsets": [end, end + size],
        }
        end += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)


def test_timms_imagenet_vit_brings_its_scale_into_the_config(tmp_path, capsys):
    head = official.classifier(768, 1000, "head")
    sparse(tmp_path / "vit.safetensors", official.layout("backbone_vit_224") | head)
    path = config.find("supervised", "vit_small_timm048", "imagenet")
    told = lambda spec: converter.as_the_file_tells(
        spec, tmp_path / "vit.safetensors", "safetensors", None
    )
    spec = config.load(path, None, ["backbone.scale=head"])
    assert told(spec)["backbone"] == {"name": "vit_small_timm048", "scale": "width"}
    assert "backbone.scale = width" in capsys.readouterr().err
    assert spec["backbone"]["scale"] == "head"
    assert told(config.load(path))["backbone"]["scale"] == "width"
    assert told(settings(tmp_path))["backbone"]["scale"] == "width"
    sparse(tmp_path / "vit.safetensors", {"head.weight": [10, 768]})
    assert told(spec) is spec
    assert len(files.read(tmp_path / "vit.safetensors", "safetensors")) == 1


@pytest.mark.slow
def test_the_imagenet_vit_gives_the_outputs_of_its_scale(tmp_path):
    rows = official.layout("backbone_vit_224") | official.classifier(768, 1000, "head")
    write_state(tmp_path / "vit.pth", official.state(rows))
    place = ["--to", "supervised", "vit_small_timm048", "--dataset", "imagenet"]
    arguments = [*place, "--runs", str(tmp_path), "--set", "backbone.scale=head"]
    convert.main([str(tmp_path / "vit.pth"), "--from", "torch", *arguments])
    (run,) = [path.parent for path in tmp_path.rglob("certificate.json")]
    assert config.read_yaml(run / "config.yaml")["backbone"]["scale"] == "width"
    with np.load(official.GOLDEN / "e_fullsize_hashed.npz") as golden:
        wanted = golden["vit_224/features_qk_scale_768"]
    images = official.images("input_vit_224", (1, 224, 224, 3))
    features = evaluator.Run(run).method.backbone(images)
    np.testing.assert_allclose(features, wanted, atol=1e-4 * wanted.std())
