"""A killed run goes on as if nothing had happened, to the bit."""

import csv
import os
import random
import signal
import time
from pathlib import Path

import commands
import h5py
import numpy as np
import pytest

TIMING = ("seconds", "images_per_second", "waiting")


def weights(folder):
    """`{path: array}` of `last.weights.h5`."""
    found = {}
    with h5py.File(Path(folder) / "last.weights.h5") as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found


def history(folder):
    """Rows of `history.csv` without the columns that tell the time."""
    with open(Path(folder) / "history.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return [{k: v for k, v in row.items() if k not in TIMING} for row in rows]


def wait_for_states(folder, count, process):
    """Until the run has saved at least `count` states (names only grow)."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        steps = [int(p.stem[4:]) for p in (folder / "state").glob("step*.npz")]
        if steps and max(steps) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(process.communicate())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The uninterrupted run: its folder and the arguments that made it."""
    root = tmp_path_factory.mktemp("whole")
    arguments = ["--config", commands.tiny_config(root)]
    code, _, error = commands.run("train", *arguments, "--runs", root)
    assert code == 0, error
    return root / "ssal/tiny_digits/seed0", arguments


def test_kill_9_at_a_random_step_then_resume_is_bit_identical(whole, tmp_path):
    reference, arguments = whole
    folder = tmp_path / "ssal/tiny_digits/seed0"
    process = commands.start("train", *arguments, "--runs", tmp_path)
    wait_for_states(folder, random.randint(1, 14), process)
    time.sleep(random.random() / 10)
    process.kill()
    process.communicate()
    assert not (folder / "last.weights.h5").exists()

    code, _, error = commands.run("train", *arguments, "--runs", tmp_path)
    assert code == 0, error
    assert "resumed" in error
    ours, theirs = weights(folder), weights(reference)
    assert ours.keys() == theirs.keys() and len(ours) > 50
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
    assert history(folder) == history(reference)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_saves_the_state_and_exits(whole, tmp_path, number, code):
    _, arguments = whole
    folder = tmp_path / "ssal/tiny_digits/seed0"
    process = commands.start(
        "train", *arguments, "--runs", tmp_path, "--set", "train.epochs=300"
    )
    wait_for_states(folder, 1, process)
    os.kill(process.pid, number)
    _, error = process.communicate(timeout=120)
    assert process.returncode == code, error
    assert "Traceback" not in error
    assert list((folder / "state").glob("step*.npz"))


def test_a_finished_run_returns_at_once(whole):
    reference, arguments = whole
    before = (reference / "last.weights.h5").stat().st_mtime_ns
    code, _, error = commands.run("train", *arguments, "--runs", reference.parents[2])
    assert code == 0 and "done already" in error
    assert (reference / "last.weights.h5").stat().st_mtime_ns == before
