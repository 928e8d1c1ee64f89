"""How a detector is shown an image: whole, scaled, mirrored; its objects with it."""

from typing import NamedTuple

import tensorflow as tf

from ssl_tf.errors import BadInput
from ssl_tf.ops import draws
from ssl_tf.schema import Count

SHORT = (480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800)


class Scene(NamedTuple):
    """One view of a whole image; see `scene`."""

    short: tuple
    longest: int
    flip: bool
    test: int
    multiple: int

    size = None  # differs from image to image
    images = 1
    moves = None

    def shape(self, size):
        """Of a typical image at the size of evaluation, `(h, w, 3)`."""
        return size, size * 4 // 3, 3

    def drawn(self, seeds):
        """`(shorter sides int32 [G], flips bool [G])` from seeds `[G]`."""
        of_size, of_flip = draws.split(seeds, 2)
        choice = draws.bits(of_size, 1)[:, 0] % tf.constant(len(self.short), tf.uint64)
        short = tf.gather(tf.constant(self.short), tf.cast(choice, tf.int32))
        flip = draws.bits(of_flip, 1)[:, 0] % tf.constant(2, tf.uint64) == 0
        return short, tf.logical_and(flip, self.flip)

    def canvas(self, size):
        """Height and width `[2]` of a batch whose largest sides are `size`."""
        return -(-size // self.multiple) * self.multiple


def scene(
    short: list[Count] = SHORT,
    longest: Count = 1333,
    flip: bool = True,
    test: Count = 800,
    multiple: Count = 1,
):
    """The whole image with a shorter side drawn from a list, half of them mirrored.

    Args:
        short: shorter sides in training, in pixels.
        longest: no longer side exceeds it, in pixels.
        flip: exchange left and right in half of the images.
        test: shorter side in evaluation, in pixels.
        multiple: batches are padded to multiples of so many pixels; fewer shapes to
            compile for the price of more zeros in the moments of batch norm.

    Raises:
        BadInput: no side to choose from.

    Source:
        Self-Classifier's detection transfer by its code: spec 0 and 2.
    """
    if not short:
        raise BadInput("views.0.short: is []; give one side or more, in pixels.")
    return Scene(tuple(short), longest, flip, test, multiple)
