"""Backbones out of the files of MoCo, SwAV, SimSiam, OBoW, DINO and Barlow Twins."""

import json
import shutil
import zipfile

import numpy as np
import pytest
import resnet50_files
import simsiam_files
from torch_containers import write_state

from ssl_tf import config, convert, evaluator
from ssl_tf.backbones.resnet import resnet
from ssl_tf.errors import BadInput
from ssl_tf.methods.supervised import Supervised
from ssl_tf.weights import download, filling, manifest

START = "selfclassifier_kmeans_"
METHODS = {k.removeprefix(START): k for k in manifest.load() if k.startswith(START)}


@pytest.fixture(scope="module")
def method():
    """A classifier on torchvision's ResNet-50, 32 times narrower."""
    return Supervised(resnet((32, 32, 3), 50, 2), 5)


def state(name, width=2):
    layout, _ = resnet50_files.FILES[name]
    return simsiam_files.state(layout(width))


def clear(method):
    for variable in method.weights:
        variable.assign(np.full(variable.shape, np.nan))


def test_all_six_are_listed():
    assert METHODS.keys() == resnet50_files.FILES.keys()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", METHODS)
def test_a_backbone_is_filled_and_its_company_dropped(name, legacy, method, tmp_path):
    entry = manifest.load()[METHODS[name]]
    arrays = state(name)
    key = resnet50_files.FILES[name][1]
    write_state(tmp_path / "x.pth", arrays, legacy=legacy, key=key)
    clear(method)
    taken = entry.key, entry.part
    filled, told = filling.fill(method, tmp_path / "x.pth", "torch", *taken)
    assert filled is method.backbone
    assert told["arrays"] == len(arrays) and told["weights"] == 53 + 53 * 4
    start = {"moco_v2": "module.encoder_q.", "simsiam": "module.encoder."}
    start = start | {"swav": "module."}
    get = lambda key: arrays[start.get(name, "") + key]
    layer = method.backbone.get_layer
    kernel = layer("stage3_block6_conv2").kernel
    theirs = get("layer3.5.conv2.weight").transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(kernel, theirs)
    kernel = layer("stem_conv").kernel
    np.testing.assert_array_equal(kernel, get("conv1.weight").transpose(2, 3, 1, 0))
    variance = layer("stage4_block1_shortcut_norm").moving_variance
    theirs = get("layer4.0.downsample.1.running_var")
    np.testing.assert_array_equal(variance, theirs)
    np.testing.assert_array_equal(method.head.kernel, np.zeros((64, 5)))


WRONG = {
    "an array that nobody knows": (lambda x: x | {"module.neck.weight": x[FIRST]}, 1),
    "an array of the query encoder is gone": (lambda x: without(x, FIRST), 1),
    "a layer of another shape": (lambda x: x | {FIRST: x[FIRST][..., :5, :5]}, 2),
    "both of two encoders": (lambda x: x | {"conv1.weight": x[FIRST]}, 1),
}
FIRST = "module.encoder_q.conv1.weight"


def without(arrays, name):
    return {k: x for k, x in arrays.items() if k != name}


@pytest.mark.parametrize("what", WRONG)
def test_it_is_all_or_nothing(what, method, tmp_path):
    change, count = WRONG[what]
    write_state(tmp_path / "x.pth", change(state("moco_v2")), key="state_dict")
    clear(method)
    with pytest.raises(BadInput, match=f"{count} misfit.*nothing imported") as caught:
        filling.fill(method, tmp_path / "x.pth", "torch", None, "backbone")
    assert "\n" not in str(caught.value)
    assert all(np.isnan(v).all() for v in method.backbone.weights)


def test_the_slow_encoder_does_not_stand_in_for_the_other(method, tmp_path):
    arrays = {k: x for k, x in state("moco_v2").items() if "encoder_q" not in k}
    write_state(tmp_path / "x.pth", arrays)
    with pytest.raises(BadInput, match="265 misfits, nothing imported"):
        filling.fill(method, tmp_path / "x.pth", "torch", None, "backbone")


def settings(tmp_path):
    """A config of digits for the narrow network, on which evaluations run."""
    spec = config.load(config.find("supervised", "resnet18", "digits"))
    spec["backbone"] = {"name": "resnet50", "width": 2}
    spec["data"]["limit"] = 300
    (tmp_path / "narrow_digits.yaml").write_text(config.dump(spec))
    return ["--config", str(tmp_path / "narrow_digits.yaml"), "--runs", str(tmp_path)]


def test_a_converted_backbone_is_a_run_that_evaluations_take(tmp_path, capsys):
    file = tmp_path / "moco.pth.tar"
    write_state(file, state("moco_v2"), key="state_dict", legacy=True)
    arguments = [str(file), "--from", "torch", "--part", "backbone"]
    assert convert.main([*arguments, *settings(tmp_path)]) == 0
    run = tmp_path / "supervised" / "narrow_digits_official" / "seed0"
    told = capsys.readouterr().err
    assert "its backbone is taken without a classifier; the run's is zero" in told
    assert f"evaluate {run} knn" in told
    certificate = json.loads((run / "certificate.json").read_text())
    assert certificate["file"]["part"] == "backbone"
    assert certificate["weights"] == 265
    (features,) = certificate["probe"]["outputs"]
    assert features["values"] == 64 and features["deviation"] > 0
    knn = evaluator.evaluate(run, "knn", changes={"k": [5]})
    assert max(v for k, v in knn.items() if "top1" in k or "accuracy" in k) > 0.3


def test_a_part_goes_with_a_file_and_a_classifier(tmp_path):
    write_state(tmp_path / "x.pth", state("dino"), key=None)
    arguments = [str(tmp_path / "x.pth"), "--from", "torch", "--part", "backbone"]
    place = ["--to", "simsiam", "resnet18", "--dataset", "digits", "--runs"]
    with pytest.raises(BadInput, match="goes with --to supervised, not simsiam"):
        convert.main([*arguments, *place, str(tmp_path)])
    with pytest.raises(BadInput, match="--part go with a FILE and --from"):
        convert.main(["selfclassifier_kmeans_dino", "--part", "backbone"])


def zipped(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)


@pytest.mark.parametrize("legacy", [False, True])
def test_the_only_pytorch_file_of_a_zip_file_is_found(legacy, tmp_path):
    entry = manifest.load()["selfclassifier_kmeans_obow"]
    write_state(tmp_path / "x", state("obow"), legacy=legacy, key="network")
    body = (tmp_path / "x").read_bytes()
    models = tmp_path / "models"
    models.mkdir()
    with pytest.raises(BadInput, match=f"put it at {models / entry.manual.file}"):
        download.fetch(entry, models)
    log = ("full/log.txt", b"epoch 200")
    zipped(models / entry.manual.file, log, ("../../full/net.pth.tar", body))
    path = download.fetch(entry, models)
    assert path == models / "obow_resnet50.pth" and path.read_bytes() == body
    assert [p.name for p in tmp_path.rglob("net*")] == []


def test_a_zip_file_of_none_or_two_is_refused(tmp_path):
    entry = manifest.load()["selfclassifier_kmeans_obow"]
    write_state(tmp_path / "x", state("obow"), key="network")
    body, place = (tmp_path / "x").read_bytes(), tmp_path / entry.manual.file
    for members, told in (
        ([("a.txt", b"nothing")], "holds no PyTorch files"),
        ([("a.pth", body), ("b.pth", body)], "holds 2 PyTorch files, not one"),
        ([("a.pth", b"PK\3\4" + bytes(10_000_000))], "more than"),
        ([(f"{i}.txt", b"") for i in range(1001)], "holds more than 1000 files"),
    ):
        zipped(place, *members)
        with pytest.raises(BadInput, match=told) as caught:
            download.fetch(entry, tmp_path)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / entry.file).exists()


@pytest.mark.slow
def test_a_file_of_full_width_becomes_the_run_of_its_entry(tmp_path):
    write_state(tmp_path / "dino_resnet50_pretrain.pth", state("dino", 64), key=None)
    place = ["--models", str(tmp_path), "--runs", str(tmp_path / "runs")]
    assert convert.main(["selfclassifier_kmeans_dino", *place]) == 0
    name = "resnet50_baseline_imagenet_official_dino"
    run = tmp_path / "runs" / "supervised" / name / "seed0"
    data = json.loads((run / "data.json").read_text())
    assert (data["size"], data["resize"], len(data["classes"])) == (224, 256, 1000)
    assert config.read_yaml(run / "config.yaml")["paper"]["kmeans"]["nmi"] == 0.662
    shutil.rmtree(tmp_path / "runs")
