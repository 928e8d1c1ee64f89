"""States and run folders: atomic, bounded, locked, never half written."""

import errno
import fcntl
import json
import multiprocessing
import os
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest

from ssl_tf import runs, state
from ssl_tf.errors import BadInput
from ssl_tf.weights import download

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


ADD = """
import sys
from ssl_tf import runs
for i in range(25):
    runs.append_result(sys.argv[1], {"who": sys.argv[2], "i": i})
"""


def test_results_that_processes_and_threads_add_at_once_are_all_kept(tmp_path):
    jobs = [
        subprocess.Popen([sys.executable, "-c", ADD, str(tmp_path), str(who)])
        for who in range(3)
    ]
    mine = lambda who: [
        runs.append_result(tmp_path, {"who": who, "i": i}) for i in range(25)
    ]
    threads = [threading.Thread(target=mine, args=(f"thread{k}",)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [job.wait(120) for job in jobs] == [0, 0, 0]
    kept = {(record["who"], record["i"]) for record in runs.results(tmp_path)}
    names = ["0", "1", "2", "thread0", "thread1", "thread2"]
    assert kept == {(name, i) for name in names for i in range(25)}


def test_threads_that_write_one_file_do_not_take_each_others_temporary(tmp_path):
    failed = []

    def write(text):
        try:
            for _ in range(20):
                with runs.atomic(tmp_path / "a.txt", "w") as out:
                    out.write(text)
        except BadInput as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(c * 999,)) for c in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    text = (tmp_path / "a.txt").read_text()
    assert len(text) == 999 and len(set(text)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_last_line_without_its_end_is_not_glued_to_the_next(tmp_path):
    (tmp_path / "results.jsonl").write_text('{"i": 1}')
    runs.append_result(tmp_path, {"i": 2})
    assert [record["i"] for record in runs.results(tmp_path)] == [1, 2]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said_and_written_to(
    tmp_path, monkeypatch, capsys, number
):
    def none(file, kind):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", none)
    with runs.locked(tmp_path):
        told = capsys.readouterr().err
        assert "this file system has no locks" in told and told.count("\n") == 1
        runs.append_result(tmp_path, {"i": 1})
    assert [record["i"] for record in runs.results(tmp_path)] == [1]
    with download.held(tmp_path / "file"):
        assert "no locks" in capsys.readouterr().err


def test_a_lock_that_fails_otherwise_is_told_as_what_it_is(tmp_path, monkeypatch):
    def broken(file, kind):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", broken)
    told = "cannot be locked, Input/output error"
    with pytest.raises(BadInput, match=told), runs.locked(tmp_path):
        pass


def weight_file(path):
    with h5py.File(path, "w") as file:
        file["head/kernel"] = np.arange(600.0).reshape(20, 30)


def cut(path):
    path.write_bytes(path.read_bytes()[:3000])


def emptied(path):
    path.write_bytes(b"")


def without_arrays(path):
    h5py.File(path, "w").close()


@pytest.mark.parametrize("damage", [cut, emptied, without_arrays, os.unlink])
def test_last_weights_that_cannot_be_read_are_not_done(tmp_path, damage):
    path = tmp_path / "last.weights.h5"
    weight_file(path)
    assert runs.finished(tmp_path)
    with h5py.File(path):  # that somebody looks at them is no damage
        assert runs.finished(tmp_path)
    damage(path)
    assert not runs.finished(tmp_path)


def test_text_is_utf_8_whatever_the_locale_says(tmp_path):
    code = (
        "from ssl_tf import runs; import sys\n"
        "with runs.atomic(sys.argv[1] + '/a.csv', 'w') as out: out.write('caf\\xe9')\n"
        "runs.write_history(sys.argv[1], [{'\\xe9': 1}])\n"
        "assert runs.history(sys.argv[1]) == [{'\\xe9': '1'}]\n"
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", code, str(tmp_path)]
    subprocess.run(command, check=True, env=os.environ | plain)
    assert (tmp_path / "a.csv").read_bytes() == "caf\xe9".encode()


def test_a_folder_is_writable_unless_the_file_system_or_its_mode_forbid(
    tmp_path, monkeypatch
):
    assert runs.writable(tmp_path) and not list(tmp_path.iterdir())
    for number, writable in ((errno.EROFS, False), (errno.ENOSPC, True)):

        def refuse(dir, number=number):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(runs.tempfile, "TemporaryFile", refuse)
        assert runs.writable(tmp_path) is writable
