"""Proves a mapping of layers: foreign network and ours must be wired alike."""

from ssl_tf.errors import BadInput

IMAGES = "the images"


def check(method, layers, names):
    """Compares what feeds each layer in the file with what feeds ours.

    Shapes cannot tell a shortcut from a convolution beside it; their inputs can.

    Args:
        method: `Method`.
        layers: list of `keras_files.KerasLayer`.
        names: `{layer in the file: ours}`, from `tables.keras_names`.

    Returns:
        number of layers compared; 0 if the file does not hold its model.

    Raises:
        BadInput: a layer is fed by others than ours, or normalises with another
            epsilon or steps by other strides.
    """
    if not any(layer.inputs for layer in layers):
        return 0
    inputs = {layer.name: layer.inputs for layer in layers}
    try:
        theirs = feeders(inputs, {layer.name for layer in layers if layer.weights})
    except RecursionError:
        raise BadInput("its model is nested too deeply.") from None
    ours, objects = wired(method)
    for layer in layers:
        if layer.name not in names or names[layer.name] not in ours:
            continue
        mine = names[layer.name]
        alike(layer, objects[mine])
        fed = sorted(names.get(name, name) for name in theirs[layer.name])
        if fed != sorted(ours[mine]):
            raise BadInput(
                f"{layer.name} would be {mine}, but it is fed by {', '.join(fed[:3])}, "
                f"not {', '.join(sorted(ours[mine])[:3])}: layers are in another order."
            )
    return len(names)


def alike(theirs, ours):
    """Raises BadInput if two layers differ in what their weights do not show."""
    for key in ("epsilon", "strides"):
        given, own = theirs.config.get(key), getattr(ours, key, None)
        own = list(own) if isinstance(own, tuple) else own
        if None not in (given, own) and given != own:
            raise BadInput(f"{theirs.name} has {key} {given}; {ours.name} has {own}.")


def feeders(inputs, weighted):
    """The nearest layers with weights before each one of them.

    Args:
        inputs: `{layer: names of the layers that feed it}`.
        weighted: names of the layers with weights.

    Returns:
        `{layer in weighted: set of names}`; `IMAGES` stands for an input.
    """
    known = {}

    def near(name):
        if name in weighted:
            return {name}
        if name not in known:
            known[name] = set() if inputs.get(name) else {IMAGES}
            known[name] |= set().union(*map(near, inputs.get(name) or ()))
        return known[name]

    return {name: set().union(*map(near, inputs[name])) for name in weighted}


def wired(method):
    """`feeders` of all parts of a method that are imported, and all their layers."""
    ends = lambda tensors: [t._keras_history.operation.name for t in tensors]
    listed = lambda x: x if isinstance(x, (list, tuple)) else [x]
    inputs, objects, before = {}, {}, ends([method.backbone.output])
    for layer in listed(getattr(method, "head", None) or []):
        inputs[layer.name], objects[layer.name] = before, layer
        before = [layer.name]
    grown = getattr(method, "branches", None) or [getattr(method, "decoder", None)]
    for model, tap in [(method.backbone, None), *zip(grown, method.taps)]:
        for layer in model.layers:
            first = layer.output is model.input
            fed = [tap] * bool(tap) if first else ends(listed(layer.input))
            inputs[layer.name], objects[layer.name] = fed, layer
    weighted = {name for name, layer in objects.items() if layer.weights}
    return feeders(inputs, weighted), objects
