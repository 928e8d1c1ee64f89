"""Squeeze-and-excitation: channels weighted by a look at the whole map."""

from keras import layers


def squeeze_excite(
    x, prefix, ratio=16, *, hidden=None, activation="relu", init=lambda: "orthogonal"
):
    """Scales each channel by a gate in (0, 1) computed from the pooled map.

    Args:
        x: `[B, H, W, C]`.
        prefix: str, before the names of its layers.
        ratio: int, C over the hidden width.
        hidden: int, the hidden width itself, or `None`.
        activation: after the hidden layer.
        init: makes a fresh initialiser for a kernel.

    Returns:
        `[B, H, W, C]`.

    Source:
        Hu et al., arXiv:1709.01507, fig. 3; the defaults are those of SSAL's code.
    """
    width = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{prefix}_pool")(x)
    gate = layers.Dense(
        hidden or max(width // ratio, 1),
        activation=activation,
        kernel_initializer=init(),
        name=f"{prefix}_se1",
    )(gate)
    gate = layers.Dense(
        width,
        activation="sigmoid",
        kernel_initializer=init(),
        name=f"{prefix}_se2",
    )(gate)
    return layers.Multiply(name=f"{prefix}_scale")([x, gate])
