"""Two-dimensional wavelet scattering as products of small real matrices."""

import numpy as np
from keras import ops

from ssl_tf.errors import BadInput
from ssl_tf.ops import wavelets


def scatter(planes, J, L, together=1, cached=2**17):
    """Scattering coefficients of orders 0 to 2 of single-channel images.

    Args:
        planes: float32 `[N, H, W]`, any N, also unknown.
        J: int >= 1, scales: the output is 2^J times smaller.
        L: int >= 1, angles.
        together: how many planes are transformed at a time, 0 for all. One keeps a
            CPU's data in its cache and its memory small, all fill an accelerator.
        cached: values of one array that may be in flight at a time, roughly.

    Returns:
        float32 `[N, h, w, K]`, K = 1 + J L + L^2 J (J - 1) / 2, see `coefficients`.

    Raises:
        BadInput: the images are too small for J.

    Source:
        Mallat, arXiv:1101.2286, in the form and with the filters of kymatio 0.3
        (Andreux et al., arXiv:1812.11214), to which it is equal within 1e-5.
    """
    plan = wavelets.plan(tuple(planes.shape[1:]), J, L)
    if together == 1:
        return ops.map(lambda x: transform(x[..., None], plan, cached)[..., 0, :], planes)
    return ops.transpose(
        transform(ops.transpose(planes, (1, 2, 0)), plan, cached), (2, 0, 1, 3)
    )


def transform(x, plan, cached):
    """`[H, W, M]` -> `[h, w, M, K]`."""
    height, width = plan.shape
    order0 = both(plan.mean, x)
    spectrum = both(plan.enter, x)
    n, m = plan.sizes
    spectrum = ops.reshape(spectrum, (2, n // 2 + 1, 2, m // 2 + 1, -1))
    order1, order2 = [], []
    for j1 in range(plan.J):
        u = modulus(spectrum, plan, j1, 0)
        order1.append(smooth(u, plan, j1))
        if j1 + 1 < plan.J:
            order2.append(deeper(u, plan, j1, cached))
    return ops.concatenate([order0[..., None], *order1, *order2], -1)


def deeper(u, plan, j1, cached):
    """Order 2 of all paths whose first scale is j1: `[h, w, M, L * L * (J-1-j1)]`."""
    spectrum = fourier(u, plan, j1)
    L, (h, w) = plan.L, plan.shape
    values = 2 * L * np.prod(spectrum.shape[:4])
    size = max(1, min(L, int(cached // values)))
    found = []
    for first in range(0, L, size):
        angles = ops.reshape(
            spectrum, (*spectrum.shape[:4], -1, L)
        )[..., first : first + size]
        count = angles.shape[-1]
        angles = ops.reshape(angles, (*spectrum.shape[:4], -1))
        scales = [
            ops.reshape(
                smooth(modulus(angles, plan, j2, j1), plan, j2), (h, w, -1, count, L)
            )
            for j2 in range(j1 + 1, plan.J)
        ]
        scales = ops.stack(scales, -2) if len(scales) > 1 else scales[0]
        found.append(ops.reshape(scales, (h, w, -1, count * (plan.J - 1 - j1) * L)))
    return ops.concatenate(found, -1) if len(found) > 1 else found[0]


def both(matrices, x):
    """Matrices times the first and the second axis of `[n, m, M]`."""
    by_row, by_column = matrices
    x = ops.matmul(by_row, ops.reshape(x, (x.shape[0], -1)))
    x = ops.reshape(x, (len(by_row), by_column.shape[-1], -1))
    return ops.matmul(np.tile(by_column, (len(by_row), 1, 1)), x)


def modulus(spectrum, plan, j, r):
    """`|F^-1 fold(X psi)|` for all wavelets of scale j.

    Args:
        spectrum: `[2, h, 2, w, M]` at resolution r.

    Returns:
        `[2, h', 2, w', M * L]` at resolution j, in space.
    """
    f = plan.bands[j, r]  # [2 terms, aliases, aliases, x, part, h', q, w', 1, L]
    g = [ops.expand_dims(spectrum, (1, -1))]  # [x, part, h, q, w, M, L]
    g.append(ops.flip(g[0], (0, 3)))
    z = 0
    for term in (0, 1):
        for a, rows in enumerate(plan.aliases(0, j, r)):
            for b, columns in enumerate(plan.aliases(1, j, r)):
                z += g[term][:, :, rows][:, :, :, :, columns] * f[term, a, b]
    t_y, t_x = plan.inverse[j]
    _, _, h, _, w, M, L = z.shape
    z = ops.matmul(t_y, ops.reshape(z, (2, 2, h, -1)))
    z = ops.matmul(t_x, ops.reshape(z, (2, 2, h, 2, w, -1)))
    z = signs(signs(z, 0), 3)
    return length(z)


def length(z):
    """Length along axis 1; its gradient is 0 where it is 0."""
    squares = ops.square(z[:, 0]) + ops.square(z[:, 1])
    some = squares > 0
    return ops.where(some, ops.sqrt(ops.where(some, squares, 1.0)), 0.0)


def signs(x, axis):
    """Even and odd part along `axis`: their sum and their difference."""
    even, odd = ops.split(x, 2, axis)
    sign = np.array([1, -1], np.float32).reshape(2, *[1] * (len(x.shape) - axis - 1))
    return even + sign * odd


def fourier(u, plan, j):
    """Even and odd parts of the spectrum: `[2, h, 2, w, M]`, there and back."""
    t_y, t_x = plan.forward[j]
    _, h, _, w, M = u.shape
    parts = signs(signs(u, 0), 2)
    g = ops.matmul(t_y, ops.reshape(parts, (2, h, -1)))
    return ops.matmul(t_x, ops.reshape(g, (2, h, 2, w, -1)))


def smooth(u, plan, j):
    """Low-pass and sampling: `[2, h, 2, w, M L]` -> `[h', w', M, L]`."""
    _, h, _, w, _ = u.shape
    s = both(plan.low[j], ops.reshape(u, (2 * h, 2 * w, -1)))
    return ops.reshape(s, (*plan.shape, -1, plan.L))
