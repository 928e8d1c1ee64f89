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
    """`(number of this process, number of processes)` that train together.

    (0, 1) with another strategy than "workers", whatever TF_CONFIG says; before there
    is a strategy, as TF_CONFIG says.
    """
    if PLACE is None:
        found = tf_config(os.environ)
        return (0, 1) if found is None else place_of(found)
    return PLACE


PLACE = None  # once there is a strategy: see `worker`


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
        BadInput: unknown name, the hardware is not there, or TF_CONFIG is no JSON.
    """
    global PLACE
    import tensorflow as tf

    parsed(os.environ)
    if name == "workers":
        return workers_strategy(tf_config(os.environ) or slurm_cluster(os.environ))
    PLACE = PLACE or (0, 1)  # one of a cluster stays that
    others = os.environ.pop("TF_CONFIG", None)  # MirroredStrategy would read it
    try:
        if name == "one":
            return tf.distribute.get_strategy()
        if name == "mirrored":
            return tf.distribute.MirroredStrategy(devices or local_devices())
        if name == "tpu":
            return tpu_strategy()
    finally:
        if others is not None:
            os.environ["TF_CONFIG"] = others
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


def workers_strategy(found):
    """A strategy over the processes of a cluster, see `tf_config`; sets `worker`."""
    global PLACE
    import tensorflow as tf

    cluster, task = found["cluster"], found["task"]
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster), task_type=task["type"], task_id=task["index"]
    )
    PLACE = place_of(found)
    return tf.distribute.MultiWorkerMirroredStrategy(resolver)


def place_of(found):
    """`(number, count)` of a task as TensorFlow counts: the chief is 0, then workers.

    Args:
        found: see `tf_config`.
    """
    chiefs = len(found["cluster"].get("chief", ()))
    count = chiefs + len(found["cluster"].get("worker", ()))
    index = found["task"]["index"]
    return index + (chiefs if found["task"]["type"] == "worker" else 0), count


def parsed(environment):
    """What TF_CONFIG holds; `{}` if it is not set, or empty.

    Raises:
        BadInput: it is no JSON.
    """
    text = environment.get("TF_CONFIG", "")
    try:
        return json.loads(text.strip() or "{}")
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"TF_CONFIG: is no JSON ({error}); unset it, or write what it should say."
        ) from None


def tf_config(environment):
    """The cluster that TF_CONFIG describes, as far as it trains together.

    Args:
        environment: mapping with TF_CONFIG, the JSON text
            `{"cluster": {job: ["host:port", ...]}, "task": {"type": job, "index": i}}`.

    Returns:
        dict of the same form, with the jobs "chief" and "worker" alone; `None` if the
        variable is not set, or empty.

    Raises:
        BadInput: the variable says something else, or this task does not train.
    """
    given = parsed(environment)
    if given == {}:
        return None
    form = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", '
    wrong = lambda what: BadInput(f'TF_CONFIG: {what}; write {form}"index": 0}}}}.')
    cluster = given.get("cluster") if isinstance(given, dict) else None
    task = given.get("task") if isinstance(given, dict) else None
    if not isinstance(cluster, dict) or not cluster or not isinstance(task, dict):
        raise wrong("needs a cluster and a task")
    kind, index = task.get("type"), task.get("index")
    if kind not in ("chief", "worker"):
        raise BadInput(
            f"TF_CONFIG: the task is of type {kind!r}; only chief and worker tasks "
            "train. Evaluate with `python -m ssl_tf.evaluate`."
        )
    jobs = {job: cluster[job] for job in ("chief", "worker") if cluster.get(job)}
    for job, hosts in jobs.items():
        text = isinstance(hosts, list) and all(isinstance(h, str) for h in hosts)
        if not text or not all(re.fullmatch(r".+:[0-9]+", host) for host in hosts):
            raise wrong(f"cluster.{job} is {hosts!r}")
    if len(jobs.get("chief", ())) > 1:
        raise BadInput("TF_CONFIG: names several chiefs; there is at most one.")
    if not re.fullmatch("[0-9]+", str(index)) or int(index) >= len(jobs.get(kind, ())):
        there = len(jobs.get(kind, ()))
        raise BadInput(f"TF_CONFIG: {kind} {index!r} is not one of {there} {kind}(s).")
    return {"cluster": jobs, "task": {"type": kind, "index": int(index)}}


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
    try:
        names, number = hosts(nodes), int(environment["SLURM_PROCID"])
        tasks = int(environment.get("SLURM_NTASKS", len(names)))
    except ValueError as error:
        raise BadInput(f"--strategy workers: Slurm's variables: {error}.") from None
    layout = environment.get("SLURM_STEP_TASKS_PER_NODE")
    each = [tasks // max(len(names), 1)] * len(names)
    each = tasks_per_node(layout) if layout else each
    workers = [
        f"{name}:{port + k}" for name, count in zip(names, each) for k in range(count)
    ]
    if not 0 <= number < len(workers) or len(workers) != tasks:
        raise BadInput(
            f"--strategy workers: Slurm's variables name {len(workers)} tasks on "
            f"{nodes}, SLURM_NTASKS is {tasks}, SLURM_PROCID {number}."
        )
    return {
        "cluster": {"worker": workers},
        "task": {"type": "worker", "index": number},
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
