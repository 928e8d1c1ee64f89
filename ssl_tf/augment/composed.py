"""The order that views of contrastive papers share: crop, flip, colours, blur."""

import tensorflow as tf

from ssl_tf.augment import blur, crop, eight_bit, jitter, planes
from ssl_tf.augment.recipe import Recipe
from ssl_tf.ops import draws

SIGMA = (0.1, 2.0)  # pixels; the same in every paper that blurs
SOLARISED = 128  # levels from which on an image is inverted
THREE = 32  # pixels up to which SimCLR does not blur


def composed(
    size,
    scale,
    method="bilinear",
    flip=True,
    strength=None,
    p_jitter=0.8,
    p_grey=0.2,
    p_blur=0.5,
    kind="gaussian",
    p_solarise=0.0,
    rounding=False,
    first=None,
):
    """Crop, flip, colour changes, grey, blur, solarisation: the papers' common order.

    Args:
        size: side of the view in pixels; `None` takes the data's.
        scale: (low, high) share of the area, or `None` for the whole image.
        method: filter of the crop.
        flip: whether half of the images are mirrored.
        strength: `jitter.Strength`, or `None` for colours as they are.
        p_jitter: share of images whose colours change.
        p_grey: share that becomes grey.
        p_blur: share that is blurred; `None`: one half, none up to 32 pixels.
        kind: "gaussian" with 2 int(0.05 side) + 1 taps, or "boxes" as PIL does it.
        p_solarise: share that is solarised.
        rounding: PIL's 8-bit arithmetic throughout.
        first: filter that brings the whole image to `size` before the crop.

    Returns:
        `Recipe`.
    """

    def change(x, seeds):
        a, b, c, d, e = draws.split(seeds, 5)
        if flip and scale is None:
            x = planes.flip(x, e)
        if strength is not None:
            x = jitter.jitter(x, a, strength, p_jitter, rounding)
        x = planes.some(b, p_grey, eight_bit.grey if rounding else jitter.grey, x)
        share = p_blur
        if share is None:
            share = 0.5 if x.shape[2] > THREE else 0.0
        x = blurred(x, c, share, kind, rounding)
        level = SOLARISED if rounding else (SOLARISED - 0.5) / 255  # rounds to it
        top = 255.0 if rounding else 1.0
        solarise = lambda x: tf.where(x >= level, top - x, x)
        return planes.some(d, p_solarise, solarise, x)

    boxes = None
    if scale is not None:
        boxes = lambda seeds, h, w: crop.random_boxes(seeds, h, w, scale)
    return planar(change, rounding)._replace(
        size=size,
        boxes=boxes,
        method=method,
        flip=flip and scale is not None,
        first=first,
    )


def planar(change, rounding=False):
    """`Recipe` of a change of planes, of levels in [0, 255] if `rounding`."""

    def on_images(images, seeds):
        x = planes.of(images)
        x = change(eight_bit.levels(x), seeds) / 255 if rounding else change(x, seeds)
        return planes.back(x)

    return Recipe(on_images, planes=change, rounding=rounding)


def blurred(x, seeds, share, kind, rounding):
    """A share of the images blurred, each with a sigma of its own."""
    coin, width = draws.split(seeds, 2)
    sigma = draws.uniform(width, 1, *SIGMA)[:, 0]

    def change(x, sigma):
        if kind == "boxes":
            return blur.boxes(x, sigma, SIGMA[1], rounding)
        x = blur.gaussian(x, sigma, 2 * int(0.05 * x.shape[2]) + 1)
        return tf.round(x) if rounding else x

    return planes.some(coin, share, change, x, sigma)
