"""How much of the feature space a model uses: monitors of collapse."""

import numpy as np

from ssl_tf.losses.contrastive import spread

__all__ = ["effective_rank", "spread"]


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
    if not values.any():
        return 1.0
    share = values[values > 0] / values.sum()
    return float(np.exp(-(share * np.log(share)).sum()))
