"""Recipes of the contrastive papers: crop, colours, blur."""

import functools
from typing import Annotated, Literal

import tensorflow as tf

from ssl_tf.augment import blur, crop, eight_bit, geometry, hsv, jitter, planes
from ssl_tf.augment.jitter import Strength
from ssl_tf.augment.recipe import Recipe
from ssl_tf.ops import draws
from ssl_tf.schema import Count, NonNegative, Range, Share

Area = Annotated[float, Range(above=0)]
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
        level = SOLARISED if rounding else SOLARISED / 255
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


def simclr(
    size: Count | None = None,
    scale: tuple[Area, Area] = (0.08, 1.0),
    strength: NonNegative = 1.0,
    p_jitter: Share = 0.8,
    p_grey: Share = 0.2,
    p_blur: Share | None = None,
):
    """SimCLR's view: random resized crop, flip, colours, grey, blur.

    Args:
        size: side of the view in pixels; `None` takes the data's.
        scale: share of the area.
        strength: of the colour changes: 0.8 of it for brightness, contrast and
            saturation, 0.2 for hue. The paper has 1 for ImageNet, 0.5 for CIFAR.
        p_jitter: share of images whose colours change.
        p_grey: share that becomes grey.
        p_blur: share that is blurred; `None`: one half, none at 32 pixels or less,
            as in the paper.

    Source:
        Chen et al., arXiv:2002.05709, appendix A and B.9. Not rounded to 8 bits.
    """
    part = Strength().scaled(strength) if strength else None
    return composed(size, scale, "bilinear", True, part, p_jitter, p_grey, p_blur)


def simsiam(
    size: Count | None = None,
    scale: tuple[Area, Area] = (0.2, 1.0),
    blur: Literal["boxes", "gaussian"] = "boxes",
    p_blur: Share | None = None,
    rounding: bool = False,
):
    """SimSiam's view, which is MoCo v2's: crop, colours, grey, blur, flip.

    Args:
        size: side of the view in pixels; `None` takes the data's.
        scale: share of the area.
        blur: PIL's three box filters, as in the paper's code, or, as in the study's, a
            Gaussian cut off at 2 int(0.05 side) + 1 taps.
        p_blur: share that is blurred; `None`: one half, none at 32 pixels or less.
        rounding: PIL's 8-bit arithmetic throughout, as both codes have it.

    Source:
        SimSiam, arXiv:2011.10566, appendix A; the study, arXiv:2112.02297, by its code.
    """
    jittered = Strength(0.4, 0.4, 0.4, 0.1)
    more = {"p_blur": p_blur, "kind": blur, "rounding": rounding}
    return composed(size, scale, "bilinear", True, jittered, **more)


def gsimclr(
    size: Count | None = None,
    strength: NonNegative = 0.2,
    p_jitter: Share = 0.5,
    p_drop: Share = 0.2,
    crop_scale: tuple[Area, Area] | None = None,
    per_batch: bool = False,
):
    """G-SimCLR's view: flip, TensorFlow's colour changes in a fixed order, grey.

    Args:
        size: side of the view in pixels; `None` takes the data's.
        strength: of the colour changes; 0.2 for CIFAR, 1 for ImageNet.
        p_jitter: share of images whose colours change; 0.5 for CIFAR, 0.8 for
            ImageNet.
        p_drop: share that becomes grey. The notebook for CIFAR says 0.5, computes the
            grey images and returns the coloured ones: 0 is what it does.
        crop_scale: share of the area of a random resized crop; the notebooks have
            none, `None`.
        per_batch: draw once for all images of a batch, as the notebooks do; we draw
            for each image.

    Source:
        G-SimCLR (arXiv:2009.12007), notebooks.
    """

    def change(x, seeds):
        a, b, c, d = draws.split(seeds, 4)
        x = planes.flip(x, a)
        jittered = functools.partial(hsv.jitter, strength=strength)
        x = planes.some(b, p_jitter, jittered, x, c)
        return planes.some(d, p_drop, hsv.grey, x)

    recipe = planar(change)._replace(size=size, per_batch=per_batch)
    if crop_scale is None:
        return recipe
    boxes = lambda seeds, h, w: crop.random_boxes(seeds, h, w, crop_scale)
    return recipe._replace(boxes=boxes)


def scatsimclr(
    size: Count | None = None,
    scale: tuple[Area, Area] = (0.08, 1.0),
    strength: NonNegative = 1.0,
    crop: bool = True,
    color: bool = True,
    gray: bool = True,
    flip: bool = True,
    blur: bool = True,
):
    """ScatSimCLR's view: SimCLR's in 8 bits, with Lanczos crops and OpenCV's blur.

    Images of another size are first brought to the view's, by Lanczos too.

    Args:
        size: side of the view in pixels; `None` takes the data's.
        scale: share of the area.
        strength: of the colour changes, as in `simclr`.
        crop: random resized crop; without it the whole image.
        color: brightness, contrast, saturation and hue for 80 % of the images.
        gray: 20 % become grey.
        flip: half are mirrored.
        blur: half are blurred, at 32 pixels too (3 taps).

    Source:
        ScatSimCLR (arXiv:2108.13939), code; its figure 7 leaves one out at a time. The
        paper's affine change is not in the code.
    """
    return composed(
        size,
        scale if crop else None,
        "lanczos",
        flip,
        Strength().scaled(strength) if color and strength else None,
        p_grey=0.2 if gray else 0.0,
        p_blur=0.5 if blur else 0.0,
        rounding=True,
        first="lanczos",
    )


def rotations(
    size: Count | None = None,
    scale: tuple[Area, Area] = (0.08, 1.0),
    strength: NonNegative = 1.0,
    crop: bool = True,
    color: bool = True,
    gray: bool = True,
    flip: bool = True,
    blur: bool = True,
):
    """Four copies `[B, 4, H, W, 3]`: 0, 90, 180, 270 degrees clockwise, then augmented.

    Each copy has draws of its own. Arguments as for `scatsimclr`.

    Source:
        ScatSimCLR, code.
    """
    recipe = scatsimclr(size, scale, strength, crop, color, gray, flip, blur)
    return recipe._replace(copies=(0, 1, 2, 3), images=4)


def jigsaw(size: Count | None = None, normalize: bool = False):
    """Nine tiles `[B, 9, H, W, 3]` of the image, row by row, each at full size.

    Not augmented; the permutation is the method's business.

    Args:
        size: side of every tile in pixels; `None` takes that of the images.
        normalize: apply the data's mean and deviation; the authors leave [0, 1].

    Source:
        ScatSimCLR, code: PIL's bilinear; the paper says Lanczos.
    """
    change = lambda images, seeds: geometry.tiles(images, size or images.shape[1])
    return Recipe(change, size=size, normalised=normalize, images=9)
