"""Other devices, the same run: two workers, two replicas after a resume."""

import json
import socket
import subprocess
import sys

import commands
import numpy as np
import pytest
import tensorflow as tf
from test_resume import history, wait_for_states, weights

from ssl_tf.augment.recipes import crop_jitter_flip
from ssl_tf.data import digits, orders, pipeline
from ssl_tf.errors import BadInput
from ssl_tf.ops import distribute
from ssl_tf.ops.distribute import Part

SHORT = ["data.limit=96", "train.epochs=1", "optimizer.learning_rate=0.001"]
TWO_CPUS = """
import sys, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
from ssl_tf import cli, train
cli.run(lambda: train.main(sys.argv[1:]))
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def largest_difference(a, b):
    assert a.keys() == b.keys()
    return max(np.abs(a[name] - b[name]).max() for name in a)


def close_history(a, b, tolerance):
    for row, other in zip(a, b, strict=True):
        assert row.keys() == other.keys()
        for name in row:
            assert abs(float(row[name]) - float(other[name])) <= tolerance, name


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    root = tmp_path_factory.mktemp("one")
    arguments = ["--config", commands.tiny_config(root), "--set", *SHORT]
    code, _, error = commands.run("train", *arguments, "--runs", root)
    assert code == 0, error
    return root / "ssal/tiny_digits/seed0", arguments


def test_two_workers_train_like_one_process(one, tmp_path):
    reference, arguments = one
    workers = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    processes = [
        commands.start(
            "train",
            *arguments,
            *("--runs", tmp_path, "--strategy", "workers"),
            TF_CONFIG=json.dumps(
                {
                    "cluster": {"worker": workers},
                    "task": {"type": "worker", "index": i},
                }
            ),
        )
        for i in range(2)
    ]
    for process in processes:
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, error
    folder = tmp_path / "ssal/tiny_digits/seed0"
    assert largest_difference(weights(folder), weights(reference)) < 1e-5
    close_history(history(folder), history(reference), 1e-4)


def test_a_run_resumed_on_two_devices_goes_on_with_the_same_images(one, tmp_path):
    reference, arguments = one
    process = commands.start("train", *arguments, "--runs", tmp_path)
    folder = tmp_path / "ssal/tiny_digits/seed0"
    wait_for_states(folder, 1, process)
    process.kill()
    process.communicate()
    for path in sorted((folder / "state").glob("step*.npz")):
        if path.name > "step000000002.npz":
            path.unlink()
    (folder / "last.weights.h5").unlink(missing_ok=True)
    (folder / "history.csv").unlink(missing_ok=True)

    more = [*arguments, "--runs", tmp_path, "--strategy", "mirrored"]
    done = subprocess.run(
        [sys.executable, "-c", TWO_CPUS, *map(str, more)],
        capture_output=True,
        text=True,
        cwd=commands.ROOT,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "resumed" in done.stderr and "on 2 CPU" in done.stderr
    assert largest_difference(weights(folder), weights(reference)) < 1e-4
    close_history(history(folder), history(reference), 1e-3)


@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_every_replica_count_reads_the_same_views_in_the_same_order(replicas):
    source = digits("train")
    order = orders.shuffled(source.size, 16, seed=3)
    recipes = [crop_jitter_flip(size=16), crop_jitter_flip(size=16)]
    read = lambda part, start: iter(
        pipeline.views(
            source,
            recipes,
            order,
            pipeline.Normal(),
            seed=3,
            size=32,
            part=part,
            start=start,
        )
    )
    whole = read(Part(), (1, 80))  # the last update of an epoch, then the next epoch
    parts = [read(Part(r, 1, replicas), (1, 80)) for r in range(replicas)]
    for _ in range(2):
        expected = next(whole)
        dealt = [next(part) for part in parts]
        for name in ("index", "label"):
            joined = np.concatenate([batch[name] for batch in dealt])
            np.testing.assert_array_equal(joined, expected[name])
        for view in range(2):
            joined = np.concatenate([batch["views"][view] for batch in dealt])
            np.testing.assert_array_equal(joined, expected["views"][view])


def test_slurm_variables_become_a_cluster():
    found = distribute.slurm_cluster(
        {
            "SLURM_STEP_NODELIST": "n[08-09],gpu1",
            "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
            "SLURM_PROCID": "3",
            "SLURM_NTASKS": "5",
        },
        port=7000,
    )
    assert found["cluster"]["worker"] == [
        "n08:7000",
        "n08:7001",
        "n09:7000",
        "n09:7001",
        "gpu1:7000",
    ]
    assert found["task"] == {"type": "worker", "index": 3}


def test_workers_without_a_cluster_say_how_to_name_one():
    with pytest.raises(BadInput, match="TF_CONFIG"):
        distribute.slurm_cluster({})


def test_replicas_of_the_plain_strategy_gather_nothing():
    x = tf.ones([3, 2])
    assert distribute.gather(x) is x
    assert distribute.total(x) is x
