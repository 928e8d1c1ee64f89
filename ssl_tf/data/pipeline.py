"""Sources to batches: order, decoding, views, normalisation."""

import sys
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ssl_tf.augment import crop
from ssl_tf.augment.recipe import Recipe, unit
from ssl_tf.data import orders
from ssl_tf.data import source as sources
from ssl_tf.data.decode import blamed, decode
from ssl_tf.data.reading import PARALLEL, Viewing, from_files, from_memory, gatherer
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput
from ssl_tf.ops import draws
from ssl_tf.ops.distribute import Part

WHOLE = Part()
HELD_OUT = 2**31  # seeds of held-out views count from here
CHUNK = 64  # images whose moments are computed together
MANY = 20_000  # images above which that is told


class Normal(NamedTuple):
    """Per-channel mean and standard deviation of images in [0, 1]."""

    mean: tuple = (0.0, 0.0, 0.0)
    deviation: tuple = (1.0, 1.0, 1.0)

    def __call__(self, images):
        return (images - self.constants()[0]) * self.constants()[1]

    def constants(self):
        """`(mean [3], 1 / deviation [3])` float32."""
        scale = np.float32(1) / np.asarray(self.deviation, np.float32)
        return np.asarray(self.mean, np.float32), scale

    def by_rows(self, images):
        """The same for `[B, H, W, 3]` of static size, 5 times faster on a CPU."""
        width = images.shape[-2]
        mean, scale = (np.tile(constant, width) for constant in self.constants())
        rows = (tf.reshape(images, [-1, width * 3]) - mean) * scale
        return tf.reshape(rows, [-1, *images.shape[1:]])


def views(
    source,
    recipes,
    order,
    normal,
    *,
    seed,
    size,
    fit="centre",
    part=WHOLE,
    start=(0, 0),
):
    """Augmented batches for training, epoch after epoch.

    Args:
        source: `Source`.
        recipes: list of `Recipe`, one a view.
        order: `epoch -> int64 [steps, G]`, G images over all replicas; or `[steps, G,
            4]`: index, rows, columns, flip, which replace the draws of `shift_flip`.
        normal: `Normal`.
        seed: int; with epoch, index and view it fixes every draw.
        size: int, side of the images (arrays) or of the decoded ones (files).
        fit: how a whole image becomes a square where no box is cut: "centre",
            "squash" or "interpolate", see `crop.fit_one`.
        part: `Part`; each replica gets its rows of every global batch in turn.
        start: (epoch, step) to begin with.

    Returns:
        endless dataset of `{"views": tuple of float32 [B, h, w, 3], "label": int32
        [B] or [B, A], "index": int64 [B], "key": int32 [B], "epoch": int32 [B]}`;
        views are normalised (and `[B, K, h, w, 3]` of recipes that give K images), the
        key is for masks drawn inside the network (`chance.keyed`).

    Raises:
        BadInput: the order brings moves that a recipe has no use for.
    """
    shape = order(start[0]).shape
    if len(shape) == 3 and not all(recipe.moves for recipe in recipes):
        raise BadInput("data.order: this order is for views of shift_flip only.")
    viewing = Viewing(recipes, normal, seed, size, fit)
    read = from_files if source.files else from_memory
    taken = dealt(order, shape[1:], part, start)
    if isinstance(order, orders.Repeated):
        taken = taken.map(
            lambda batch: batch | {"epoch": tf.zeros_like(batch["epoch"])}
        )
    taken = read(taken, source, viewing, shape[1] // part.total)
    with tf.device("CPU:0"):
        label = tf.constant(source.label)

    def finish(batch):
        return {
            "views": batch["views"],
            "label": tf.gather(label, batch["index"]),
            "index": batch["index"],
            "key": draws.keys(seed, batch["epoch"], batch["index"]),
            "epoch": tf.fill(
                tf.shape(batch["index"]), tf.cast(batch["epoch"], tf.int32)
            ),
        }

    taken = taken.map(finish, **PARALLEL)
    return taken.with_options(options(source)).prefetch(tf.data.AUTOTUNE)


def dealt(order, shape, part, start):
    """Endless dataset of one replica's batch after the other.

    Args:
        order: see `views`.
        shape: of one global batch of it, `[G]` or `[G, 4]`.
        part: `Part`.
        start: (epoch, step).

    Returns:
        dataset of `{"epoch": [], "step": [], "index": [B]}`, and `"moves"` `[B, 3]`
        if the order brings them. The step counts the epoch's global batches, so that
        it is the same on every replica and after every start.
    """
    wide, *more = shape
    local = wide // part.total

    def batches(epoch):
        places = tf.numpy_function(order, [epoch], tf.int64)
        places = tf.ensure_shape(places, [None, wide, *more])
        first = tf.where(epoch == start[0], tf.constant(start[1], tf.int64), 0)
        step = tf.repeat(tf.range(first, tf.shape(places, tf.int64)[0]), part.count)
        places = places[first:]
        places = tf.reshape(places, [-1, part.total, local, *more])
        places = places[:, part.first : part.first + part.count]
        places = tf.reshape(places, [-1, local, *more])
        given = {"index": places[..., 0], "moves": places[..., 1:]}
        given = (given if more else {"index": places}) | {"step": step}
        given = tf.data.Dataset.from_tensor_slices(given)
        return given.map(lambda batch: batch | {"epoch": epoch})

    return tf.data.Dataset.range(start[0], 2**40).flat_map(batches)


def options(source):
    """Deterministic, and no rewriting of how the work is sharded."""
    options = tf.data.Options()
    options.deterministic = True
    policy = tf.data.experimental.AutoShardPolicy.OFF
    options.experimental_distribute.auto_shard_policy = policy
    if source.files:
        options.threading.max_intra_op_parallelism = 1  # images are decoded at once
    return options


class Images(NamedTuple):
    """A split as evaluation sees it: in order, not augmented but for `recipe`.

    Attributes:
        source: `Source`.
        normal: `Normal`.
        size: side in pixels.
        resize: shorter side that images are scaled to before the central `size` is
            cut; `None` means `size`.
        fit: how they become squares: "centre" as just said, "squash" or
            "interpolate", which have no use for `resize`; see `crop.fit_one`.
        recipe: `Recipe` of one image by which each is shown instead, the same draws
            every time, or `None`.
        seed: int, of these draws.
    """

    source: Source
    normal: Normal
    size: int
    resize: int | None = None
    fit: str = "centre"
    recipe: Recipe | None = None
    seed: int = 0

    @property
    def fitted(self):
        """Whether images are scaled or cut before the model sees them."""
        shape = self.source.images.shape[1:3]
        zoomed = self.fit == "centre" and self.resize not in (None, self.size)
        return shape != (self.size, self.size) or zoomed

    def moments(self):
        """Per-channel mean and deviation of the plain images, in [0, 1], exact.

        Of files and of arrays larger than memory, too: they are read once, in chunks.

        Returns:
            `(mean [3], deviation [3])` float64.

        Raises:
            BadInput: a file cannot be read.
        """
        if not self.fitted:
            return sources.moments(self.source.images)
        if self.source.size > MANY:
            print(
                f"data.norm: mean and deviation of {self.source.size:,} images, "
                "computed first",
                file=sys.stderr,
            )
        plain = self._replace(normal=Normal(), recipe=None)
        count, total, squares = 0, np.zeros(3), np.zeros(3)
        size = min(CHUNK, self.source.size)
        batches = iter(plain.batches(size))
        for step in range(self.steps(size)):
            places = self.places(step, size)
            with blamed(self.source, lambda: places):  # noqa: B023 - called within
                views = next(batches)["views"][0]
            levels = 255 * np.asarray(views, np.float64)[: len(places)]
            if self.fit != "interpolate":
                levels = np.round(levels)  # whole ones: sums below 2^53 are exact
            count += levels[..., 0].size
            total += levels.sum((0, 1, 2))
            squares += np.square(levels).sum((0, 1, 2))
        mean = total / count
        return mean / 255, np.sqrt(squares / count - mean**2) / 255

    def steps(self, batch_size):
        """Batches of all images, the last one filled up."""
        return -(-self.source.size // batch_size)

    def places(self, step, batch_size):
        """Positions of the images of one batch."""
        first = step * batch_size
        return range(first, min(first + batch_size, self.source.size))

    def batches(self, batch_size, part=WHOLE):
        """Dataset of batches as `views` makes them, of `batch_size` over all replicas.

        `"weight"` float32 [B] is 0 for images that only fill up the last batch.
        """
        local = batch_size // part.total
        steps = self.steps(batch_size)
        places = np.arange(steps * batch_size, dtype=np.int64)
        weight = (places < self.source.size).astype(np.float32)
        places = np.minimum(places, self.source.size - 1)
        mine = slice(part.first, part.first + part.count)
        deal = lambda x: x.reshape(steps, part.total, local)[:, mine].reshape(-1, local)
        given = {"index": deal(places), "weight": deal(weight)}
        rows = tf.data.Dataset.from_tensor_slices(given)
        rows = self.plain(rows, local) if self.recipe is None else self.drawn(rows)
        return rows.with_options(options(self.source)).prefetch(2)

    def drawn(self, rows):
        """Batches shown by the recipe, as `views` does."""
        viewing = Viewing([self.recipe], self.normal, self.seed, self.size, self.fit)
        read = from_files if self.source.files else from_memory
        local = rows.element_spec["index"].shape[0]
        first = lambda: {name: tf.constant(0, tf.int64) for name in ("epoch", "step")}
        rows = read(rows.map(lambda row: row | first()), self.source, viewing, local)
        with tf.device("CPU:0"):
            label = tf.constant(self.source.label)

        def finish(row):
            epoch = tf.zeros(tf.shape(row["index"]), tf.int32)
            found = {name: row[name] for name in ("index", "weight", "views")}
            return found | {"epoch": epoch, "label": tf.gather(label, row["index"])}

        return rows.map(finish, **PARALLEL)

    def plain(self, rows, local):
        """Batches of `local` whole images, fitted to the size."""
        with tf.device("CPU:0"):
            label = tf.constant(self.source.label)
        taken_from = gatherer(self.source.images)
        if self.source.files:
            rows = rows.unbatch()

        def read(row):
            images = taken_from(row["index"])
            if self.source.files:
                images = self.cut(decode(tf.io.read_file(images)))[None]
            elif self.fitted:
                spec = tf.TensorSpec([self.size, self.size, 3], tf.float32)
                images = tf.map_fn(self.cut, images, fn_output_signature=spec)
            view = self.normal.by_rows(unit(images))
            view = view[0] if self.source.files else view
            epoch = tf.zeros(tf.shape(row["index"]), tf.int32)
            found = {"views": (view,), "epoch": epoch}
            return row | found | {"label": tf.gather(label, row["index"])}

        rows = rows.map(read, **PARALLEL)
        if self.source.files:
            rows = rows.batch(local, drop_remainder=True, **PARALLEL)
        return rows

    def cut(self, image):
        """float32 `[size, size, 3]` in [0, 255], from one image."""
        return crop.fit_one(image, self.size, self.resize, self.fit)
