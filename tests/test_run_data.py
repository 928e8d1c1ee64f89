"""A run knows its data: what is done, goes on, is needed or started from compares."""

import functools
import json
import shutil
import types

import h5py
import numpy as np
import pictures
import pytest

from ssl_tf import (
    config,
    evaluate,
    evaluator,
    experiment,
    runs,
    scenery,
    schedules,
    stages,
    trainer,
)
from ssl_tf.data import digits, fingerprint
from ssl_tf.data import source as sources
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import scoring, store
from ssl_tf.training import Training

CHANGES = ["backbone.width=4", "train.batch_size=4", "data.validation=0", "data.size=8"]
CHANGES += ["train.best=null"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two folders of images of other classes, `(root, root)`."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("photos")
    for name, classes in (("a", "wxyz"), ("b", "xyzv")):
        pictures.tree(root / name, rng, dict.fromkeys(classes, 5), 8, ".png")
    return root / "a", root / "b"


def parts(method="supervised", *more):
    path = config.find(method, dataset="folder")
    spec = config.load(path, None, [*CHANGES, *more])
    return spec, experiment.check(spec)


def job(spec, given, folder):
    return trainer.Job(given, spec, folder, None, None, {}, None)


def claimed(tmp_path, root, *more):
    """A run folder as training leaves it, without the training; its images."""
    spec, given = parts("supervised", *more)
    folder, opened = tmp_path / "supervised/mine/seed0", scenery.opened(given, root)
    trainer.claim(job(spec, given, folder), opened)
    return folder, spec, given, opened


def learnt(folder):
    """Something was: last weights and a row of the history."""
    with h5py.File(folder / "last.weights.h5", "w") as file:
        file["head/kernel"] = np.zeros(3)
    row = {"epoch": 1, "step": 5, "learning_rate": 0.1, "loss": 1.0}
    runs.write_history(folder, [row])


def test_a_run_gets_its_images_and_its_id_once_and_refuses_other_images(
    tmp_path, photos
):
    folder, spec, given, opened = claimed(tmp_path, photos[0])
    first = runs.facts(folder)
    assert len(first["id"]) == 12 and int(first["id"], 16) >= 0
    assert first["fingerprint"] == json.loads(json.dumps(opened.fingerprint))
    assert runs.identity(folder) == {"run": first["id"]}
    learnt(folder)
    trainer.claim(job(spec, given, folder), opened)
    assert runs.facts(folder) == first
    longer = spec | {"train": spec["train"] | {"epochs": 999}}
    with pytest.raises(BadInput, match="classes v instead of w"):
        trainer.claim(job(longer, given, folder), scenery.opened(given, photos[1]))
    assert runs.facts(folder) == first
    assert runs.stored(folder) == spec  # a refused command changes nothing


def test_where_nothing_was_learnt_a_run_begins_anew_with_another_id(tmp_path, photos):
    folder, spec, given, _ = claimed(tmp_path, photos[0])
    first = runs.facts(folder)["id"]
    trainer.claim(job(spec, given, folder), scenery.opened(given, photos[1]))
    facts = runs.facts(folder)
    assert facts["id"] != first and facts["classes"] == list("vxyz")


def test_done_is_said_of_these_images_only(tmp_path, photos, capsys):
    folder, spec, given, _ = claimed(tmp_path, photos[0], "train.epochs=1")
    learnt(folder)
    assert trainer.train(spec, folder, root=photos[0]) == folder
    assert capsys.readouterr().err == f"{folder}: done already.\n"
    with pytest.raises(BadInput, match="holds a run of other data"):
        trainer.train(spec, folder, root=photos[1])
    with pytest.raises(BadInput, match="does not exist"):
        trainer.train(spec, folder, root=tmp_path / "nowhere")
    assert trainer.train(spec, folder) == folder
    told = capsys.readouterr().err
    assert "images are not compared (folder: needs --datadir" in told
    facts = {k: v for k, v in runs.facts(folder).items() if k != "fingerprint"}
    runs.write_json(folder / "data.json", facts)
    assert trainer.train(spec, folder, root=photos[1]) == folder
    told = capsys.readouterr().err
    assert "keeps no fingerprint" in told and told.count("\n") == 1


def test_settings_are_no_part_of_the_images(photos):
    plain = scenery.opened(parts()[1], photos[0])
    changes = ["data.limit=8", "data.norm=mean_std", "data.validation=0.4"]
    drawn = scenery.opened(parts("supervised", *changes)[1], photos[0])
    assert drawn.train.size < plain.train.size
    assert drawn.fingerprint == plain.fingerprint


@pytest.mark.parametrize("method", ["ssal", "gsimclr"])
def test_what_a_run_needs_first_must_be_of_its_images(tmp_path, photos, method):
    spec, given = parts(method, "data.validation=0.2")
    own, other = (scenery.opened(parts()[1], root).fingerprint for root in photos)
    folder = tmp_path / method / "mine" / "seed0"
    first = tmp_path / "supervised" / "mine" / "seed0"
    if method == "gsimclr":
        *_, first = stages.needed(spec, folder, "")
    compare = functools.partial(stages.same_data, spec, given, folder)
    compare(own)  # it is not there
    first.mkdir(parents=True)
    runs.write_json(first / "data.json", {"fingerprint": own})
    learnt(first)
    compare(own)
    with pytest.raises(BadInput, match=f"{first.parent.name}.*classes v instead of w"):
        compare(other)
    runs.write_json(first / "data.json", {})
    compare(other)  # it is not known


def test_weights_to_start_from_tell_of_which_images_they_are(tmp_path, photos, capsys):
    folder, *_ = claimed(tmp_path, photos[0])
    init = f"init={{run: {folder}, parts: PARTS}}"
    own, other = (scenery.opened(parts()[1], root) for root in photos)
    backbone = parts("supervised", init.replace("PARTS", "backbone"))[1]
    whole = parts("supervised", init.replace("PARTS", "all"))[1]
    for given in (backbone, whole):
        stages.suits(given, own)
    assert capsys.readouterr().err == ""
    stages.suits(backbone, other)
    told = capsys.readouterr().err
    assert "trained on other data, here are classes v instead of w" in told
    with pytest.raises(BadInput, match="tells other classes apart: classes v instead"):
        stages.suits(whole, other)


def test_pseudo_labels_of_other_images_are_refused(tmp_path):
    images = sources.subset(digits("train"), np.arange(20))
    path = tmp_path / "pseudo_labels_cluster.npy"
    np.save(path, np.zeros(20, np.int32))
    stages.same_images(path, images)  # nothing is known of it
    made = {"train": fingerprint.key(fingerprint.part(images))}
    runs.append_result(tmp_path, {"evaluation": "pseudo_labels", "images": made})
    stages.same_images(path, images)
    for places in (np.arange(19), np.arange(20)[::-1], np.arange(1, 21)):
        other = sources.subset(digits("train"), places)
        with pytest.raises(BadInput, match="made of other training images"):
            stages.same_images(path, other)


@pytest.mark.parametrize(
    ("schedule", "then", "told"),
    [
        (schedules.cosine, 4, True),
        (schedules.cosine, 8, False),
        (schedules.constant, 4, False),
    ],
)
def test_a_schedule_that_changes_as_a_run_goes_on_is_said(schedule, then, told):
    """Cosine of 4 epochs of 10 updates: the last had 0.05 (1 + cos(pi 39 / 40))."""
    heard = []
    rate = lambda epochs, step: float(
        schedules.rates(schedule, 0.1, [step], 10, epochs)[0]
    )
    run = types.SimpleNamespace(
        rows=[{"step": 40, "learning_rate": rate(then, 39)}],
        step=40,
        total=80,
        rates=lambda steps: np.array([rate(8, step) for step in steps]),
        train=types.SimpleNamespace(epochs=8),
        folder="run",
        progress=types.SimpleNamespace(warn=heard.append),
    )
    Training.compare_rates(run)
    assert len(heard) == told
    assert all("those of 8 epochs" in text and "--name" in text for text in heard)
    if told:
        numbers = f"at {0.05 * (1 + np.cos(np.pi / 2)):.3g}, it was at "
        assert f"{numbers}{0.05 * (1 + np.cos(np.pi * 39 / 40)):.3g}" in heard[0]


def test_logits_meet_only_labels_that_count_their_classes():
    image = types.SimpleNamespace(source=digits("test"))
    method = types.SimpleNamespace(class_names=tuple("0123456789"))
    scoring.same_columns(method, image, "terms")
    scoring.same_columns(types.SimpleNamespace(class_names=None), image, "terms")
    method.class_names = tuple("1023456789")
    with pytest.raises(BadInput, match="classes in another order"):
        scoring.same_columns(method, image, "terms")


def test_features_stay_mapped_when_another_process_removes_their_file(tmp_path):
    rows = [[np.full((2, 3), k, np.float32)] for k in range(2)]
    path = tmp_path / "digits_test_last_features_0.npy"
    (kept,) = store.write([path], iter(rows), 4, np.float32)
    store.forget_others(tmp_path / "digits_test_last_features_1.npy")
    assert not path.exists()
    assert kept.tolist() == [[0] * 3] * 2 + [[1] * 3] * 2


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A run of four classes with the weights it began with, and its images' root."""
    root, rng = tmp_path_factory.mktemp("judged"), np.random.default_rng(1)
    for name, classes in (("own", "wxyz"), ("few", "xz"), ("more", "vwxyz")):
        for split in ("train", "test"):
            place = root / name / split
            pictures.tree(place, rng, dict.fromkeys(classes, 6), 8, ".png")
    spec, given = parts()
    folder, opened = root / "supervised/mine/seed0", scenery.opened(given, root / "own")
    trainer.claim(job(spec, given, folder), opened)
    method = experiment.build(given, given.method, 4, 8)
    runs.save_weights(method, folder, "last")
    normal = {"mean": opened.normal.mean, "deviation": opened.normal.deviation}
    facts = {"size": 8, "images": {"train": 24}, "parameters": 1, "groups": []}
    runs.write_json(folder / "data.json", runs.facts(folder) | facts | normal)
    return folder, root


def predicted(folder, root, name):
    """Class names the run's network gives to the images of a class, one by one."""
    run = evaluator.Run(folder)
    paths = sorted((root / "test" / name).iterdir())
    images = np.stack([np.asarray(pictures.Image.open(p)) for p in paths])
    logits = run.method(run.normal()(images / np.float32(255)), training=False)
    return ["wxyz"[place] for place in np.argmax(logits, axis=1)]


def test_images_of_some_classes_are_judged_by_name_and_kept_apart(judged, capsys):
    folder, root = judged
    found = evaluator.evaluate(folder, "confusion", root=root / "own")
    assert capsys.readouterr().err == "" and found["matrix"].sum() == 24
    own = runs.results(folder)[-1]
    assert own["evaluation"] == "confusion" and own["run"] == runs.facts(folder)["id"]
    matrix = evaluator.evaluate(folder, "confusion", root=root / "few")["matrix"]
    told = capsys.readouterr().err
    assert "here are classes without w, y" in told
    assert "no test image of 2 of the 4 classes (w, y)" in told
    assert told.count("\n") == 2
    for row, name in enumerate("wxyz"):
        given = predicted(folder, root / "few", name) if name in "xz" else []
        assert matrix[row].tolist() == [given.count(other) for other in "wxyz"]
    other = runs.results(folder)[-1]
    assert other["evaluation"].startswith("confusion@")
    assert f"kept as {other['evaluation']}" in told
    assert own["images"].keys() == other["images"].keys() == {"train", "test"}
    assert own["images"]["test"] != other["images"]["test"]
    with pytest.raises(BadInput, match="no test image is of class 'w'"):
        groups = {"changes": {"groups": [2]}}
        evaluator.evaluate(folder, "confusion", root=root / "few", **groups)
    with pytest.raises(BadInput, match="classes v are not among the 4") as error:
        evaluator.evaluate(folder, "confusion", root=root / "more")
    assert "\n" not in str(error.value)


def test_a_run_without_fingerprint_in_a_read_only_folder_is_judged(
    judged, tmp_path, monkeypatch, capsys
):
    shutil.copytree(judged[0], folder := tmp_path / "run")
    facts = {k: v for k, v in runs.facts(folder).items() if k != "fingerprint"}
    runs.write_json(folder / "data.json", facts)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    monkeypatch.setattr(runs, "writable", lambda path: False)
    arguments = [str(folder), "confusion", "--datadir", str(judged[1] / "own")]
    assert evaluate.main(arguments) == 0
    printed, told = capsys.readouterr()
    assert printed.splitlines()[0].startswith("accuracy: 0.")
    assert "matrix: 4x4\n" in printed
    assert "keeps no fingerprint" in told and "is read-only; the result" in told
    assert told.count("\n") == 2
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
