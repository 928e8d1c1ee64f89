"""Detectors from the command line: trained, resumed, judged, drawn."""

import json
import sys

import h5py
import numpy as np
import pytest

from ssl_tf import (
    config,
    evaluate,
    experiment,
    report,
    reproduce,
    runs,
    state,
    train,
    trainer,
)
from ssl_tf.errors import BadInput

SMALL = [
    "data.train=24",
    "data.test=6",
    "data.height=48",
    "data.width=64",
    "data.largest=30",
    "views.0.short=[48]",
    "views.0.test=48",
    "method.proposing.sizes=[16]",
    "method.looking.score=0.1",
    "backbone.width=4",
    "train.epochs=2",
    "train.precise_bn=2",
]


def spec(method, *more):
    path = config.find(method, dataset="shapes")
    return config.load(path, overrides=[*SMALL, *more])


def weights(folder):
    found = {}
    with h5py.File(folder / "last.weights.h5") as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A Mask R-CNN of 11 updates, of which its last epoch has only five."""
    folder = tmp_path_factory.mktemp("runs") / "mask_rcnn/resnet18_shapes/seed0"
    trainer.train(spec("mask_rcnn", "train.updates=11"), folder, quiet=True)
    return folder


def test_a_run_stops_at_its_last_update_and_settles_its_statistics(made):
    row = runs.history(made)[-1]
    assert (int(row["epoch"]), int(row["step"])) == (2, 11)
    trainer.train(spec("mask_rcnn", "train.updates=11"), made, quiet=True)
    assert len(runs.history(made)) == 2
    before, _ = state.newest(made)  # saved with the last update
    settled = weights(made)
    tail = lambda path: "/".join(path.split("/")[-2:])
    before = {tail(path): value for path, value in before.items()}
    for name, value in settled.items():
        moved = not np.array_equal(value, before[tail(name)])
        assert moved == ("moving_" in name), name


def test_average_precision_and_pictures_are_made_of_a_run(made, tmp_path, capsys):
    assert evaluate.main([str(made), "detection"]) == 0
    printed = capsys.readouterr().out
    result = runs.results(made)[-1]
    assert result["evaluation"] == "detection"
    for kind in ("voc2007", "voc", "box", "mask"):
        assert f"{kind}.AP50" in printed
        assert 0 <= result["values"][f"{kind}.AP50"] <= 1
    assert "box.AP_large" not in result["values"]  # no object is so large
    assert "NaN" not in (made / "results.jsonl").read_text()
    assert np.load(made / "detection_tiles.npy").shape == (3, 4, 240, 320, 3)
    page = tmp_path / "page.html"
    assert report.main([str(made.parents[2]), "--only", "--html", str(page)]) == 0
    assert "detection" in page.read_text()


def test_without_pycocotools_voc_alone_is_counted(made, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(BadInput, match="pip install 'ssl_tf.detect.'"):
        evaluate.main([str(made), "detection"])
    assert evaluate.main([str(made), "detection", "--set", "coco=false"]) == 0
    assert "voc.AP50" in capsys.readouterr().out


def test_a_detector_starts_from_the_backbone_of_another_run(made, tmp_path):
    given = ["train.updates=1", "train.precise_bn=0", "optimizer.learning_rate=1.0e-9"]
    arguments = ["--method", "faster_rcnn", "--dataset", "shapes", "--init", str(made)]
    assert (
        train.main([*arguments, "--runs", str(tmp_path), "--set", *SMALL, *given]) == 0
    )
    (folder,) = tmp_path.glob("faster_rcnn/*/seed0")
    kernel = lambda where: next(
        v for k, v in weights(where).items() if k.endswith("stem_conv/kernel")
    )
    np.testing.assert_allclose(kernel(folder), kernel(made), atol=1e-6)
    assert json.loads((folder / "data.json").read_text())["classes"] == [
        *("box", "disc", "triangle")
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["data={name: cifar10}"], "this method learns boxes: coco, shapes, voc"),
        (["views=[{name: plain}]"], "a detector takes one view, `scene`"),
        (["train.knn=5"], "leave them out for a detector"),
        (["views.0.short=[]"], "views.0.short"),
    ],
)
def test_what_does_not_go_with_a_detector_is_said_in_one_line(given, said):
    with pytest.raises(BadInput, match=said):
        experiment.check(spec("faster_rcnn", *given))


def test_images_with_objects_have_no_class_to_learn(tmp_path):
    path = config.find("supervised", dataset="digits")
    given = config.load(path, overrides=["data={name: shapes, train: 8, test: 2}"])
    with pytest.raises(BadInput, match="8 of its 8 training images have no class"):
        trainer.train(given, tmp_path / "a/b/seed0", quiet=True)


def test_views_are_learnt_from_images_with_objects(tmp_path):
    path = config.home() / "configs/evidence/simsiam_shapes.yaml"
    given = ["data.train=16", "data.test=4", "train.batch_size=8", "train.epochs=1"]
    given += ["views.0.size=24", "backbone.width=4", "train.evaluate_every=0"]
    folder = tmp_path / "simsiam/resnet18_shapes/seed0"
    trainer.train(config.load(path, overrides=given), folder, quiet=True)
    assert int(runs.history(folder)[-1]["step"]) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["data.validation=0.1"], "data.validation: is for images of one class"),
        (["train.batch_size=25"], "there are only 24 training images"),
        (["backbone.stem=small"], "must have a stride of 16"),
        (["backbone={name: vit}"], "no third and fourth stage to detect with"),
    ],
)
def test_a_detector_that_cannot_be_is_refused_before_training(given, said, tmp_path):
    with pytest.raises(BadInput, match=said):
        trainer.train(spec("faster_rcnn", *given), tmp_path / "a/b/seed0", quiet=True)


def test_a_network_without_boxes_is_not_judged_by_them():
    from ssl_tf.evaluation import EVALUATIONS

    class Classifier:
        name = "supervised"

    with pytest.raises(BadInput, match="finds no boxes; train faster_rcnn"):
        EVALUATIONS["detection"](Classifier(), None, None)


def test_an_experiment_starts_where_another_one_ended(tmp_path):
    options = reproduce.arguments().parse_args(["selfclassifier_detection_voc"])
    begun = lambda: reproduce.begun("selfclassifier_800", tmp_path, 0, options)
    with pytest.raises(BadInput, match="selfclassifier_800.pth.tar"):
        begun()
    folder, _, _ = reproduce.place("selfclassifier_800", tmp_path, 0, options)
    folder.mkdir(parents=True)
    with h5py.File(folder / "last.weights.h5", "w") as file:
        file["head/kernel"] = np.zeros(3)
    assert begun() == folder
