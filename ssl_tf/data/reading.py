"""From indices to views: batch by batch from memory, image by image from files."""

import tensorflow as tf

from ssl_tf.augment import crop, geometry
from ssl_tf.augment.recipes import unit
from ssl_tf.data.decode import decode, decode_box
from ssl_tf.ops import draws

PARALLEL = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}


def augmented(recipes, normal, seed, batch, images):
    """Normalised views from what was cut out for each of them.

    Args:
        recipes: list of `Recipe`.
        normal: `Normal`.
        seed: int.
        batch: `{"epoch": [], "index": [B]}`, and `"moves"` `[B, 3]` if they are given.
        images: list of `[B, h, w, 3]`, uint8, or float32 in [0, 255].
    """
    done = []
    for view, (recipe, x) in enumerate(zip(recipes, images)):
        if "moves" in batch:
            rows, columns, flip = tf.unstack(tf.cast(batch["moves"], tf.int32), axis=1)
            x = geometry.shift(x, rows, columns, flip > 0)
        else:
            mine = draws.seeds(seed, batch["epoch"], batch["index"], view)
            mine = draws.split(mine, 2)[1]
            x = recipe.change(x if recipe.exact else unit(x), mine)
        done.append(normal.by_rows(unit(x) if recipe.exact else x))
    return tuple(done)


def from_memory(taken, source, recipes, augment, seed, size, local):
    """`taken` with `"views"`: batch by batch from an array."""
    with tf.device("CPU:0"):
        pixels = tf.constant(source.images)
    height, width = source.images.shape[1:3]

    def cut(batch):
        images = tf.gather(pixels, batch["index"])
        full = tf.ones([local], tf.int32)
        cuts = []
        for view, recipe in enumerate(recipes):
            if recipe.boxes is None:
                cuts.append(images)
                continue
            mine = draws.seeds(seed, batch["epoch"], batch["index"], view)
            boxes = recipe.boxes(draws.split(mine, 2)[0], full * height, full * width)
            x = crop.resize_boxes(
                tf.cast(images, tf.float32), boxes, recipe.size or size
            )
            cuts.append(tf.cast(tf.round(x), tf.uint8))
        return batch | {"views": augment(batch, cuts)}

    return taken.map(cut, **PARALLEL)


def from_files(taken, source, recipes, augment, seed, size, local):
    """The same from files, image by image: all its views while it is in the cache."""
    with tf.device("CPU:0"):
        paths = tf.constant(source.images)

    def cut(one):
        data = tf.io.read_file(paths[one["index"]])
        # A batch of one: what happens to an image does not depend on its neighbours.
        alone = {key: x[None] for key, x in one.items() if key != "epoch"}
        alone["epoch"] = one["epoch"]
        cuts = []
        for view, recipe in enumerate(recipes):
            mine = draws.seeds(seed, one["epoch"], alone["index"], view)
            x = cut_out(data, recipe, draws.split(mine, 2)[0], recipe.size or size)
            cuts.append(x[None])
        return one | {"views": tuple(x[0] for x in augment(alone, cuts))}

    each = taken.map(lambda b: b | {"epoch": tf.repeat(b["epoch"], local)}).unbatch()
    each = each.map(cut, **PARALLEL).batch(local, drop_remainder=True, **PARALLEL)
    return each.map(lambda batch: batch | {"epoch": batch["epoch"][0]})


def cut_out(data, recipe, seeds, side):
    """`[side, side, 3]` in [0, 255] for one view of an encoded image."""
    if recipe.boxes is None:
        return crop.centre_one(decode(data), side, side)
    box = lambda height, width: recipe.boxes(seeds, height[None], width[None])[0]
    return crop.resize_one(decode_box(data, box), side)
