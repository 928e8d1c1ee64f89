"""States and run folders: atomic, bounded, locked, never half written."""

import errno
import json
import multiprocessing
import os

import numpy as np
import pytest

from ssl_tf import runs, state
from ssl_tf.errors import BadInput

ARRAYS = {"t0000/a/kernel": np.arange(6.0).reshape(2, 3), "o0000/step": np.array(3)}


def save(folder, step):
    state.save(folder, step, ARRAYS, {"step": step, "rows": [{"loss": 0.1}]})


def test_a_state_comes_back_to_the_bit_and_two_are_kept(tmp_path):
    for step in (5, 9, 12):
        save(tmp_path, step)
    assert [p.stem for p in state.saved(tmp_path)] == ["step000000009", "step000000012"]
    arrays, extra = state.newest(tmp_path)
    assert extra == {"step": 12, "rows": [{"loss": 0.1}]}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_newest_state_falls_back_with_a_warning(tmp_path, kept):
    save(tmp_path, 5)
    save(tmp_path, 9)
    path = state.saved(tmp_path)[-1]
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if kept < 1 else kept])
    warnings = []
    _, extra = state.newest(tmp_path, warn=warnings.append)
    assert extra["step"] == 5
    assert len(warnings) == 1 and path.name in warnings[0]


def test_a_flipped_byte_is_noticed(tmp_path):
    save(tmp_path, 5)
    save(tmp_path, 9)
    path = state.saved(tmp_path)[-1]
    data = bytearray(path.read_bytes())
    data[data.index(np.arange(6.0).tobytes())] ^= 1
    path.write_bytes(data)
    assert state.newest(tmp_path, warn=lambda text: None)[1]["step"] == 5


def test_without_a_readable_state_the_run_is_not_started_over(tmp_path):
    save(tmp_path, 5)
    state.saved(tmp_path)[0].write_bytes(b"")
    with pytest.raises(BadInput, match="no state can be read"):
        state.newest(tmp_path, warn=lambda text: None)
    assert state.newest(tmp_path / "elsewhere") is None


def test_a_state_that_is_not_finite_is_not_saved(tmp_path):
    save(tmp_path, 5)
    with pytest.raises(BadInput, match="w is not finite at step 6"):
        state.save(tmp_path, 6, {"w": np.array([1.0, np.nan])}, {})
    assert state.newest(tmp_path)[1]["step"] == 5


@pytest.fixture
def full_disk(monkeypatch):
    """Writes to `name` in `folder` meet a full disk: really, by /dev/full."""

    def full(folder, name):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f".{name}.mine.tmp").symlink_to("/dev/full")

    monkeypatch.setattr(runs, "unique", lambda: "mine")
    return full


def test_a_full_disk_is_one_line_and_keeps_what_was_there(tmp_path, full_disk):
    save(tmp_path, 5)
    full_disk(tmp_path / "state", "step000000009.npz")
    with pytest.raises(BadInput, match="the disk is full; free some space"):
        save(tmp_path, 9)
    assert [p.name for p in (tmp_path / "state").iterdir()] == ["step000000005.npz"]
    assert state.newest(tmp_path)[1]["step"] == 5


def test_every_file_of_a_run_is_written_whole_or_not_at_all(
    tmp_path, full_disk, monkeypatch
):
    runs.write_history(tmp_path, [{"epoch": 1, "loss": 0.5}])
    runs.append_result(tmp_path, {"evaluation": "terms"})
    full_disk(tmp_path, "history.csv")
    write_some = os.write  # a disk with room for seven bytes
    monkeypatch.setattr(os, "write", lambda file, line: write_some(file, line[:7]))
    for write in (
        lambda: runs.write_history(tmp_path, [{"epoch": 2, "loss": 0.4}]),
        lambda: runs.append_result(tmp_path, {"evaluation": "knn"}),
    ):
        with pytest.raises(BadInput, match="disk is full"):
            write()
    assert runs.history(tmp_path) == [{"epoch": "1", "loss": "0.5"}]
    assert [r["evaluation"] for r in runs.results(tmp_path)] == ["terms"]


def test_an_exception_inside_leaves_the_old_file(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(KeyError), runs.atomic(file, "w") as out:
        out.write("new")
        raise KeyError
    assert file.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_read_only_place_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BadInput, match="cannot be written"),
        runs.atomic(tmp_path / "file" / "below", "w") as out,
    ):
        out.write("x")
    assert runs.unwritable("p", OSError(errno.EACCES, "no")).args[0].startswith("p:")


def hold(folder, ready, done):
    with runs.locked(folder):
        ready.set()
        done.wait(60)


def test_two_processes_cannot_work_on_one_run_and_the_lock_dies_with_its_owner(
    tmp_path,
):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready, done))
    other.start()
    assert ready.wait(60)
    with pytest.raises(BadInput, match="another process"), runs.locked(tmp_path):
        pass
    other.kill()
    other.join()
    with runs.locked(tmp_path):
        pass


def spec(**changes):
    return {"train": {"epochs": 3, "seed": 0}, "data": {"name": "digits"}} | changes


def test_a_run_remembers_its_config_and_refuses_another_naming_the_keys(tmp_path):
    runs.remember(tmp_path, spec())
    runs.remember(tmp_path, spec())
    with pytest.raises(BadInput, match="data.name"):
        runs.remember(tmp_path, spec(data={"name": "noise"}))
    with pytest.raises(BadInput, match="train.epochs"):
        runs.remember(tmp_path, spec(train={"epochs": 2, "seed": 0}))
    assert runs.stored(tmp_path) == spec()
    runs.remember(tmp_path, spec(train={"epochs": 9, "seed": 0}))
    assert runs.stored(tmp_path)["train"]["epochs"] == 9


def test_numbers_of_the_history_read_back_exactly(tmp_path):
    rows = [
        {"epoch": 1, "loss": 0.1 + 0.2, "seconds": 1.5},
        {"epoch": 2, "loss": 1 / 3, "test_loss": 2 / 3, "seconds": 1.4},
    ]
    runs.write_history(tmp_path, rows)
    read = runs.history(tmp_path)
    assert float(read[0]["loss"]) == 0.1 + 0.2 and read[0]["test_loss"] == ""
    assert float(read[1]["test_loss"]) == 2 / 3
    assert list(read[0])[-1] == "seconds"


def test_a_folder_is_a_function_of_what_is_run():
    folder = runs.folder("runs", "ssal", "resnet18_digits", "x1", 3)
    assert str(folder) == "runs/ssal/resnet18_digits_x1/seed3"
    assert runs.folder("r", "ssal", "a", name="mine").parts[-2:] == ("mine", "seed0")
    for name in ("", "..", "a/b"):
        with pytest.raises(BadInput, match="--name"):
            runs.folder("r", "ssal", "a", name=name)


def test_a_damaged_results_file_is_one_line(tmp_path):
    (tmp_path / "results.jsonl").write_text(json.dumps({"a": 1}) + "\n{broken\n")
    with pytest.raises(BadInput, match="results.jsonl: is damaged"):
        runs.results(tmp_path)
