"""How much of the feature space a model uses: monitors of collapse."""

import numpy as np
from keras import ops

TINY = 1e-12


def spread(z):
    """Mean deviation of unit vectors, each dimension for itself, times sqrt(D).

        spread = sqrt(D) * mean over d of std over i of (z_i / |z_i|)_d

    Directions spread evenly over the sphere have a deviation of 1 / sqrt(D) in each
    dimension.

    Args:
        z: `[B, D]` array or tensor.

    Returns:
        scalar in [0, 1]: 1 for even directions, 0 where all point to one.

    Source:
        SimSiam, arXiv:2011.10566, section 4.1, figure 2, whose scale is 1 / sqrt(D).
    """
    z = ops.cast(z, "float32")
    length = ops.sqrt(ops.sum(ops.square(z), axis=1, keepdims=True))
    deviation = ops.std(z / ops.maximum(length, TINY), axis=0)  # [D]
    return ops.mean(deviation) * float(z.shape[-1]) ** 0.5


def effective_rank(features):
    """Number of directions that features use, in effect.

        p_i = s_i / sum of s        rank = exp(- sum of p_i log p_i)

    with the singular values s of the matrix, not centred.

    Args:
        features: `[N, F]` array.

    Returns:
        float in [1, min(N, F)]; 1 if all rows are multiples of one, or all zero.

    Source:
        Roy and Vetterli, "The effective rank", EUSIPCO 2007, definition 1; as a
        measure of self-supervised features: RankMe, arXiv:2210.02885, eq. 1.
    """
    values = np.linalg.svd(np.asarray(features, np.float64), compute_uv=False)
    share = values / max(values.sum(), TINY)
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))
