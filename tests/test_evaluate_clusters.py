"""Evaluations of clusters as a user types them."""

import csv
import re

import numpy as np
import pictures
import pytest

from ssl_tf import evaluate, experiment, runs
from ssl_tf.errors import BadInput

SPEC = {
    "method": {"name": "heads.Heads", "heads": [10, 14]},
    "backbone": {"name": "preact_resnet18", "width": 4},
    "data": {"name": "digits", "limit": 200},
    "views": [{"name": "plain"}],
    "optimizer": {"name": "sgd", "learning_rate": 0.1},
    "train": {"batch_size": 20, "epochs": 1},
    "evaluations": {"clustering": {"tasks": []}, "kmeans": None},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run folder as training leaves it, with the weights it began with."""
    root = tmp_path_factory.mktemp("runs")
    place = runs.folder(root, "heads", "small_digits", None, 0)
    runs.remember(place, SPEC)
    parts = experiment.check(SPEC)
    method = experiment.build(parts, parts.method, 10, 32)
    runs.save_weights(method, place, "last")
    facts = {"name": "digits", "classes": list("0123456789"), "size": 32}
    facts |= {"resize": None, "mean": [0.3] * 3, "deviation": [0.4] * 3}
    runs.write_json(place / "data.json", facts | {"groups": [], "parameters": 1})
    return place


def values(folder, *arguments, capsys):
    """What the command printed, `{name: text}`."""
    assert evaluate.main([str(folder), *arguments]) == 0
    return dict(x.split(": ", 1) for x in capsys.readouterr().out.splitlines())


def test_heads_are_judged_and_named_apart(folder, capsys):
    printed = values(folder, "clustering", capsys=capsys)
    assert printed["predictions"] == "500 in clustering_predictions.npy"
    predictions = np.load(folder / "clustering_predictions.npy")
    assert predictions.max() < 10
    assert int(printed["clusters"]) == len(np.unique(predictions))
    with open(folder / "clustering_table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["images"]) for row in rows) == 500
    values(folder, "clustering", "--set", "head=1", capsys=capsys)
    called = [record["evaluation"] for record in runs.results(folder)]
    assert called == ["clustering", "clustering:head1"]
    assert (folder / "clustering_head1_predictions.npy").exists()


def test_k_means_and_pictures_of_its_clusters_share_the_centres(folder, capsys):
    printed = values(folder, "kmeans", "--set", "share=0.5", capsys=capsys)
    assert 0 < float(printed["nmi"]) < 1 and printed["predictions"].startswith("1x500")
    (centres,) = (folder / "features").glob("digits_share_last_features_kmeans*")
    assert np.load(centres).shape[0] == 10
    before = centres.stat().st_mtime_ns
    more = ["--set", "kmeans={share: 0.5}", "classes=6"]
    printed = values(folder, "gallery", *more, capsys=capsys)
    assert centres.stat().st_mtime_ns == before
    assert printed["grids"].startswith("6x9x32x32x3")
    called = runs.results(folder)[-1]["evaluation"]
    assert called == "gallery:kmeans_share0.5"
    picture = folder / "figures" / "gallery_kmeans_share0_5.png"
    assert printed["picture"] == str(picture) and picture.exists()


def test_images_of_ones_own_get_a_list_of_their_classes(folder, tmp_path, capsys):
    draw = np.random.default_rng(0)
    for i in range(10):
        shade = draw.integers(0, 256, (32, 32, 3), np.uint8)
        pictures.write(tmp_path / f"{i}.png", shade)
    other = ["--dataset", "folder", "--datadir", str(tmp_path)]
    no_labels = ["--set", "data.labels=false"]
    printed = values(folder, "discover", *other, *no_labels, capsys=capsys)
    assert printed["images"] == "10"
    with open(folder / "discover_folder_table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["file"] for row in rows) == sorted(map(str, tmp_path.iterdir()))
    assert {int(row["cluster"]) for row in rows} <= set(range(10))
    with pytest.raises(BadInput, match="clustering: 2 of 2 test images of folder have"):
        evaluate.main([str(folder), "clustering", *other, *no_labels])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clustering", "--set", "head=2"], "clustering.head: is 2; heads has 0 to 1."),
        (["clustering", "--set", "tasks=[level9]"], "clustering.tasks.0: is 'level9'"),
        (["clustering", "--set", "tasks=[level2]"], "the data has a class '0'."),
        (
            ["kmeans", "--level", "p1"],
            "level: heads has no 'p1'. Have: features, logits0",
        ),
        (["gallery", "--set", "kmeans={k: 3}"], "gallery.kmeans: unknown key 'k'"),
        (["gallery", "--set", "task=entity13"], "the data has a class '0'."),
    ],
)
def test_what_cannot_be_judged_is_said_in_one_line(folder, arguments, message):
    with pytest.raises(BadInput, match=re.escape(message)) as caught:
        evaluate.main([str(folder), *arguments])
    assert "\n" not in str(caught.value)
