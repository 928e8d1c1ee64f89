"""What comes before a run, what ends it early, and what watches it."""

import csv
import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from test_resume import weights

from ssl_tf import (
    config,
    evaluator,
    experiment,
    opening,
    runs,
    stages,
    trainer,
    watching,
)
from ssl_tf.data import digits
from ssl_tf.data import guided as guided_order
from ssl_tf.data import source as sources
from ssl_tf.errors import BadInput
from ssl_tf.evaluation.finetune import finetune
from ssl_tf.sections import Guided, Train
from ssl_tf.tuning import Tune

SHORT = ["data.limit=192", "train.batch_size=32", "train.knn=64"]


def spec(method, *overrides):
    path = config.find(method, dataset="digits")
    return config.load(path, overrides=[*SHORT, *overrides])


def rows(folder):
    with open(folder / "history.csv", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def guided(tmp_path_factory):
    """G-SimCLR on digits, its autoencoder trained on the way."""
    folder = tmp_path_factory.mktemp("runs") / "gsimclr/resnet18_digits/seed0"
    given = spec(
        "gsimclr", "train.epochs=2", "data.order.clusters=48", "train.evaluate_every=1"
    )
    trainer.train(given, folder, quiet=True)
    return folder, given


def test_a_guided_run_makes_its_autoencoder_and_its_clusters(guided):
    folder, given = guided
    first = folder.parents[2] / "autoencoder/shallow_digits/seed0"
    assert runs.finished(first) and runs.finished(folder)
    cluster = np.load(folder / "clusters.npy")
    assert cluster.shape == (192,) and set(cluster) == set(range(48))
    assert runs.stored(first)["data"]["limit"] == 192
    assert "online_knn" in "".join(rows(folder)[-1])
    order = json.loads((folder / "data.json").read_text())["order"]
    assert order["name"] == "deal" and order["clusters"] == 48
    assert 0 < order["same_cluster"] < 0.02 < order["same_class"] < 0.2


def test_finished_stages_are_not_run_again(guided):
    folder, given = guided
    first = folder.parents[2] / "autoencoder/shallow_digits/seed0"
    before = [(first / "history.csv").stat().st_mtime_ns for _ in range(2)]
    (folder / "last.weights.h5").unlink()
    trainer.train(given, folder, quiet=True)
    assert (first / "history.csv").stat().st_mtime_ns == before[0]
    assert runs.finished(folder)


def test_labels_may_come_from_a_file_and_must_fit(guided, tmp_path):
    folder, _ = guided
    order = Guided("deal", 48, str(folder / "clusters.npy"))
    images = sources.subset(digits("train"), np.arange(192))
    read = stages.clusters({}, order, tmp_path, images, None, True, None)
    np.testing.assert_array_equal(read, np.load(folder / "clusters.npy"))
    fewer = sources.subset(images, np.arange(191))
    with pytest.raises(BadInput, match="191 training images"):
        stages.clusters({}, order, tmp_path, fewer, None, True, None)
    np.save(tmp_path / "text.npy", np.array(["a"] * 192))
    with pytest.raises(BadInput, match="one whole number"):
        stages.read_labels(tmp_path / "text.npy", 192)


def test_a_placebo_deals_by_its_labels_permuted_by_the_runs_seed(tmp_path):
    np.save(tmp_path / "labels.npy", np.arange(192) // 4)
    order = Guided("deal", 48, str(tmp_path / "labels.npy"))
    images = sources.subset(digits("train"), np.arange(192))
    rest = (tmp_path / "run", images, None, True, None)
    of = lambda seed, order: stages.clusters({"train": {"seed": seed}}, order, *rest)
    assert np.array_equal(of(5, order), np.arange(192) // 4)
    placebo = order._replace(permute=True)
    expected = guided_order.permuted(np.arange(192) // 4, 5)
    assert np.array_equal(of(5, placebo), expected)
    assert not np.array_equal(of(6, placebo), expected)


def test_fine_tuning_sees_the_images_of_its_run_whatever_it_draws_of_them():
    given = {"name": "digits", "per_class": 20, "draw": "seed"}
    facts = {"mean": [0.5] * 3, "size": 32}
    done = SimpleNamespace(
        spec={"data": given},
        facts=facts,
        normal=lambda: ([0.5] * 3, [0.2] * 3),
        parts=SimpleNamespace(train=Train(8, 1, seed=3)),
    )
    section = lambda draw: Tune(done, "finetune", {}, None, "last").section(
        {"share": 0.5, "draw": draw}
    )
    assert (section(0)["draw"], section(0)["share_draw"]) == (3, 0)
    assert section(3)["draw"] == 3 and "share_draw" not in section(3)
    del given["draw"]  # as configs were before: the same keys, so the same folders
    assert section(0)["draw"] == 0 and "share_draw" not in section(0)
    assert (section(5)["draw"], section(5)["share_draw"]) == (0, 5)


def test_runs_of_several_seeds_differ_in_their_images_if_the_draw_is_the_seed():
    def images(seed, *overrides):
        own = (f"train.seed={seed}", "data.per_class=20", "data.limit=null")
        given = spec("supervised", *own, *overrides)
        found = opening.open_data(experiment.check(given), None)
        return found.train.images.sum(axis=(1, 2, 3))

    seeded = "data.draw=seed"
    assert not np.array_equal(images(1, seeded), images(2, seeded))
    assert np.array_equal(images(1, seeded), images(1, seeded))
    assert np.array_equal(images(1), images(2))


def test_fine_tuning_trains_two_stages_inside_the_run(guided):
    folder, _ = guided
    options = {"share": 0.5, "warmup": 1, "epochs": 1, "batch_size": 16}
    values = evaluator.evaluate(folder, "finetune", changes=options)
    names = {"accuracy", "validation_accuracy"}
    assert set(values) == names | {f"warmup_{n}" for n in names} | {"images"}
    places = sorted(p.name.split("_")[0] for p in (folder / "finetune").iterdir())
    assert places == ["all", "warmup"] and values["images"] < 96
    kept = weights(folder)
    warm = weights(next((folder / "finetune").glob("warmup_*")))
    tuned = weights(next((folder / "finetune").glob("all_*")))
    own = [name for name in warm if not name.startswith("head/")]
    moving = [name for name in own if "moving" in name]
    assert all(np.array_equal(warm[n], kept[n]) for n in own)
    assert all(np.array_equal(tuned[n], kept[n]) for n in moving)
    assert any(not np.array_equal(tuned[n], kept[n]) for n in own)
    records = [r for r in runs.results(folder) if r["evaluation"] == "finetune"]
    assert records[-1]["values"]["accuracy"] == values["accuracy"]


def test_patience_stops_a_run_at_its_best_weights_for_good(tmp_path):
    given = spec(
        "supervised",
        *("data.validation=0.25", "train.epochs=30", "train.best=accuracy"),
        *("train.patience=2", "optimizer.learning_rate=0.5", "train.evaluate_every=1"),
    )
    folder = tmp_path / "supervised/a/seed0"
    trainer.train(given, folder, quiet=True)
    found = [float(row["validation_accuracy"]) for row in rows(folder)]
    assert len(found) < 30
    assert len(found) - 1 - found.index(max(found)) == 2
    last, best = (h5py.File(folder / f"{n}.weights.h5") for n in ("last", "best"))
    np.testing.assert_array_equal(last["head/kernel"][()], best["head/kernel"][()])
    judged = [r for r in runs.results(folder) if r["split"] == "validation"]
    assert judged[-1]["values"]["accuracy"] == pytest.approx(max(found), abs=1e-6)
    trainer.train(given, folder, quiet=True)
    assert len(rows(folder)) == len(found)


def test_a_contrastive_run_is_judged_on_views_of_held_out_images(tmp_path):
    given = spec(
        "simclr", "train.epochs=2", "data.validation=0.4", "train.evaluate_every=1"
    )
    folder = tmp_path / "simclr/a/seed0"
    trainer.train(given, folder, quiet=True)
    for row in rows(folder):
        assert 0 < float(row["validation_loss"]) < 8
        assert 0 <= float(row["validation_probe_accuracy"]) <= 1


@pytest.mark.parametrize(
    ("losses", "stops"),
    [([3, 2, 1], False), ([1, 2], False), ([1, 2, 3], True), ([2, 1, 1, 1], True)],
)
def test_a_run_is_stale_when_patience_evaluations_brought_nothing(losses, stops):
    settings = Train(8, 9, best="loss", patience=2)
    found = [{"validation_loss": str(x)} for x in losses]
    assert watching.stale(found, settings) is stops
    assert not watching.stale(found, settings._replace(patience=None))


def test_twenty_updates_of_low_spread_in_a_row_warn_once():
    heard = []
    collapse = watching.Collapse(("loss", "spread"), heard.append)
    terms = np.array([[1.0, 0.1]] * 19 + [[1.0, 0.9]] + [[1.0, 0.1]] * 30)
    for start in range(0, 50, 10):
        collapse(terms[start : start + 10], start)
    assert len(heard) == 1 and "step 39" in heard[0] and "learning_rate" in heard[0]


@pytest.mark.slow
def test_the_authors_batch_norm_stands_still_after_the_first_epoch(tmp_path):
    keep = ["train.epochs=3", "train.keep_every=1", "train.knn=0"]
    given = spec("simclr", *keep)
    given["method"] = {"name": "scatsimclr", "head": [16, 8], "official_norm": True}
    folder = tmp_path / "scatsimclr/a/seed0"
    trainer.train(given, folder, quiet=True)
    kept = [h5py.File(folder / f"epoch{k:05d}.weights.h5") for k in (1, 2, 3)]
    for name, same in (("moving_mean", True), ("gamma", False)):
        first, second, third = (f[f"stem_norm/{name}"][()] for f in kept)
        assert np.array_equal(first, second) is same
        assert np.array_equal(second, third) is same
    assert first.any()


def test_fine_tuning_takes_the_runs_seed_unless_told():
    class Tune:
        seed, seen = 3, []

        def __call__(self, name, sections, init):
            self.seen.append(sections["train"]["seed"])
            return {"values": {}, "images": 1, "folder": ""}

    finetune(Tune(), warmup=0)
    finetune(Tune(), seed=5)
    assert Tune.seen == [3, 5, 5]
