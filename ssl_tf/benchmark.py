"""Speed and memory on this machine: input pipeline, forward, update, start-up.

  python -m ssl_tf.benchmark pipeline --datadir FOLDER_OF_JPEGS
  python -m ssl_tf.benchmark step --method ssal --arch resnet50 --dataset cifar100
  python -m ssl_tf.benchmark memory --method ssal --arch densenet190
  python -m ssl_tf.benchmark start-up

Comparisons with other programs are in benchmarks/.
"""

import json
import subprocess
import sys
import time

from ssl_tf import cli, config, runs
from ssl_tf.errors import BadInput

WHAT = ("pipeline", "step", "memory", "start-up")
WRN = ["backbone={name: wide_resnet, depth: 16, width: 4}", "data.norm=unit"]


def arguments():
    parser = cli.parser("benchmark", __doc__)
    parser.add_argument("what", choices=WHAT)
    cli.add_choice(parser)
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="append to a .jsonl, too"
    )
    return parser


def main(argv=None):
    options = arguments().parse_args(argv)
    if options.list:
        return cli.show_list()
    if options.rounds < 1:
        raise BadInput(f"--rounds {options.rounds}: must be 1 or more.")
    measure = {
        "pipeline": pipeline,
        "step": step,
        "memory": memory,
        "start-up": start_up,
    }[options.what]
    values = measure(options)
    for name, value in values.items():
        print(f"{name:<34}{value}")
    if options.output:
        line = {"benchmark": options.what, "values": values} | runs.environment()
        with open(options.output, "a") as out:
            out.write(json.dumps(line) + "\n")
    return 0


def chosen(options):
    """The config to measure: what was asked for, else WRN-16-4 at batch 64."""
    if options.method is None and options.config is None:
        path = config.find("supervised", "wrn28_10")
        return config.load(path, overrides=[*WRN, *options.set])
    return cli.chosen(options)[0]


def median(values):
    return sorted(values)[len(values) // 2]


def rate(images, dataset, batches, rounds):
    """Images a second that a dataset delivers: median of the rounds, and the range."""
    iterator = iter(dataset)
    for _ in range(max(3, batches // 10)):
        next(iterator)
    speeds = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(batches):
            next(iterator)
        speeds.append(images * batches / (time.perf_counter() - began))
    return median(speeds), f"({min(speeds):,.0f}-{max(speeds):,.0f})"


def pipeline(options):
    """Shift and flip at 32 px; with --datadir also ImageNet crops against decoding."""
    cli.import_tensorflow()
    from ssl_tf.augment import recipes
    from ssl_tf.data import noise
    from ssl_tf.data import pipeline as pipelines

    source = noise("train", count=20000)
    dataset = pipelines.views(
        source,
        [recipes.shift_flip()],
        pipelines.shuffled(source.size, 256, 0),
        pipelines.Normal((0.5,) * 3, (0.25,) * 3),
        seed=0,
        size=32,
    )
    speed, spread = rate(256, dataset, 100, options.rounds)
    values = {"shift_flip, 32 px, images/s": f"{speed:,.0f} {spread}"}
    if options.datadir is None:
        return values
    return values | crops(options)


def crops(options):
    """Crops of files to 224 px, and the share of what decoding alone reaches."""
    import numpy as np
    import tensorflow as tf

    from ssl_tf.augment import recipes
    from ssl_tf.data import pipeline as pipelines
    from ssl_tf.data import source
    from ssl_tf.data.folder import image_root

    paths = image_root(options.datadir)
    if len(paths) < 64:
        raise BadInput(f"--datadir {options.datadir}: has fewer than 64 images.")
    label = np.zeros(len(paths), np.int32)
    given = source.Source("files", "train", np.array(paths), label, ("all",))

    def views(recipe):
        order = pipelines.shuffled(given.size, 32, 0)
        normal = pipelines.Normal()
        return pipelines.views(given, [recipe], order, normal, seed=0, size=224)

    decode = lambda path: tf.shape(tf.io.decode_jpeg(tf.io.read_file(path), 3))
    alone = tf.data.Dataset.from_tensor_slices(paths).repeat()
    alone = alone.map(decode, tf.data.AUTOTUNE).batch(32)
    datasets = {
        "decoding alone": alone,
        "crop_flip": views(recipes.crop_flip()),
        "crop_jitter_flip": views(recipes.crop_jitter_flip()),
    }
    speeds = {name: [] for name in datasets}
    for _ in range(options.rounds):  # alternating: all meet what else is going on
        for name, dataset in datasets.items():
            speeds[name].append(rate(32, dataset, 30, 1)[0])
    values = {}
    for name, found in speeds.items():
        shares = [a / b for a, b in zip(found, speeds["decoding alone"])]
        values[f"{name}, 224 px, images/s"] = (
            f"{median(found):,.0f}, {median(shares):.0%} of decoding "
            f"({min(shares):.0%}-{max(shares):.0%})"
        )
    return values


def peak():
    """FLOP/s of a large matrix product: what a perfect step would reach."""
    import tensorflow as tf

    size = 2048
    a, b = tf.random.normal([size, size]), tf.random.normal([size, size])
    times = []
    for _ in range(6):
        began = time.perf_counter()
        tf.matmul(a, b).numpy()
        times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times[1:])


def step(options):
    """Forward pass and update of a config on random images, with and without XLA."""
    cli.import_tensorflow()
    import tensorflow as tf

    from ssl_tf import rehearsal

    spec = chosen(options)
    spec["train"]["deterministic"] = False  # forbids compiling some models
    rehearsed = rehearsal.Rehearsal(spec, options.datadir)
    model, size = rehearsed.method, rehearsed.size
    batch = rehearsed.parts.train.batch_size
    work, top = rehearsed.flops * batch, peak()
    images = tf.random.uniform([batch, size, size, 3])
    forward = tf.function(lambda x: model(x, training=False))
    forward(images)
    times = []
    for _ in range(options.rounds):
        began = time.perf_counter()
        tf.nest.flatten(forward(images))[0].numpy()
        times.append(time.perf_counter() - began)
    values = {
        "model": f"{model.backbone.name}, batch {batch}, {size} px",
        "matrix product peak, GFLOP/s": f"{top / 1e9:,.0f}",
        "forward, images/s": f"{batch / median(times):,.0f}",
    }
    loops = {"plain": rehearsed.loop(False), "XLA": rehearsed.loop(True)}
    for loop in loops.values():
        loop.run([1e-6])
    times = {name: [] for name in loops}
    for _ in range(options.rounds):
        for name, loop in loops.items():
            began = time.perf_counter()
            loop.run([1e-6] * 2)
            times[name].append((time.perf_counter() - began) / 2)
    for name, seconds in times.items():
        middle = median(seconds)
        values[f"update, {name}"] = (
            f"{1e3 * middle:,.0f} ms, {batch / middle:,.0f} images/s, "
            f"{work / middle / top:.0%} of the peak"
        )
    return values


def memory(options):
    """Peak memory of a few updates, measured in a process of its own."""
    spec = chosen(options)
    code = (
        "import json, sys; from ssl_tf import cli; cli.import_tensorflow(); "
        "from ssl_tf.rehearsal import Rehearsal; "
        "print(json.dumps(Rehearsal(json.loads(sys.argv[1])).peak_memory()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(spec)], capture_output=True, text=True
    )
    if done.returncode:
        raise BadInput(f"benchmark memory: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def start_up(options):
    """Wall time of commands that must answer at once, and of a run's first update."""
    commands = {
        "train --help": ["train", "--help"],
        "train --list": ["train", "--list"],
        "run_all.sh --list": ["reproduce", "--list"],
        "report": ["report"],
        "plan (a model, no step)": ["plan", "--no-measure", "--method", "supervised"]
        + ["--dataset", "digits"],
    }
    values = {}
    for name, arguments in commands.items():
        times = []
        for _ in range(options.rounds):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", f"ssl_tf.{arguments[0]}", *arguments[1:]],
                capture_output=True,
                check=True,
            )
            times.append(time.perf_counter() - began)
        values[f"{name}, s"] = f"{median(times):.2f}"
    values["train on digits to first update, s"] = f"{first_update():.1f}"
    return values


def first_update():
    """Seconds from the command to the first saved state of an SSAL run on digits."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as root:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "ssl_tf.train", "--method", "ssal"]
            + ["--dataset", "digits", "--runs", root, "--set", "train.save_minutes=0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while process.poll() is None and not list(Path(root).rglob("step*.npz")):
                time.sleep(0.05)
            return time.perf_counter() - began
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    cli.run(main)
