"""From an official file to a run: all of it, or nothing at all."""

import json
import subprocess
import sys

import numpy as np
import pytest
from golden_weights import keras_value
from official_files import GOLDEN, layout, spec, write_h5

from ssl_tf import config, convert, evaluator, experiment, runs
from ssl_tf.errors import BadInput

TINY = "se-wrn10-2_tiny"


def command(tmp_path, model=TINY, *more, **changes):
    """Arguments that convert a golden model, its file and config written here."""
    file, yaml = tmp_path / f"{model}.h5", tmp_path / f"{model}_cifar100.yaml"
    if not file.exists():
        write_h5(file, layout(model))
    yaml.write_text(config.dump(spec(model) | changes))
    place = ["--from", "keras_h5", "--config", str(yaml), "--runs", str(tmp_path)]
    return [str(file), *place, *more]


def folder(tmp_path, method="supervised", model=TINY):
    return tmp_path / method / f"{model}_cifar100_official" / "seed0"


def refused(arguments):
    with pytest.raises(BadInput) as caught:
        convert.main(arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_help_and_list_import_neither_tensorflow_nor_keras():
    code = (
        "import sys; from ssl_tf import convert\n"
        "try: convert.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "assert not {'tensorflow', 'keras', 'h5py'} & set(sys.modules)"
    )
    for flag, told in (("--help", "official checkpoints"), ("--list", "wrn28-10_ssal")):
        done = subprocess.run(
            [sys.executable, "-c", code, flag], capture_output=True, text=True
        )
        assert done.returncode == 0 and told in done.stdout


def test_a_converted_run_gives_the_authors_outputs(tmp_path, capsys):
    model = "densenet22-12_ssal_tiny"
    assert convert.main(command(tmp_path, model)) == 0
    place = folder(tmp_path, "ssal", model)
    assert "the wiring of 139 layers is ours" in capsys.readouterr().err
    method = evaluator.Run(place).method
    golden = np.load(GOLDEN / f"forward_{model}.npz")
    for i, ours in enumerate(method.outputs(golden["x"])):
        theirs = golden[f"logits{i}"]
        assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_a_run_folder_holds_what_evaluation_needs(tmp_path):
    convert.main(command(tmp_path, TINY, "--set", "data.norm=saturated"))
    place = folder(tmp_path)
    assert sorted(path.name for path in place.iterdir()) == [
        "certificate.json",
        "config.yaml",
        "data.json",
        "environment.json",
        "last.weights.h5",
    ]
    assert runs.finished(place) and runs.epochs_done(place) == 0
    data = json.loads((place / "data.json").read_text())
    assert data["classes"][:2] == ["apple", "aquarium_fish"]
    assert len(data["classes"]) == 100 and data["size"] == 32
    # These constants can only be computed from the images.
    assert data["mean"] is None and data["deviation"] is None
    environment = json.loads((place / "environment.json").read_text())
    assert environment["config"].endswith("se-wrn10-2_tiny_cifar100.yaml")


def test_the_certificate_names_file_and_answers(tmp_path):
    convert.main(command(tmp_path))
    certificate = json.loads((folder(tmp_path) / "certificate.json").read_text())
    file = tmp_path / f"{TINY}.h5"
    assert certificate["file"]["name"] == file.name
    assert certificate["file"]["bytes"] == file.stat().st_size
    assert len(certificate["file"]["sha256"]) == 64
    assert certificate["arrays"] == certificate["weights"] == 62
    assert certificate["parameters"] == 319_858
    assert certificate["layers_with_equal_wiring"] == 24
    image = np.random.RandomState(20210107).rand(1, 32, 32, 3).astype(np.float32)
    ours = np.asarray(evaluator.Run(folder(tmp_path)).method(image))[0]
    told = certificate["probe"]["outputs"][0]
    np.testing.assert_allclose(told["first"], ours[:5], rtol=1e-4)
    assert told["argmax"] == ours.argmax() and told["values"] == 100


def test_the_same_again_is_left_alone(tmp_path, capsys):
    for _ in range(2):
        assert convert.main(command(tmp_path)) == 0
    assert capsys.readouterr().err.endswith("seed0: done already.\n")


def test_something_else_in_the_folder_is_not_touched(tmp_path):
    convert.main(command(tmp_path))
    place = folder(tmp_path)
    text = refused(command(tmp_path, TINY, "--set", "train.epochs=30"))
    assert "another train.epochs; choose another --name" in text
    other = lambda name, shape: keras_value(name + "x", shape)
    write_h5(tmp_path / f"{TINY}.h5", layout(TINY), value=other)
    assert "another checkpoint" in refused(command(tmp_path))
    assert convert.main(command(tmp_path, TINY, "--name", "second")) == 0
    write_h5(tmp_path / f"{TINY}.h5", layout(TINY))
    (place / "last.weights.h5").write_bytes(b"trained on")
    assert "another last.weights.h5" in refused(command(tmp_path))
    (place / "certificate.json").write_text("{}")
    assert "is damaged" in refused(command(tmp_path))
    (place / "certificate.json").unlink()
    assert "no finished conversion" in refused(command(tmp_path))


def test_a_file_that_does_not_fit_leaves_nothing_behind(tmp_path):
    layers = layout(TINY)
    layers[-1]["shapes"] = [[128, 99], [99]]
    layers[1]["shapes"] = [[3, 3, 1, 16], [16]]
    write_h5(tmp_path / f"{TINY}.h5", layers)
    text = refused(command(tmp_path))
    for part in (
        "output/kernel: is [128, 99]",
        "output/bias: is [99]",
        "kernel: is [3,",
    ):
        assert part in text
    assert text.startswith(str(tmp_path / f"{TINY}.h5: 6 misfits"))
    assert not (tmp_path / "supervised").exists()


def test_a_disk_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "supervised").write_text("a file, not a folder")
    assert "cannot be written" in refused(command(tmp_path))
    assert (tmp_path / "supervised").is_file()


def test_our_own_names_in_an_npz_are_a_run_that_evaluates(tmp_path):
    arguments = ["--from", "npz", "--to", "supervised", "resnet18", "--dataset"]
    arguments = [*arguments, "digits", "--runs", str(tmp_path)]
    parts = experiment.check(config.load(config.find(*arguments[3:5], "digits")))
    method = experiment.build(parts, parts.method, 10, 32)
    np.savez(tmp_path / "x.npz", **{v.path: v.numpy() for v in method.weights})
    assert convert.main([str(tmp_path / "x.npz"), *arguments]) == 0
    place = tmp_path / "supervised" / "resnet18_digits_official" / "seed0"
    values = evaluator.evaluate(place, "terms")
    assert set(values) == {"loss", "accuracy"} and np.isfinite(values["loss"])
    assert runs.results(place)[-1]["evaluation"] == "terms"


def test_an_entry_of_the_manifest_becomes_a_run_by_its_name(tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    write_h5(models / "resnet50_ssal.h5", layout("resnet50_ssal"), first=300)
    places = ["--models", str(models), "--runs", str(tmp_path / "runs")]
    assert convert.main(["ssal_resnet50_ssal", *places]) == 0
    place = tmp_path / "runs" / "ssal" / "resnet50_cifar100_official" / "seed0"
    certificate = json.loads((place / "certificate.json").read_text())
    assert certificate["parameters"] == 28_886_131
    assert certificate["file"]["entry"] == "ssal_resnet50_ssal"
    assert certificate["file"]["sha256"] in (models / "checksums.yaml").read_text()


def test_the_others_go_on_where_one_entry_fails(tmp_path, capsys):
    names = ["ssal_resnet50_ssal", "ssal_resnet50_baseline"]
    (tmp_path / "resnet50_ssal.h5").write_text("<html>Sign in</html>")
    (tmp_path / "resnet50_baseline.h5").write_text("no HDF5 at all")
    places = ["--models", str(tmp_path), "--runs", str(tmp_path / "runs")]
    assert convert.main([*names, *places]) == 2
    first, second, last = capsys.readouterr().err.splitlines()
    assert first.startswith(names[0]) and "web page" in first
    assert second.startswith(names[1]) and "no readable HDF5 file" in second
    assert last == f"not converted: {', '.join(names)}"


def test_data_that_is_not_known_beforehand_is_asked_for(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK")
    place = ["--from", "npz", "--to", "ssal", "resnet18", "--dataset", "folder"]
    assert "write them into the config" in refused([str(tmp_path / "x.npz"), *place])


def test_wrong_arguments_are_one_line(tmp_path):
    file = str(tmp_path / "x.h5")
    for arguments, told in (
        ([], "give a name"),
        (["nothing"], "unknown checkpoint 'nothing'. Have: gsimclr_cifar10"),
        ([file, "--to", "ssal", "resnet50"], "go with a FILE and --from"),
        ([file, "--from", "torch"], "give one FILE and --to METHOD ARCH"),
        (["all", "--name", "x"], "--name: goes with one checkpoint"),
        ([file, "--from", "torch", "--list"], "cannot be read"),
    ):
        assert told in refused(arguments)


def test_the_arrays_of_a_file_can_be_listed(capsys):
    path = GOLDEN.parent / "torch" / "zip.pth"
    assert convert.main([str(path), "--from", "torch", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "conv.weight  [4, 3, 2, 2]  float32" and len(lines) == 19
