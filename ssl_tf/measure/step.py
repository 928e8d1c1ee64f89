"""Forward pass and update: images a second, and the share of the peak."""

import time

from ssl_tf import cli, config
from ssl_tf.measure import timing

WRN = ["backbone={name: wide_resnet, depth: 16, width: 4}", "data.norm=unit"]


def chosen(options):
    """The config to measure: what was asked for, else WRN-16-4 at batch 64."""
    if options.method is None and options.config is None:
        path = config.find("supervised", "wrn28_10")
        return config.load(path, overrides=[*WRN, *options.set])
    return cli.chosen(options)[0]


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


def measure(options):
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
        "forward, images/s": timing.a_second(batch / timing.median(times)),
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
        middle = timing.median(seconds)
        values[f"update, {name}"] = (
            f"{1e3 * middle:,.0f} ms, {timing.a_second(batch / middle)} images/s, "
            f"{work / middle / top:.0%} of the peak"
        )
    return values
