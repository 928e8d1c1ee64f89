"""The SimSiam study's own vision transformer, of its abandoned experiments."""

from typing import Literal

import keras
from keras import layers

from ssl_tf.backbones.vit import check, tokens
from ssl_tf.layers.attention import block, norm
from ssl_tf.layers.tokens import ClassToken, FirstToken, PositionTable
from ssl_tf.schema import Count, Positive

EPSILON = 1e-5


def vit_minimal(
    image_shape,
    patch: Count = 4,
    width: Count = 192,
    depth: Count = 6,
    heads: Count = 3,
    head_width: Count = 64,
    mlp: Positive = 4.0,
    pooling: Literal["cls", "mean"] = "cls",
):
    """`[B, H, W, C]` -> `[B, width]`: pooled tokens, normalised.

    It differs from `vit` in the width of its heads, which is free, and in its initial
    weights: class token and positions are N(0, 1), so fifty times as large, all others
    PyTorch's. Queries, keys and values have no bias. The defaults are ours, for 32
    pixels: 8x8 patches, 2.7 M; the study tried patch 8, width 512 and depth 3 at 96.

    Args:
        image_shape: (height, width, channels).
        patch: side of a patch in pixels; divides the image's.
        width: of a token.
        depth: blocks, `stage1_block1` to `stage1_block<depth>`.
        heads: of each attention, any number.
        head_width: of each; scores are multiplied by its -1/2 power.
        mlp: hidden width of a block's MLP over `width`.
        pooling: "cls" takes the class token, "mean" the mean of all tokens, with it.

    Raises:
        BadInput: patches do not cover the image.

    Source:
        arXiv:2112.02297, by its code. A patch's numbers go row by row, colours last,
        through a linear layer: that is the convolution here.
    """
    check(image_shape, patch)
    images = keras.Input(image_shape, name="images")
    x = ClassToken(1.0, name="class_token")(tokens(images, width, patch))
    x = PositionTable(1.0, name="position")(x)
    more = {"init": "torch", "qkv_bias": False, "epsilon": EPSILON}
    for i in range(1, depth + 1):
        x = block(x, f"stage1_block{i}", heads, mlp, head_width=head_width, **more)
    pool = (
        FirstToken(name="pooled")
        if pooling == "cls"
        else layers.GlobalAveragePooling1D(keepdims=True, name="pooled")
    )
    features = layers.Flatten(name="features")(norm(pool(x), EPSILON, "head_norm"))
    return keras.Model(images, features, name=f"vit_minimal{depth}_{width}")
