"""One training run from config to weights: assembles what `Training` drives."""

import os
import random
import secrets
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssl_tf import (
    config,
    experiment,
    opening,
    runs,
    scenery,
    schedules,
    settling,
    stages,
)
from ssl_tf.data import fingerprint
from ssl_tf.errors import BadInput
from ssl_tf.ops import environment
from ssl_tf.training import Stopped, Training
from ssl_tf.watching import stale

__all__ = ["Stopped", "train"]
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def train(
    spec,
    folder,
    *,
    root=None,
    strategy="one",
    tensorboard=False,
    quiet=False,
    origin=None,
    kept=None,
):
    """Trains a config in a run folder, going on from its newest state.

    Args:
        spec: sections, from `config.load`.
        folder: the run folder, from `runs.folder`.
        root: where the images are, or `None`.
        strategy: see `distribute.strategy`.
        tensorboard: log to `<folder>/tensorboard`.
        quiet: print warnings only.
        origin: dict noted in `environment.json`: the config's file and variant.
        kept: dict in which compiled models wait for the next run of this process that
            differs in its seed only.

    Returns:
        the folder.

    Raises:
        BadInput: anything wrong with config, data, devices or the folder.
        Stopped: on SIGINT or SIGTERM, with the state saved.
    """
    folder = Path(folder)
    parts = experiment.check(spec)
    if runs.finished(folder) and over(folder, parts):
        runs.agree(folder, spec)
        note = of_these_images(folder, parts, root)
        if not quiet:
            print(f"{folder}: done already{note}.", file=sys.stderr)
        return folder
    if not runs.finished(folder) and (folder / "certificate.json").exists():
        raise BadInput(
            f"{folder}: holds converted weights, and last.weights.h5 is missing or "
            "damaged; remove the folder and convert again."
        )
    if (folder / "last.weights.h5").exists() and not runs.finished(folder):
        print(
            f"{folder}: last.weights.h5 is empty or damaged; the run goes on from its "
            "newest state.",
            file=sys.stderr,
        )
    from ssl_tf.ops import distribute

    devices = distribute.strategy(strategy)
    prepare(parts.train)
    share = devices.num_replicas_in_sync
    if parts.train.batch_size % (share * parts.train.accumulate):
        raise BadInput(
            f"train.batch_size: is {parts.train.batch_size}; must be a multiple of "
            f"{share * parts.train.accumulate} (devices times train.accumulate)."
        )
    job = Job(parts, spec, folder, devices, root, origin or {}, kept)
    if distribute.worker()[0] > 0:
        return run(job, quiet=True)
    with runs.locked(folder):
        runs.agree(folder, spec)
        return run(job, quiet, callbacks(folder) if tensorboard else ())


def over(folder, parts):
    """Whether a run has done its epochs, or lost its patience or its rates before."""
    rows, settings = runs.history(folder), parts.train
    if not rows:
        return True  # converted or shipped
    done, steps = (int(rows[-1][name]) for name in ("epoch", "step"))
    if settings.updates is not None and steps >= settings.updates:
        return True
    left = schedules.epochs_left(parts.rate.schedule, steps // done, settings.epochs)
    return done >= left or stale(rows, settings)


def normalised(parts, facts):
    """`parts` with the normalisation that a run has already, if it was computed.

    Args:
        parts: `experiment.Parts`.
        facts: the run's `data.json`; `{}` for a new one.
    """
    mean, deviation = (facts.get(name) for name in ("mean", "deviation"))
    if parts.data.norm != "mean_std" or mean is None:
        return parts
    norm = experiment.Explicit(tuple(mean), tuple(deviation))
    return parts._replace(data=parts.data._replace(norm=norm))


def of_these_images(folder, parts, root):
    """What is to be said of a finished run whose images are not compared, or "".

    Raises:
        BadInput: the run is of other data, or `root` is given and cannot be read.
    """
    facts = runs.facts(folder)
    if fingerprint.known(facts) is None:
        return "; it keeps no fingerprint of its images, so they are not compared"
    try:
        found = scenery.opened(normalised(parts, facts), root).fingerprint
    except BadInput as error:
        if root is not None:
            raise
        why = str(error).split(";")[0].rstrip(".")
        return f"; its images are not compared ({why})"
    fingerprint.check(folder, facts, found)
    return ""


class Job(NamedTuple):
    """What `run` is to do: see the arguments of `train`."""

    parts: Any
    spec: dict
    folder: Path
    devices: Any
    root: Any
    origin: dict
    kept: dict | None


def prepare(train):
    """Sets seeds, precision and determinism for this process; after the strategy.

    Compiled programs repeat themselves on CPU and TPU, and on GPU by a flag of XLA's;
    TensorFlow's own switch refuses to compile some of them (max-pools).
    """
    import keras
    import tensorflow as tf

    environment.keras_defaults()
    random.seed(train.seed)
    np.random.seed(train.seed)
    keras.utils.set_random_seed(train.seed)
    keras.config.set_dtype_policy(train.precision)
    if train.deterministic and compiles(train.xla):
        flags = os.environ.get("XLA_FLAGS", "")
        if DETERMINISTIC not in flags:
            os.environ["XLA_FLAGS"] = f"{flags} {DETERMINISTIC}".strip()
    elif train.deterministic:
        tf.config.experimental.enable_op_determinism()


def run(job, quiet, callbacks=()):
    from ssl_tf import progress as shown
    from ssl_tf.data import orders
    from ssl_tf.ops import distribute

    parts, folder = job.parts, job.folder
    opened = scenery.opened(normalised(parts, runs.facts(folder)), job.root)
    chief = distribute.worker()[0] == 0
    same_everywhere(job.devices, opened.fingerprint)
    if parts.init is not None:
        stages.suits(parts, opened, quiet)
    stages.same_data(job.spec, parts, folder, opened.fingerprint)
    if chief:
        claim(job, opened)
    method = opening.settle_groups(
        parts.method,
        opened.train.classes,
        lambda: stages.baseline_confusion(job.spec, folder, job.root, quiet, train),
    )
    kind, clusters = parts.data.order, None
    if isinstance(kind, experiment.Guided):
        make = (job.spec, kind, folder, opened.train, job.root, quiet, train)
        kind, clusters = kind.name, stages.clusters(*make)
    prepare(parts.train)  # another run may have come between
    batch, seed = parts.train.batch_size, parts.train.seed
    order = opened.order(kind, parts.recipes, batch, seed, clusters)
    if parts.data.repeated:
        order = orders.Repeated(order)
    loop = compiled(job, method, opened, len(order(0)))
    apart = None
    if clusters is not None:
        apart = stages.kept_apart(kind, order, clusters, opened.train.class_label)
    training = Training(
        folder,
        loop,
        opened,
        parts,
        order,
        peak=experiment.peak(parts),
        progress=shown.Progress(
            stages.label(folder), parts.train.epochs, len(order(0)), quiet
        ),
        callbacks=callbacks,
    )
    if training.chief:
        describe(job, opened, loop, apart)
        if not quiet:
            shown.header(folder, job.spec, parts, opened, loop, len(order(0)), apart)
    rows = training.run()
    if parts.train.precise_bn:
        settling.settle(loop, training.fresh, parts.train.precise_bn)
    if training.chief:
        runs.save_weights(loop.method, folder, "last")
    row = rows[-1] if parts.train.patience is None else {"epoch": rows[-1]["epoch"]}
    record(folder, job.spec, row, loop, opened, training.chief)
    return folder


def same_everywhere(devices, found):
    """Refuses to train with workers that read other images than this one."""
    from ssl_tf.ops import distribute

    mine = int(fingerprint.key(found)[:4], 16)  # a sum of such is exact
    total, workers = distribute.agree(devices, [mine, 1])
    if abs(total - mine * workers) > 0.5:
        raise BadInput(
            "--datadir: the workers read different images; give all the same."
        )


def claim(job, opened):
    """Compares the images with those of the run so far, and makes the run theirs.

    `data.json` gets their fingerprint and the run's `id`, 12 hex digits, once: when
    nothing was learnt yet. One that was begun without them goes on without.

    Raises:
        BadInput: the run is of other data.
    """
    folder, facts = job.folder, runs.facts(job.folder)
    if not runs.begun(folder):
        own = {"name": opened.train.name, "classes": list(opened.train.classes)}
        own |= {"id": secrets.token_hex(6), "fingerprint": opened.fingerprint}
        runs.remember(folder, job.spec)
        runs.write_json(folder / "data.json", own)
        return
    if not fingerprint.check(folder, facts, opened.fingerprint):
        print(fingerprint.unknown(folder), file=sys.stderr)
    runs.remember(folder, job.spec)


def compiled(job, method, opened, steps):
    """The `Loop` of a job of so many updates an epoch.

    One that waits in `kept` gets this seed's weights.
    """
    from ssl_tf import loop as loops

    parts = job.parts
    classes, images = len(opened.train.classes), opened.train.size
    likeness = config.digest(
        job.spec
        | {
            "train": job.spec["train"] | {"seed": 0},
            "data": [opened.size, classes, images],
        }
    )
    if job.kept is not None and likeness in job.kept:
        loop = job.kept[likeness]
        fresh = experiment.build(parts, method, classes, opened.size, images)
        if parts.init is not None:
            stages.start(fresh, parts.init, parts.backbone)
        loop.restart([np.asarray(v) for v in fresh.weights])
        loop.method.class_names = model_names(parts, opened)
        return loop
    with job.devices.scope():
        model = experiment.build(parts, method, classes, opened.size, images)
        if parts.init is not None:
            stages.start(model, parts.init, parts.backbone)
        updater = optimizer(parts, steps)
    loop = loops.Loop(
        model,
        updater,
        job.devices,
        xla=compiles(parts.train.xla),
        micro_batches=parts.train.accumulate,
        batch_size=parts.train.batch_size,
    )
    model.class_names = model_names(parts, opened)
    if job.kept is not None:
        job.kept[likeness] = loop
    return loop


def model_names(parts, opened):
    """What the outputs of a method stand for, see `Method.class_names`."""
    return opened.train.classes if stages.tells_classes(parts.method) else None


def compiles(wanted):
    """Whether to compile: XLA pays on GPU and TPU; CPU convolutions lose by it."""
    from ssl_tf.ops import distribute

    return distribute.kind() != "CPU" if wanted == "auto" else bool(wanted)


def optimizer(parts, steps):
    """The optimiser of a config; under a strategy's scope to train with it.

    Args:
        parts: `experiment.Parts`.
        steps: int, batches an epoch.
    """
    import keras

    made = parts.optimizer()
    made.peak, made.period = experiment.peak(parts), steps
    if parts.train.precision != "mixed_float16":
        return made
    return keras.optimizers.LossScaleOptimizer(made)


def callbacks(folder):
    from ssl_tf.scalars import Scalars

    return [Scalars(Path(folder) / "tensorboard")]


def describe(job, opened, loop, apart):
    """Writes `data.json` (what is needed without the data) and `environment.json`."""
    model, before = loop.method, runs.facts(job.folder)
    facts = (
        {k: before[k] for k in ("id", "fingerprint") if k in before}
        | {
            "name": opened.train.name,
            "classes": list(opened.train.classes),
            "size": opened.size,
            "resize": opened.resize,
            "fit": opened.fit,
            "mean": list(opened.normal.mean),
            "deviation": list(opened.normal.deviation),
            "images": {
                name: getattr(opened, name).size
                for name in ("train", "validation", "test")
                if getattr(opened, name) is not None
            },
            "groups": [list(g) for g in getattr(model, "groups", ())],
            "parameters": model.count_params(),
        }
        | ({"order": apart} if apart else {})
    )
    machine = runs.environment(
        strategy=type(job.devices).__name__,
        replicas=job.devices.num_replicas_in_sync,
        xla=loop.compiled,
        **job.origin,
    )
    runs.write_json(job.folder / "data.json", facts)
    runs.write_json(job.folder / "environment.json", machine)


def record(folder, spec, row, loop, opened, chief):
    """Adds the last weights' terms to `results.jsonl`, of every held-out split."""
    values = {}
    for split in ("validation", "test"):
        if getattr(opened, split) is not None:
            own = {k: v for k, v in row.items() if k.startswith(f"{split}_")}
            values[split] = {k.removeprefix(f"{split}_"): v for k, v in own.items()}
    for split, terms in values.items():  # judged on the other split, or other weights
        values[split] = terms or loop.evaluator(opened.plain(split))
    for split, terms in values.items():
        if not terms:
            continue
        result = {"evaluation": "terms", "split": split, "values": terms}
        result |= {"epoch": row["epoch"], "config": config.digest(spec)}
        result |= runs.identity(folder)
        if chief:
            runs.append_result(folder, result)
