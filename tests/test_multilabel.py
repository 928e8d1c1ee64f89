"""Attributes through the real commands: train, evaluate, fine-tune, plan."""

import csv
import json

import commands
import numpy as np
import pictures
import pytest

from ssl_tf import config, evaluate, evaluator, plan, runs, train, trainer
from ssl_tf.data.celeba import celeba
from ssl_tf.errors import BadInput
from ssl_tf.evaluation.multilabel import measures, sigmoid

SMALL = """
method: {name: multilabel}
backbone: {name: resnet18, stem: small, width: 4}
data: {name: celeba, validation: official}
views: [{name: crop_flip, size: 16, scale: [0.8, 1.2]}]
optimizer: {name: sgd, learning_rate: 0.05, momentum: 0.9}
train: {batch_size: 8, epochs: 2, best: loss, knn: 16}
evaluations: {multilabel: {}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """`(images, run folder)` of a run as the command leaves it."""
    root = tmp_path_factory.mktemp("celeba")
    pictures.celeba(root / "data", np.random.default_rng(0))
    (root / "small_celeba.yaml").write_text(SMALL)
    places = ["--datadir", root / "data", "--runs", root / "runs"]
    options = ["--config", root / "small_celeba.yaml", *places]
    assert train.main([str(option) for option in options]) == 0
    return root / "data", next((root / "runs").glob("*/*/seed0"))


def test_training_logs_loss_and_binary_accuracy_on_the_official_split(made):
    root, folder = made
    rows = runs.history(folder)
    assert len(rows) == 2
    for row in rows:
        assert 0.3 < float(row["validation_loss"]) < 3
        assert 0 < float(row["validation_binary_accuracy"]) < 1
        assert "validation_online_effective_rank" in row
        assert "validation_online_knn" not in row
    facts = json.loads((folder / "data.json").read_text())
    assert facts["images"] == {"train": 24, "validation": 8, "test": 8}
    assert facts["classes"] == [f"Trait_{i}" for i in range(5)]
    assert (folder / "best.weights.h5").exists()


@pytest.mark.parametrize("split", ["test", "validation"])
def test_the_evaluation_measures_a_split_and_leaves_a_table(made, split, capsys):
    root, folder = made
    options = ["multilabel", "--datadir", root, "--split", split]
    assert evaluate.main([str(x) for x in [folder, *options]]) == 0
    printed = capsys.readouterr().out
    record = runs.results(folder)[-1]
    assert record["split"] == split and record["evaluation"] == "multilabel"
    assert f"macro_jaccard: {record['values']['macro_jaccard']:.6g}" in printed
    done = evaluator.Run(folder)
    images = done.opened(root).plain(split)
    (batch,) = images.batches(8)
    scores = sigmoid(done.method(batch["views"][0], training=False))
    label = celeba(split, root).label
    for name, value in measures(scores, label).items():
        assert abs(record["values"][name] - value) < 1e-6, name
    table = np.load(folder / "multilabel_table.npy")
    np.testing.assert_array_equal(table["positives"], label.sum(axis=0))
    with open(folder / "multilabel_table.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["name"] for row in rows] == table["name"].tolist()
    assert [float(row["f1"]) for row in rows] == table["f1"].tolist()


def test_terms_are_there_and_evaluations_of_classes_say_why_not(made, capsys):
    root, folder = made
    values = evaluator.evaluate(folder, "terms", root=root)
    assert set(values) == {"loss", "binary_accuracy"}
    for name in ("linear", "knn", "confusion"):
        with pytest.raises(BadInput, match=f"{name}: tells classes apart; celeba has"):
            evaluate.main([str(folder), name, "--datadir", str(root)])


@pytest.fixture(scope="module")
def pretrained(made, tmp_path_factory):
    """SimCLR on the same images, without their labels."""
    root, _ = made
    base = tmp_path_factory.mktemp("runs")
    (base / "small_celeba.yaml").write_text(SMALL)
    spec = config.load(base / "small_celeba.yaml", None, ["train.epochs=1"])
    spec["method"] = {"name": "simclr", "head": [8, 4]}
    spec["views"][0]["count"] = 2
    folder = base / "simclr" / "small_celeba" / "seed0"
    trainer.train(spec, folder, root=root, quiet=True)
    return folder


@pytest.mark.slow
def test_fine_tuning_learns_attributes_and_returns_their_measures(made, pretrained):
    root, _ = made
    options = ["share=null", "validation=official", "warmup=0", "epochs=2"]
    options += ["batch_size=8", "views=[{name: crop_flip}]", "patience=null"]
    options += ["data.held_out=views"]
    given = [pretrained, "finetune", "--datadir", root, "--set", *options]
    assert evaluate.main([str(x) for x in given]) == 0
    values = runs.results(pretrained)[-1]["values"]
    for name in ("macro_jaccard", "micro_auc", "macro_f1", "binary_accuracy"):
        assert 0 <= values[name] <= 1 and 0 <= values[f"validation_{name}"] <= 1
    assert values["images"] == 24 and "accuracy" not in values
    (stage,) = (pretrained / "finetune").iterdir()
    spec = runs.stored(stage)
    assert spec["method"] == {"name": "multilabel"} and spec["data"]["size"] == 16
    own = [r for r in runs.results(stage) if r["evaluation"] == "multilabel"]
    assert [r["split"] for r in own] == ["validation", "test"]
    assert own[1]["values"]["macro_jaccard"] == values["macro_jaccard"]
    assert spec["data"]["held_out"] == "views"
    terms = [r["values"] for r in runs.results(stage) if r["evaluation"] == "terms"]
    for shown, same in (("views", True), ("plain", False)):
        data = {"data": {"held_out": shown}, "split": "validation"}
        found = evaluator.evaluate(stage, "terms", root=root, **data)
        assert (abs(found["loss"] - terms[0]["loss"]) < 1e-5) is same


def test_fine_tuning_opens_nothing_beside_its_stages_and_is_of_the_test_split(
    pretrained, monkeypatch
):
    asked = []

    def stage(tune, name, sections, init):
        asked.append(sections["data"]["share"])
        return {"values": {"accuracy": 0.5}, "images": 3, "folder": "x"}

    monkeypatch.setattr("ssl_tf.tuning.Tune.__call__", stage)
    monkeypatch.setattr("ssl_tf.opening.open_data", lambda *_: pytest.fail("opened"))
    changes = {"share": 0.5, "epochs": 0}
    evaluator.evaluate(pretrained, "finetune", split="validation", changes=changes)
    record = runs.results(pretrained)[-1]
    assert record["split"] == "test" and asked == [0.5]
    assert record["values"]["warmup_accuracy"] == 0.5


CHOICE = ["--method", "multilabel", "--arch", "resnet18", "--dataset", "celeba"]


def test_plan_counts_images_and_outputs_without_the_data(capsys):
    assert plan.main([*CHOICE, "--no-measure"]) == 0
    printed = capsys.readouterr().out
    assert "162,770" in printed and "11,197,032" in printed


def test_a_missing_tree_is_told_in_one_line(tmp_path):
    options = [*CHOICE, "--runs", tmp_path]
    code, _, error = commands.run("train", *options)
    assert code == 2 and error.startswith("celeba: needs --datadir DIR with img_align")
    assert len(error.splitlines()) == 1
