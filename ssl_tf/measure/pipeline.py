"""Images a second that the input pipeline delivers, next to others doing the same."""

import contextlib

from ssl_tf import cli
from ssl_tf.errors import BadInput
from ssl_tf.measure import timing

LEAST = 64  # files that are enough to measure with


def measure(options):
    """Shift and flip, two views of SimCLR; with --datadir also crops of its files."""
    cli.import_tensorflow()
    values = shifts(options) | pairs(32, 256, 20_000, 100, options)
    values |= pairs(96, 64, 2_000, 30, options)
    return values if options.datadir is None else values | crops(options)


def shifts(options):
    from ssl_tf.augment import recipes
    from ssl_tf.data import noise

    given = noise("train", count=20_000)
    dataset = ours(given, [recipes.shift_flip()], 32, 256)
    speed, spread = timing.rate(256, dataset, 100, options.rounds)
    return {"shift_flip, 32 px, images/s": f"{speed:,.0f} {spread}"}


def ours(source, recipes, size, batch_size):
    from ssl_tf.data import orders, pipeline

    order = orders.shuffled(source.size, batch_size, 0)
    normal = pipeline.Normal((0.5,) * 3, (0.25,) * 3)
    return pipeline.views(source, recipes, order, normal, seed=0, size=size)


def pairs(size, batch_size, count, batches, options):
    """Two views of SimCLR from memory: ours, Keras' layers, PIL in processes."""
    from ssl_tf.augment.contrastive import simclr
    from ssl_tf.data import noise
    from ssl_tf.measure import by_keras, by_pil

    source = noise("train", size=size, count=count)
    with by_pil.batches(source.images, size, batch_size) as of_pil:
        found = speeds(
            {
                "ours": ours(source, [simclr()] * 2, size, batch_size),
                "Keras' layers": by_keras.batches(source.images, size, batch_size),
                "PIL in processes": of_pil,
            },
            batch_size,
            {"ours": batches},
            options.rounds,
        )
    return {
        f"simclr x2, {size} px, {name}": described(each, found["ours"], "ours")
        for name, each in found.items()
    }


def crops(options):
    """Files at 224 px, each as images a second and as share of decoding alone."""
    import numpy as np
    import tensorflow as tf

    from ssl_tf.augment import contrastive, recipes
    from ssl_tf.data.folder import image_root
    from ssl_tf.data.source import Source
    from ssl_tf.measure import by_keras, by_pil

    paths = np.array(image_root(options.datadir))
    if len(paths) < LEAST:
        raise BadInput(f"--datadir {options.datadir}: has fewer than {LEAST} images.")
    source = Source("files", "train", paths, np.zeros(len(paths), np.int32), ("all",))
    decode = lambda path: tf.shape(tf.io.decode_jpeg(tf.io.read_file(path), 3))
    alone = tf.data.Dataset.from_tensor_slices(paths).repeat()
    simclr = [contrastive.simclr()] * 2
    with contextlib.ExitStack() as stack:
        datasets = {
            "decoding alone": alone.map(decode, tf.data.AUTOTUNE).batch(32),
            "crop_flip": ours(source, [recipes.crop_flip()], 224, 32),
            "crop_jitter_flip": ours(source, [recipes.crop_jitter_flip()], 224, 32),
            "simclr x2": ours(source, simclr, 224, 32),
            "simclr x2, Keras' layers": by_keras.batches(paths, 224, 32),
            "simclr x2, PIL in processes": stack.enter_context(
                by_pil.batches(paths, 224, 32)
            ),
        }
        found = speeds(datasets, 32, {"decoding alone": 30}, options.rounds)
    return {
        f"{name}, 224 px": described(each, found["decoding alone"], "decoding")
        for name, each in found.items()
    }


def speeds(datasets, batch_size, batches, rounds):
    """`{name: images a second of each round}`, in turns: all meet what else goes on.

    Args:
        datasets: `{name: dataset or generator}`.
        batch_size: images of a batch, which count once for all their views.
        batches: `{name: int}`, how many to take of these; others are given the time
            they need for a tenth.
        rounds: int.
    """
    found = {name: [] for name in datasets}
    ((first, count),) = batches.items()
    for _ in range(rounds):
        for name, dataset in datasets.items():
            taken = count if name == first else max(3, count // 10)
            found[name].append(timing.rate(batch_size, dataset, taken, 1)[0])
    return found


def described(found, base, name):
    """Median speed, and median and range of what share of another it is."""
    shares = [a / b for a, b in zip(found, base)]
    return (
        f"{timing.median(found):,.0f} images/s, {timing.median(shares):.0%} of {name} "
        f"({min(shares):.0%}-{max(shares):.0%})"
    )
