"""Dry run: what a config would train, on how much, for how long.

python -m ssl_tf.plan --method ssal --arch densenet190 --no-measure
python -m ssl_tf.plan --method ssal --dataset digits --strategy mirrored
"""

import os
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
    from ssl_tf import experiment, rehearsal
    from ssl_tf.ops import distribute

    rehearsed = rehearsal.Rehearsal(spec, options.datadir, options.strategy)
    parts, images = rehearsed.parts, rehearsed.images
    show(parameters(rehearsed.method))
    train, share = parts.train, rehearsed.devices.num_replicas_in_sync
    steps = experiment.updates(parts, images)
    flops = rehearsed.flops
    total = flops * steps * train.batch_size * train.epochs
    needed = memory(rehearsed, share)
    show(
        [
            (
                "batch",
                f"{train.batch_size} on {share} {distribute.kind()} of "
                f"{train.batch_size // share}, {train.accumulate} part(s) each",
            ),
            ("peak rate", f"{experiment.peak(parts):.6g}"),
            ("images", f"{images:,}"),
            ("updates", f"{steps:,} x {train.epochs} epochs"),
            ("arithmetic", f"{flops / 1e9:.2f} GFLOP an image and update"),
            (
                "in all",
                f"{total / 1e15:,.2f} PFLOP, {cost.told(total / cost.TWO_CORES)} at "
                f"{cost.TWO_CORES / 1e9:.0f} GFLOP/s (two cores)",
            ),
            ("memory", told_memory(needed, parts)),
        ]
    )
    for line in warnings(parts, images, share):
        print(f"warning: {line}", file=sys.stderr)
    if distribute.kind() == "CPU" and needed * share > installed():
        print(
            f"warning: about {needed * share / 2**30:.0f} GiB are needed, this host "
            f"has {installed() / 2**30:.0f}: no update was tried. Take a smaller batch,"
            " fewer classes, or train.recompute.",
            file=sys.stderr,
        )
    elif not options.no_measure:
        show(measured(rehearsed, steps))


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


def memory(rehearsed, share):
    """Estimate in bytes a device: weights, gradients, slots, activations kept."""
    from ssl_tf import experiment

    model, parts = rehearsed.method, rehearsed.parts
    bytes_each = 4 if parts.train.precision == "float32" else 2
    local = parts.train.batch_size // share // parts.train.accumulate
    kept = cost.activations(model) * experiment.work(parts.recipes, rehearsed.size)
    kept *= local * bytes_each
    if parts.train.recompute:
        kept /= 2
    own, an_image = model.kept(len(parts.recipes))
    return kept + 4 * (3 * model.count_params() + own + an_image * local)


def told_memory(needed, parts):
    """The estimate in words."""
    note = ", halved for recomputation" if parts.train.recompute else ""
    return f"about {needed / 2**30:.1f} GiB a device (activations{note})"


def installed():
    """Memory of this host, bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def measured(rehearsed, steps):
    """Rows from a few real updates on random images."""
    from ssl_tf.measure import timing

    train = rehearsed.parts.train
    loop = rehearsed.loop()
    began = time.monotonic()
    loop.run([1e-6])
    compiling = time.monotonic() - began
    times = []
    for _ in range(STEPS):
        began = time.monotonic()
        loop.run([1e-6])
        times.append(time.monotonic() - began)
    step = timing.median(times)
    speed = timing.a_second(train.batch_size / step)
    return [
        ("compiling", f"{compiling:.1f} s"),
        ("one update", f"{step:.3f} s, {speed} images/s on this machine"),
        ("whole run", cost.told(step * steps * train.epochs)),
    ]


def warnings(parts, images, share):
    """What a user should know before starting."""
    from ssl_tf import experiment

    train = parts.train
    if train.batch_size % (share * train.accumulate):
        yield (
            f"a batch of {train.batch_size} cannot be dealt to {share} devices in "
            f"{train.accumulate} part(s)"
        )
    schedule = parts.rate.schedule
    warmup = schedule.keywords.get("warmup", 0) if schedule else 0
    if warmup > train.epochs:
        yield (
            f"the rate warms up for {warmup:g} epochs, the run has {train.epochs}: it "
            "never reaches its peak"
        )
    if images:
        yield from short(parts, experiment.updates(parts, images))
    if train.accumulate > 1:
        yield "batch norm sees each part of a batch alone (train.accumulate)"
    if images and images < train.batch_size:
        yield f"{images} images are fewer than one batch of {train.batch_size}"
    if parts.data.order == "filled":
        return
    if images and images % train.batch_size > images / 10:
        yield (
            f"{images % train.batch_size} of {images} images are left out of an epoch "
            "(others each time)"
        )


def short(parts, steps):
    """Says so if the learning rates do not last; see `schedules.epochs_left`."""
    from ssl_tf import schedules

    epochs, schedule = parts.train.epochs, parts.rate.schedule
    left = schedules.epochs_left(schedule, steps, epochs)
    if left < epochs:
        every = schedule.keywords["every"]
        yield (
            f"the schedule holds {epochs} x {steps // every} = "
            f"{epochs * (steps // every):,} rates, the optimiser makes "
            f"{-(-steps // every)} steps an epoch ({steps:,} batches, one every "
            f"{every}), {epochs * -(-steps // every):,} in all: training ends after "
            f"epoch {left} of {epochs}, where the authors' broke off in the next"
        )


if __name__ == "__main__":
    cli.run(main)
