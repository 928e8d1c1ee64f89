"""Attention and its block: the equation, and float32 where precision is needed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.layers.attention import Attention, block, norm


@pytest.mark.parametrize("scale, power", [("head", 4), ("width", 12)])
def test_attention_is_a_softmax_of_scaled_products(rng, scale, power):
    x = rng.normal(size=(2, 5, 36)).astype("f4")
    ours = np.asarray(Attention(3, scale)(x))
    q, k, v = np.split(x, 3, axis=2)
    for image in range(2):
        for head in range(3):
            own = slice(4 * head, 4 * head + 4)
            scores = q[image, :, own] @ k[image, :, own].T / np.sqrt(power)
            shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
            wanted = shares @ v[image, :, own]
            np.testing.assert_allclose(ours[image, :, own], wanted, atol=1e-5)


def test_keras_fused_op_gives_the_same(rng):
    x = rng.normal(size=(2, 7, 3 * 12)).astype("f4")
    q, k, v = (x[:, :, i * 12 :][:, :, :12].reshape(2, 7, 3, 4) for i in range(3))
    theirs = keras.ops.dot_product_attention(q, k, v)
    np.testing.assert_allclose(
        Attention(3)(x), np.reshape(theirs, (2, 7, 12)), atol=1e-6
    )


def test_the_softmax_is_taken_in_float32_under_a_narrow_policy():
    layer = Attention(1, dtype="mixed_bfloat16")
    given = tf.TensorSpec((2, 5, 12), tf.bfloat16)
    graph = tf.function(layer).get_concrete_function(given).graph
    (softmax,) = [op for op in graph.get_operations() if op.type == "Softmax"]
    assert softmax.outputs[0].dtype == tf.float32
    assert layer(np.zeros((2, 5, 12))).dtype == tf.bfloat16


def test_the_layer_norm_is_taken_in_float32_under_a_narrow_policy():
    """Their mean of 257 does not exist in bfloat16."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    images = keras.Input((1, 4))
    model = keras.Model(images, norm(images, 1e-6, "norm"))
    y = model(np.array([[[256.0, 258.0, 258.0, 256.0]]]))
    assert y.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(y, tf.float32), [[[-1, 1, 1, -1]]], atol=1e-2)


def test_a_block_is_its_equation(rng):
    images = keras.Input((5, 6))
    model = keras.Model(images, block(images, "b", 2, 2.0, epsilon=1e-3))
    for variable in model.weights:
        variable.assign(rng.normal(size=variable.shape))
    get = {v.path: np.asarray(v) for v in model.weights}

    def normed(x, i):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
        return x * get[f"b_norm{i}/gamma"] + get[f"b_norm{i}/beta"]

    dense = lambda x, name: x @ get[f"b_{name}/kernel"] + get[f"b_{name}/bias"]
    x = rng.normal(size=(2, 5, 6)).astype("f4")
    attended = np.asarray(Attention(2)(dense(normed(x, 1), "qkv")))
    y = x + dense(attended, "proj")
    hidden = np.asarray(keras.ops.gelu(dense(normed(y, 2), "mlp1"), approximate=False))
    assert hidden.shape == (2, 5, 12)
    np.testing.assert_allclose(model(x), y + dense(hidden, "mlp2"), rtol=1e-4)
