"""What a stage of fine-tuning is shown."""

import types

import pytest

from ssl_tf import trainer, tuning
from ssl_tf.data import pipeline


class Seen(Exception):
    """Ends a stage where it would train."""


@pytest.mark.parametrize(
    "view, size",
    [
        ({"name": "plain"}, 64),
        ({"name": "crop_flip"}, 64),
        ({"name": "crop_flip", "size": 48}, 48),
    ],
)
def test_images_of_another_data_set_have_the_runs_size(
    tmp_path, monkeypatch, view, size
):
    """STL-10's have 96 pixels, the network was trained on 64."""
    done = types.SimpleNamespace(
        spec={
            "backbone": {"name": "resnet18", "width": 2},
            "data": {"name": "folder", "resize": 70, "fit": "squash"},
        },
        facts={"size": 64, "mean": (0.5,) * 3},
        normal=lambda: pipeline.Normal((0.5,) * 3, (0.25,) * 3),
        parts=types.SimpleNamespace(
            train=types.SimpleNamespace(seed=0, precision="float32")
        ),
        folder=tmp_path,
    )

    def train(spec, folder, root):
        assert spec["views"][0]["size"] == size
        assert spec["data"]["fit"] == "squash" and spec["data"]["resize"] == 70
        raise Seen

    monkeypatch.setattr(trainer, "train", train)
    tune = tuning.Tune(done, "finetune", {"name": "stl10"}, None, "last")
    sections = {
        "data": {},
        "views": [view],
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "train": {"batch_size": 2, "epochs": 1},
    }
    with pytest.raises(Seen):
        tune("all", sections, {})
