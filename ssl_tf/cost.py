"""Arithmetic of a model: multiply-adds, activations, and what a run of it takes."""

import numpy as np

TWO_CORES = 80e9  # FLOP/s that two cores sustain in training, see `plan`


def multiply_adds(model, shape):
    """Multiply-adds of convolutions, dense layers and attention for one image.

    Args:
        model: `Method` or functional `keras.Model`, built.
        shape: `(H, W, C)` of the image.

    Returns:
        int. Batch norms, activations and pooling are not counted.
    """
    return sum(count for _, count in layers(model, shape))


def layers(model, shape):
    """`[(layer name, multiply-adds)]` of every layer that multiplies.

    A layer of ours without a kernel counts its own, in a method `multiply_adds`.
    """
    import keras

    convolutions = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    found = []
    for layer in flat(model):
        if isinstance(layer, (*convolutions, keras.layers.Dense)):
            # A dense layer called on features alone works at one place.
            known = getattr(layer, "_inbound_nodes", None)
            places = np.prod(layer.output.shape[1:-1]) if known else 1
            found.append((layer.name, int(places * np.prod(layer.kernel.shape))))
        elif hasattr(layer, "multiply_adds"):
            found.append((layer.name, layer.multiply_adds()))
    return found


def flat(layer):
    """The layers without layers of their own below a model, each once."""
    inner = getattr(layer, "layers", None)
    if inner is None:
        return [layer]
    return [leaf for part in inner for leaf in flat(part)]


def activations(model, start=""):
    """Values that the backward pass of one image keeps: every layer's output.

    A layer of ours that keeps more within counts that, in a method `activations`.

    Args:
        model: built.
        start: only of layers whose names begin so.
    """
    import keras

    total = 0
    for layer in flat(model):
        skipped = (keras.layers.InputLayer, keras.layers.ZeroPadding2D)
        if not layer.name.startswith(start):
            continue
        if isinstance(layer, skipped) or not getattr(layer, "_inbound_nodes", None):
            continue
        outputs = keras.tree.flatten(layer.output)
        total += sum(int(np.prod(x.shape[1:])) for x in outputs)
        total += layer.activations() if hasattr(layer, "activations") else 0
    return total


def training_flops(model, shape):
    """Floating-point operations of one image's forward and backward pass."""
    if hasattr(model, "multiply_adds"):  # not every layer sees the whole image
        return 6 * model.multiply_adds(shape)
    return 6 * multiply_adds(model, shape)


def told(seconds):
    """`90.0` -> "90 s", `7200` -> "2.0 h", `864000` -> "10 days"."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"
