"""Pooling-based vision transformers: three stages, convolutions between them."""

import keras
import numpy as np
from keras import layers

from ssl_tf.backbones.vit import first_token, patches
from ssl_tf.errors import BadInput
from ssl_tf.layers.attention import block, dense
from ssl_tf.layers.initial import torch_uniform
from ssl_tf.layers.tokens import ClassToken, PositionTable
from ssl_tf.schema import Count, Fraction, Positive

Stages = tuple[Count, Count, Count]
EPSILON = 1e-6


def pit(
    image_shape,
    patch: Count = 4,
    stride: Count = 2,
    head_width: Count = 32,
    heads: Stages = (2, 4, 8),
    depths: Stages = (1, 2, 1),
    mlp: Positive = 4.0,
    drop_path: Fraction = 0.0,
):
    """`[B, H, W, C]` -> `[B, last of heads * head_width]`: the class token, normalised.

    The defaults are ours, for 32 pixels, with PiT's overlap of one half: 15x15 places,
    then 8x8 and 4x4; 1.3 M.

    Args:
        image_shape: (height, width, channels).
        patch: side of a patch in pixels.
        stride: pixels from one patch to the next.
        head_width: of every head.
        heads: of each stage; its tokens are `heads * head_width` wide. Each stage has a
            multiple of the heads of the one before.
        depths: blocks of each stage.
        mlp: hidden width of a block's MLP over the token's.
        drop_path: share of images that skip a branch of the last block; the first
            block's is 0, those between lie on a line.

    Raises:
        BadInput: patches do not cover the image, or heads are no such multiples.

    Source:
        Heo et al., arXiv:2103.16302, by its authors' code: positions on the first map
        only, a class token without one, which a linear layer widens where the map is
        pooled, nothing normalised there; initial weights are PyTorch's, those of tokens
        and positions N(0, 0.02).
    """
    if any(side < patch or (side - patch) % stride for side in image_shape[:2]):
        raise BadInput(
            f"pit: patches of {patch} pixels, {stride} apart, do not cover images of "
            f"{image_shape[0]}x{image_shape[1]}; set the size of data or views to "
            f"{patch} plus a multiple of {stride}, or backbone.patch and stride."
        )
    if heads[1] % heads[0] or heads[2] % heads[1]:
        raise BadInput(
            f"backbone.heads: are {list(heads)}; each must be a multiple of the one "
            "before."
        )
    images = keras.Input(image_shape, name="images")
    x = patches(images, heads[0] * head_width, patch, stride)
    x = PositionTable(name="position")(x)
    grid = x.shape[1:3]
    x = layers.Reshape((grid[0] * grid[1], x.shape[-1]), name="tokens")(x)
    x = ClassToken(name="class_token")(x)
    skips = iter(np.linspace(0, drop_path, sum(depths)).tolist())
    for stage, (count, depth) in enumerate(zip(heads, depths), start=1):
        if stage > 1:
            x, grid = pool(x, grid, count * head_width, f"pool{stage - 1}")
        for i in range(1, depth + 1):
            name = f"stage{stage}_block{i}"
            x = block(
                x, name, count, mlp, init="torch", epsilon=EPSILON, skip=next(skips)
            )
    features = first_token(x, EPSILON)
    return keras.Model(images, features, name=f"pit{sum(depths)}_{x.shape[-1]}")


def pool(x, grid, width, name):
    """`([B, 1 + N, C], (h, w))` -> `([B, 1 + N', width], (h', w'))`, half as many rows.

    The map is padded by one on every side, as in PyTorch, whatever its size.
    """
    places, before = grid[0] * grid[1], x.shape[-1]
    first = layers.Cropping1D((0, places), name=f"{name}_first")(x)
    first = dense(first, width, f"{name}_dense", "torch")
    x = layers.Cropping1D((1, 0), name=f"{name}_rest")(x)
    x = layers.Reshape((*grid, before), name=f"{name}_map")(x)
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    x = layers.DepthwiseConv2D(
        3,
        2,
        depth_multiplier=width // before,
        depthwise_initializer=torch_uniform(9),
        bias_initializer=torch_uniform(9),
        name=f"{name}_conv",
    )(x)
    grid = x.shape[1:3]
    x = layers.Reshape((grid[0] * grid[1], width), name=f"{name}_tokens")(x)
    return layers.Concatenate(axis=1, name=name)([first, x]), grid


def pit_tiny(image_shape, drop_path: Fraction = 0.0):
    """PiT-Ti, for 224 pixels only; 4.8 M with 1,000 classes.

    Patch 16, stride 8: 27x27 places, then 14x14 and 7x7; heads of 32 (2, 4, 8), depths
    (2, 6, 4).

    Raises:
        BadInput: the images have other sides.
    """
    if tuple(image_shape[:2]) != (224, 224):
        raise BadInput(
            "pit_tiny: its patches of 16 pixels, 8 apart, make a grid of 27x27 of "
            f"224x224 pixels, not of {image_shape[0]}x{image_shape[1]}; set the size "
            "of data or views to 224, or take backbone pit with another patch."
        )
    return pit(image_shape, 16, 8, 32, (2, 4, 8), (2, 6, 4), drop_path=drop_path)
