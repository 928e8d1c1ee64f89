"""Names and settings of ScatSimCLR's PyTorch checkpoints."""

from typing import NamedTuple

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.ops import wavelets
from ssl_tf.weights.port import Rule, conv, linear, norm

FAMILIES = ("scatsimclr", "resnet")
STEM = "_adapter_network.0.weight"
CLOSE = 1e-5  # of two releases of kymatio


class Settings(NamedTuple):
    """What the shapes in a checkpoint tell of its network.

    Attributes:
        backbone: its section of a config: name, J, L.
        head: widths of the projection head.
        size: (height, width) of the images, `None` where the file does not tell.
    """

    backbone: dict
    head: list
    size: tuple | None


def handles(method):
    """Whether the authors' code can have written a file of this method."""
    return method.name == "scatsimclr" and method.backbone.name.startswith(FAMILIES)


def rules(method):
    """Rules for a network and its projection head.

    The linear layers take features in channel, row, column order, as ours are. The
    filters are compared with ours and dropped; so is the batch norm after scattering,
    which the authors' code saves and never applies.

    Args:
        method: `Method` that `handles`.
    """
    scattering = method.backbone.name.startswith("scatsimclr")
    return [
        *(adapter() if scattering else resnet()),
        *linear(r"_?l([12])", "head_dense{1}"),
        Rule(r"(?:.*\.)?num_batches_tracked", ""),
        *(filters(method.backbone.get_layer("scattering")) if scattering else []),
        Rule(r"_scatnet_bn\.(?:weight|bias|running_mean|running_var)", ""),
    ]


def adapter():
    """Children of `_adapter_network`: 0 and 1 are the stem, groups begin at 3."""
    theirs, ours = r"_adapter_network\.(\d+)\.(\d+)", "stage{1:-2}_block{2:+1}"
    return [
        Rule(r"_adapter_network\.0\.weight", "stem_conv/kernel", conv),
        *norm(r"_adapter_network\.1", "stem_norm"),
        *blocks(theirs, ours),
    ]


def resnet():
    """torchvision's children as `_features`: 0 and 1 are the stem, stages 4 to 7."""
    theirs, ours = r"_features\.([4-7])\.(\d+)", "stage{1:-3}_block{2:+1}"
    return [
        Rule(r"_features\.0\.weight", "stem_conv/kernel", conv),
        *norm(r"_features\.1", "stem_norm"),
        *blocks(theirs, ours),
    ]


def blocks(theirs, ours):
    """The residual blocks of both networks."""
    return [
        Rule(rf"{theirs}\.conv(\d)\.weight", f"{ours}_conv{{3}}/kernel", conv),
        *norm(rf"{theirs}\.bn(\d)", f"{ours}_norm{{3}}"),
        Rule(rf"{theirs}\.downsample\.0\.weight", f"{ours}_shortcut_conv/kernel", conv),
        *norm(rf"{theirs}\.downsample\.1", f"{ours}_shortcut_norm"),
    ]


def filters(layer):
    """Rules that drop the filters of a `Scattering` layer's file if they are ours."""
    bank = wavelets.bank(layer.constants.sizes, layer.J, layer.L)
    return [
        Rule(rf"_scatnet\.tensor{i}", "", equal(wanted))
        for i, wanted in enumerate(bank)
    ]


def equal(wanted):
    """A transform that passes only what is, squeezed, close to `wanted`."""

    def check(array):
        found = np.squeeze(array)
        if found.shape != wanted.shape:
            raise BadInput(
                f"is a filter of {list(found.shape)}, ours of {list(wanted.shape)}: "
                "the file is for images of another size, or another J"
            )
        if not np.allclose(found, wanted, atol=CLOSE):
            raise BadInput("is another filter than ours")
        return array

    return check


def pretext_rules(task):
    """Rules for the heads of a pretext task, `model_{task}.pth` of the authors.

    Args:
        task: "rotation" or "jigsaw".
    """
    return [
        *linear(r"fc([12])\.0", f"{task}_fc{{1}}"),
        *linear(r"classification_fc\.0", f"{task}_classifier"),
    ]


def settings(arrays):
    """The `Settings` of a checkpoint.

    The published counts of 12 and 30 blocks are those of L = 8 while the authors'
    page says 16, so no file can be trusted to be what its name says.

    Args:
        arrays: `{name: array}`, from `files.read`.

    Raises:
        BadInput: these are no names of ScatSimCLR's, or no network of its has such
            shapes.
    """
    marks = (STEM, "_features.0.weight")
    begins = [
        n.removesuffix(mark) for mark in marks for n in arrays if n.endswith(mark)
    ]
    begin = min(begins, key=len, default="")
    shapes = {n.removeprefix(begin): np.shape(x) for n, x in arrays.items()}
    heads = [n for n in ("l2.weight", "_l2.weight") if len(shapes.get(n, ())) == 2]
    if not heads or not begins:
        raise BadInput("has none of ScatSimCLR's names.")
    out, hidden = shapes[heads[0]]
    head = [int(hidden), int(out)]
    if STEM not in shapes:
        depth = 50 if "_features.4.0.conv3.weight" in shapes else 18
        return Settings({"name": f"resnet{depth}"}, head, None)
    levels = []
    while (shape := shapes.get(f"_scatnet.tensor{len(levels)}")) is not None:
        if levels and 2 * shape[0] != levels[-1][0]:
            break
        levels.append(shape)
    J, count = len(levels), sum(name.endswith(".conv1.weight") for name in shapes)
    L = angles(J, shapes[STEM][1])
    size = tuple((int(n) // 2**J - 2) * 2**J for n in levels[0][:2])
    return Settings({"name": f"scatsimclr{count}", "J": J, "L": L}, head, size)


def angles(J, channels):
    """L of a scattering whose three colours have so many channels at J scales."""
    for L in range(1, channels + 1):
        if J and 3 * len(wavelets.coefficients(J, L)) == channels:
            return L
    raise BadInput(
        f"{STEM} takes {channels} channels, which are no scattering of three colours "
        f"at J = {J}."
    )
