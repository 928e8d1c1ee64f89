"""Scattering: kymatio's numbers, and the transform written naively."""

import given
import numpy as np
import pytest
import tensorflow as tf
from kymatio.scattering2d.filter_bank import filter_bank

from ssl_tf.errors import BadInput
from ssl_tf.ops import scattering, wavelets

GIVEN = given.golden("scatsimclr", "scattering")
CASES = sorted(name for name in GIVEN if name.startswith("S_"))


def settings(name):
    """`S_J2_L16_32` -> (2, 16, "x32")."""
    _, j, angles, size = name.split("_")
    return int(j[1:]), int(angles[1:]), f"x{size}"


def scattered(images, J, L, **more):
    """NCHW images to `[B, C, K, h, w]`, the golden order."""
    found = scattering.scatter(tf.constant(images.transpose(0, 2, 3, 1)), J, L, **more)
    return np.asarray(found).transpose(0, 3, 4, 1, 2)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_equals_kymatio(name, together):
    J, L, images = settings(name)
    found = scattered(GIVEN[images], J, L, together=together)
    np.testing.assert_allclose(found, GIVEN[name], rtol=0, atol=1e-5)


def test_equals_the_definition_in_full_complex_fourier_transforms(rng):
    J, L, size = 3, 3, 19
    image = rng.normal(size=(size, size + 7)).astype("f4")
    found = scattered(image[None, None], J, L)[0, 0]
    padded = [wavelets.padded(n, J) for n in image.shape]
    bank = filter_bank(*padded, J, L)
    phi = bank["phi"]["levels"]
    psi = {(f["j"], f["theta"]): f["levels"] for f in bank["psi"]}
    border = [((p - n) // 2, (p - n + 1) // 2) for p, n in zip(padded, image.shape)]
    start = np.pad(image.astype("f8"), border, mode="reflect")

    def low(u, r):
        step = 2 ** (J - r)
        return np.fft.ifft2(np.fft.fft2(u) * phi[r]).real[::step, ::step][1:-1, 1:-1]

    def wave(u, j, theta, r):
        step = 2 ** (j - r)
        return np.abs(np.fft.ifft2(np.fft.fft2(u) * psi[j, theta][r]))[::step, ::step]

    for k, (j1, j2, theta1, theta2) in enumerate(wavelets.coefficients(J, L)):
        u, r = start, 0
        if j1 is not None:
            u, r = wave(u, j1, theta1, 0), j1
        if j2 is not None:
            u, r = wave(u, j2, theta2, j1), j2
        np.testing.assert_allclose(found[k], low(u, r), atol=2e-6, err_msg=str(k))


def test_the_coefficients_are_named_in_kymatios_order():
    golden = given.golden("scatsimclr", "filters")
    for J, L in ((2, 8), (3, 4)):
        named = np.array(wavelets.coefficients(J, L), dtype=float)
        named = np.where(np.isnan(named), -1, named).astype(int)
        np.testing.assert_array_equal(named, golden[f"J{J}_L{L}_meta_j1_j2_t1_t2"])


@pytest.mark.parametrize("J, L, padded", [(2, 8, 40), (3, 4, 48)])
def test_the_filters_are_kymatios_golden_ones(J, L, padded):
    golden = given.golden("scatsimclr", "filters")
    assert wavelets.padded(32, J) == padded
    bank = filter_bank(padded, padded, J, L)
    start, compared = f"J{J}_L{L}_32_", 0
    for name in (n for n in golden.files if n.startswith(start)):
        kind, *rest = name.removeprefix(start).split("_")
        if kind.startswith("phi"):
            ours = bank["phi"]["levels"][int(kind[3:])]
            rows, columns = wavelets.separated(golden[name])
            outer = np.outer(rows, columns)
            np.testing.assert_allclose(outer, golden[name], rtol=0, atol=1e-6)
        else:  # "psi": every filter; "psi_level1_j2": those of scale 2, halved once
            level, j = (int(part[-1]) for part in rest) if rest else (0, None)
            chosen = [one for one in bank["psi"] if j in (None, one["j"])]
            ours = np.stack([one["levels"][level] for one in chosen])
        np.testing.assert_allclose(ours, golden[name], rtol=0, atol=1e-6, err_msg=name)
        compared += 1
    assert compared == {2: 3, 3: 6}[J]


def test_kymatio_is_not_imported_with_a_front_end_or_before_it_is_needed():
    import subprocess
    import sys

    code = (
        "import sys, ssl_tf.ops.scattering as s\n"
        "assert 'kymatio' not in sys.modules\n"
        "s.wavelets.plan((16, 16), 1, 2)\n"
        "assert not [m for m in sys.modules if m.endswith('_frontend')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("together", [False, True])
def test_the_gradient_is_kymatios(together):
    images = tf.Variable(GIVEN["x32"].transpose(0, 2, 3, 1))
    with tf.GradientTape() as tape:
        found = scattering.scatter(images, 2, 8, together=together)
        loss = tf.reduce_sum(found**2) / 2
    slope = tape.gradient(loss, images).numpy().transpose(0, 3, 1, 2)
    slopes = GIVEN["grad_half_sumsq_J2_L8_32"]
    np.testing.assert_allclose(slope, slopes, rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_constant_image_has_a_mean_and_nothing_else(value):
    images = tf.Variable(tf.fill([1, 16, 20, 1], value))
    with tf.GradientTape() as tape:
        found = scattering.scatter(images, 2, 4)
        loss = tf.reduce_sum(found)
    assert np.isfinite(tape.gradient(loss, images)).all()
    found = found.numpy()
    assert found.shape == (1, 4, 5, 1, 25)
    # kymatio writes pi as 3.1415, so that the mean is 1.00003 of the image's.
    np.testing.assert_allclose(found[..., 0], value * 1.0000294, rtol=1e-6)
    assert np.abs(found[..., 1:]).max() < 1e-6


def test_xla_equals_the_graph_and_takes_any_batch(rng):
    images = rng.normal(size=(3, 16, 16, 2)).astype("f4")
    spec = tf.TensorSpec([None, 16, 16, 2])
    of = lambda x: scattering.scatter(x, 2, 4)
    plain, compiled = (
        tf.function(of, jit_compile=jit, input_signature=[spec])(images)
        for jit in (False, True)
    )
    np.testing.assert_allclose(plain, compiled, atol=1e-6)


def test_an_image_does_not_see_its_neighbours(rng):
    images = rng.normal(size=(3, 16, 16, 2)).astype("f4")
    for together in (False, True):
        whole = scattering.scatter(images, 2, 4, together=together)
        alone = scattering.scatter(images[1:2, ..., :1], 2, 4, together=together)
        np.testing.assert_allclose(whole[1:2, ..., :1, :], alone, atol=1e-6)


def test_groups_of_angles_of_any_size_give_the_same(rng):
    images = rng.normal(size=(2, 16, 16, 1)).astype("f4")
    want = scattering.scatter(images, 3, 5, cached=10**9)
    for cached in (1, 20_000):
        found = scattering.scatter(images, 3, 5, cached=cached)
        np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("size, J", [(16, 4), (8, 5), (33, 6)])
def test_a_scale_beyond_the_image_is_refused_with_the_arithmetic(size, J):
    with pytest.raises(BadInput) as caught:
        scattering.scatter(np.zeros((1, size, 40, 1), "f4"), J, 4)
    most = int(np.ceil(np.log2(size))) - 1
    assert f"2^{J} = {2**J} pixels" in str(caught.value)
    assert f"J <= {most}" in str(caught.value) and "\n" not in str(caught.value)
    scattering.scatter(np.zeros((1, size, 40, 1), "f4"), most, 1)
