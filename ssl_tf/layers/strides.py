"""Strides of 1x1 convolutions that oneDNN's AVX-512 kernels cannot take."""

from keras import layers

LANES = 16  # float32 values of an AVX-512 register


def subsampled(x, kernel, strides, name):
    """`(x, strides)` for a convolution; equal values and gradients, without a crash.

    oneDNN (3.7, in TensorFlow 2.21) writes past its buffer, and mostly aborts, in the
    gradient of the kernel of a strided 1x1 convolution of fewer than 16 channels. That
    one reads every `strides`-th pixel: they are taken first, by a pooling of one pixel
    each, and the convolution then has stride 1.

    Args:
        x: `[B, H, W, C]`.
        kernel: int or (height, width).
        strides: int.
        name: of the convolution.
    """
    if strides > 1 and kernel in (1, (1, 1)) and x.shape[-1] < LANES:
        return layers.AveragePooling2D(1, strides, name=f"{name}_subsample")(x), 1
    return x, strides
