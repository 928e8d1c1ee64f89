"""What shell, Keras, scheduler and terminal bring along changes no number."""

import json
import os
import subprocess
import sys
import threading
import types

import commands
import keras
import matplotlib
import pytest
import tensorflow as tf

from ssl_tf import figures, runs, training
from ssl_tf.errors import BadInput
from ssl_tf.ops import distribute, environment

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def shell(line, cwd, **more):
    """`(exit code, stdout, stderr)` of a shell line in which `$PY` is this Python."""
    more |= {"PY": sys.executable, "PYTHONPATH": str(commands.ROOT)}
    done = subprocess.run(
        ["bash", "-c", line], cwd=cwd, env=os.environ | more, capture_output=True
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_the_users_settings_of_keras_do_not_reach_a_model():
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float16")
    keras.config.set_epsilon(1e-3)
    keras.config.set_dtype_policy("float16")
    environment.keras_defaults()
    layer = keras.layers.Conv2D(2, 1)
    assert layer(tf.zeros([1, 4, 4, 3])).shape == (1, 4, 4, 2)
    assert layer.kernel.dtype == "float32"
    assert keras.config.floatx() == "float32"
    assert keras.config.epsilon() == 1e-7


def test_another_backend_is_refused_by_its_name(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(BadInput, match="keras: runs on jax; .*KERAS_BACKEND=tensorf"):
        environment.keras_defaults()


@pytest.mark.parametrize("settings", ['{"floatx": "float128"}', "[1]"])
def test_settings_that_keras_cannot_read_end_in_one_line(tmp_path, settings):
    (tmp_path / "keras.json").write_text(settings)
    line = "$PY -c 'from ssl_tf import cli; cli.run(cli.import_tensorflow)'"
    code, _, error = shell(line, tmp_path, KERAS_HOME=str(tmp_path))
    assert code == 2 and "keras.json" in error and error.count("\n") == 1, error


def test_what_changes_numbers_is_noted(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("TF_VAR_password", "secret")
    noted = runs.environment()["variables"]
    assert noted["TF_ENABLE_ONEDNN_OPTS"] == "0" and "TF_VAR_password" not in noted


@pytest.mark.parametrize(
    "line",
    [
        "$PY -m ssl_tf.train --list >&-",
        "$PY -m ssl_tf.train --list <&- >&- 2>&-",
        "$PY -m ssl_tf.train --list | head -1 >/dev/null; exit ${PIPESTATUS[0]}",
        "COLUMNS=x LINES=0 TERM=dumb MPLBACKEND=x $PY -m ssl_tf.report --only .",
        "mkdir gone; cd gone; rmdir ../gone; $PY -m ssl_tf.train --list",
    ],
)
def test_streams_that_are_closed_and_odd_terminals_are_no_error(tmp_path, line):
    code, _, error = shell(line, tmp_path)
    assert code == 0 and error == ""


def test_a_closed_stderr_swallows_what_it_gets_and_no_file_takes_its_number(tmp_path):
    line = (
        "$PY -c 'from ssl_tf.ops import environment as e; e.prepare(); "
        'import os; f = open("kept", "w"); os.write(2, b"noise"); print(f.fileno())\' '
        "2>&-"
    )
    code, out, _ = shell(line, tmp_path)
    assert code == 0 and int(out) > 2 and (tmp_path / "kept").read_bytes() == b""


def test_a_report_of_training_that_nobody_reads_ends_it_unfinished(tmp_path):
    code = "import sys; from ssl_tf import cli\n"
    code += "cli.run(lambda: [print('x' * 99, file=sys.stderr) for _ in range(9999)])"
    line = f'$PY -c "{code}" 2>&1 | head -1 >/dev/null; exit ${{PIPESTATUS[0]}}'
    assert shell(line, tmp_path) == (141, "", "")


def test_names_that_the_terminal_cannot_show_are_printed_escaped(tmp_path):
    code = "from ssl_tf import cli; cli.run(lambda: print('\\u00b1 \\udce4'))"
    _, out, error = shell(f'$PY -c "{code}"', tmp_path, **ASCII)
    assert out == "\\xb1 \\udce4\n" and error == ""


def test_text_is_utf_8_whatever_the_locale(tmp_path):
    code = (
        "from ssl_tf import runs\nwith runs.atomic('x', 'w') as f: f.write('\\u00b1')"
    )
    assert shell(f'$PY -c "{code}"', tmp_path, **ASCII)[0] == 0
    assert (tmp_path / "x").read_bytes() == "±".encode()


def test_modules_in_the_working_directory_do_not_stand_in_for_installed_ones(tmp_path):
    for name in ("argparse", "random", "numpy", "yaml"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')")
    (tmp_path / "mine.py").write_text("def images(split, root): ...")
    code, out, error = shell("$PY -m ssl_tf.train --list", tmp_path)
    assert code == 0 and "--method ssal" in out, error


def test_warnings_that_python_is_told_to_raise_stay_warnings(tmp_path):
    code = "import warnings; from ssl_tf import cli\n"
    code += "cli.run(lambda: warnings.warn('old', DeprecationWarning))"
    done = shell(f'$PY -c "{code}"', tmp_path, PYTHONWARNINGS="error")
    assert done[0] == 0 and "old" in done[2] and "Traceback" not in done[2]


def test_help_needs_no_docstrings(tmp_path):
    code, out, _ = shell("$PY -OO -m ssl_tf.evaluate --help", tmp_path)
    assert code == 0 and "knn" in out and "None" not in out


def test_pictures_look_the_same_whatever_a_matplotlibrc_says(tmp_path):
    with matplotlib.rc_context({"text.usetex": True, "figure.dpi": 7}):
        figure, (axis,) = figures.canvas(2, 2)
        axis.set_title("$ 5 to $10 {")
        figures.save(figure, tmp_path / "x.png")
        assert figure.get_dpi() == matplotlib.rcParamsDefault["figure.dpi"]
    assert (tmp_path / "x.png").read_bytes()[:4] == b"\x89PNG"


HOSTS = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}


def task(kind, index, cluster=HOSTS):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (task("chief", 0), (0, 3)),
        (task("worker", 0), (1, 3)),
        (task("worker", 1), (2, 3)),
        (task("worker", "1"), (2, 3)),
        (task("worker", 1, {"worker": ["b:1", "c:1"]}), (1, 2)),
        (task("worker", 0, HOSTS | {"ps": ["d:1"], "evaluator": ["e:1"]}), (1, 3)),
    ],
)
def test_tasks_are_counted_as_tensorflow_counts_them(text, place):
    found = distribute.tf_config({"TF_CONFIG": text})
    assert distribute.place_of(found) == place
    assert found["cluster"].keys() <= {"chief", "worker"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{cluster", "is no JSON"),
        ("[1]", "needs a cluster and a task"),
        ("7", "needs a cluster and a task"),
        ('{"cluster": {"worker": ["a:1"]}}', "needs a cluster and a task"),
        ('{"task": {"type": "worker", "index": 0}}', "needs a cluster and a task"),
        (task("evaluator", 0), "of type 'evaluator'; only chief and worker"),
        (task("ps", 0), "of type 'ps'"),
        (task("master", 0), "of type 'master'"),
        (task("worker", 2), "worker 2 is not one of 2"),
        (task("worker", -1), "worker -1 is not one of 2"),
        (task("worker", None), "worker None is not one of 2"),
        (task("chief", 0, {"worker": ["a:1"]}), "chief 0 is not one of 0"),
        (task("chief", 0, {"chief": ["a:1", "b:1"]}), "several chiefs"),
        (task("worker", 0, {"worker": "a:1"}), "cluster.worker is 'a:1'"),
        (task("worker", 0, {"worker": ["a"]}), "cluster.worker is ['a']"),
        (task("worker", 0, ["a:1"]), "needs a cluster and a task"),
    ],
)
def test_a_tf_config_that_describes_no_cluster_ends_in_one_line(text, message):
    with pytest.raises(BadInput) as error:
        distribute.tf_config({"TF_CONFIG": text})
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", [task("worker", 1), "", "[]"])
def test_one_process_does_not_look_at_tf_config(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    monkeypatch.setattr(distribute, "PLACE", None)
    assert distribute.strategy("one").num_replicas_in_sync == 1
    assert distribute.strategy("mirrored", ["CPU:0"]).num_replicas_in_sync == 1
    assert distribute.worker() == (0, 1)
    assert os.environ["TF_CONFIG"] == text


def test_before_there_is_a_strategy_a_process_is_what_tf_config_says(monkeypatch):
    monkeypatch.setattr(distribute, "PLACE", None)
    assert distribute.worker() == (0, 1)
    monkeypatch.setenv("TF_CONFIG", task("worker", 0))
    assert distribute.worker() == (1, 3)
    distribute.strategy("one")
    assert distribute.worker() == (0, 1)


@pytest.mark.parametrize("name", ["one", "mirrored", "workers"])
def test_a_tf_config_that_is_no_json_ends_in_one_line(monkeypatch, name):
    monkeypatch.setenv("TF_CONFIG", "{cluster")
    with pytest.raises(BadInput, match="TF_CONFIG: is no JSON"):
        distribute.strategy(name)


@pytest.mark.parametrize("text", ["", " ", "{}"])
def test_an_empty_tf_config_is_none(text):
    assert distribute.tf_config({"TF_CONFIG": text}) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SLURM_PROCID": "x"}, "invalid literal"),
        ({"SLURM_PROCID": "2"}, "SLURM_PROCID 2"),
        ({"SLURM_NTASKS": "5"}, "SLURM_NTASKS is 5"),
        ({"SLURM_STEP_NODELIST": "n[a-b]"}, "invalid literal"),
    ],
)
def test_variables_of_slurm_that_do_not_fit_end_in_one_line(changes, message):
    given = {"SLURM_STEP_NODELIST": "n[1-2]", "SLURM_PROCID": "0", "SLURM_NTASKS": "2"}
    with pytest.raises(BadInput, match=message):
        distribute.slurm_cluster(given | changes)


def test_training_runs_off_the_main_thread():
    """With nothing left to do; what is held is that no handler is set there."""
    run = object.__new__(training.Training)
    quiet = types.SimpleNamespace(
        on_train_begin=lambda: None, on_train_end=lambda: None
    )
    run.restore, run.loop = lambda: None, types.SimpleNamespace(feed=lambda batches: 0)
    run.callbacks, run.progress = quiet, threading.Lock()
    run.step, run.total, run.steps_per_epoch, run.rows = 0, 0, 1, ["done"]
    run.train = types.SimpleNamespace(patience=None)
    found = []
    thread = threading.Thread(target=lambda: found.append(run.run()))
    thread.start()
    thread.join()
    assert found == [["done"]] and run.run() == ["done"]
