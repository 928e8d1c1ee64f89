"""The benchmark measures what it says and prints it."""

import json
import random
import time

import commands
import numpy as np
import pictures
import pytest
from PIL import Image

from ssl_tf import benchmark
from ssl_tf.errors import BadInput
from ssl_tf.evaluation.knn import unit
from ssl_tf.measure import by_pil, detection, knn, memory, pipeline


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


@pytest.mark.slow
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


def test_neighbours_are_measured_on_a_bank_on_disk_and_beside_scikit_learn(capsys):
    small = ["--images", "3000", "--width", "16", "--queries", "300", "--rounds", "1"]
    assert benchmark.main(["knn", *small]) == 0
    printed = capsys.readouterr().out
    assert "3,000 x 16 float16" in printed and "extrapolated" in printed
    assert "scikit-learn, brute force" in printed and "x ours" in printed


def test_programs_compared_find_the_same_neighbours(tmp_path):
    bank = knn.drawn(tmp_path / "bank.npy", 2000, 16, 0)
    queries = knn.drawn(tmp_path / "queries.npy", 10, 16, 1)
    similarity, places = knn.ours(bank, queries)
    distance, theirs = knn.sklearn_search(unit(bank), unit(queries))
    np.testing.assert_allclose(1 - distance, similarity, atol=1e-6)
    assert (theirs == places).mean() > 0.99


def test_kmeans_tells_time_and_number_of_iterations(capsys):
    small = ["--images", "500", "--width", "8", "--clusters", "5"]
    assert benchmark.main(["kmeans", *small]) == 0
    printed = capsys.readouterr().out
    assert "500 x 8 float32, 5 clusters" in printed and "of at most 300" in printed


def test_own_memory_grows_with_arrays_and_not_with_mapped_files(tmp_path):
    file = knn.drawn(tmp_path / "file.npy", 65_536, 512, 0)
    with memory.Anonymous() as mapped:
        sum(float(file[i : i + 1024].max()) for i in range(0, len(file), 1024))
    with memory.Anonymous() as own:
        np.ones(2**24).sum()
        time.sleep(0.1)
    assert mapped.peak - mapped.before < 2**24
    assert own.peak - own.before > 2**26


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["kmeans", "--images", "5"], "--clusters must be 1 to 5"),
        (["knn", "--images", "5"], "must be at least 200"),
        (["knn", "--width", "0"], "--width 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused_in_one_line(arguments, said):
    with pytest.raises(BadInput, match=said):
        benchmark.main(arguments)


def test_programs_of_detection_compute_the_same():
    for programs, rounding in (
        (detection.aligning(), 1e-4),
        (detection.suppressing(), 0),
    ):
        expected = programs.pop("ours")()
        for program in programs.values():
            found = program()
            if found.ndim == 4 and found.shape[1] != detection.SIZE:
                found = found.transpose(0, 2, 3, 1)
            np.testing.assert_allclose(found, np.squeeze(expected), atol=rounding)
