"""Joint prediction of a classifier and its auxiliary branches (SSAL, +JP)."""

from keras import ops


def joint_prediction(fine, coarse, groups, power):
    """Product of the class's probability and its groups', normalised over classes.

        j_c = p_c * prod_k q_k[group_k(c)] ^ power,    then j / sum_c j_c

    A group's probability goes undivided to each of its classes. A row whose products
    are all zero stays zero (its arg max is class 0), as in the authors' code.

    Args:
        fine: `[B, C]` probabilities of the classes.
        coarse: list of `[B, K_k]` probabilities of the groups.
        groups: list of `[C]` integers, group of each class.
        power: float in (0, 1], the same for all branches.

    Returns:
        `[B, C]` float32, rows sum to 1 or are 0.

    Source:
        SSAL, arXiv:2101.03057, eq. 3. The paper writes a softmax over products; the
        authors' code multiplies probabilities and divides by the sum, as here.
    """
    joint = ops.cast(fine, "float32")
    for q, members in zip(coarse, groups):
        own = ops.take(ops.cast(q, "float32"), ops.convert_to_tensor(members), axis=1)
        joint = joint * ops.power(own, power)
    total = ops.sum(joint, axis=1, keepdims=True)
    return ops.where(total > 0, joint / ops.where(total > 0, total, 1.0), joint)


def joint_log_scores(fine, coarse, groups, power):
    """`[B, C]` log of the joint product, unnormalised, from logits: no underflow.

    Args:
        fine: `[B, C]` logits of the classes.
        coarse: list of `[B, K_k]` logits of the groups.
        groups: list of `[C]` integers, group of each class.
        power: float in (0, 1].
    """
    joint = ops.log_softmax(ops.cast(fine, "float32"), axis=-1)
    for logits, members in zip(coarse, groups):
        log_q = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        joint = joint + power * ops.take(log_q, ops.convert_to_tensor(members), axis=1)
    return joint
