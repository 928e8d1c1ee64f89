"""Scattering coefficients of un-augmented images: fixed, so computed only once."""

import math

from ssl_tf.errors import BadInput
from ssl_tf.ops import recompute

LAYER = "scattering"
MIB = 2**20


def parts(backbone, level):
    """`(images -> coefficients, coefficients -> features)` of a scattering network.

    Args:
        backbone: `keras.Model`; the two share its layers and weights.
        level: what is wanted of the method; only "features" follows from coefficients.

    Raises:
        BadInput: there is no scattering layer, or another level is wanted.
    """
    if LAYER not in [layer.name for layer in backbone.layers]:
        raise BadInput(
            f"coefficients: {backbone.name} has no layer {LAYER!r}; keep none."
        )
    if level != "features":
        raise BadInput(f"coefficients: give 'features', not {level!r}; keep none.")
    return recompute.cut(backbone, [LAYER])


def check_size(fixed, images, limit):
    """Refuses more than fits.

    Args:
        fixed: the first of `parts`.
        images: int.
        limit: MiB.

    Raises:
        BadInput: with the arithmetic.
    """
    shape = fixed.output_shape[1:]
    each = 4 * math.prod(shape) / MIB
    if images * each > limit:
        sides = " x ".join(map(str, shape))
        raise BadInput(
            f"coefficients: {images:,} images x {sides} x 4 bytes = "
            f"{images * each:,.0f} MiB, more than the limit of {limit:,}; take "
            f"{int(limit / each):,} images or fewer, or keep none."
        )
