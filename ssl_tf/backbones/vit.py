"""Vision transformers: patches and a class token through equal blocks."""

import keras
import numpy as np
from keras import layers

from ssl_tf.errors import BadInput
from ssl_tf.layers.attention import Scale, block, norm
from ssl_tf.layers.initial import torch_uniform
from ssl_tf.layers.strides import subsampled
from ssl_tf.layers.tokens import ClassToken, FirstToken, PositionTable, Tokens
from ssl_tf.schema import Count, Fraction, Positive


def vit(
    image_shape,
    patch: Count = 4,
    width: Count = 192,
    depth: Count = 6,
    heads: Count = 3,
    mlp: Positive = 4.0,
    qkv_bias: bool = True,
    epsilon: Positive = 1e-6,
    scale: Scale = "head",
    drop_path: Fraction = 0.0,
):
    """`[B, H, W, C]` -> `[B, width]`: the class token after the last layer norm.

    The defaults are ours, for 32 pixels: 8x8 patches, 2.7 M. DeiT-Ti, of arXiv:
    2012.12877, is patch 16, width 192, depth 12, heads 3. Blocks are `stage1_block1` to
    `stage1_block<depth>`.

    Args:
        image_shape: (height, width, channels).
        patch: side of a patch in pixels; divides the image's.
        width: of a token.
        depth: blocks.
        heads: of each attention; divide `width`.
        mlp: hidden width of a block's MLP over `width`.
        qkv_bias: whether queries, keys and values have a bias.
        epsilon: of the layer norms.
        scale: scores of an attention are multiplied by the -1/2 power of a head's width
            ("head") or of the token's ("width"). It belongs to the weights: they are
            worth nothing with the other.
        drop_path: share of images that skip a branch of the last block; the first
            block's is 0, those between lie on a line.

    Raises:
        BadInput: patches do not cover the image, or heads do not divide the width.

    Source:
        Dosovitskiy et al., arXiv:2010.11929, as timm 0.4.8 builds it: kernels, class
        token and positions N(0, 0.02), the patches' convolution as PyTorch's default.
    """
    check(image_shape, patch)
    if width % heads:
        raise BadInput(f"backbone.heads: is {heads}; must divide the width of {width}.")
    images = keras.Input(image_shape, name="images")
    x = tokens(images, width, patch)
    x = PositionTable(name="position")(ClassToken(name="class_token")(x))
    for i, skip in enumerate(np.linspace(0, drop_path, depth).tolist(), start=1):
        x = block(
            x,
            f"stage1_block{i}",
            heads,
            mlp,
            qkv_bias=qkv_bias,
            epsilon=epsilon,
            scale=scale,
            skip=skip,
        )
    features = first_token(x, epsilon)
    return keras.Model(images, features, name=f"vit{depth}_{width}")


def check(image_shape, patch):
    """BadInput unless patches of `patch` pixels cover the image."""
    if any(side < patch or side % patch for side in image_shape[:2]):
        raise BadInput(
            f"vit: patches of {patch} pixels do not cover images of "
            f"{image_shape[0]}x{image_shape[1]}; set the size of data or views to a "
            "multiple, or backbone.patch."
        )


def tokens(images, width, patch):
    """`[B, H, W, C]` -> `[B, N, width]`: N patches side by side, row by row."""
    return Tokens(name="tokens")(patches(images, width, patch, patch))


def patches(images, width, patch, stride):
    """`[B, H, W, C]` -> `[B, h, w, width]`: a convolution without padding."""
    fan_in = patch * patch * images.shape[-1]
    images, stride = subsampled(images, patch, stride, "patches")
    return layers.Conv2D(
        width,
        patch,
        stride,
        kernel_initializer=torch_uniform(),
        bias_initializer=torch_uniform(fan_in),
        name="patches",
    )(images)


def first_token(x, epsilon):
    """`[B, N, C]` -> `[B, C]`: the class token, normalised by itself."""
    x = FirstToken(name="first")(x)
    return layers.Flatten(name="features")(norm(x, epsilon, "head_norm"))


def vit_small_timm048(image_shape, scale: Scale = "head", drop_path: Fraction = 0.0):
    """timm's `vit_small_patch16_224` before June 2021; 48.8 M with 1,000 classes.

    Patch 16, width 768, depth 8, heads 8, MLP 2304, no bias in qkv, epsilon 1e-5.
    (Since timm 0.4.12 the name means width 384.) From scratch the scale is "head",
    96^-1/2; the published ImageNet weights were trained with "width", 768^-1/2, and
    need it.

    Source:
        The "ViT" of arXiv:2112.02297, by its code.
    """
    return vit(
        image_shape,
        patch=16,
        width=768,
        depth=8,
        heads=8,
        mlp=3.0,
        qkv_bias=False,
        epsilon=1e-5,
        scale=scale,
        drop_path=drop_path,
    )


def vit_tiny(image_shape, patch: Count = 16):
    """Width 192, 12 blocks of 3 heads: DeiT-Ti; 5.5 M. See `vit`.

    The networks of Self-Classifier's code, arXiv:2103.10994, spec 2.1, whose paper
    reports none; for 32 pixels patches of 4. Crops of other sizes go through them as
    well, see `PositionTable`.
    """
    return vit(image_shape, patch, 192, 12, 3)


def vit_small(image_shape, patch: Count = 16):
    """Width 384, 12 blocks of 6 heads: DeiT-S; 21.7 M. See `vit_tiny`."""
    return vit(image_shape, patch, 384, 12, 6)


def vit_base(image_shape, patch: Count = 16):
    """Width 768, 12 blocks of 12 heads: ViT-B; 85.8 M. See `vit_tiny`."""
    return vit(image_shape, patch, 768, 12, 12)
