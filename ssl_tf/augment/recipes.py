"""What happens to an image on its way into training: one recipe per paper."""

from ssl_tf.augment import color, contrastive, crop, geometry
from ssl_tf.augment.contrastive import Areas
from ssl_tf.augment.recipe import Moves, Recipe, unit
from ssl_tf.ops import draws
from ssl_tf.schema import Count, Share, Whole

__all__ = ["RECIPES", "Moves", "Recipe", "unit"]


def plain(size: Count | None = None):
    """The image as it is.

    Args:
        size: side of the view in pixels; `None` takes the data's.
    """
    return Recipe(lambda images, seeds: images, size, exact=True)


def shift_flip(pixels: Whole = 4, flip: bool = True, size: Count | None = None):
    """Shift by up to `pixels` on each axis with mirrored edges, flip one half.

    Args:
        pixels: largest shift.
        flip: exchange left and right in half of the images; wrong for digits.
        size: side of the view in pixels; `None` takes the data's.

    Source:
        SSAL, Keras code, which calls the 4 pixels "5".
    """
    change = lambda images, seeds: geometry.shift_flip(images, seeds, pixels, flip)
    return Recipe(change, size, exact=True, moves=Moves(pixels, flip))


def crop_flip(size: Count | None = None, scale: Areas = (0.5, 1.0)):
    """Random resized crop, flip.

    Args:
        size: side of the view in pixels; `None` takes the data's.
        scale: share of the area.
    """
    boxes = lambda seeds, h, w: crop.random_boxes(seeds, h, w, scale)
    return Recipe(geometry.flip, size, boxes, exact=True)


def crop_jitter_flip(
    size: Count | None = None,
    scale: Areas = (0.3, 4 / 3),
    strength: Share = 0.4,
):
    """Random resized crop, colour changes, flip.

    Args:
        size: side of the view in pixels; `None` takes the data's.
        scale: share of the area; SSAL's code reaches to 4/3, whose draws never fit and
            are repeated, so the central crop is rarer than it looks.
        strength: of brightness, contrast and saturation.

    Source:
        SSAL, PyTorch code, ImageNet.
    """

    def change(images, seeds):
        a, b = draws.split(seeds, 2)
        return geometry.flip(color.jitter(images, a, strength), b)

    boxes = lambda seeds, h, w: crop.random_boxes(seeds, h, w, scale)
    return Recipe(change, size, boxes)


RECIPES = {
    "crop_flip": crop_flip,
    "crop_jitter_flip": crop_jitter_flip,
    "gsimclr": contrastive.gsimclr,
    "jigsaw": contrastive.jigsaw,
    "plain": plain,
    "rotations": contrastive.rotations,
    "scatsimclr": contrastive.scatsimclr,
    "self_classifier": contrastive.self_classifier,
    "shift_flip": shift_flip,
    "simclr": contrastive.simclr,
    "simsiam": contrastive.simsiam,
}
