"""Evaluations of a finished run, as a user types them."""

import json
import re
import shutil
import subprocess
import sys

import commands
import numpy as np
import pytest
from PIL import Image

from ssl_tf import config, evaluate, evaluator, experiment, report, runs
from ssl_tf.data import digits
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import EVALUATIONS


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run folder as training leaves it, with the weights it began with."""
    root = tmp_path_factory.mktemp("runs")
    spec = config.load(commands.tiny_config(root), None, ["data.norm=mean_std"])
    spec["evaluations"] = {"terms": None, "linear": {"data": {"limit": 300}}}
    place = runs.folder(root, "ssal", "tiny_digits", None, 0)
    runs.remember(place, spec)
    parts = experiment.check(spec)
    method = experiment.build(parts, parts.method, 10, 32)
    runs.save_weights(method, place, "last")
    runs.write_json(
        place / "data.json",
        {
            "name": "digits",
            "classes": list("0123456789"),
            "size": 32,
            "resize": None,
            "mean": [0.3, 0.3, 0.3],
            "deviation": [0.4, 0.4, 0.4],
            "images": {"train": 256, "test": 500},
            "groups": [[0, 0, 0, 0, 0, 1, 1, 1, 1, 1]],
            "parameters": method.count_params(),
        },
    )
    return place


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "ssal" / "tiny_digits" / "seed0")


def values(folder, *arguments, capsys):
    """What the command printed, `{name: text}`."""
    assert evaluate.main([str(folder), *arguments]) == 0
    return dict(x.split(": ", 1) for x in capsys.readouterr().out.splitlines())


def test_help_lists_every_evaluation_with_a_line_and_needs_no_tensorflow():
    code = (
        "import sys; from ssl_tf import evaluate; print(evaluate.listing());"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=commands.ROOT
    )
    assert done.returncode == 0, done.stderr
    rows = [re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines()]
    assert [name for name, _ in rows] == list(EVALUATIONS)
    for name, line in rows:
        assert line == EVALUATIONS[name].__doc__.partition("\n")[0]
        assert line.endswith(".")


def test_features_are_shared_by_evaluations(folder, capsys):
    printed = values(folder, "knn", "--set", "k=[5]", capsys=capsys)
    kept = {p: p.stat().st_mtime_ns for p in (folder / "features").iterdir()}
    assert sorted(p.name[:13] for p in kept) == ["digits_test_l", "digits_train_"]
    values(folder, "linear_scatsimclr", "--set", "epochs=2", capsys=capsys)
    assert kept == {p: p.stat().st_mtime_ns for p in (folder / "features").iterdir()}
    last = runs.results(folder)[0]
    assert last["evaluation"] == "knn" and last["arguments"] == {"k": [5]}
    assert f"{last['values']['k5.accuracy']:.6g}" == printed["k5.accuracy"]
    assert np.load(folder / "knn_k5.per_class.npy").shape == (10,)


def test_features_need_not_be_kept(folder, capsys):
    first = values(folder, "knn", "--set", "k=[5]", "--keep", "none", capsys=capsys)
    assert not (folder / "features").exists()
    half = values(folder, "knn", "--set", "k=[5]", "--keep", "float16", capsys=capsys)
    assert abs(float(first["k5.accuracy"]) - float(half["k5.accuracy"])) < 0.01
    assert runs.results(folder)[-1]["features"] == "float16"


def test_an_evaluation_sees_the_images_as_the_run_did(folder):
    done = evaluator.Run(folder)
    opened = done.opened(None)
    assert opened.normal.mean == (0.3,) * 3 and opened.size == 32
    assert opened.train.size == 256  # data.limit of the run
    np.testing.assert_array_equal(opened.test.images, digits("test").images)


def test_an_evaluations_own_data_changes_the_runs(folder):
    evaluator.evaluate(folder, "linear", changes={"l2": [0.01]})
    record = runs.results(folder)[-1]
    assert record["data"] == {"limit": 300}
    (train,) = (folder / "features").glob("digits_train*")
    assert len(np.load(train)) == 300
    evaluator.evaluate(folder, "linear", changes={"l2": [0.01]}, data={"limit": 99})
    (train,) = (folder / "features").glob("digits_train*")
    assert len(np.load(train)) == 99


def test_another_data_set_is_shown_in_the_runs_size_and_called_by_name(
    folder, tmp_path, capsys
):
    draw = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 4)):
        for k, name in enumerate(("dark", "light")):
            place = tmp_path / "other" / split / name
            place.mkdir(parents=True)
            for i in range(count):
                pixels = draw.integers(100 * k, 100 * k + 90, (40, 50, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{i}.png")
    other = ["--dataset", "folder", "--datadir", str(tmp_path / "other")]
    printed = values(folder, "linear", "--set", "l2=[0.1]", *other, capsys=capsys)
    assert printed["accuracy"] == "1"
    assert printed["per_class"] == "2 in linear_folder_per_class.npy"
    assert runs.results(folder)[-1]["evaluation"] == "linear@folder"
    values(folder, "neighbours", "--set", "k=3", *other, capsys=capsys)
    assert np.load(folder / "neighbours_folder_tiles.npy").shape == (8, 4, 32, 32, 3)
    for name in ("terms", "confusion", "combination"):
        with pytest.raises(BadInput, match=f"{name} needs the run's own classes"):
            evaluate.main([str(folder), name, *other])


def test_other_levels_stand_in_a_results_name():
    given, plain = {"level": "p2"}, EVALUATIONS["linear"]
    label = evaluator.label
    assert label("linear", plain, {}, {}, None) == "linear"
    assert label("linear", plain, {}, {"level": "features"}, None) == "linear"
    assert label("linear", plain, given, {"level": "p2"}, None) == "linear"
    assert label("linear", plain, given, {"level": ["z", "p1"]}, "x") == "linear:z+p1@x"
    assert label("finetune", EVALUATIONS["finetune"], {}, {"scratch": True}, None) == (
        "finetune:scratch"
    )
    three = EVALUATIONS["linear_gsimclr"]
    assert label("a", three, {}, {"level": ["p1", "p2", "p3"]}, None) == "a"
    assert label("a", three, {}, {"level": "p1"}, None) == "a:p1"
    assert evaluator.array_file("r", "a:p1@x", "b").name == "a_p1_x_b.npy"


def test_random_weights_are_the_seeds_and_have_a_result_of_their_own(folder, capsys):
    arguments = ["kmeans", "--weights", "random", "--set", "clusters=10", "restarts=1"]
    found = [values(folder, *arguments, capsys=capsys) for _ in range(2)]
    assert found[0] == found[1]
    kept = runs.results(folder)[-1]
    assert (kept["evaluation"], kept["weights"]) == ("kmeans:random", "random")
    with open(folder / "last.weights.h5", "wb") as file:
        file.write(b"not read")
    assert values(folder, *arguments, capsys=capsys) == found[0]
    with pytest.raises(BadInput, match="scratch=true"):
        evaluate.main([str(folder), "finetune", "--weights", "random"])


def test_pictures_go_to_the_run_and_into_the_report(folder, tmp_path, capsys):
    printed = values(folder, "neighbours", "--set", "images=3", capsys=capsys)
    assert printed["picture"] == str(folder / "figures" / "neighbours.png")
    values(folder, "views", capsys=capsys)
    page = tmp_path / "report.html"
    report.main([str(tmp_path), "--only", "--html", str(page)])
    text = page.read_text()
    assert "Pictures of ssal/tiny_digits/seed0" in text
    for name in ("neighbours", "views"):
        assert f'alt="{name} of ssal/tiny_digits/seed0" src="data:image/png' in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["knn", "--set", "k=[5000]"], "knn.k: is 5000; there are only 256 training"),
        (["linear", "--level", "z"], "level: ssal has no 'z'. Have: features"),
        (["linear_gsimclr"], "level: ssal has no 'p1'. Have: features"),
        (["terms", "--level", "z"], "terms: unknown key 'level'"),
        (["linear", "--set", "data.limmit=3"], "data: unknown key 'limmit'"),
        (["linear", "--dataset", "cifar11"], "data.name: unknown name 'cifar11'"),
        (["linear", "--set", "data.classes=['0']"], "all training images are of one"),
        (["knn", "--split", "validation"], "--split validation: this run held none"),
        (["linear", "--set", "standardise=3"], "linear.standardise: is 3"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_one_line(folder, arguments, message):
    with pytest.raises(BadInput, match=re.escape(message)) as caught:
        evaluate.main([str(folder), *arguments])
    assert "\n" not in str(caught.value)


def test_labels_are_asked_for_where_they_are_needed(folder, tmp_path):
    for i in range(5):
        path = tmp_path / "flat" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((32, 32, 3), 9 * i, np.uint8)).save(path)
    flat = {"dataset": "folder", "root": str(tmp_path / "flat")}
    flat |= {"data": {"labels": False}}
    with pytest.raises(BadInput, match="train images of folder have no label"):
        evaluator.evaluate(folder, "linear", **flat)
    found = evaluator.evaluate(
        folder, "neighbours", changes={"k": 2, "images": 1}, **flat
    )
    assert found["tiles"].shape == (1, 3, 32, 32, 3)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"data": {"limmit": 3}}, "evaluations.linear.data: unknown key 'limmit'"),
        ({"data": 3}, "evaluations.linear.data: is 3; write a section"),
        ({"store": 3}, "evaluations.linear: unknown key 'store'"),
        ([3], "evaluations.linear: is [3]; write a section"),
    ],
)
def test_a_wrong_section_is_refused_before_training(folder, section, message):
    spec = runs.stored(folder) | {"evaluations": {"linear": section}}
    with pytest.raises(BadInput, match=re.escape(message)):
        experiment.check(spec)


def test_a_converted_run_settles_its_normalisation_before_other_data(folder):
    facts = json.loads((folder / "data.json").read_text())
    runs.write_json(folder / "data.json", facts | {"mean": None, "deviation": None})
    with pytest.raises(BadInput, match="run one evaluation with --datadir first"):
        evaluator.evaluate(folder, "knn", dataset="noise")
    evaluator.evaluate(folder, "knn", changes={"k": [3]})
    settled = json.loads((folder / "data.json").read_text())
    assert settled["mean"] is not None
    evaluator.evaluate(folder, "knn", dataset="noise", changes={"k": [3]})
