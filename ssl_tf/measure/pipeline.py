"""Images a second that the input pipeline delivers."""

from ssl_tf import cli
from ssl_tf.errors import BadInput
from ssl_tf.measure import timing


def measure(options):
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
    speed, spread = timing.rate(256, dataset, 100, options.rounds)
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
            speeds[name].append(timing.rate(32, dataset, 30, 1)[0])
    values = {}
    for name, found in speeds.items():
        shares = [a / b for a, b in zip(found, speeds["decoding alone"])]
        values[f"{name}, 224 px, images/s"] = (
            f"{timing.median(found):,.0f}, {timing.median(shares):.0%} of decoding "
            f"({min(shares):.0%}-{max(shares):.0%})"
        )
    return values
