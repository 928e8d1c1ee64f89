"""The benchmark measures what it says and prints it."""

import json
import random

import commands
import numpy as np
import pictures
import pytest
from PIL import Image

from ssl_tf import benchmark
from ssl_tf.measure import by_pil, pipeline


@pytest.mark.slow
def test_the_pipeline_is_measured_with_and_without_files(tmp_path, rng, capsys):
    pictures.tree(tmp_path, rng, {"a": 64}, size=48, suffix=".jpg")
    kept = tmp_path / "out.jsonl"
    arguments = ["pipeline", "--rounds", "1", "--datadir", str(tmp_path)]
    assert benchmark.main([*arguments, "-o", str(kept)]) == 0
    assert "of decoding" in capsys.readouterr().out
    values = json.loads(kept.read_text())["values"]
    assert {name.split(",")[0] for name in values} == {
        *("shift_flip", "simclr x2", "decoding alone", "crop_flip", "crop_jitter_flip")
    }
    assert sum("Keras" in name for name in values) == 3
    assert sum("PIL" in name for name in values) == 3


def test_the_step_is_measured_plain_and_compiled():
    small = ["--method", "supervised", "--dataset", "digits", "--rounds", "1", "--set"]
    small += ["backbone={name: wide_resnet, depth: 10, width: 1}", "train.batch_size=8"]
    code, printed, error = commands.run("benchmark", "step", *small)
    assert code == 0, error
    assert printed.count("of the peak") == 2 and "matrix product peak" in printed


def test_the_peer_of_pil_computes_simclrs_view(rng):
    draw = random.Random(0)
    image = Image.fromarray(pictures.smooth(rng, 40, 50))
    views = np.stack([by_pil.view(image, 33, draw) for _ in range(60)])
    assert views.shape == (60, 33, 33, 3) and views.dtype == np.float32
    assert views.min() >= -2 and views.max() <= 2
    grey = np.ptp(views, axis=-1).max(axis=(1, 2)) < 1e-6
    assert 3 < grey.sum() < 25
    for left, top, right, bottom in (by_pil.box(image, draw) for _ in range(100)):
        assert 0 <= left < right <= 50 and 0 <= top < bottom <= 40


def test_speeds_are_taken_in_turns_and_shares_are_of_the_same_turn():
    found = pipeline.speeds(
        {"a": iter(range(99)), "b": iter(range(99))}, 8, {"a": 10}, 2
    )
    assert [len(each) for each in found.values()] == [2, 2]
    assert pipeline.described([1.0, 4.0, 9.0], [2.0, 4.0, 3.0], "it") == (
        "4 images/s, 100% of it (50%-300%)"
    )
