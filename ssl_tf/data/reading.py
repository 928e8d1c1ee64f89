"""From indices to views: batch by batch from memory, image by image from files."""

import functools
import itertools
from typing import Any, NamedTuple

import tensorflow as tf

from ssl_tf.augment import crop, geometry, planes
from ssl_tf.augment.recipe import unit
from ssl_tf.data.decode import opened
from ssl_tf.data.drawn import Drawn
from ssl_tf.data.mapped import Stacked
from ssl_tf.ops import draws

PARALLEL = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}
SHARED = 2**16  # views whose seeds are of steps count from here
FEW = 2  # views up to which each decodes no more of a file than it wants


class Viewing(NamedTuple):
    """How views are made, whatever they are read from.

    Attributes:
        recipes: list of `Recipe`, one a view.
        normal: `Normal`.
        seed: int.
        size: side of the views of recipes that have none of their own.
        fit: how a whole image becomes a square, see `crop.fit_one`.
    """

    recipes: list
    normal: Any
    seed: int
    size: int
    fit: str = "centre"

    @property
    def runs(self):
        """Lists of views in a row that one recipe makes; they are computed as one."""
        ranges = itertools.groupby(range(len(self.recipes)), lambda i: self.recipes[i])
        return [list(places) for _, places in ranges]

    def seeds(self, batch, run):
        """Of what is cut out, of the change, of the flip: each `[V B]` or `[V B K]`.

        V views of a run follow each other, then images, then their K copies.
        """
        each = zip(*(self.seeds_of(batch, view) for view in run))
        return tuple(tf.concat(seeds, 0) for seeds in each)

    def seeds_of(self, batch, view):
        """The same of one view."""
        recipe, epoch = self.recipes[view], batch["epoch"]
        mine = draws.seeds(self.seed, epoch, batch["index"], view)
        if recipe.copies:
            mine = tf.reshape(draws.bits(mine, len(recipe.copies)), [-1])
        of_cut, of_change, of_flip = draws.split(mine, 3)
        if recipe.per_batch:
            step = tf.fill(tf.shape(of_change), batch["step"])
            of_change = draws.seeds(self.seed, epoch, step, SHARED + view)
        return of_cut, of_change, of_flip

    def side(self, recipe):
        return recipe.size or self.size

    def views(self, batch, cuts):
        """Normalised views from what was cut out for each of them.

        Args:
            batch: `{"epoch": [], "step": [], "index": [B]}`, and `"moves"` `[B, 3]`
                if they are given.
            cuts: one a run of views, list of `[V B, h, w, 3]`, uint8, or float32 in
                [0, 255]; where the recipe has `planes`, `[V B, 3, h, w]`, in its
                range.
        """
        done = (self.changed(batch, *each) for each in zip(self.runs, cuts))
        parts = (tf.split(x, len(run)) for run, x in zip(self.runs, done))
        return tuple(itertools.chain(*parts))

    def changed(self, batch, run, x):
        recipe = self.recipes[run[0]]
        normal = self.normal.by_rows if recipe.normalised else lambda x: x
        if "moves" in batch:
            moves = tf.tile(tf.cast(batch["moves"], tf.int32), [len(run), 1])
            rows, columns, flip = tf.unstack(moves, axis=1)
            return normal(unit(geometry.shift(x, rows, columns, flip > 0)))
        seeds = self.seeds(batch, run)[1]
        if recipe.planes is None:
            x = recipe.change(x if recipe.exact else unit(x), seeds)
            return normal(unit(x) if recipe.exact else x)
        x = planes.back(recipe.planes(x, seeds))
        x = normal(x * (1 / 255) if recipe.rounding else x)
        if recipe.copies:
            x = tf.reshape(x, [-1, len(recipe.copies), *x.shape[1:]])
        return x


def from_memory(taken, source, viewing, local):
    """`taken` with `"views"`: batch by batch from an array."""
    taken_from = gatherer(source.images, viewing.seed)

    def cut(batch):
        images = taken_from(batch["index"], batch["epoch"])
        images = tf.ensure_shape(images, [local, *source.images.shape[1:]])
        cuts = [cut_from(images, viewing, batch, run) for run in viewing.runs]
        return batch | {"views": viewing.views(batch, cuts)}

    return taken.map(cut, **PARALLEL)


def gatherer(images, seed=0):
    """`(index [B], epoch []) -> images [B, ...]`, whatever holds them.

    Args:
        images: array, `Stacked` files, or `Drawn` for the epoch.
        seed: int, of what is drawn.
    """
    if isinstance(images, Drawn):
        return lambda index, epoch=0: images.draw(index, seed, epoch)
    if isinstance(images, Stacked):
        shape = [None, *images.shape[1:]]
        read = lambda index: tf.numpy_function(
            images.take, [index], tf.uint8, stateful=False
        )
        return lambda index, epoch=0: tf.ensure_shape(read(index), shape)
    with tf.device("CPU:0"):
        stored = tf.constant(images)
    return lambda index, epoch=0: tf.gather(stored, index)


def cut_from(images, viewing, batch, run):
    """What a run of views starts from, of uint8 images `[B, h, w, 3]` in memory."""
    recipe = viewing.recipes[run[0]]
    side = viewing.side(recipe)
    of_cut, _, of_flip = viewing.seeds(batch, run)
    if recipe.copies:
        turned = [geometry.quarter(images, turns) for turns in recipe.copies]
        images = tf.stack(turned, axis=1)
        images = tf.reshape(images, [-1, *images.shape[2:]])
    if recipe.first and images.shape[1:3] != (side, side):
        images = planes.back(crop.whole(images, side, recipe.first))
    again = lambda x: tf.tile(x, [len(run), 1, 1, 1])
    if recipe.boxes is None:
        return again(uncut(images, recipe, viewing))
    images = again(images)
    height, width = (tf.fill(tf.shape(of_cut), x) for x in images.shape[1:3])
    boxes = recipe.boxes(of_cut, height, width)
    if recipe.planes is None:
        x = tf.cast(images, tf.float32)
        x = crop.resize_boxes(x, boxes, side, recipe.method)
        return tf.cast(tf.round(x), tf.uint8)
    flip = geometry.random_flip(of_flip) if recipe.flip else None
    return crop.cut_planes(images, boxes, side, recipe.method, recipe.rounding, flip)


def uncut(images, recipe, viewing):
    """The whole images, fitted to the side of the view."""
    side = viewing.side(recipe)
    if images.shape[1:3] != (side, side):
        fit = functools.partial(crop.fit_one, size=side, fit=viewing.fit)
        spec = tf.TensorSpec([side, side, 3], tf.float32)
        images = tf.map_fn(fit, images, fn_output_signature=spec)
    if recipe.planes is None:
        return images
    x = tf.cast(planes.of(images), tf.float32)
    return x if recipe.rounding else x * (1 / 255)


def from_files(taken, source, viewing, local):
    """The same from files, image by image: all its views while it is in the cache."""
    with tf.device("CPU:0"):
        paths = tf.constant(source.images)

    def cut(one):
        data = tf.io.read_file(paths[one["index"]])
        # A batch of one: what happens to an image does not depend on its neighbours.
        alone = {key: x[None] for key, x in one.items() if key not in ("epoch", "step")}
        alone |= {"epoch": one["epoch"], "step": one["step"]}
        file = opened(data, once=len(viewing.recipes) > FEW)
        cuts = [cut_out(file, viewing, alone, run) for run in viewing.runs]
        return one | {"views": tuple(x[0] for x in viewing.views(alone, cuts))}

    def apart(batch):
        every = {key: tf.repeat(batch[key], local) for key in ("epoch", "step")}
        return batch | every

    def together(batch):
        return batch | {key: batch[key][0] for key in ("epoch", "step")}

    each = taken.map(apart).unbatch().map(cut, **PARALLEL)
    return each.batch(local, drop_remainder=True, **PARALLEL).map(together)


def cut_out(file, viewing, alone, run):
    """What a run of V views of a file starts from, `[V, ...]` or `[V K, ...]`.

    Args:
        file: pair of `decode.opened`.
        viewing: `Viewing`.
        alone: `batch` of one image, see `Viewing.views`.
        run: list of views.
    """
    whole, part = file
    recipe = viewing.recipes[run[0]]
    side = viewing.side(recipe)
    of_cut, _, of_flip = viewing.seeds(alone, run)
    if recipe.copies or recipe.first:
        image, copies = whole(), recipe.copies or (0,)
        turned = [geometry.quarter(image[None], turns)[0] for turns in copies]
        turned = turned * len(run)
        cut = lambda i: cut_of_whole(turned[i], recipe, of_cut[i : i + 1], side)
        cuts = tf.stack([cut(i) for i in range(len(turned))])
    elif recipe.boxes is None:
        cuts = tf.stack([crop.fit_one(whole(), side, fit=viewing.fit)] * len(run))
    else:
        box = lambda i: lambda *sides: boxes_of(recipe, of_cut[i : i + 1], *sides)
        look = (side, recipe.method, recipe.rounding)
        cuts = tf.stack([crop.resize_one(part(box(i)), *look) for i in range(len(run))])
    if recipe.planes is None:
        return cuts
    cuts = planes.of(cuts)
    if recipe.flip:
        cuts = planes.flip(cuts, of_flip)
    if recipe.rounding:
        return crop.bounded(cuts, 255.0)
    return tf.clip_by_value(cuts * (1 / 255), 0.0, 1.0)


def boxes_of(recipe, seed, height, width):
    """`[4]` int32, the box of one seed `[1]` in an image of these sides."""
    return recipe.boxes(seed, height[None], width[None])[0]


def cut_of_whole(image, recipe, seeds, side):
    """`[side, side, 3]` in [0, 255] from a decoded image `[h, w, 3]`."""
    if recipe.first:
        image = crop.resize_one(image, side, recipe.first, rounding=True)
    if recipe.boxes is None:
        return crop.resize_one(image, side, recipe.method, recipe.rounding)
    height, width = (tf.shape(image)[axis : axis + 1] for axis in range(2))
    top, left, height, width = tf.unstack(recipe.boxes(seeds, height, width)[0])
    cut = image[top : top + height, left : left + width]
    return crop.resize_one(cut, side, recipe.method, recipe.rounding)
