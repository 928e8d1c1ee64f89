"""ScatSimCLR's networks: fixed wavelet scattering, then a small residual adapter."""

from typing import Literal, NamedTuple

import keras
from keras import layers

from ssl_tf.layers.adaptive_pool import AdaptiveAverage
from ssl_tf.layers.initial import torch_uniform
from ssl_tf.layers.norm import BatchNorm
from ssl_tf.layers.scattering import Scattering
from ssl_tf.ops.wavelets import coefficients
from ssl_tf.schema import Count, Fraction

POOLED = 4
# Blocks of each group, and filters as a share of the widest group's: of the stem, of
# each group.
GROUPS = {
    8: ((4, 4), 1 / 4, (1 / 2, 1)),
    12: ((4, 4, 4), 2, (1, 1 / 2, 1)),
    16: ((6, 4, 6), 2, (1, 1 / 2, 1)),
    30: ((30,), 2, (1,)),
    45: ((15, 15, 15), 2, (1, 1 / 2, 1)),
}


def scatsimclr(
    image_shape,
    blocks: Literal[8, 12, 16, 30, 45] = 30,
    J: Count = 2,
    L: Count = 16,
    width: Count = 128,
    scatter_bn: bool = False,
    momentum: Fraction = 0.9,
):
    """`[B, H, W, C]` -> features h `[B, 16 * width]` in channel, row, column order.

    Args:
        image_shape: (height, width, channels).
        blocks: residual blocks of the adapter.
        J: scales of the scattering; its maps are 2^J times smaller.
        L: angles of the scattering.
        width: filters of the widest group.
        scatter_bn: normalise what scattering gives. The authors' code makes this layer,
            saves it and never applies it; the paper does not mention it. Off is theirs.
        momentum: of the running statistics.

    Source:
        ScatSimCLR, arXiv:2108.13939, section 3 and figure 3; widths, kernels and
        PyTorch's initial weights from the authors' code.
    """
    norm = lambda x, name: BatchNorm(momentum, name=name)(x)
    images = keras.Input(image_shape, name="images")
    x = Scattering(J, L, name="scattering")(images)
    if scatter_bn:
        x = norm(x, "scattering_norm")
    counts, stem, shares = GROUPS[blocks]
    x = norm(conv(x, filters(width, stem), 3, "stem_conv"), "stem_norm")
    x = layers.ReLU(name="stem")(x)
    for stage, (count, share) in enumerate(zip(counts, shares), start=1):
        for block in range(1, count + 1):
            x = residual(x, filters(width, share), f"stage{stage}_block{block}", norm)
    x = AdaptiveAverage(POOLED, name="pool")(x)
    x = layers.Permute((3, 1, 2), name="channels_first")(x)
    features = layers.Flatten(name="features")(x)
    return keras.Model(images, features, name=f"scatsimclr{blocks}")


def filters(width, share):
    return max(1, int(width * share))


def residual(x, count, name, norm):
    shortcut = x
    if x.shape[-1] != count:
        shortcut = norm(
            conv(x, count, 1, f"{name}_shortcut_conv"), f"{name}_shortcut_norm"
        )
    x = norm(conv(x, count, 3, f"{name}_conv1"), f"{name}_norm1")
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = norm(conv(x, count, 3, f"{name}_conv2"), f"{name}_norm2")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=name)(x)


def conv(x, count, kernel, name):
    return layers.Conv2D(
        count,
        kernel,
        padding="same",
        use_bias=False,
        kernel_initializer=torch_uniform(),
        name=name,
    )(x)


class Sizes(NamedTuple):
    """Trainable parameters of a published network with its projection head.

    Attributes:
        adapter: of the backbone.
        head: of two linear layers, features -> features -> z.
        used: of both.
        total: what the authors' checkpoint holds and their tables count: with the
            scale and shift of the batch norm after scattering, which is never applied.
    """

    adapter: int
    head: int
    used: int
    total: int


def sizes(blocks, J, L, channels=3, out=128, width=128):
    """The `Sizes` of a network, counted without building it; any J and L."""
    incoming = channels * len(coefficients(J, L))
    counts, stem, shares = GROUPS[blocks]
    before = filters(width, stem)
    adapter = 9 * incoming * before + 2 * before
    for count, share in zip(counts, shares):
        own = filters(width, share)
        adapter += count * (2 * 9 * own * own + 4 * own) + 9 * (before - own) * own
        adapter += (before * own + 2 * own) * (before != own)
        before = own
    features = POOLED**2 * before
    head = features * features + features + features * out + out
    used = adapter + head
    return Sizes(adapter, head, used, used + 2 * incoming)


def scatsimclr8(image_shape, J: Count = 2, L: Count = 16, scatter_bn: bool = False):
    """6.1 M parameters with the head at J = 2, L = 16."""
    return scatsimclr(image_shape, 8, J, L, scatter_bn=scatter_bn)


def scatsimclr12(image_shape, J: Count = 2, L: Count = 16, scatter_bn: bool = False):
    """9.3 M at L = 16; the paper's 7.8 M are those of L = 8."""
    return scatsimclr(image_shape, 12, J, L, scatter_bn=scatter_bn)


def scatsimclr16(image_shape, J: Count = 2, L: Count = 16, scatter_bn: bool = False):
    """10.5 M at L = 16."""
    return scatsimclr(image_shape, 16, J, L, scatter_bn=scatter_bn)


def scatsimclr30(image_shape, J: Count = 2, L: Count = 16, scatter_bn: bool = False):
    """15.5 M at L = 16; the paper's 14.1 M are those of L = 8."""
    return scatsimclr(image_shape, 30, J, L, scatter_bn=scatter_bn)


def scatsimclr45(image_shape, J: Count = 2, L: Count = 16, scatter_bn: bool = False):
    """16.6 M at L = 16; added by the authors after the paper."""
    return scatsimclr(image_shape, 45, J, L, scatter_bn=scatter_bn)
