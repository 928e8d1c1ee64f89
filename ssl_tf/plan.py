"""Dry run: what a config would train, on how much, for how long.

python -m ssl_tf.plan --method ssal --arch densenet190 --no-measure
python -m ssl_tf.plan --method ssal --dataset digits --strategy mirrored
"""

import sys
import time

from ssl_tf import cli, cost

STEPS = 3


def arguments():
    parser = cli.parser("plan", __doc__)
    cli.add_choice(parser)
    parser.add_argument("--strategy", default="one", choices=cli.STRATEGIES)
    parser.add_argument(
        "--no-measure",
        action="store_true",
        help="no real steps on random images: parameters and arithmetic only",
    )
    return parser


def main(argv=None):
    options = arguments().parse_args(argv)
    if options.list:
        return cli.show_list()
    spec, _, _ = cli.chosen(options)
    cli.import_tensorflow()
    plan(spec, options)
    return 0


def plan(spec, options):
    """Prints the plan of a config."""
    from ssl_tf import experiment, opening, trainer
    from ssl_tf.ops import distribute

    parts = experiment.check(spec)
    trainer.prepare(parts.train)
    devices = distribute.strategy(options.strategy)
    size, classes, images, groups = known(parts, options)
    method = opening.settle_groups(parts.method, None, groups)
    with devices.scope():
        model = experiment.build(parts, method, classes, size)
    show(parameters(model))
    train = parts.train
    steps = images // train.batch_size if images else None
    share = devices.num_replicas_in_sync
    show(
        [
            (
                "batch",
                f"{train.batch_size} on {share} {distribute.kind()} of "
                f"{train.batch_size // share}, {train.accumulate} part(s) each",
            ),
            ("peak rate", f"{experiment.peak(parts):.6g}"),
            ("images", f"{images:,}" if images else "unknown without --datadir"),
            ("updates", f"{steps:,} x {train.epochs} epochs" if steps else "unknown"),
        ]
    )
    shape = (size, size, 3)
    flops = cost.training_flops(model, shape) * len(parts.recipes)
    total = flops * steps * train.batch_size * train.epochs if steps else None
    show(
        [
            ("arithmetic", f"{flops / 1e9:.2f} GFLOP an image and update"),
            (
                "in all",
                f"{total / 1e15:,.1f} PFLOP, {cost.told(total / cost.TWO_CORES)} at "
                f"{cost.TWO_CORES / 1e9:.0f} GFLOP/s (two cores)"
                if total
                else "unknown",
            ),
            ("memory", memory(model, parts, share)),
        ]
    )
    if not options.no_measure:
        show(measured(parts, model, devices, size, steps))
    for line in warnings(parts, images, share):
        print(f"warning: {line}", file=sys.stderr)


def known(parts, options):
    """`(size, classes, training images, confusions)` with or without the data."""
    from ssl_tf import experiment, opening
    from ssl_tf.data import FACTS
    from ssl_tf.errors import BadInput

    name = experiment.name_of(parts)
    size, classes = experiment.view_size(parts), experiment.class_count(parts)
    if name in FACTS and size and classes:
        images = FACTS[name].train * classes // FACTS[name].classes
        if parts.data.per_class:
            images = parts.data.per_class * classes
        images = min(images, parts.data.limit or images)
        return size, classes, round(images * (1 - parts.data.validation)), None
    if name in ("folder", "imagenet") and options.datadir is None:
        raise BadInput(f"plan: {name} needs --datadir to know its images and classes.")
    opened = opening.open_data(parts, options.datadir)
    classes = len(opened.train.classes)
    return opened.size, classes, opened.train.size, lambda: evenly(classes)


def evenly(classes):
    """Stands for a baseline's confusions, so that group sizes are right."""
    import numpy as np

    return np.random.default_rng(0).random((classes, classes))


def show(rows):
    for name, value in rows:
        print(f"{name:<12}{value}")


def parameters(model):
    """Rows of exact counts: all, trainable, and part by part."""
    trainable = sum(v.numpy().size for v in model.trainable_variables)
    rows = [
        ("model", f"{model.name} on {model.backbone.name}"),
        ("parameters", f"{model.count_params():,}"),
        ("trainable", f"{trainable:,}"),
        ("backbone", f"{model.backbone.count_params():,}"),
    ]
    for i, part in enumerate(getattr(model, "branches", ())):
        groups = max(model.groups[i]) + 1
        rows.append((f"branch {i}", f"{part.count_params():,}, {groups} groups"))
    return rows


def memory(model, parts, share):
    """Estimate: weights, gradients, slots and the activations kept."""
    bytes_each = 4 if parts.train.precision == "float32" else 2
    local = parts.train.batch_size // share // parts.train.accumulate
    kept = cost.activations(model) * local * bytes_each
    if parts.train.recompute:
        kept /= 2
    weights = 4 * 3 * model.count_params()
    note = ", halved for recomputation" if parts.train.recompute else ""
    return f"about {(kept + weights) / 2**30:.1f} GiB a device (activations{note})"


def measured(parts, model, devices, size, steps):
    """Rows from a few real updates on random images."""
    import numpy as np
    import tensorflow as tf

    from ssl_tf.loop import Loop
    from ssl_tf.ops import distribute

    wanted = parts.train.xla
    with devices.scope():
        optimizer = parts.optimizer()
    loop = Loop(
        model,
        optimizer,
        devices,
        xla=distribute.kind() != "CPU" if wanted == "auto" else wanted,
        micro_batches=parts.train.accumulate,
    )
    local = parts.train.batch_size // devices.num_replicas_in_sync
    batch = {
        "views": tuple(
            tf.random.uniform([local, size, size, 3]) for _ in parts.recipes
        ),
        "label": tf.zeros([local], tf.int32),
        "index": tf.range(local, dtype=tf.int64),
        "key": tf.range(local),
    }
    loop.feed(lambda part: tf.data.Dataset.from_tensors(batch).repeat())
    began = time.monotonic()
    loop.run([1e-6])
    compiling = time.monotonic() - began
    times = []
    for _ in range(STEPS):
        began = time.monotonic()
        loop.run([1e-6])
        times.append(time.monotonic() - began)
    step = float(np.median(times))
    speed = parts.train.batch_size / step
    rows = [
        ("compiling", f"{compiling:.1f} s"),
        ("one update", f"{step:.3f} s, {speed:,.0f} images/s on this machine"),
    ]
    if steps:
        rows.append(("whole run", cost.told(step * steps * parts.train.epochs)))
    return rows


def warnings(parts, images, share):
    """What a user should know before starting."""
    train = parts.train
    if train.batch_size % (share * train.accumulate):
        yield (
            f"a batch of {train.batch_size} cannot be dealt to {share} devices in "
            f"{train.accumulate} part(s)"
        )
    if train.accumulate > 1:
        yield "batch norm sees each part of a batch alone (train.accumulate)"
    if images and images < train.batch_size:
        yield f"{images} images are fewer than one batch of {train.batch_size}"
    if images and images % train.batch_size > images / 10:
        yield (
            f"{images % train.batch_size} of {images} images are left out of an epoch "
            "(others each time)"
        )


if __name__ == "__main__":
    cli.run(main)
