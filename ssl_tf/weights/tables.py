"""Name tables of the papers' checkpoints: the authors' names to ours."""

import math
import re

import numpy as np

from ssl_tf.errors import BadInput, have
from ssl_tf.weights import gsimclr, scatsimclr, self_classifier, simsiam, trunks
from ssl_tf.weights.port import WRAPPED, Rule, conv, linear, norm, put


def unit(pattern, to):
    """Convolution and batch norm of a PyTorch branch."""
    kernel = Rule(rf"{pattern}\.conv\.weight", f"{to}_conv/kernel", conv)
    return [kernel, *norm(rf"{pattern}\.bn", f"{to}_norm")]


def constant(*values):
    """A transform that passes only these values: our configs hold them."""

    def check(array):
        if not np.allclose(np.ravel(array), values, atol=1e-4):
            raise BadInput(f"is {np.ravel(array)[:3].tolist()}, not {list(values)}")
        return array

    return check


# SSAL normalises within the network; our configs do it in the pipeline.
INPUT = [
    Rule(r"mean", "", constant(0.485, 0.456, 0.406)),
    Rule(r"std", "", constant(0.229, 0.224, 0.225)),
]
SSAL_IMAGENET = [
    *trunks.RESNET,
    *INPUT,
    *unit(r"aux1\.cbr1", "branch0_0"),
    *unit(r"aux1\.inception1\.(\w+)", "branch0_1_{1}"),
    *unit(r"aux1\.inception2\.(\d)\.(\w+)", "branch0_{1:+2}_{2}"),
    *unit(r"aux([23])\.inception1\.(\w+)", "branch{1:-1}_0_{2}"),
    *unit(r"aux([23])\.inception2\.(\d)\.(\w+)", "branch{1:-1}_{2:+1}_{3}"),
    *linear(r"aux(\d)\.fc", "branch{1:-1}_head"),
]

# Layers that the authors' Keras code names; all others are numbered by class.
NAMED = [(r"output", "head"), (r"aux_output(\d)", "branch{1}_head")]
NAMED_DENSENET = [
    (r"initial_conv2D", "stem_conv"),
    (r"dense_(\d)_(\d+)_bn", "stage{1:+1}_block{2:+1}_norm1"),
    (r"dense_(\d)_(\d+)_bottleneck_conv2D", "stage{1:+1}_block{2:+1}_conv1"),
    (r"dense_(\d)_(\d+)_bottleneck_bn", "stage{1:+1}_block{2:+1}_norm2"),
    (r"dense_(\d)_(\d+)_conv2D", "stage{1:+1}_block{2:+1}_conv2"),
    (r"tr_(\d)_bn", "transition{1:+1}_norm"),
    (r"tr_(\d)_conv2D", "transition{1:+1}_conv"),
    (r"final_bn", "head_norm"),
]
FAMILIES = {"preact_resnet": [], "wrn": [], "densenet": NAMED_DENSENET}
KINDS = {"Conv2D": "Conv2D", "BatchNorm": "BatchNormalization", "Dense": "Dense"}
NUMBERED = r"(?:conv2d|batch_normalization(?:_v\d)?|dense)(?:_(\d+))?"


def torch_rules(method):
    """Rules for the authors' PyTorch checkpoints, wrapped in `module.` or not.

    Raises:
        BadInput: there is no table for this backbone.
    """
    backbone = method.backbone
    if scatsimclr.handles(method):
        table = scatsimclr.rules(method)
    elif not trunks.handles(backbone):
        raise BadInput(f"no name table for PyTorch's {backbone.name}.")
    elif simsiam.handles(method):
        table = simsiam.rules(method)
    elif self_classifier.handles(method):
        table = self_classifier.rules(method)
    elif method.name == "ssal":
        table = SSAL_IMAGENET
    else:
        table = [*trunks.prefixed(trunks.rules(backbone), simsiam.SUPERVISED), *INPUT]
    return trunks.prefixed(table, WRAPPED)


def own_rules(method):
    """Rules for files that use our names (`layer/weight`), or else PyTorch's."""
    ours = Rule(r"[^/]+(?:/[^/]+)+", "{0}")
    known = scatsimclr.handles(method) or trunks.handles(method.backbone)
    return [ours, *(torch_rules(method) if known else [])]


def keras_names(method, layers):
    """`{name of a layer in one of the authors' Keras files: our name of it}`.

    Keras numbers unnamed layers of a class as they are made, over the life of the
    process, so the numbers may start anywhere, and the file lists layers by depth.
    Sorted by number they are in the order of making, which `made` derives for ours.

    Args:
        method: `Method`.
        layers: list of `keras_files.KerasLayer`.

    Raises:
        BadInput: no table for this backbone, or another number of layers.
    """
    if gsimclr.handles(method):
        return gsimclr.keras_names(method, layers)
    named = [*NAMED, *FAMILIES[family(method)]]
    names, theirs, ours = {}, {}, {}
    for layer in layers:
        matches = ((to, re.fullmatch(p, layer.name, re.ASCII)) for p, to in named)
        given = next((put(to, match) for to, match in matches if match), None)
        number = re.fullmatch(NUMBERED, layer.name, re.ASCII)
        if given is not None:
            names[layer.name] = given
        elif layer.weights and number:
            kind = re.sub(r"V\d$", "", layer.kind)
            theirs.setdefault(kind, []).append((int(number[1] or 0), layer.name))
    for layer in made(method):
        ours.setdefault(KINDS[type(layer).__name__], []).append(layer.name)
    counts = lambda found: {k: len(found.get(k, ())) for k in KINDS.values()}
    if counts(theirs) != counts(ours):
        told = lambda found: ", ".join(f"{n} {k}" for k, n in counts(found).items())
        raise BadInput(
            f"has {told(theirs)}, numbered; {method.name} on {method.backbone.name} "
            f"has {told(ours)}: the file is of another architecture."
        )
    for kind, found in theirs.items():
        names |= dict(zip((name for _, name in sorted(found)), ours[kind]))
    return names


def keras_rules(names):
    """One rule that renames layers; see `keras_names`."""
    lookup = lambda layer, weight: names.get(layer) and f"{names[layer]}/{weight}"
    return [Rule(r"(.+)/(\w+)", lookup)]


def family(method):
    name = method.backbone.name
    found = [family for family in FAMILIES if name.startswith(family)]
    if not found:
        raise BadInput(f"no name table for Keras' {name}. Have: {have(FAMILIES)}.")
    return found[0]


def made(method):
    """Our layers that are numbered in the authors' files, in their order of making.

    The trunk is made unit by unit; a branch is made as soon as the unit it taps is
    there. Pools and transitions belong to the end of their stage.
    """
    wide = family(method) == "wrn"
    branches = dict(enumerate(getattr(method, "branches", [])))
    units = {place(tap): [] for tap in method.taps}
    for layer in method.backbone.layers:
        if layer.weights:
            units.setdefault(place(layer.name), []).append(layer)
    order = []
    for here in sorted(units):
        if not FAMILIES[family(method)]:
            order += sorted(units[here], key=lambda layer: rank(layer.name, wide))
        for k, tap in enumerate(method.taps):
            if place(tap) == here:
                order += sorted(grown(branches[k]), key=lambda x: depth(x.name))
    return order


def place(name):
    """`(stage, block)` of a trunk layer; the stem is before, the head behind all."""
    if block := re.match(r"stage(\d+)_block(\d+)", name):
        return int(block[1]), int(block[2])
    if between := re.match(r"(?:pool|transition)(\d+)", name):
        return int(between[1]), math.inf
    return (math.inf, 0) if name.startswith("head") else (0, 0)


def rank(name, wide):
    """Order within a unit: wide ResNets make the shortcut first, others last."""
    return not (wide and name.endswith("shortcut")), name


def grown(branch):
    head = f"{branch.name}_head"
    return [x for x in branch.layers if x.weights and x.name != head]


def depth(name):
    """`branch0_4_b2_1_conv` -> (4, "b2_1_conv"); a block's units sort as made."""
    _, block, unit = name.split("_", 2)
    return int(block), unit
