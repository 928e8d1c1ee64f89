"""Recomputation (gradient checkpointing): exact gradients for less memory."""

import re

import keras
from keras import ops

from ssl_tf.ops.sizes import any_size


def cuts(backbone, every, needed=()):
    """Names of the layers between which activations are dropped, in network order.

    Args:
        backbone: functional model whose blocks are layers `stage{i}_block{j}`.
        every: int, keep the output of every n-th block.
        needed: names of further layers whose outputs are wanted.
    """
    blocks = [
        layer.name
        for layer in backbone.layers
        if re.fullmatch(r"stage\d+_block\d+", layer.name)
    ]
    kept = set(blocks[every - 1 :: every]) | set(needed)
    return [layer.name for layer in backbone.layers if layer.name in kept]


def cut(model, names):
    """Splits a functional model at named layers; the parts share its layers.

    Args:
        model: functional `keras.Model` with one input and one output.
        names: layers in network order; everything behind one must depend on its
            output alone.

    Returns:
        list of models, each fed with the output of the one before, of images of any
        size; one more than `names`.
    """
    ends = [model.get_layer(name).output for name in names] + [model.output]
    return [any_size(keras.Model(a, b)) for a, b in zip([model.input, *ends], ends)]


def run(parts, images):
    """Calls the parts in order, keeping only what passes between them.

    Returns:
        list of each part's output, as the whole model computes them in training.
    """
    outputs = [images]
    for part in parts:
        outputs.append(checkpoint(part, outputs[-1]))
    return outputs[1:]


def checkpoint(model, x):
    """`model(x, training=True)`, computed again when its gradient is needed.

    Updates of variables (running statistics) are made once, by the first pass.
    """
    states = model.non_trainable_variables
    before = [(variable, ops.convert_to_tensor(variable)) for variable in states]
    updates = []

    def forward(x):
        with keras.StatelessScope(before) as scope:
            y = model(x, training=True)
        if not updates:
            updates.extend(scope.get_current_value(variable) for variable in states)
        return y

    y = keras.remat(forward)(x)
    for variable, value in zip(states, updates):
        variable.assign(value)
    return y
