"""Self-attention, and the transformer block that ViT and PiT share."""

from typing import Literal

import keras
from keras import layers, ops

from ssl_tf.layers.initial import torch_uniform
from ssl_tf.layers.stochastic_depth import skipped

Scale = Literal["head", "width"]


@keras.saving.register_keras_serializable("ssl_tf")
class Attention(keras.layers.Layer):
    """`[B, N, 3 C]`, queries, keys and values side by side -> `[B, N, C]`.

    It has no weights: the linear maps before and after it are layers of their own. The
    softmax is taken in float32 under any precision policy. The products are written
    out: Keras' `dot_product_attention` has no kernel of its own on TensorFlow, where a
    step through it takes 1.0 to 1.7 times as long on a CPU.

    Args:
        heads: int, divides C; within queries, keys and values each head's numbers lie
            together.
        scale: "head" multiplies scores by (C / heads)^-1/2, "width" by C^-1/2.

    Source:
        Vaswani et al., arXiv:1706.03762, eq. 1.
    """

    def __init__(self, heads, scale="head", **kwargs):
        super().__init__(**kwargs)
        self.heads = heads
        self.scale = scale
        self.built = True

    def call(self, x):
        places, width = x.shape[1], x.shape[2] // 3
        x = ops.reshape(x, (-1, places, 3, self.heads, width // self.heads))
        q, k, v = ops.unstack(ops.transpose(x, (2, 0, 3, 1, 4)))  # [B, heads, N, C']
        q = q * (width // self.heads if self.scale == "head" else width) ** -0.5
        scores = ops.cast(ops.matmul(q, ops.swapaxes(k, 2, 3)), "float32")
        y = ops.matmul(ops.cast(ops.softmax(scores), v.dtype), v)
        return ops.reshape(ops.transpose(y, (0, 2, 1, 3)), (-1, places, width))

    def multiply_adds(self):
        """Of one image: its scores, and values weighed by them."""
        places, width = self.output.shape[1:]
        return 2 * places**2 * width

    def activations(self):
        """Values of one image within: scores before and after the softmax."""
        return 2 * self.heads * self.output.shape[1] ** 2

    def compute_output_shape(self, shape):
        return (*shape[:2], shape[2] // 3)

    def get_config(self):
        return super().get_config() | {"heads": self.heads, "scale": self.scale}


def block(
    x,
    name,
    heads,
    mlp=4.0,
    *,
    head_width=None,
    init="normal",
    qkv_bias=True,
    epsilon=1e-6,
    scale="head",
    skip=0.0,
):
    """One transformer block: norm before attention, norm before a two-layer MLP.

    Args:
        x: tokens `[B, N, C]`.
        name: str, of its output and before the names of its layers.
        heads: int; divides C if `head_width` is `None`.
        mlp: hidden width of the MLP over C.
        head_width: of queries, keys and values; `None` takes C / heads.
        init: "normal" draws kernels from N(0, 0.02) with zero biases, "torch" both as
            PyTorch does.
        qkv_bias: whether queries, keys and values have a bias.
        epsilon: of the layer norms.
        scale: see `Attention`.
        skip: share of images that skip either branch in training.

    Returns:
        `[B, N, C]`.

    Source:
        Dosovitskiy et al., arXiv:2010.11929, fig. 1; GELU by the error function.
    """
    width = x.shape[-1]
    y = norm(x, epsilon, f"{name}_norm1")
    inner = width if head_width is None else heads * head_width
    y = dense(y, 3 * inner, f"{name}_qkv", init, use_bias=qkv_bias)
    y = Attention(heads, scale, name=f"{name}_attention")(y)
    y = skipped(dense(y, width, f"{name}_proj", init), skip, f"{name}_skip1")
    x = layers.Add(name=f"{name}_add")([x, y])
    y = norm(x, epsilon, f"{name}_norm2")
    y = dense(y, round(width * mlp), f"{name}_mlp1", init, activation="gelu")
    y = skipped(dense(y, width, f"{name}_mlp2", init), skip, f"{name}_skip2")
    return layers.Add(name=name)([x, y])


def norm(x, epsilon, name):
    """Layer norm over the last axis; in float32 under any precision policy."""
    return layers.LayerNormalization(epsilon=epsilon, name=name)(x)


def dense(x, units, name, init, **more):
    """A linear layer with the initial weights that `block` describes."""
    torch = init == "torch"
    normal = keras.initializers.RandomNormal(stddev=0.02)
    return layers.Dense(
        units,
        kernel_initializer=torch_uniform() if torch else normal,
        bias_initializer=torch_uniform(x.shape[-1]) if torch else "zeros",
        name=name,
        **more,
    )(x)
