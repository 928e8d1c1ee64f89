"""Replicas: how many there are, what they share, and strategies by name.

On another backend than TensorFlow there is one replica and nothing to exchange.
"""

import functools
import json
import os
import re
from typing import NamedTuple

import keras

from ssl_tf.errors import BadInput

STRATEGIES = ("one", "mirrored", "workers", "tpu")


class Part(NamedTuple):
    """Which replicas of all a process feeds: `count` of `total` from `first` on."""

    first: int = 0
    count: int = 1
    total: int = 1


def replicas():
    """Number of replicas that share a batch here."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def context():
    """The replica context of a step on several replicas, else `None`."""
    if replicas() == 1:
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()


def gather(x):
    """`[G, ...]` of all replicas, in order, from `x` `[B, ...]`; with gradient."""
    here = context()
    if here is None:
        return x
    import tensorflow as tf

    rows = None if x.shape[0] is None else x.shape[0] * replicas()
    return tf.ensure_shape(here.all_gather(x, axis=0), [rows, *x.shape[1:]])


def place():
    """This replica's number among all, a scalar; 0 where there is one."""
    here = context()
    return 0 if here is None else here.replica_id_in_sync_group


def total(values):
    """The sums over replicas of a tensor or a list of tensors."""
    here = context()
    return values if here is None else here.all_reduce("SUM", values)


def on_tpu(strategy):
    return "TPU" in type(strategy).__name__


def deal(strategy, dataset):
    """Each replica's batches.

    Args:
        strategy: `tf.distribute.Strategy`.
        dataset: `Part -> tf.data.Dataset` of one replica's batch after the other;
            called once per process that reads.
    """
    total = strategy.num_replicas_in_sync
    if total == 1:
        return dataset(Part())

    def local(context):
        count = total // context.num_input_pipelines
        return dataset(Part(context.input_pipeline_id * count, count, total))

    return strategy.distribute_datasets_from_function(local)


def worker():
    """`(number of this process, number of processes)` that train together."""
    task = json.loads(os.environ.get("TF_CONFIG") or "{}")
    count = len(task.get("cluster", {}).get("worker", [None]))
    return int(task.get("task", {}).get("index", 0)), count


def agree(strategy, values):
    """Sums over all processes of a list of numbers; each process must call it."""
    import tensorflow as tf

    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return [float(value) for value in values]
    local = strategy.num_replicas_in_sync // worker()[1]
    sums = summed(strategy)(tf.constant(values, tf.float32) / local)
    return strategy.experimental_local_results(sums)[0].numpy().tolist()


@functools.cache
def summed(strategy):
    """A compiled all-reduce of one vector, kept per strategy."""
    import tensorflow as tf

    # The identity has a device; a function's argument has none, and that is refused.
    reduce = lambda x: tf.distribute.get_replica_context().all_reduce(
        "SUM", tf.identity(x)
    )
    return tf.function(lambda x: strategy.run(reduce, (x,)))


def strategy(name, devices=None):
    """A `tf.distribute` strategy.

    Args:
        name: "one", "mirrored" (all local devices), "workers" (TF_CONFIG, or built
            from Slurm's variables) or "tpu".
        devices: list of device names for "mirrored", `None` for all.

    Raises:
        BadInput: unknown name, or the hardware is not there.
    """
    import tensorflow as tf

    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(devices or local_devices())
    if name == "workers":
        if "TF_CONFIG" not in os.environ:
            os.environ["TF_CONFIG"] = json.dumps(slurm_cluster(os.environ))
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "tpu":
        return tpu_strategy()
    raise BadInput(f"--strategy {name!r}: unknown. Have: {', '.join(STRATEGIES)}.")


def local_devices():
    """All GPUs, else all logical CPUs."""
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    return [d.name for d in gpus or tf.config.list_logical_devices("CPU")]


def kind():
    """ "TPU", "GPU" or "CPU": what the replicas run on."""
    import tensorflow as tf

    listed = (k for k in ("TPU", "GPU") if tf.config.list_logical_devices(k))
    return next(listed, "CPU")


def tpu_strategy():
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            os.environ.get("TPU_NAME", "local")
        )
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        if not tf.config.list_logical_devices("TPU"):
            raise RuntimeError("no TPU device was listed")
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        why = " ".join(str(error).split())[:160]
        raise BadInput(
            "--strategy tpu: no TPU on this host; use --strategy one, or install "
            f"requirements/tpu.txt on a TPU VM ({why})."
        ) from None
    return tf.distribute.TPUStrategy(resolver)


def slurm_cluster(environment, port=29400):
    """A TF_CONFIG dict from Slurm's variables, one worker a task.

    Args:
        environment: mapping with SLURM_STEP_NODELIST (or SLURM_JOB_NODELIST),
            SLURM_PROCID, SLURM_NTASKS and SLURM_STEP_TASKS_PER_NODE.
        port: int, of the first worker on each node.

    Raises:
        BadInput: neither TF_CONFIG nor a Slurm step.
    """
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get(
        "SLURM_JOB_NODELIST"
    )
    if nodes is None or "SLURM_PROCID" not in environment:
        raise BadInput(
            "--strategy workers: set TF_CONFIG, or start it with srun inside a "
            "Slurm job."
        )
    names = hosts(nodes)
    tasks = int(environment.get("SLURM_NTASKS", len(names)))
    layout = environment.get("SLURM_STEP_TASKS_PER_NODE")
    each = tasks_per_node(layout) if layout else [tasks // len(names)] * len(names)
    workers = [
        f"{name}:{port + k}" for name, count in zip(names, each) for k in range(count)
    ]
    return {
        "cluster": {"worker": workers},
        "task": {"type": "worker", "index": int(environment["SLURM_PROCID"])},
    }


def hosts(text):
    """`a[1-2,07],b` -> `["a1", "a2", "a07", "b"]`, Slurm's short form."""
    names = []
    for prefix, ranges, plain in re.findall(
        r"([^,\[\]]+)\[([^\]]+)\]|([^,\[\]]+)", text
    ):
        if plain:
            names.append(plain)
            continue
        for part in ranges.split(","):
            first, _, last = part.partition("-")
            for number in range(int(first), int(last or first) + 1):
                names.append(f"{prefix}{number:0{len(first)}d}")
    return names


def tasks_per_node(text):
    """`2(x3),1` -> `[2, 2, 2, 1]`."""
    counts = []
    for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        counts += [int(count)] * int(times or 1)
    return counts
