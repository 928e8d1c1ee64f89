"""Inception modules of SSAL's branches: the CIFAR one and the three ImageNet ones."""

from keras import layers

from ssl_tf.layers.norm import BatchNorm
from ssl_tf.layers.strides import subsampled
from ssl_tf.schema import Positive


def unit(x, prefix, filters, kernel, strides=1, *, style):
    """Convolution, batch norm, ReLU, in one of the two styles of the authors.

    Args:
        x: `[B, H, W, C]`.
        prefix: str, before the names of its layers.
        filters: int.
        kernel: int or (height, width).
        strides: int.
        style: `Style`.
    """
    x, strides = subsampled(x, kernel, strides, f"{prefix}_conv")
    x = layers.Conv2D(
        filters,
        kernel,
        strides,
        style.padding if strides > 1 else "same",
        use_bias=style.use_bias,
        kernel_initializer=style.initializer(),
        name=f"{prefix}_conv",
    )(x)
    x = BatchNorm(style.momentum, style.epsilon, name=f"{prefix}_norm")(x)
    return layers.ReLU(name=f"{prefix}_relu")(x)


def inception(x, prefix, style, width: Positive = 1.0):
    """Four-way module of the CIFAR branches, 748 channels at width 1.

    Args:
        x: `[B, H, W, C]`.
        prefix: str, before the names of its layers.
        style: `Style`.
        width: factor on all channel counts; 1 is the authors' module.

    Source:
        SSAL's Keras code, which differs from its PyTorch code in two kernels: the
        second unit of the third way is 1x1, the unit after the pool 3x1.
    """
    n, wide, pool = (max(round(width * count), 1) for count in (128, 160, 108))
    to = lambda x, name, filters, kernel: unit(
        x, f"{prefix}_{name}", filters, kernel, style=style
    )
    b1 = to(x, "b1", n, 1)
    b2 = to(x, "b2_1", n, 1)
    b2 = [to(b2, "b2_2a", n, (1, 3)), to(b2, "b2_2b", n, (3, 1))]
    b3 = to(to(x, "b3_1", wide, 1), "b3_2", n, 1)
    b3 = [to(b3, "b3_3a", n, (1, 3)), to(b3, "b3_3b", n, (3, 1))]
    b4 = layers.AveragePooling2D(3, 1, "same", name=f"{prefix}_pool")(x)
    b4 = to(b4, "b4", pool, (3, 1))
    return layers.Concatenate(name=prefix)([b1, *b2, *b3, b4])


def inception_c(x, prefix, style, width: Positive = 0.5):
    """Module with 7-wide and 7-high kernels, 512 channels at width 1.

    Source:
        Szegedy et al., arXiv:1512.00567, fig. 6; half as wide in SSAL's PyTorch code.
    """
    n, middle = int(128 * width), int(160 * width)
    to = lambda x, name, filters, kernel: unit(
        x, f"{prefix}_{name}", filters, kernel, style=style
    )
    b1 = to(x, "branch1x1", n, 1)
    b7 = to(x, "branch7x7_1", middle, 1)
    b7 = to(to(b7, "branch7x7_2", middle, (1, 7)), "branch7x7_3", n, (7, 1))
    d = to(x, "branch7x7dbl_1", middle, 1)
    for i, kernel in enumerate([(7, 1), (1, 7), (7, 1)], start=2):
        d = to(d, f"branch7x7dbl_{i}", middle, kernel)
    d = to(d, "branch7x7dbl_5", n, (1, 7))
    pool = to(padded_average(x, prefix), "branch_pool", n, 1)
    return layers.Concatenate(name=prefix)([b1, b7, d, pool])


def inception_d(x, prefix, style, width: Positive = 0.5):
    """Module that halves the map, 512 channels at width 1.

    Source:
        Szegedy et al., arXiv:1512.00567, fig. 10; widths from SSAL's PyTorch code.
    """
    w = lambda count: int(count * width)
    to = lambda x, name, filters, kernel, strides=1: unit(
        x, f"{prefix}_{name}", filters, kernel, strides, style=style
    )
    b3 = to(to(x, "branch3x3_1", w(192), 1), "branch3x3_2", w(216), 3, 2)
    b7 = to(x, "branch7x7x3_1", w(192), 1)
    b7 = to(b7, "branch7x7x3_2", w(192), (1, 7))
    b7 = to(b7, "branch7x7x3_3", w(192), (7, 1))
    b7 = to(b7, "branch7x7x3_4", w(168), 3, 2)
    pool = layers.MaxPooling2D(3, 2, name=f"{prefix}_pool")(x)
    pool = to(pool, "branch_pool", w(128), 1)
    return layers.Concatenate(name=prefix)([b3, b7, pool])


def inception_e(x, prefix, style, width: Positive = 1.0):
    """Widest module, 748 channels at width 1; the ImageNet twin of `inception`.

    Source:
        Szegedy et al., arXiv:1512.00567, fig. 7; widths from SSAL's PyTorch code.
    """
    n, wide, last = int(128 * width), int(160 * width), int(108 * width)
    to = lambda x, name, filters, kernel: unit(
        x, f"{prefix}_{name}", filters, kernel, style=style
    )
    b1 = to(x, "branch1x1", n, 1)
    b3 = to(x, "branch3x3_1", n, 1)
    b3 = [to(b3, "branch3x3_2a", n, (1, 3)), to(b3, "branch3x3_2b", n, (3, 1))]
    d = to(to(x, "branch3x3dbl_1", wide, 1), "branch3x3dbl_2", n, 3)
    d = [to(d, "branch3x3dbl_3a", n, (1, 3)), to(d, "branch3x3dbl_3b", n, (3, 1))]
    pool = to(padded_average(x, prefix), "branch_pool", last, 1)
    return layers.Concatenate(name=prefix)([b1, *b3, *d, pool])


def padded_average(x, prefix):
    """3x3 means with the zero border counted, as in PyTorch."""
    x = layers.ZeroPadding2D(1, name=f"{prefix}_pad")(x)
    return layers.AveragePooling2D(3, 1, name=f"{prefix}_pool")(x)
