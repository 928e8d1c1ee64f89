"""What a recipe is: how one view of an image comes about."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf


class Moves(NamedTuple):
    """What `geometry.shift` may draw: the largest shift in pixels, and flips."""

    pixels: int
    flip: bool


class Recipe(NamedTuple):
    """One view.

    Attributes:
        change: `(images [B, h, w, 3] float32 in [0, 1], seeds [B]) -> same`, or
            `-> [B, K, h', w', 3]`: what happens to what was cut out.
        size: side of the view in pixels; `None`: as the images are.
        boxes: `(seeds [B], height [B], width [B]) -> [B, 4]`, what is cut out before
            resizing to `size`; `None`: the whole image.
        exact: whether `change` works on uint8 as well, without loss (moves only).
        moves: `Moves`, if `change` is `geometry.shift` with random arguments, so that
            an order may bring its own; else `None`.
        planes: `change` on `[B, 3, h, w]`, which is faster, or `None`.
        rounding: `planes` works on whole levels in [0, 255], and what is cut out is
            rounded to them after each axis, as PIL does.
        method: filter of the cut, see `crop.resize_boxes`.
        flip: half of what is cut out is mirrored (with `planes` and `boxes`).
        first: filter by which the whole image is brought to `size` before anything
            else (with `planes`), or `None`.
        copies: quarter turns clockwise of the image that each of K copies starts
            from; the view is then `[B, K, h, w, 3]` and each copy has its own draws
            (with `planes`). `None`: one image, no such axis.
        normalised: whether the data set's normalisation comes last.
        per_batch: all images of a global batch share the draws of `change`, which are
            then a function of (seed, epoch, step, view).
        images: K, how many images the view `[B, K, h, w, 3]` consists of; 1: no axis.
    """

    change: Callable
    size: int | None = None
    boxes: Any = None
    exact: bool = False
    moves: Any = None
    planes: Any = None
    rounding: bool = False
    method: str = "bilinear"
    flip: bool = False
    first: str | None = None
    copies: tuple | None = None
    normalised: bool = True
    per_batch: bool = False
    images: int = 1

    def shape(self, size):
        """Of one image's view, `(h, w, 3)` or `(K, h, w, 3)`; `size`: the data's."""
        side = self.size or size
        return (*([self.images] if self.images > 1 else []), side, side, 3)


def unit(images):
    """uint8, or float32 in [0, 255], to float32 in [0, 1]."""
    return tf.cast(images, tf.float32) * (1 / 255)
