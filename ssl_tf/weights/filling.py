"""Fills a method from a checkpoint, whatever wrote it: all weights, or none."""

import sys

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.weights import files, keras_files, simsiam, tables, trunks, wiring
from ssl_tf.weights.port import port


def fill(method, file, form, key=None, part=None):
    """Ports the arrays of a file; says how many there were and what was proven.

    Args:
        method: `Method`, built.
        file: path of the checkpoint.
        form: see `files.read`.
        key: see `files.read`.
        part: "backbone" takes that alone, see `trunks.backbone_rules`; `None` all.

    Returns:
        `(method, or its backbone if that alone was filled, {"arrays": those in the
        file, "weights": those filled, "layers_with_equal_wiring": int})`.

    Raises:
        BadInput: all that does not fit, in one line.
    """
    try:
        compared = 0
        if part is not None:
            arrays = files.read(file, form, key)
            rules = backbone_alone(method, form)
        elif form == "keras_h5":
            layers = keras_files.keras_layers(file)
            names = tables.keras_names(method, layers)
            compared = wiring.check(method, layers, names)
            arrays, rules = keras_files.flat(layers), tables.keras_rules(names)
        else:
            arrays = files.read(file, form, key)
            table = tables.torch_rules if form == "torch" else tables.own_rules
            rules = table(method)
        filled = method
        if simsiam.handles(method):
            arrays = simsiam.distinct(arrays)
        elif part or trunks.headless(method, arrays, simsiam.SUPERVISED):
            filled = without_head(method, file, part)
        sources = port(filled, arrays, rules)
    except BadInput as error:
        text = str(error).removeprefix(f"{file}: ")
        raise BadInput(f"{file}: {text}") from None
    return filled, {
        "arrays": len(arrays),
        "weights": len(sources),
        "layers_with_equal_wiring": compared,
    }


def backbone_alone(method, form):
    """The rules of `fill` for a backbone.

    Raises:
        BadInput: it has no table, or what stands behind it is no classifier.
    """
    if method.name != "supervised":
        raise BadInput(
            f"--part backbone: goes with --to supervised, not {method.name}; its run "
            "then starts others by `init`."
        )
    if form == "keras_h5" or not trunks.handles(method.backbone):
        raise BadInput(
            f"--part backbone: no name table for {method.backbone.name} in {form}."
        )
    return trunks.backbone_rules(method.backbone)


def without_head(method, file, part=None):
    """The backbone of a classifier that gets no weights but zeros, said on stderr."""
    found = "its backbone is taken" if part else "holds a backbone"
    print(
        f"{file}: {found} without a classifier; the run's is zero, start "
        "others from it by `init`",
        file=sys.stderr,
    )
    for variable in method.head.weights:
        variable.assign(np.zeros(variable.shape))
    return method.backbone
