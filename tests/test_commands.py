"""What follows training: evaluate, embed, export, plan, report, reproduce."""

import base64
import json
import re
import types

import commands
import numpy as np
import pictures
import pytest
from PIL import Image

from ssl_tf import (
    config,
    embed,
    evaluate,
    evaluator,
    export,
    plan,
    report,
    reproduce,
    results,
    runs,
    train,
    trainer,
)
from ssl_tf.data import digits
from ssl_tf.errors import BadInput


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished SSAL run of two epochs, with a validation split."""
    root = tmp_path_factory.mktemp("runs")
    path = commands.tiny_config(root)
    changes = ["train.epochs=2", "data.validation=0.2", "train.best=joint_accuracy"]
    changes += ["train.keep_every=1", "paper={source: none, terms: {accuracy: 0.5}}"]
    spec = config.load(path, None, changes)
    place = runs.folder(root, "ssal", "tiny_digits", None, 0)
    trainer.train(spec, place, quiet=True, origin=runs.origin(path))
    return place


def test_a_run_folder_holds_what_scripts_rely_on(folder):
    names = {p.name for p in folder.iterdir()}
    assert names >= {
        "config.yaml",
        "history.csv",
        "state",
        "last.weights.h5",
        "best.weights.h5",
        "epoch00001.weights.h5",
        "results.jsonl",
        "environment.json",
        "data.json",
    }
    columns = list(runs.history(folder)[0])
    assert columns[:3] == ["epoch", "step", "learning_rate"]
    assert {"loss", "l2", "validation_joint_accuracy", "images_per_second"} <= set(
        columns
    )
    splits = [record["split"] for record in runs.results(folder)]
    assert splits[:2] == ["validation", "test"]


def test_terms_of_the_command_equal_those_of_training(folder, capsys):
    assert evaluate.main([str(folder), "terms"]) == 0
    printed = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    first = runs.results(folder)[1]["values"]
    assert abs(float(printed["accuracy"]) - first["accuracy"]) < 1e-6
    assert abs(float(printed["loss"]) - first["loss"]) < 1e-4


def test_best_and_kept_weights_can_be_evaluated(folder):
    kept = evaluator.evaluate(folder, "terms", weights="epoch00001")
    best = evaluator.evaluate(folder, "terms", split="validation", weights="best")
    rows = runs.history(folder)
    values = [float(row["validation_joint_accuracy"]) for row in rows]
    assert abs(best["joint_accuracy"] - max(values)) < 1e-6
    assert kept["loss"] > 0
    with pytest.raises(BadInput, match="worst.weights.h5: no such weights"):
        evaluator.evaluate(folder, "terms", weights="worst")


def test_confusion_counts_every_image_and_leaves_grouping_files(folder):
    values = evaluator.evaluate(folder, "confusion", changes={"groups": [2, 5]})
    matrix, source = values["matrix"], digits("test")
    np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(source.label))
    assert abs(np.trace(matrix) / source.size - values["accuracy"]) < 1e-9
    stored = np.load(folder / "confusion_matrix.npy")
    np.testing.assert_array_equal(stored, matrix)
    from ssl_tf.data import groupings

    again = groupings.load(folder / "confusion_groups_5.yaml", source.classes)
    assert again == values["groups_5"].tolist()


def test_the_combination_is_learnt_on_all_outputs(folder):
    values = evaluator.evaluate(folder, "combination")
    assert 0 <= values["accuracy"] <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["confusion", "--set", "margin=0.5"], "confusion.margin: is 0.5"),
        (["confusion", "--set", "grups=2"], "unknown key 'grups'"),
        (["terms", "--groups", "2"], "goes with the evaluation `confusion`"),
        (["kmeens"], "unknown name 'kmeens'. Have: clustering, combination, "),
    ],
)
def test_a_wrong_evaluation_is_refused(folder, arguments, message):
    with pytest.raises(BadInput, match=re.escape(message)):
        evaluate.main([str(folder), *arguments])


def test_embedding_of_files_is_the_backbones_answer(folder, tmp_path):
    source = digits("test")
    for i in range(3):
        Image.fromarray(source.images[i]).save(tmp_path / f"{i}.png")
    out = tmp_path / "features.npz"
    assert embed.main([str(folder), str(tmp_path), "-o", str(out)]) == 0
    saved = np.load(out)
    done = evaluator.Run(folder)
    expected = done.method.backbone(done.normal()(source.images[:3] / np.float32(255)))
    np.testing.assert_allclose(saved["features"], expected, atol=1e-5)
    assert [p[-5:] for p in saved["path"]] == ["0.png", "1.png", "2.png"]
    text = tmp_path / "features.csv"
    embed.main([str(folder), str(tmp_path / "1.png"), "-o", str(text)])
    row = text.read_text().strip().rpartition('",')[2].split(",")
    np.testing.assert_allclose(np.array(row, float), expected[1], atol=1e-5)
    (tmp_path / "9.png").write_bytes(b"no image")
    with pytest.raises(BadInput, match="9.png"):
        embed.main([str(folder), str(tmp_path), "-o", str(out)])


@pytest.mark.parametrize("kind", ["keras", "savedmodel"])
@pytest.mark.parametrize("part", ["backbone", "method"])
def test_an_export_reloads_with_the_same_outputs(folder, tmp_path, kind, part):
    path = tmp_path / ("model.keras" if kind == "keras" else "model")
    assert export.export(folder, kind, path, part) < 1e-5
    assert path.exists() and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(BadInput, match="exists already"):
        export.main([str(folder), "--to", kind, "-o", str(path), "--part", part])


def test_an_export_needs_no_code_of_ours(folder, tmp_path):
    path = tmp_path / "model.keras"
    export.export(folder, "keras", path)
    import zipfile

    stored = zipfile.ZipFile(path).read("config.json").decode()
    assert "ssl_tf" not in stored


def test_the_plan_of_densenet_prints_the_exact_size_without_data(capsys):
    arguments = ["--method", "ssal", "--arch", "densenet190", "--no-measure"]
    assert plan.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "38,287,795" in printed and "1,562 x 100 epochs" in printed


def test_the_report_joins_paper_and_ours_in_one_self_contained_page(
    folder, tmp_path, capsys
):
    page = tmp_path / "report.html"
    root = folder.parents[2]
    evaluator.evaluate(folder, "confusion")
    assert report.main([str(root), "--only", "--html", str(page)]) == 0
    printed = capsys.readouterr().out
    accuracy = 100 * runs.results(folder)[1]["values"]["accuracy"]
    assert f"| 50.00 |  |  | {accuracy:.2f} | {accuracy - 50:+.2f} |" in printed
    held = next(r for r in runs.results(folder) if r["split"] == "validation")
    accuracy = 100 * held["values"]["joint_accuracy"]
    assert f"| ssal/tiny_digits | default | +JP | {accuracy:.2f} |" in printed
    text = page.read_text()
    assert "On held-out training images" in text
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    images = re.findall(r"data:image/png;base64,([^\"]+)", text)
    assert len(images) >= 2
    assert all(base64.b64decode(x)[:4] == b"\x89PNG" for x in images)


def test_kept_results_survive_the_run(folder, tmp_path):
    kept = tmp_path / "kept.jsonl"
    report.main([str(folder.parents[2]), "--only", "--keep", str(kept)])
    records = results.gather([kept])
    direct = results.gather([folder.parents[2]])
    assert records == direct
    for record in records:
        assert {"config", "command", "seed", "date", "machine"} <= set(record)
    labels = results.catalogue()["labels"]
    assert results.lines(records, labels) == results.lines(direct, labels)


def test_ssal_on_a_users_folder_trains_its_baseline_and_groups_by_it(
    tmp_path, rng, capsys
):
    photos, root = tmp_path / "photos", tmp_path / "runs"
    pictures.tree(photos, rng, dict.fromkeys("abcdef", 16), size=32, suffix=".jpg")
    (photos / "a/gone.jpg").symlink_to("/nowhere")
    pictures.tree(photos, rng, {"b/more": 2}, size=32)
    changes = ["train.epochs=1", "train.batch_size=16", "backbone.width=4"]
    changes += ["optimizer.schedule.warmup=1"]
    arguments = ["--dataset", "folder", "--datadir", str(photos), "--runs", str(root)]
    assert train.main(["--method", "ssal", *arguments, "--set", *changes]) == 0
    done = [root / m / "resnet18_folder/seed0" for m in ("ssal", "supervised")]
    assert all(map(runs.finished, done))
    lines = capsys.readouterr().err.splitlines()
    left = [line for line in lines if line.startswith("left out  ")]
    assert len(left) == 2  # once a training
    assert {"3 not used: 1 dead link", "2 images in nested folders"} == {
        *left[0].removeprefix("left out  ").partition(";")[0].split(", ")
    }
    facts = json.loads((done[0] / "data.json").read_text())
    assert facts["classes"] == list("abcdef") and facts["size"] == 32
    assert [len(set(groups)) for groups in facts["groups"]] == [
        2,
        3,
    ]  # 6/5 -> 2, 6/3 too
    assert evaluate.main([str(done[0]), "terms", "--datadir", str(photos)]) == 0
    baseline = (done[1] / "last.weights.h5").stat().st_mtime_ns
    assert train.main(["--method", "ssal", *arguments, "--set", *changes]) == 0
    assert (done[1] / "last.weights.h5").stat().st_mtime_ns == baseline


def test_tensorboard_gets_the_terms_of_every_epoch(tmp_path):
    changes = ["train.epochs=2", "data.limit=64"]
    spec = config.load(commands.tiny_config(tmp_path), None, changes)
    trainer.train(spec, tmp_path / "run", tensorboard=True, quiet=True)
    logs = [p for p in (tmp_path / "run/tensorboard").rglob("*tfevents*")]
    written = b"".join(p.read_bytes() for p in logs)
    for term in (b"joint_accuracy", b"loss", b"l2"):
        assert term in written


def test_the_authors_order_trains(tmp_path):
    changes = ["data.order=authors", "train.epochs=1", "data.limit=96"]
    spec = config.load(commands.tiny_config(tmp_path), None, changes)
    trainer.train(spec, tmp_path / "run", quiet=True)
    assert float(runs.history(tmp_path / "run")[-1]["loss"]) > 0


def test_the_list_names_every_experiment_with_its_cost(capsys):
    assert reproduce.main(["--list"]) == 0
    printed = capsys.readouterr().out
    for name in results.catalogue()["experiments"]:
        assert name in printed
    assert "52 days" in printed
    line = next(x for x in printed.splitlines() if "simsiam_table1_none" in x)
    assert line.endswith("faithful")


@pytest.mark.parametrize(
    ("own", "more", "ours", "runs_as"),
    [
        (None, None, False, None),
        ("rotation+faithful", None, False, "rotation+faithful"),
        ("faithful", "faithful", False, "faithful"),
        ("faithful", "crop", False, "faithful+crop"),
        ("rotation+faithful", None, True, "rotation"),
        ("faithful", None, True, None),
    ],
)
def test_an_experiment_runs_its_variant_once_or_ours(own, more, ours, runs_as):
    options = types.SimpleNamespace(variant=more, ours=ours)
    assert reproduce.chosen_variant({"variant": own}, options) == runs_as


def test_a_tables_rows_of_others_weights_are_evaluated_not_trained(monkeypatch):
    done = []
    take = lambda kind: lambda name, *_: done.append((kind, name)) or (None, {}, None)
    monkeypatch.setattr(reproduce, "place", take("trained"))
    monkeypatch.setattr(reproduce, "trained", lambda *_: None)
    monkeypatch.setattr(reproduce, "evaluate", lambda *_: None)
    own = lambda names, *_: done.append(("evaluated", *names)) or 2
    monkeypatch.setattr(reproduce, "pretrained", own)
    options = types.SimpleNamespace(seeds=1, datadir=None, ours=False, variant=None)
    names = [f"simsiam_table3_resnet18_{kind}" for kind in ("none", "imagenet")]
    assert reproduce.train(names, "runs", options) == 2  # as evaluating them ended
    assert done == [("trained", names[0]), ("evaluated", names[1])]


def test_held_out_images_are_evaluated_where_a_paper_has_a_number_of_them():
    paper = {"source": "t", "terms": {"accuracy": 0.5, "validation_accuracy": 0.6}}
    paper["finetune"] = {"validation_accuracy": 0.6}  # measures both splits itself
    spec = {"evaluations": {"terms": {}, "finetune": {}, "knn": {}}, "paper": paper}
    asked = [("terms", "test"), ("terms", "validation"), ("finetune", "test")]
    assert reproduce.wanted(spec) == [*asked, ("knn", "test")]


def test_the_plan_says_beforehand_that_heads_need_more_memory_than_there_is(
    capsys, monkeypatch
):
    monkeypatch.setattr(plan, "installed", lambda: 2**28)  # a host of 256 MiB
    arguments = ["--method", "self_classifier", "--dataset", "digits"]
    assert plan.main([*arguments, "--set", "method.heads=[30000]"]) == 0
    told = capsys.readouterr()
    assert "no update was tried" in told.err and "fewer classes" in told.err
    assert "one update" not in told.out
