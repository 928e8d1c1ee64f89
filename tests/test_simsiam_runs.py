"""SimSiam through the trainer: other data, plateaus, the study's steps and its end."""

import json

import numpy as np
import pytest

from ssl_tf import config, evaluator, runs, trainer

SMALL = [
    "backbone={name: resnet18, width: 4, stem: small}",
    "method={name: simsiam, head: ablation, dim: 16, hidden: 16, predictor: 4}",
    "data={name: digits, limit: 128}",
    "evaluations={}",
    "train={batch_size: 32, epochs: 2, evaluate_every: 0}",
]


def trained(folder, *overrides):
    path = config.find("simsiam", "resnet18", "digits")
    spec = config.load(path, overrides=[*SMALL, *overrides])
    return trainer.train(spec, folder, quiet=True)


def weights(folder):
    import h5py

    found = {}
    with h5py.File(folder / "last.weights.h5") as file:
        visit = lambda name, x: found.update(
            {name: x[()]} if hasattr(x, "shape") else {}
        )
        file.visititems(visit)
    return found


@pytest.mark.slow
def test_a_network_trained_on_noise_is_fine_tuned_on_images(tmp_path):
    data = "data={name: noise, kind: normal, fresh: true, size: 48, count: 64}"
    section = {
        "data": {"name": "digits", "per_class": 12},
        **{"share": None, "warmup": 0, "epochs": 1, "batch_size": 32},
        **{"validation": 0.2, "patience": None, "still": False},
        "optimizer": {"name": "sgd", "momentum": 0.9, "plateau": {"factor": 0.5}},
    }
    given = f"evaluations.finetune={json.dumps(section)}"
    folder = trained(tmp_path / "noise" / "seed0", data, "views.0.size=32", given)
    found = evaluator.evaluate(folder, "finetune")
    assert found["images"] == 100  # of 120, two of each class held out
    assert 0 <= found["accuracy"] <= 1 and 0 <= found["validation_accuracy"] <= 1
    stage = next((folder / "finetune").iterdir())
    facts = json.loads((stage / "data.json").read_text())
    assert facts["name"] == "digits" and facts["size"] == 32
    few = {"dataset": "digits", "data": {"per_class": 6}}
    assert evaluator.evaluate(folder, "finetune", **few)["images"] == 50


def test_a_rate_falls_where_the_loss_does_not(tmp_path):
    plateau = "optimizer.plateau={factor: 0.5, patience: 0, threshold: 0.99}"
    constant = "optimizer.schedule={name: constant}"
    every = ["train.epochs=3", "train.evaluate_every=1", "data.validation=0.3"]
    folder = trained(tmp_path / "x" / "seed0", plateau, constant, *every)
    rows = runs.history(folder)
    used = [float(row["learning_rate"]) for row in rows]
    losses = [float(row["validation_loss"]) for row in rows]
    expected, best = [used[0]], np.inf
    for loss in losses[:-1]:
        better = loss < best * (1 - 0.99)
        best = loss if better else best
        expected.append(expected[-1] * (1 if better else 0.5))
    np.testing.assert_allclose(used, expected, rtol=1e-6)


STUDY = [
    "optimizer.every=3",
    "optimizer.schedule={name: warmup_cosine_steps, warmup: 1, every: 3, lag: true}",
]


@pytest.mark.slow
def test_steps_across_batches_survive_a_stop(tmp_path):
    """4 batches an epoch, a step every 3: what is left over is in the state."""
    every = ["optimizer.every=3", "optimizer.schedule={name: constant}"]
    whole = trained(tmp_path / "whole" / "seed0", *every, "train.epochs=3")
    part = trained(tmp_path / "part" / "seed0", *every, "train.epochs=1")
    expected, first = weights(whole), weights(part)
    assert any((expected[name] != first[name]).any() for name in expected)
    trained(part, *every, "train.epochs=3")
    for name, value in weights(part).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_a_run_ends_where_the_studys_rates_run_out_and_is_done(tmp_path, capsys):
    """1 rate an epoch for 2 steps: 4 epochs have 4 rates, 2 epochs use them up."""
    folder = trained(tmp_path / "x" / "seed0", *STUDY, "train.epochs=4")
    assert runs.epochs_done(folder) == 2
    assert "last for 2 epochs" in capsys.readouterr().err
    before = (folder / "last.weights.h5").stat().st_mtime_ns
    trained(folder, *STUDY, "train.epochs=4")
    assert (folder / "last.weights.h5").stat().st_mtime_ns == before


@pytest.mark.slow
def test_without_the_stop_gradient_the_monitor_warns_within_a_hundred_steps(
    tmp_path, capsys
):
    trained(
        tmp_path / "x" / "seed0",
        "method.stop_gradient=false",
        "data={name: digits}",
        "optimizer.learning_rate=0.3",
        "optimizer.schedule={name: constant}",
        "train={batch_size: 128, epochs: 10, evaluate_every: 0}",
    )
    warned = capsys.readouterr().err
    assert "collapsing" in warned
    step = int(warned.split("step ")[1].split(":")[0])
    assert step < 100
