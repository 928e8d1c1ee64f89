"""One set of weights for images of several sizes."""

import keras


def any_size(model):
    """A functional model that no longer asks for one height and width.

    Its layers are called anew on whatever comes, so they must do with other sizes:
    convolutions, pooling and the tokens of `backbones.vit` do, PiT's fixed maps do not.
    Each size is a graph of its own, traced when it is first seen.

    Args:
        model: functional `keras.Model`, changed in place. A view of a part of another
            model (`keras.Model(whole.input, some.output)`) leaves that one strict.

    Returns:
        the model.
    """
    model.input_spec = [
        keras.layers.InputSpec(ndim=len(x.shape), axes={-1: x.shape[-1]})
        for x in model.inputs
    ]
    return model
