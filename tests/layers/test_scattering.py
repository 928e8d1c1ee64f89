"""The scattering layer: colour-major channels, float32 inside, no weights."""

import given
import keras
import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.errors import BadInput
from ssl_tf.layers.scattering import Scattering

GIVEN = given.golden("scatsimclr", "scattering")
IMAGES = GIVEN["x32"].transpose(0, 2, 3, 1)


@pytest.mark.parametrize("compiled", [True, False])
def test_channels_are_colour_times_k_plus_coefficient(compiled):
    layer = Scattering(2, 8, compiled)
    found = np.asarray(layer(IMAGES))
    assert found.shape == (2, 8, 8, 3 * 81)
    golden = GIVEN["S_J2_L8_32"]  # [B, C, K, h, w]
    for colour in range(3):
        channels = found[..., colour * 81 : (colour + 1) * 81]
        expected = golden[:, colour].transpose(0, 2, 3, 1)
        np.testing.assert_allclose(channels, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape, J", [((16, 16, 3), 1), ((19, 33, 1), 3)])
def test_the_shape_is_known_beforehand(shape, J):
    layer = Scattering(J, 4)
    images = keras.Input(shape)
    symbolic = layer(images).shape
    assert symbolic == layer.compute_output_shape((None, *shape))
    real = layer(np.zeros((2, *shape), "f4")).shape
    assert tuple(real[1:]) == tuple(symbolic[1:])


def test_there_are_no_weights_and_a_saved_model_gives_the_same(tmp_path):
    images = keras.Input((16, 16, 3))
    model = keras.Model(images, Scattering(2, 4, name="scattering")(images))
    assert model.weights == []
    model.save(tmp_path / "model.keras")
    kinds = {"Scattering": Scattering}
    twin = keras.models.load_model(tmp_path / "model.keras", custom_objects=kinds)
    some = np.random.default_rng(0).random((2, 16, 16, 3), np.float32)
    np.testing.assert_array_equal(model(some), twin(some))
    assert twin.get_layer("scattering").get_config()["L"] == 4


@pytest.mark.parametrize("policy, dtype", [("mixed_bfloat16", "bfloat16")])
def test_only_the_output_is_rounded_under_mixed_precision(policy, dtype):
    full = np.asarray(Scattering(2, 4)(IMAGES))
    keras.config.set_dtype_policy(policy)
    half = Scattering(2, 4)(IMAGES)
    assert half.dtype == dtype
    rounded = tf.cast(tf.cast(full, dtype), "float32")
    np.testing.assert_array_equal(tf.cast(half, "float32"), rounded)


def test_the_compiled_layer_has_the_golden_gradient():
    layer, images = Scattering(2, 8), tf.Variable(IMAGES)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(images) ** 2) / 2
    slope = tape.gradient(loss, images).numpy().transpose(0, 3, 1, 2)
    slopes = GIVEN["grad_half_sumsq_J2_L8_32"]
    np.testing.assert_allclose(slope, slopes, rtol=0, atol=1e-5)


@pytest.mark.parametrize("jit", [False, True])
def test_a_model_behind_it_trains(jit, rng):
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            Scattering(2, 4),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
    x, y = rng.random((6, 16, 16, 1)), rng.random((6, 1))
    before = model.get_weights()[0]
    model.fit(x, y, batch_size=4, verbose=0)
    assert np.isfinite(model.get_weights()[0]).all()
    assert np.abs(model.get_weights()[0] - before).max() > 0


def test_replicas_see_their_own_images(two_replicas):
    with two_replicas.scope():
        layer = Scattering(2, 4)
        layer.build((None, 32, 32, 3))

    def both():
        def one(context):
            here = context.replica_id_in_sync_group
            return layer(tf.gather(IMAGES, [here]))

        return two_replicas.run(lambda: one(tf.distribute.get_replica_context()))

    found = two_replicas.experimental_local_results(tf.function(both)())
    want = layer(IMAGES)
    np.testing.assert_allclose(tf.concat(found, 0), want, atol=1e-6)


def test_a_scale_too_large_is_refused_when_the_model_is_built():
    with pytest.raises(BadInput, match="2\\^4 = 16 pixels"):
        Scattering(4, 4)(keras.Input((16, 16, 3)))
