"""A user's own function as data set, named in a config."""

import json
import sys

import numpy as np
import pytest

from ssl_tf import config, doctor, experiment, opening, plan, rehearsal
from ssl_tf.data import DATASETS, checked
from ssl_tf.errors import BadInput
from tests import commands

MODULE = '''
from __future__ import annotations

import numpy as np

from ssl_tf.data import Source


def squares(split, root=None, count: int = 96, size: int = 5):
    """A bright band tells the class; `size` has nothing to do with pixels."""
    label = np.arange(count) % 4
    images = np.full((count, 24, 24, 3), split == "test", np.uint8)
    for i, k in enumerate(label):
        images[i, :, 6 * k : 6 * k + 6] += 150
    return Source("any", "any", images, label, ["a", "b", "c", "d"])


def paths(split, root=None):
    return Source("any", split, [f"{root}/0.png", f"{root}/1.png"], [1, -1], ("x", "y"))


def attributes(split, root=None):
    label = np.array([[True, False, True]] * 9)
    return Source("any", split, np.zeros((9, 8, 8, 3), np.uint8), label, tuple("pqr"))


def changed(split, root=None, **fields):
    return squares(split)._replace(**fields)


def short(split, root=None):
    return changed(split, label=np.arange(5))


def fractions(split, root=None):
    return changed(split, label=np.arange(96) % 4 / 1.0)


def counted_from_one(split, root=None):
    return changed(split, label=np.arange(96) % 4 + 1)


def floats(split, root=None):
    return changed(split, images=np.zeros((96, 24, 24, 3), np.float32))


def grey(split, root=None):
    return changed(split, images=np.zeros((96, 24, 24), np.uint8))


def oblong(split, root=None):
    return changed(split, images=np.zeros((96, 24, 32, 3), np.uint8))


def twice(split, root=None):
    return changed(split, classes=("a", "b", "c", "c"))


def empty(split, root=None):
    return changed(split, images=np.zeros((0, 24, 24, 3), np.uint8), label=[])


def columns(split, root=None):
    return attributes(split)._replace(classes=("p", "q"))


def arrays(split, root=None):
    return np.zeros((4, 8, 8, 3), np.uint8), np.zeros(4)


def fails(split, root=None):
    return {}["images"]


def sorted_anew(split, root=None):
    names = ("a", "b", "c", "d")
    return changed(split, classes=names if split == "train" else names[::-1])


def without_split(root=None):
    return squares("train")


number = 5
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module `own_data` in the current folder."""
    (tmp_path / "own_data.py").write_text(MODULE)
    (tmp_path / "broken_data.py").write_text("def squares(:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda name: getattr(__import__("own_data"), name)
    sys.modules.pop("own_data", None)


def spec(name, *more, method="supervised"):
    given = [f"data.name={name}", "train.batch_size=16", *more]
    return config.load(config.find(method, "resnet18", "digits"), None, given)


def test_a_users_function_gives_the_images_of_a_run(own):
    parts = experiment.check(spec("own_data.squares", "data.count=48"))
    opened = opening.open_data(parts, None)
    assert opened.train.size == opened.test.size == 48
    assert opened.size == 24  # of the images, whatever its own `size` means
    assert opened.train.classes == ("a", "b", "c", "d")
    assert opened.train.label.dtype == np.int32
    assert opened.train.label[:5].tolist() == [0, 1, 2, 3, 0]
    assert (opened.train.name, opened.test.split) == ("own_data.squares", "test")
    assert experiment.name_of(parts) == "own_data.squares"
    assert rehearsal.known(parts, None)[:3] == (24, 4, 48)


def test_paths_and_attributes_are_taken_too(own):
    found = checked(own("paths"), "own_data.paths")("test", "here")
    assert found.images.tolist() == ["here/0.png", "here/1.png"]
    assert found.files and found.label.tolist() == [1, -1]
    found = checked(own("attributes"), "own_data.attributes")("train")
    assert found.attributes and found.label[0].tolist() == [1, 0, 1]


def test_a_function_of_the_tables_stays_as_it_is():
    assert checked(DATASETS["digits"], "digits") is DATASETS["digits"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_data.short", r"gives 96 images and labels of shape \[5\]"),
        ("own_data.fractions", "gives labels of float64; give whole numbers"),
        ("own_data.counted_from_one", "labels from 1 to 4; with 4 names"),
        ("own_data.floats", r"\[96, 24, 24, 3\], float32; give uint8"),
        ("own_data.grey", r"\[96, 24, 24\], uint8; give uint8 \[N, S, S, 3\]"),
        ("own_data.oblong", r"\[96, 24, 32, 3\], uint8; give uint8 \[N, S, S, 3\]"),
        ("own_data.twice", "names a class twice"),
        ("own_data.empty", "gives 0 images"),
        ("own_data.columns", "gives 3 attributes, 2 names"),
        ("own_data.arrays", "gives tuple; give a ssl_tf.data.Source"),
        ("own_data.fails", r"raised KeyError: 'images' \(.*own_data.py, line \d+\)"),
        ("own_data.sorted_anew", "classes d, c, b, a .*; for train they are a, b"),
        ("own_data.without_split", r"is no function of \(split, root=None\)"),
        ("own_data.number", "'own_data.number' is no function or class"),
        ("own_data.nowhere", "cannot import 'own_data.nowhere' .*no attribute"),
        ("not_there.squares", "cannot import .*No module named 'not_there'"),
        ("broken_data.squares", "cannot import .*SyntaxError"),
    ],
)
def test_what_a_users_function_cannot_give_is_told(own, name, message):
    with pytest.raises(BadInput, match=message):
        opening.open_data(experiment.check(spec(name)), None)


def test_arguments_of_a_users_function_are_checked(own):
    with pytest.raises(BadInput, match="data.count: is 'x'; must be a whole number"):
        experiment.check(spec("own_data.squares", "data.count=x"))
    with pytest.raises(BadInput, match="data: unknown key 'cuont'"):
        experiment.check(spec("own_data.squares", "data.cuont=5"))


def test_doctor_and_plan_read_a_users_function(own, capsys):
    assert doctor.main(["data", "own_data.squares"]) == 0
    assert "train:   96 images, 4 classes of 24" in capsys.readouterr().out
    given = ["--set", "data.name=own_data.squares", "train.batch_size=16"]
    choice = ["--method", "supervised", "--arch", "resnet18", "--dataset", "digits"]
    assert plan.main([*choice, *given, "--no-measure"]) == 0
    assert "updates     6 x 12 epochs" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_on_a_users_function_is_evaluated(own, tmp_path):
    here = {"PYTHONPATH": f"{commands.ROOT}:{tmp_path}"}
    choice = ["--method", "simsiam", "--arch", "resnet18", "--dataset", "digits"]
    given = ["data.name=own_data.squares", "train.batch_size=16", "train.epochs=1"]
    runs = ["--runs", tmp_path / "runs"]
    code, _, error = commands.run("train", *choice, *runs, "--set", *given, **here)
    assert code == 0, error
    (folder,) = (tmp_path / "runs").glob("*/*/seed0")
    for arguments in (["knn"], ["knn", "--dataset", "own_data.squares"]):
        code, out, error = commands.run("evaluate", folder, *arguments, **here)
        assert code == 0, error
    assert json.loads((folder / "data.json").read_text())["name"] == "own_data.squares"
    code, _, error = commands.run(
        "evaluate", folder, "knn", "--dataset", "own_data.fails", **here
    )
    assert code == 2 and error.count("\n") == 1
