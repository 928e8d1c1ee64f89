"""Names of G-SimCLR's Keras files: by place, and proven by number or stock name."""

import re

from ssl_tf.errors import BadInput

FAMILIES = ("cifar_resnet", "resnet50_keras", "autoencoder")
# Order of a block's layers in the file, which is by depth.
CIFAR = ("conv1", "norm1", "conv2", "norm2", "conv3", "shortcut", "norm3")
STOCK = (
    *("conv1", "norm1", "conv2", "norm2", "shortcut_conv"),
    *("conv3", "shortcut_norm", "norm3"),
)
NUMBERED = r"(conv2d|batch_normalization|dense)(?:_(\d+))?"
KINDS = {"Conv2D": "Conv2D", "BatchNorm": "BatchNormalization", "Dense": "Dense"}


def handles(method):
    """Whether a method's backbone is one of G-SimCLR's."""
    return method.backbone.name.startswith(FAMILIES)


def keras_names(method, layers):
    """`{name of a layer in one of the authors' files: our name of it}`.

    Numbers in their names start anywhere, so layers are matched by their place. That
    alone proves nothing: the last convolution of a block and its shortcut have kernels
    of one shape. So what the names do tell must agree: numbers grow in the order of
    making, where the shortcut comes first; the layers of Keras' own ResNet-50 are
    called by their place.

    Args:
        method: `Method`.
        layers: list of `keras_files.KerasLayer`, models laid flat.

    Raises:
        BadInput: another number or kind of layers, or names that contradict.
    """
    theirs = [layer for layer in layers if layer.weights]
    ours = ordered(method)
    kinds = lambda found, kind: [kind(layer) for layer in found]
    told = kinds(theirs, lambda layer: re.sub(r"V\d$", "", layer.kind))
    mine = kinds(ours, lambda layer: KINDS[type(layer).__name__])
    if told != mine:
        count = lambda found: ", ".join(
            f"{found.count(kind)} {kind}" for kind in KINDS.values()
        )
        raise BadInput(
            f"has {count(told)}; {method.name} on {method.backbone.name} has "
            f"{count(mine)}, in the file's order: it is of another architecture."
        )
    names = {a.name: b.name for a, b in zip(theirs, ours)}
    agree(names, by_number(names, [layer.name for layer in making(method, ours)]))
    agree(names, by_stock_name(names))
    return names


def ordered(method):
    """Our layers with weights, in the order of the authors' files."""
    backbone = method.backbone
    weighted = {layer.name: layer for layer in backbone.layers if layer.weights}
    if not backbone.name.startswith("autoencoder"):
        parts = STOCK if backbone.name == "resnet50_keras" else CIFAR
        order = ["stem_conv", "stem_norm"]
        for layer in backbone.layers:
            if re.fullmatch(r"stage\d+_block\d+", layer.name):
                order += [f"{layer.name}_{part}" for part in parts]
        order = [name for name in [*order, "tail_norm"] if name in weighted]
    else:
        order = list(weighted)
    found = [weighted[name] for name in order]
    if hasattr(method, "decoder"):
        found += [layer for layer in method.decoder.layers if layer.weights]
    head = getattr(method, "head", None) or []
    return [*found, *(head if isinstance(head, (list, tuple)) else [head])]


def making(method, ours):
    """The same layers in the order the authors' code makes them."""
    if not method.backbone.name.startswith("cifar_resnet"):
        return ours
    order = []
    for layer in ours:
        if layer.name.endswith("_shortcut"):
            block = layer.name.removesuffix("_shortcut")
            first = next(i for i, x in enumerate(order) if x.name == f"{block}_conv1")
            order.insert(first, layer)
        else:
            order.append(layer)
    return order


def by_number(names, order):
    """`{name in the file: ours}` by growing number, of layers whose names have one.

    Args:
        names: `{name in the file: ours}` by place.
        order: our names in the order of making.
    """
    numbered = {}
    for name in names:
        match = re.fullmatch(NUMBERED, name.rpartition("/")[2], re.ASCII)
        if match:
            numbered.setdefault(match[1], []).append((int(match[2] or 0), name))
    found = {}
    for rows in numbered.values():
        mine = {names[name] for _, name in rows}
        found |= dict(
            zip((name for _, name in sorted(rows)), (n for n in order if n in mine))
        )
    return found


def by_stock_name(names):
    """The same of layers that bear the names of `keras.applications.ResNet50`."""
    found = {}
    for name in names:
        inner = name.rpartition("/")[2]
        kind = {"conv": "conv", "bn": "norm"}
        if match := re.fullmatch(r"conv1_(conv|bn)", inner):
            found[name] = f"stem_{kind[match[1]]}"
        elif match := re.fullmatch(r"conv(\d)_block(\d+)_(\d)_(conv|bn)", inner):
            what, number = kind[match[4]], int(match[3])
            part = f"{what}{number}" if number else f"shortcut_{what}"
            found[name] = f"stage{int(match[1]) - 1}_block{match[2]}_{part}"
    return found


def agree(names, told):
    """Raises BadInput where what the names tell is not what the places do."""
    for name, mine in told.items():
        if names[name] != mine:
            raise BadInput(
                f"{name} would be {mine} by its name and {names[name]} by its place: "
                "layers are in another order."
            )
