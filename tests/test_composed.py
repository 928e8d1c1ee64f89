"""Any architecture with any method and data set that has a config."""

import copy
import functools
import json

import pytest
from commands import refused

from ssl_tf import cli, config, experiment, plan, train
from ssl_tf.errors import BadInput

FREE = [method for method in config.methods() if method not in experiment.BOUND]
PAIRS = [
    (method, dataset)
    for method in config.methods()
    for dataset in sorted({setting[2] for setting in config.settings(method)})
]
BOUND = ("deep", "shallow", "scatsimclr8", "scatsimclr45", "autoencoder_deep")


@pytest.fixture
def loaded(monkeypatch):
    """Configs are read once for all pairs."""
    read = functools.cache(config.read_yaml)
    monkeypatch.setattr(config, "read_yaml", lambda path: copy.deepcopy(read(path)))


def composed(method, arch, dataset, variant=None, overrides=()):
    place = cli.setting(method, arch, dataset)
    return config.load(place.path, variant, overrides, place.change)


@pytest.mark.parametrize("method", FREE)
def test_every_architecture_goes_with_every_data_set_of_a_method(method, loaded):
    """The configs are right; building them all takes minutes, see below."""
    archs = experiment.architectures()
    assert {"resnet18", "resnet50", "wrn28_10", "vit_tiny", "efficientnet_b0"} < set(
        archs
    )
    for dataset in [d for m, d in PAIRS if m == method]:
        for arch in archs:
            spec = composed(method, arch, dataset)
            experiment.check(spec)
            assert spec["data"]["name"] == dataset
            written = arch in {
                a for _, a, d, _ in config.settings(method) if d == dataset
            }
            assert written or "paper" not in spec


@pytest.mark.parametrize(("method", "dataset"), PAIRS)
def test_what_is_made_for_one_network_is_refused_with_others(method, dataset, loaded):
    own = {a for _, a, d, _ in config.settings(method) if d == dataset}
    others = BOUND if method not in experiment.BOUND else (*BOUND, "wrn28_10", "vit")
    for arch in set(others) - own:
        with pytest.raises(BadInput, match=f"--arch {arch} --dataset {dataset}: ") as e:
            composed(method, arch, dataset)
        assert "\n" not in str(e.value)


def section(method, arch, dataset):
    return composed(method, arch, dataset)["backbone"]


def test_a_backbone_suits_the_images_of_the_data_set():
    # of the same data set, then as its like is there, then by the size of the images
    assert section("simclr", "resnet18", "cifar10") == {
        "name": "resnet18",
        "stem": "small",
    }
    assert section("simsiam", "resnet50", "folder") == {
        "name": "resnet50",
        "stem": "small",
        "width": 32,
        "zero_init": True,
    }
    small = {"name": "efficientnet_b0", "stem": "small"}
    assert section("simsiam", "efficientnet_b0", "digits") == small
    assert section("simsiam", "efficientnet_b0", "imagenet") == {
        "name": "efficientnet_b0"
    }
    assert section("supervised", "vit_tiny", "cifar100")["patch"] == 4
    assert section("supervised", "vit_tiny", "imagenet")["patch"] == 16
    # the scale of imported weights stays with them
    assert section("supervised", "vit", "imagenet") == {"name": "vit", "patch": 16}


def test_the_nearest_architecture_gives_the_rest():
    near = lambda *names: config.nearest(*names)[0].stem
    assert near("supervised", "resnet34", "imagenet") in (
        "resnet18_imagenet",
        "resnet50_imagenet",
    )
    assert near("simsiam", "vit_tiny", "stl10") == "vit_small_timm048_stl10"
    assert near("simsiam", "resnet50", "stl10") == "resnet18_stl10"
    assert config.nearest("simsiam", "resnet18", "stl10")[1] is None
    spec = composed("simsiam", "vit_tiny", "stl10", "faithful")
    rate = config.load(config.find("simsiam", "vit_small_timm048", "stl10"), "faithful")
    assert spec["optimizer"] == rate["optimizer"]


def test_a_penalty_reaches_a_network_of_other_names():
    l2 = lambda arch: composed("supervised", arch, "digits")["optimizer"]["l2"]
    assert l2("preact_resnet50") == {r"(conv\d?|shortcut)/kernel": 1e-4}
    assert l2("vit_tiny") == {"/kernel": 1e-4}


def test_variants_and_overrides_hold_unless_they_are_about_the_backbone():
    overrides = ["backbone.width=16", "train.epochs=3"]
    spec = composed("simsiam", "resnet50", "digits", "no_stop_gradient", overrides)
    assert spec["method"]["stop_gradient"] is False
    assert (spec["backbone"]["width"], spec["train"]["epochs"]) == (16, 3)
    with pytest.raises(BadInput, match="this --variant has a backbone of its own"):
        composed("simsiam", "resnet50", "folder", "large")


def test_unknown_names_are_told_in_one_line(capsys):
    given = ["--method", "simsiam", "--dataset", "digits", "--arch"]
    told = refused(capsys, train.main, *given, "resnet19")
    assert told.startswith("--arch resnet19: unknown. Have: ") and "resnet50" in told
    wrong = ["--method", "simsiam", "--dataset", "voc", "--arch", "resnet50"]
    assert "no such config" in refused(capsys, train.main, *wrong)


def test_a_composed_run_names_its_origin_and_builds(capsys, monkeypatch, tmp_path):
    given = ["--method", "simsiam", "--arch", "resnet50", "--dataset", "digits"]
    options = train.arguments().parse_args([*given, "--runs", str(tmp_path)])
    _, folder, origin = cli.chosen(options)
    assert folder == tmp_path / "simsiam" / "resnet50_digits" / "seed0"
    assert origin == {
        "config": "configs/simsiam/resnet18_digits.yaml",
        "variant": None,
        "arch": "resnet50",
    }
    line = (
        "config    simsiam/resnet18_digits with {name: resnet50, stem: small, width: 8"
    )
    assert line in capsys.readouterr().err
    given[3] = "cifar_resnet20"
    assert plan.main([*given, "--no-measure"]) == 0
    assert "model       simsiam on cifar_resnet20" in capsys.readouterr().out


@pytest.mark.slow
def test_every_composed_config_builds(loaded):
    """But for PiT-Ti, whose patches are for 224 pixels: it says so in one line."""
    import keras

    rows = {}
    for method, dataset in PAIRS:
        for arch in experiment.architectures() if method in FREE else ():
            spec = composed(method, arch, dataset)
            parts = experiment.check(spec)
            size = experiment.view_size(parts) or 64
            key = json.dumps([spec["backbone"], size], sort_keys=True)
            rows.setdefault(key, []).append(parts)
    built = 0
    for key, group in rows.items():
        _, size = json.loads(key)
        shape = (size, size, 3)
        if "pit_tiny" in key and size != 224:
            with pytest.raises(BadInput, match="pit_tiny: its patches of 16 pixels"):
                group[0].backbone(image_shape=shape)
            continue
        backbone = group[0].backbone(image_shape=shape)
        for parts in group:
            shared = parts._replace(backbone=lambda image_shape, b=backbone: b)
            classes = experiment.class_count(parts) or 5
            experiment.build(shared, parts.method, classes, size, 1_300_000)
            built += 1
        del backbone
        keras.backend.clear_session()
    assert built > 500
