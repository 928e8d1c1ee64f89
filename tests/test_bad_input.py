"""Bad input ends in one line on stderr and exit code 2, and nothing is lost."""

import commands
import numpy as np
import pictures
import pytest
from commands import refused

from ssl_tf import (
    config,
    evaluate,
    opening,
    plan,
    reproduce,
    runs,
    state,
    train,
    trainer,
)
from ssl_tf.data import digits
from ssl_tf.errors import BadInput
from ssl_tf.methods import SSAL


@pytest.mark.parametrize(
    ("main", "arguments", "message"),
    [
        (train.main, ["--metod", "ssal"], "unrecognized arguments: --metod"),
        (train.main, ["--strategy", "cluster"], "invalid choice: 'cluster'"),
        (train.main, ["--seed", "one"], "invalid int value: 'one'"),
        (train.main, [], "give --method or --config"),
        (train.main, ["--method", "sal"], "unknown name 'sal'. Have: autoencoder"),
        (train.main, ["--method", "ssal", "--arch", "resnet50"], "several configs"),
        *(
            (
                train.main,
                ["--method", method, "--dataset", "digits", "--set", set_],
                why,
            )
            for method, set_, why in [
                ("simclr", "train.batch_size=1", "the images of a batch"),
                ("simclr", "method.temperature=0", "must be > 0"),
                ("simclr", "views=[{name: plain}]", "there are 1; this method takes 2"),
                ("gsimclr", "data.order.clusters=5000", "only 1297 training images"),
                ("gsimclr", "data.order.clusters=1", "must be >= 2"),
                ("gsimclr", "data.order.labels=no.npy", "pseudo_labels`, or leave"),
                ("gsimclr", "needs={}", "name its config in `needs"),
                ("simclr", "train.patience=2", "set train.best"),
                ("scatsimclr", "backbone.J=5", "so use J <= 4 or larger images"),
                ("scatsimclr", "train.accumulate=2", "couples the images of a batch"),
                ("supervised", "init={run: runs/none}", "is not a run folder"),
                ("simsiam", "backbone={name: vit, patch: 5}", "of 5 pixels do not cov"),
                ("simsiam", "backbone={name: vit_minimal, patch: 3}", "of 32x32; set"),
                ("simsiam", "backbone={name: pit, patch: 7}", "7 pixels, 2 apart, do"),
                ("simsiam", "backbone={name: pit_tiny}", "27x27 of 224x224 pixels"),
            ]
        ),
        (train.main, ["--config", "none.yaml"], "none.yaml: no such file."),
        (
            train.main,
            ["--method", "ssal", "--dataset", "digits", "--variant", "x"],
            "--variant: unknown name 'x'",
        ),
        (
            train.main,
            ["--method", "ssal", "--dataset", "digits", "--set", "train.batch_size=0"],
            "train.batch_size: is 0; must be >= 1.",
        ),
        (
            train.main,
            ["--method", "ssal", "--dataset", "digits", "--seed", "-1"],
            "train.seed: is -1; must be >= 0.",
        ),
        (
            train.main,
            ["--method", "ssal", "--dataset", "folder"],
            "folder: needs --datadir DIR",
        ),
        (
            train.main,
            ["--method", "ssal", "--dataset", "folder", "--datadir", "/nowhere"],
            "--datadir /nowhere: does not exist",
        ),
        (
            train.main,
            ["--method", "supervised", "--dataset", "digits", "--set"]
            + ["train.batch_size=2000", "train.epochs=1"]
            + ["optimizer.schedule.warmup=1"],
            "there are only 1297 training images",
        ),
        (evaluate.main, ["runs/none", "terms"], "is not a run folder"),
        (reproduce.main, ["resnet51_ssal"], "unknown experiment 'resnet51_ssal'"),
        (reproduce.main, ["--seeds", "0"], "--seeds 0: must be 1 or more."),
        (reproduce.main, ["--demo", "sal"], "--demo: unknown method 'sal'"),
        (plan.main, ["--method", "ssal", "--dataset", "folder"], "needs --datadir"),
    ],
)
def test_a_command_says_what_is_wrong_in_one_line(
    capsys, tmp_path, main, arguments, message
):
    more = ["--runs", tmp_path] if main is train.main else []
    assert message in refused(capsys, main, *arguments, *more)
    assert not list(tmp_path.rglob("last.weights.h5"))


@pytest.fixture
def spec(tmp_path):
    def load(*overrides):
        return config.load(commands.tiny_config(tmp_path), overrides=overrides)

    return load


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(tmp_path, spec):
    folder = tmp_path / "run"
    wild = spec("optimizer.learning_rate=1.0e+20", "train.seed=7")
    with pytest.raises(BadInput) as error:
        trainer.train(wild, folder, quiet=True)
    message = str(error.value)
    assert "not finite at step" in message and "seed 7" in message
    _, extra = state.newest(folder)
    assert extra["step"] <= int(message.partition("at step ")[2].split()[0])
    assert not runs.finished(folder)


def test_a_run_folder_in_use_is_refused(tmp_path, spec):
    folder = tmp_path / "run"
    with runs.locked(folder), pytest.raises(BadInput, match="another process"):
        trainer.train(spec(), folder, quiet=True)


def test_a_state_of_another_model_is_refused_and_stays(tmp_path, spec):
    folder = tmp_path / "run"
    short = spec("train.epochs=1", "data.limit=64")
    trainer.train(short, folder, quiet=True)
    (folder / "last.weights.h5").unlink()
    (folder / "config.yaml").unlink()
    before = sorted(p.name for p in (folder / "state").iterdir())
    wider = spec("train.epochs=1", "data.limit=64", "backbone.growth=6")
    with pytest.raises(BadInput, match="another model"):
        trainer.train(wider, folder, quiet=True)
    assert sorted(p.name for p in (folder / "state").iterdir()) == before


def test_a_longer_run_goes_on_and_another_config_is_refused(tmp_path, spec):
    folder = tmp_path / "run"
    trainer.train(spec("train.epochs=1", "data.limit=64"), folder, quiet=True)
    with pytest.raises(BadInput, match="optimizer.learning_rate"):
        trainer.train(
            spec("train.epochs=1", "data.limit=64", "optimizer.learning_rate=0.5"),
            folder,
            quiet=True,
        )
    trainer.train(spec("train.epochs=2", "data.limit=64"), folder, quiet=True)
    assert [row["epoch"] for row in runs.history(folder)] == ["1", "2"]
    assert [r["epoch"] for r in runs.results(folder)] == [1, 2]


def test_a_full_disk_while_saving_ends_the_run_and_loses_nothing(
    tmp_path, spec, monkeypatch
):
    folder = tmp_path / "run"
    (folder / "state").mkdir(parents=True)
    monkeypatch.setattr(runs, "unique", lambda: "mine")
    (folder / "state" / ".step000000004.npz.mine.tmp").symlink_to("/dev/full")
    short = spec("train.epochs=3", "data.limit=64")
    with pytest.raises(BadInput, match="the disk is full"):
        trainer.train(short, folder, quiet=True)
    assert state.newest(folder)[1]["step"] < 4
    trainer.train(short, folder, quiet=True)
    assert runs.finished(folder)


def test_an_image_damaged_among_good_ones_is_named_while_training(tmp_path, rng):
    wnids = ["n01440764", "n01443537"]
    for part, count in (("train", 8), ("val", 2)):
        counts = dict.fromkeys(wnids, count)
        pictures.tree(tmp_path / part, rng, counts, size=40, suffix=".JPEG")
    broken = pictures.damaged(tmp_path / "train" / wnids[1] / "5.JPEG", rng)
    path = config.find("supervised", "resnet50", "imagenet")
    changes = ["backbone={name: resnet18, width: 2, stem: small}", "method.top5=false"]
    changes += [
        "views=[{name: crop_flip, size: 32}]",
        "train.batch_size=8",
        f"data.classes=[{', '.join(wnids)}]",
    ]
    wide = config.load(path, None, changes)
    with pytest.raises(BadInput, match=f"{broken}: is no readable image") as error:
        trainer.train(wide, tmp_path / "run", root=tmp_path, quiet=True)
    assert "\n" not in str(error.value)
    assert not runs.finished(tmp_path / "run")


def test_attributes_of_missing_rows_are_told_before_training(capsys, tmp_path, rng):
    pictures.celeba(tmp_path, rng, (4, 2, 2))
    path = tmp_path / "list_attr_celeba.txt"
    count, *rows = path.read_text().splitlines()
    choice = ["--method", "multilabel", "--arch", "resnet18", "--dataset", "celeba"]
    places = ["--datadir", tmp_path, "--runs", tmp_path / "runs"]
    for head, told in (
        (count, "has 7 rows of images, its first line says '8'"),
        ("7", "has no row of 000008.jpg, which list_eval_partition.txt lists"),
    ):
        path.write_text("\n".join([head, *rows[:-1], ""]))
        assert told in refused(capsys, train.main, *choice, *places)
    assert not list(tmp_path.rglob("*.weights.h5"))


def test_a_host_without_a_tpu_is_told_before_anything_is_opened(tmp_path):
    code, _, error = commands.run(
        "train",
        *("--method", "ssal", "--dataset", "folder", "--datadir", "/nowhere"),
        *("--strategy", "tpu", "--runs", tmp_path),
    )
    assert code == 2
    assert error.startswith("--strategy tpu: no TPU on this host")
    assert error.count("\n") == 1


def test_fewer_than_four_classes_cannot_be_grouped():
    from ssl_tf import experiment, opening

    path = config.find("ssal", dataset="folder")
    parts = experiment.check(config.load(path))
    with pytest.raises(BadInput, match="at least 4 classes; there are 3"):
        opening.settle_groups(parts.method, ("a", "b", "c"), lambda: None)
    counts = opening.group_counts(parts.method, 30)
    assert counts == {0: 6, 1: 10, 2: 15}
    assert opening.group_counts(parts.method, 4) == {0: 2}
    assert parts.method.func is SSAL


def test_images_without_classes_are_refused_where_a_method_needs_them():
    source = digits("train")
    label = np.where(np.arange(source.size) < 7, -1, source.label)
    with pytest.raises(BadInput, match="7 of its 1,297 training images have no class"):
        opening.check_labels(source._replace(label=label))
    opening.check_labels(source)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["data.size=2"], "AveragePooling2D"),
        (["backbone={name: vit, patch: 16, mlp: 0.001}"], "units"),
    ],
)
def test_what_keras_cannot_build_is_refused_in_one_line(tmp_path, changes, told):
    from ssl_tf import experiment

    noise = "data={name: noise, size: 16, count: 64}"
    spec = config.load(commands.tiny_config(tmp_path), None, [noise, *changes])
    spec["method"] = {"name": "supervised"}
    parts = experiment.check(spec)
    size = spec["data"]["size"]
    with pytest.raises(BadInput, match=told) as error:
        experiment.build(parts, parts.method, 10, size)
    assert f"{size} x {size}" in str(error.value) and "\n" not in str(error.value)
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize(
    ("views", "held", "knn", "best", "known"),
    [
        (1, 10, 0, "joint_accuracy", True),
        (1, 10, 0, "jiont_accuracy", False),
        (1, 10, 0, "loss", False),  # not a score of single images
        (2, 64, 0, "loss", True),
        (2, 10, 0, "loss", False),  # fewer held-out images than a batch
        (1, 10, 0, "online_knn", False),
        (1, 10, 50, "online_knn", True),
        (1, 10, 0, None, True),
    ],
)
def test_a_best_score_that_is_never_measured_is_told_before_training(
    views, held, knn, best, known
):
    from types import SimpleNamespace as Made

    from ssl_tf.watching import Judge

    method = Made(scores=("accuracy", "joint_accuracy"), terms=("loss",), views=views)
    opened = Made(validation=Made(size=held))
    judge = Judge(Made(method=method), opened, [], Made(batch_size=32, knn=knn))
    if known:
        return judge.check(best)
    with pytest.raises(BadInput, match="train.best: '.*' is not measured"):
        judge.check(best)
