"""Two-dimensional wavelet scattering as products of small real matrices."""

import itertools
import math

import numpy as np
from keras import ops

from ssl_tf.ops import wavelets

CACHED = 2**18  # numbers, about a megabyte: a core's own cache
TINY = 1e-36  # squares below it count as zero


def scatter(images, J, L, together=False, cached=CACHED):
    """Scattering coefficients of orders 0 to 2, of each channel by itself.

    Args:
        images: float32 `[B, H, W, C]`, any B, also unknown.
        J: int >= 1, scales: the output is 2^J times smaller.
        L: int >= 1, angles.
        together: transform all images in one go, which fills an accelerator; else one
            after the other, which keeps memory small and a CPU's data in its cache.
        cached: numbers of one array that are in flight at a time, roughly.

    Returns:
        float32 `[B, h, w, C, K]`, in the order of `wavelets.coefficients`.

    Source:
        Mallat, arXiv:1101.2286, in the form and with the filters of kymatio 0.3
        (Andreux et al., arXiv:1812.11214), to which it is equal within 1e-5.
    """
    _, height, width, channels = images.shape
    plan = wavelets.plan((height, width), J, L)
    if not together:
        return ops.map(lambda image: transform(image, plan, cached), images)
    x = ops.reshape(ops.transpose(images, (1, 2, 0, 3)), (height, width, -1))
    found = ops.reshape(
        transform(x, plan, cached), (*plan.shape, -1, channels, plan.count)
    )
    return ops.transpose(found, (2, 0, 1, 3, 4))


def transform(x, plan, cached):
    """`[H, W, M]` -> `[h, w, M, K]`."""
    order1, order2 = [], []
    for j in range(plan.J):
        u = modulus(both(plan.enter[j], x), plan, j, 0)
        order1.append(smooth(u, plan, j))
        if j + 1 < plan.J:
            order2.append(deeper(u, plan, j, cached))
    order0 = both(plan.mean, x)[..., None]
    return ops.concatenate([order0, *order1, *order2], -1)


def deeper(u, plan, j1, cached):
    """Order 2 behind the moduli of scale j1: `[h, w, M, L * (J - 1 - j1) * L]`."""
    L, J, shape = plan.L, plan.J, plan.shape
    spectra = [fourier(u, plan, j1, j2) for j2 in range(j1 + 1, J)]
    area = math.prod(n >> j1 + 1 for n in plan.sizes)
    maps = spectra[0].shape[-1]
    groups = L if maps is None else math.ceil(2 * L * maps * area / cached)
    size = math.ceil(L / min(L, groups))
    found = []
    for first in range(0, L, size):
        angles = slice(first, min(first + size, L))
        scales = [path(s, angles, plan, j1, j2) for j2, s in enumerate(spectra, j1 + 1)]
        scales = ops.stack(scales, 4)  # [h, w, M, angles, J - 1 - j1, L]
        found.append(ops.reshape(scales, (*shape, -1, math.prod(scales.shape[3:]))))
    return ops.concatenate(found, -1)


def path(spectrum, angles, plan, j1, j2):
    """Coefficients `[h, w, M, angles, L]` of two scales, some of the first angles."""
    kept, count = spectrum.shape[:-1], angles.stop - angles.start
    some = ops.reshape(spectrum, (*kept, -1, plan.L))[..., angles]
    some = ops.reshape(some, (*kept, -1))
    found = smooth(modulus(some, plan, j2, j1), plan, j2)
    return ops.reshape(found, (*plan.shape, -1, count, plan.L))


def modulus(spectrum, plan, j, r):
    """`|F^-1 fold(X psi)|` for all wavelets of scale j.

    Args:
        spectrum: X at resolution r in the order for scale j, `[..., M]`.

    Returns:
        `[2, h, 2, w, M * L]`, resolution j, in space.
    """
    factors, (t_y, t_x) = plan.bands[j, r], plan.inverse[j]
    fold, h, w = factors.shape[1], factors.shape[5], factors.shape[7]
    straight = ops.reshape(spectrum, (2, fold * h, 2, fold * w, -1))
    crossed = ops.flip(straight, (0, 2))
    z = [0, 0]
    for term, x in enumerate((straight, crossed)):
        x = ops.reshape(x, (2, fold, h, 2, fold, w, -1))
        for a, b in itertools.product(range(fold), range(fold)):
            meets = x[:, a, :, :, b, :, :, None]
            for part in (0, 1):
                z[part] += meets * factors[term, a, b, :, part]
    z = ops.stack(z, 1)
    z = ops.matmul(t_y, ops.reshape(z, (2, 2, h, -1)))
    z = ops.matmul(t_x, ops.reshape(z, (2, 2, h, 2, w, -1)))
    z = signs(z, 3)
    even, odd = z[0], z[1]
    there, back = even + odd, even - odd
    return ops.stack([length(there[0], there[1]), length(back[0], back[1])], 0)


def length(a, b):
    """`sqrt(a^2 + b^2)`; its gradient is 0 where it is 0."""
    return ops.sqrt(ops.maximum(ops.square(a) + ops.square(b), TINY))


def signs(x, axis):
    """Sum and difference of the even and the odd part along `axis`."""
    even, odd = ops.split(x, 2, axis)
    sign = np.array([1, -1], np.float32).reshape(2, *[1] * (len(x.shape) - axis - 1))
    return even + sign * odd


def fourier(u, plan, j1, j2):
    """Spectrum of maps `[2, h, 2, w, M]` of scale j1, in the order for scale j2."""
    t_y, t_x = plan.forward[j2, j1]
    _, h, _, w, _ = u.shape
    g = ops.matmul(t_y, ops.reshape(signs(signs(u, 0), 2), (2, h, -1)))
    g = ops.reshape(g, (2, -1, 2, w, u.shape[-1]))
    return ops.matmul(t_x, g)


def smooth(u, plan, j):
    """Low-pass and sampling: `[2, h, 2, w, M L]` -> `[h', w', M, L]`."""
    _, h, _, w, _ = u.shape
    s = both(plan.low[j], ops.reshape(u, (2 * h, 2 * w, -1)))
    return ops.reshape(s, (*plan.shape, -1, plan.L))


def both(matrices, x):
    """Matrices times the first and the second axis of `[n, m, M]`."""
    by_row, by_column = matrices
    x = ops.matmul(by_row, ops.reshape(x, (x.shape[0], -1)))
    x = ops.reshape(x, (len(by_row), by_column.shape[-1], -1))
    return ops.matmul(by_column, x)
