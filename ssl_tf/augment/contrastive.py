"""Recipes of the contrastive and clustering papers: crop, colours, blur."""

import functools
from typing import Annotated, Literal

from ssl_tf.augment import crop, geometry, hsv, planes
from ssl_tf.augment.composed import composed, planar
from ssl_tf.augment.jitter import Strength
from ssl_tf.augment.recipe import Recipe
from ssl_tf.ops import draws
from ssl_tf.schema import Count, NonNegative, Range, Rising, Share

Area = Annotated[float, Range(above=0)]
Areas = Annotated[tuple[Area, Area], Rising()]


def simclr(
    size: Count | None = None,
    scale: Areas = (0.08, 1.0),
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
    scale: Areas = (0.2, 1.0),
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


def self_classifier(
    size: Count | None = None,
    scale: Areas = (0.4, 1.0),
    p_blur: Share = 0.5,
    p_solarise: Share = 0.0,
    rounding: bool = False,
):
    """Self-Classifier's view: bicubic crop, flip, colours, grey, blur, solarisation.

    The paper shows an image eight times: two crops of 224 pixels, of which the first
    is blurred with `p_blur` 0.1, the second with 1 and solarised with `p_solarise` 0.2
    (the other way round than in BYOL), and six of 96 pixels, `scale` (0.05, 0.4). With
    two views only, `scale` is (0.14, 1).

    Args:
        size: side of the view in pixels; `None` takes the data's.
        scale: share of the area.
        p_blur: share that is blurred, by PIL's three box filters.
        p_solarise: share whose levels from 128 on are inverted.
        rounding: PIL's 8-bit arithmetic throughout, as the code has it.

    Source:
        Self-Classifier, arXiv:2103.10994, by its code: spec 3.
    """
    jittered = Strength(0.4, 0.4, 0.2, 0.1)
    more = {"p_blur": p_blur, "p_solarise": p_solarise, "rounding": rounding}
    return composed(size, scale, "bicubic", True, jittered, kind="boxes", **more)


def gsimclr(
    size: Count | None = None,
    strength: NonNegative = 0.2,
    p_jitter: Share = 0.5,
    p_drop: Share = 0.2,
    crop_scale: Areas | None = None,
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
    scale: Areas = (0.08, 1.0),
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
    scale: Areas = (0.08, 1.0),
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
