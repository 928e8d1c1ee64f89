"""Annotated images to batches: scaled, mirrored, padded, with boxes and outlines."""

import functools

import numpy as np
import tensorflow as tf

from ssl_tf.augment import rescale
from ssl_tf.augment.recipe import unit
from ssl_tf.data import instances, orders
from ssl_tf.data.pipeline import WHOLE, options
from ssl_tf.data.reading import PARALLEL
from ssl_tf.ops import draws

ARRAYS = {  # of `instances.padded`, the label called classes
    "boxes": tf.float32,
    "classes": tf.int32,
    "polygons": tf.float32,
    "corners": tf.int32,
}


class Scenes:
    """A split of annotated images, and how a detector is shown them.

    Args:
        source: `Instances`.
        scene: `augment.scene.Scene`.
        normal: `pipeline.Normal`.
        masks: whether outlines are wanted; else one of no area stands for each.
    """

    def __init__(self, source, scene, normal, masks=True):
        self.source = source
        self.scene = scene
        self.normal = normal
        self.masks = masks
        self.room = self.limits()
        self.shapes = self.form()

    def order(self, batch_size, seed):
        """`epoch -> int64 [steps, G]`: wide images and others apart."""
        height, width = self.source.sizes.T
        return orders.oriented(width > height, batch_size, seed)

    def training(self, order, *, seed, part=WHOLE, start=(0, 0)):
        """Endless dataset of training batches, epoch after epoch.

        Args:
            order: see `order`.
            seed: int; with epoch and index it fixes sizes and flips.
            part: `Part`; each replica gets its rows of every global batch in turn.
            start: (epoch, step) to begin with.

        Returns:
            dataset of what `batch` gives; all replicas' parts of a global batch have
            one height and width.
        """
        steps, wide = order(start[0]).shape
        rows = functools.lru_cache(2)(order)

        def batch(number, place):
            epoch, step = number // steps, number % steps
            index = tf.numpy_function(
                lambda e, s: rows(int(e))[s], [epoch, step], tf.int64
            )
            index = tf.ensure_shape(index, [wide])
            seeds = draws.seeds(seed, epoch, index, 0)
            short, flip = self.scene.drawn(seeds)
            found = self.batch(index, short, flip, place, wide // part.total)
            key = draws.keys(seed, epoch, index)
            mine = self.slice(place, wide // part.total)
            epoch = tf.fill([wide // part.total], tf.cast(epoch, tf.int32))
            return found | {"key": key[mine], "epoch": epoch}

        first = start[0] * steps + start[1]
        numbers = tf.data.Dataset.range(first, 2**40)
        turns = tf.data.Dataset.range(part.first, part.first + part.count)
        taken = numbers.flat_map(
            lambda number: turns.map(lambda place: (number, place))
        )
        taken = taken.map(batch, **PARALLEL)
        return taken.with_options(options(self.source)).prefetch(2)

    def plain(self):
        """Dataset of single images in order, at the size of evaluation."""

        def batch(place):
            index = place[None]
            short = tf.fill([1], tf.constant(self.scene.test, tf.int32))
            return self.batch(index, short, tf.fill([1], False), 0, 1)

        rows = tf.data.Dataset.range(self.source.size).map(batch, **PARALLEL)
        return rows.with_options(options(self.source)).prefetch(2)

    def batch(self, index, short, flip, place, local):
        """One replica's part of a global batch.

        Args:
            index: int64 `[G]`.
            short: int32 `[G]`, the shorter side each gets, in pixels.
            flip: bool `[G]`.
            place: which part.
            local: int, images B of it.

        Returns:
            `{"views": (float32 [B, H, W, 3],), normalised, zeros below and to the
            right of each image; "extent": int32 [B, 2], height and width without them;
            "original": int32 [B, 2]; "label": int32 [B], -1; "index": int64 [B];
            "boxes": float32 [B, M, 4], pixels of the scaled image;
            "classes": int32 [B, M], -1 where there is no object;
            "polygons": float32 [B, M, P, V, 2]; "corners": int32 [B, M, P]}`.
        """
        sizes = tf.gather(tf.constant(self.source.sizes), index)
        new = tf.transpose(
            rescale.new_size(sizes[:, 0], sizes[:, 1], short, self.scene.longest)
        )
        canvas = self.scene.canvas(tf.reduce_max(new, axis=0))
        mine = self.slice(place, local)
        index, sizes, new, flip = (x[mine] for x in (index, sizes, new, flip))
        images = tf.map_fn(
            lambda row: self.image(*row, canvas),
            (index, new, flip),
            fn_output_signature=tf.TensorSpec([None, None, 3], tf.float32),
        )
        objects = self.objects(index)
        boxes, polygons = tf.map_fn(
            lambda row: moved(*row),
            (objects["boxes"], objects["polygons"], sizes, new, flip),
            fn_output_signature=(tf.float32, tf.float32),
        )
        classes = rescale.without_empty(boxes, objects["classes"], instances.EMPTY)
        batch = {
            "images": images,
            "extent": new,
            "original": sizes,
            "label": tf.fill([local], -1),
            "index": index,
            "boxes": boxes,
            "classes": classes,
            "polygons": polygons,
            "corners": objects["corners"],
        }
        for name, x in batch.items():
            batch[name] = tf.ensure_shape(x, [local, *self.shapes[name]])
        return {"views": (batch.pop("images"),)} | batch

    def slice(self, place, local):
        return slice(place * local, (place + 1) * local)

    def form(self):
        """Of one image of a batch; `None` where it differs from batch to batch."""
        room = self.room
        height, width = self.fixed() or (None, None)
        return {
            "images": [height, width, 3],
            "extent": [2],
            "original": [2],
            "label": [],
            "index": [],
            "boxes": [room.objects, 4],
            "classes": [room.objects],
            "polygons": [room.objects, room.outlines, room.corners, 2],
            "corners": [room.objects, room.outlines],
        }

    def fixed(self):
        """Height and width of every batch, or `None` if they differ."""
        if len(set(self.scene.short)) > 1 or np.ptp(self.source.sizes, axis=0).any():
            return None
        height, width = self.source.sizes[0]
        new = rescale.new_size(height, width, self.scene.short[0], self.scene.longest)
        return [int(x) for x in self.scene.canvas(new)]

    def limits(self):
        """`Limits` of every batch: what the whole split needs, `None` if too much."""
        need = instances.limits(self.source.objects)
        if not self.masks:
            return need._replace(outlines=1, corners=1)
        small = need.outlines * need.corners <= LARGEST
        return need if small else need._replace(outlines=None, corners=None)

    def image(self, index, new, flip, canvas):
        """float32 `[H, W, 3]`: one image scaled, mirrored, normalised, padded."""
        pixels = tf.numpy_function(self.read, [index, new], tf.uint8)
        pixels = tf.ensure_shape(pixels, [None, None, 3])
        pixels = tf.cond(flip, lambda: rescale.mirrored(pixels), lambda: pixels)
        more = canvas - tf.shape(pixels)[:2]
        more = tf.pad(more[:, None], [[0, 1], [1, 0]])
        return tf.pad(self.normal(unit(pixels)), more)

    def read(self, index, new):
        return rescale.resized(self.source.pixels(int(index)), new)

    def objects(self, index):
        """Arrays of several images, as large as the room or the largest of them."""
        names = list(ARRAYS)
        found = tf.numpy_function(self.padded, [index], list(ARRAYS.values()))
        for x, name in zip(found, names):
            x.set_shape([None, *self.shapes[name]])
        return dict(zip(names, found))

    def padded(self, index):
        many = [self.source.objects[place] for place in index]
        if not self.masks:
            many = [own._replace(polygons=((),) * own.count) for own in many]
        need, room = instances.limits(many), self.room
        room = instances.Limits(*(r or n for r, n in zip(room, need)))
        rows = [instances.padded(own, room) for own in many]
        rows = [row | {"classes": row["label"]} for row in rows]
        return [np.stack([row[name] for row in rows]) for name in ARRAYS]


LARGEST = 256  # corners an object up to which every batch has the same room


def moved(boxes, polygons, old, new, flip):
    """Boxes `[M, 4]` and outlines `[M, P, V, 2]` as their image was.

    Boxes are cut to the image, outlines are not.
    """
    boxes = rescale.scaled_boxes(boxes, old, new)
    polygons = rescale.scaled_points(polygons, old, new)
    mirrored = lambda: (
        rescale.mirrored_boxes(boxes, new[1]),
        rescale.mirrored_points(polygons, new[1]),
    )
    boxes, polygons = tf.cond(flip, mirrored, lambda: (boxes, polygons))
    return rescale.clipped(boxes, new), polygons
