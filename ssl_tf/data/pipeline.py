"""Sources to batches: order, decoding, views, normalisation."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ssl_tf.augment import crop
from ssl_tf.augment.recipes import unit
from ssl_tf.data.source import Source
from ssl_tf.ops import draws
from ssl_tf.ops.distribute import Part


class Normal(NamedTuple):
    """Per-channel mean and standard deviation of images in [0, 1]."""

    mean: tuple = (0.0, 0.0, 0.0)
    deviation: tuple = (1.0, 1.0, 1.0)

    def __call__(self, images):
        scale = np.float32(1) / np.asarray(self.deviation, np.float32)
        return (images - np.asarray(self.mean, np.float32)) * scale


def shuffled(size, batch_size, seed):
    """The order of each epoch: a function of (seed, epoch).

    Args:
        size: int, images in the split.
        batch_size: int, images over all replicas; what is left over is dropped and
            differs from epoch to epoch.
        seed: int.

    Returns:
        `epoch -> int64 [steps, batch_size]`.
    """
    steps = size // batch_size

    def order(epoch):
        draw = np.random.Generator(np.random.Philox(key=[seed, int(epoch)]))
        places = draw.permutation(size)[: steps * batch_size]
        return places.reshape(steps, batch_size).astype(np.int64)

    return order


def views(source, recipes, order, normal, *, seed, size, part=Part(), start=(0, 0)):
    """Augmented batches for training, epoch after epoch.

    Args:
        source: `Source`.
        recipes: list of `Recipe`, one a view.
        order: `epoch -> int64 [steps, G]`, G images over all replicas.
        normal: `Normal`.
        seed: int; with epoch, index and view it fixes every draw.
        size: int, side of the images (arrays) or of the decoded ones (files).
        part: `Part`; each replica gets its rows of every global batch in turn.
        start: (epoch, step) to begin with.

    Returns:
        endless dataset of `{"views": tuple of float32 [B, h, w, 3], "label": int32
        [B], "index": int64 [B]}`, normalised.
    """
    first_epoch, first_step = start
    wide = order(first_epoch).shape[1]
    local = wide // part.total

    def rows(epoch):
        places = tf.numpy_function(order, [epoch], tf.int64)
        places = tf.ensure_shape(places, [None, wide])
        places = places[tf.where(epoch == first_epoch, first_step, 0) :]
        places = tf.reshape(places, [-1, part.total, local])
        places = places[:, part.first : part.first + part.count]
        places = tf.reshape(places, [-1, local])
        return tf.data.Dataset.from_tensor_slices(places).map(lambda i: (epoch, i))

    read = read_files if source.files else read_array
    taken = tf.data.Dataset.range(first_epoch, 2**40).flat_map(rows)
    taken = read(taken, source, recipes, seed, size, local)
    label = tf.constant(source.label)

    def finish(epoch, index, images):
        done = []
        for view, (recipe, x) in enumerate(zip(recipes, images)):
            mine = draws.split(draws.seeds(seed, epoch, index, view), 2)[1]
            x = recipe.change(x if recipe.exact else unit(x), mine)
            x = unit(x) if recipe.exact else x
            done.append(normal(x))
        labels = tf.gather(label, index)
        return {"views": tuple(done), "label": labels, "index": index}

    return (
        taken.map(finish, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .with_options(options())
        .prefetch(tf.data.AUTOTUNE)
    )


def options():
    """Deterministic, and no rewriting of how the work is sharded."""
    options = tf.data.Options()
    options.deterministic = True
    policy = tf.data.experimental.AutoShardPolicy.OFF
    options.experimental_distribute.auto_shard_policy = policy
    return options


def read_array(taken, source, recipes, seed, size, local):
    """Batches of (epoch, index, one uint8 `[B, h, w, 3]` a view) from memory."""
    pixels = tf.constant(source.images)

    def cut(epoch, index):
        images = tf.gather(pixels, index)
        height, width = source.images.shape[1:3]
        cuts = []
        for view, recipe in enumerate(recipes):
            if recipe.boxes is None:
                cuts.append(images)
                continue
            mine = draws.split(draws.seeds(seed, epoch, index, view), 2)[0]
            full = tf.ones_like(index, tf.int32)
            boxes = recipe.boxes(mine, full * height, full * width)
            x = crop.resize_boxes(
                tf.cast(images, tf.float32), boxes, recipe.size or size
            )
            cuts.append(tf.cast(tf.round(x), tf.uint8))
        return epoch, index, tuple(cuts)

    return taken.map(cut, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def read_files(taken, source, recipes, seed, size, local):
    """The same from files: each view is cut out while its image is decoded."""
    paths = tf.constant(source.images)

    def cut(epoch, index):
        data = tf.io.read_file(paths[index])
        cuts = []
        for view, recipe in enumerate(recipes):
            side = recipe.size or size
            if recipe.boxes is None:
                cuts.append(crop.centre_one(decode(data), side, side))
                continue
            mine = draws.split(draws.seeds(seed, epoch, index[None], view), 2)[0]
            box = lambda height, width, recipe=recipe, mine=mine: recipe.boxes(
                mine, height[None], width[None]
            )[0]
            x = crop.resize_one(decode_box(data, box), side)
            cuts.append(tf.ensure_shape(x, [side, side, 3]))
        return epoch, index, tuple(cuts)

    def alike(epoch, index, images):
        return epoch[0], index, images

    each = taken.map(lambda epoch, index: (tf.repeat(epoch, local), index)).unbatch()
    each = each.map(cut, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return each.batch(local, drop_remainder=True).map(alike)


def decode(data):
    """uint8 `[h, w, 3]` from the bytes of an image file."""
    jpeg = lambda: tf.io.decode_jpeg(data, 3, dct_method="INTEGER_ACCURATE")
    other = lambda: tf.io.decode_image(data, 3, expand_animations=False)
    image = tf.cond(tf.io.is_jpeg(data), jpeg, other)
    return tf.ensure_shape(image, [None, None, 3])


def decode_box(data, box):
    """uint8 of a box only; of a JPEG no more than that is decoded.

    Args:
        data: bytes of an image file.
        box: `(height, width) -> [4]` int32, top, left, height, width.
    """

    def jpeg():
        height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(data))
        window = box(height, width)
        return tf.io.decode_and_crop_jpeg(
            data, window, 3, dct_method="INTEGER_ACCURATE"
        )

    def other():
        image = decode(data)
        top, left, height, width = tf.unstack(
            box(tf.shape(image)[0], tf.shape(image)[1])
        )
        return image[top : top + height, left : left + width]

    image = tf.cond(tf.io.is_jpeg(data), jpeg, other)
    return tf.ensure_shape(image, [None, None, 3])


class Images(NamedTuple):
    """A split as evaluation sees it: in order, not augmented.

    Attributes:
        source: `Source`.
        normal: `Normal`.
        size: side in pixels.
        resize: files are scaled to this shorter side before the central `size` is cut;
            `None` means `size`.
    """

    source: Source
    normal: Normal
    size: int
    resize: int | None = None

    def steps(self, batch_size):
        """Batches of all images, the last one filled up."""
        return -(-self.source.size // batch_size)

    def batches(self, batch_size, part=Part()):
        """Dataset of batches as `views` makes them, of `batch_size` over all replicas.

        `"weight"` float32 [B] is 0 for images that only fill up the last batch.
        """
        source, size = self.source, self.size
        local = batch_size // part.total
        steps = self.steps(batch_size)
        places = np.arange(steps * batch_size, dtype=np.int64)
        weight = (places < source.size).astype(np.float32)
        places = np.minimum(places, source.size - 1)
        mine = slice(part.first, part.first + part.count)
        deal = lambda x: x.reshape(steps, part.total, local)[:, mine].reshape(-1, local)
        stored, label = tf.constant(source.images), tf.constant(source.label)

        def batch(index, weight):
            images = tf.gather(stored, index)
            if source.files:
                cut = lambda path: crop.centre_one(
                    decode(tf.io.read_file(path)), self.resize or size, size
                )
                spec = tf.TensorSpec([size, size, 3], tf.uint8)
                images = tf.map_fn(cut, images, fn_output_signature=spec)
            return {
                "views": (self.normal(unit(images)),),
                "label": tf.gather(label, index),
                "index": index,
                "weight": weight,
            }

        rows = tf.data.Dataset.from_tensor_slices((deal(places), deal(weight)))
        rows = rows.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return rows.with_options(options()).prefetch(2)
