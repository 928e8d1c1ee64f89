"""Constants of the scattering transform: kymatio's filters as small real matrices."""

import functools
import math
from typing import NamedTuple

import numpy as np

from ssl_tf.errors import BadInput


class Plan(NamedTuple):
    """What `scattering.scatter` multiplies with; float32, computed in float64.

    A map of n x m values is held as `[2, n/2 + 1, 2, m/2 + 1]`: in space the values at
    the positions 0 .. n/2 and at the negative ones (the two ends twice), in frequency
    the even and the odd part at 0 .. n/2. Resolution r has n = padded / 2^r.
    """

    J: int
    L: int
    shape: tuple
    sizes: tuple
    enter: tuple
    mean: tuple
    low: tuple
    forward: tuple
    inverse: tuple
    bands: dict

    @property
    def count(self):
        return len(coefficients(self.J, self.L))


class Coefficient(NamedTuple):
    """One of the K outputs: scales and angles of its wavelets, `None` where absent."""

    j1: int | None = None
    j2: int | None = None
    theta1: int | None = None
    theta2: int | None = None


def coefficients(J, L):
    """The K = 1 + J L + L^2 J (J - 1) / 2 `Coefficient`s in the order of the output."""
    order1 = [Coefficient(j1=j, theta1=t) for j in range(J) for t in range(L)]
    order2 = [
        Coefficient(j1, j2, theta1, theta2)
        for j1 in range(J)
        for theta1 in range(L)
        for j2 in range(j1 + 1, J)
        for theta2 in range(L)
    ]
    return [Coefficient(), *order1, *order2]


def padded(size, J):
    """Length of a padded axis: a multiple of 2^J, between 2^J and 2^(J+1) longer."""
    return ((size + 2**J) // 2**J + 1) * 2**J


def reflected(size, J):
    """`[padded, size]`: which pixel is seen where, the border pixel not repeated."""
    total = padded(size, J)
    before = (total - size) // 2
    seen = np.pad(np.arange(size), (before, total - size - before), mode="reflect")
    return np.eye(size)[seen]


def parts(n):
    """`[2, n/2 + 1, n]`: even and odd part of n values, at 0 .. n/2."""
    k = np.arange(n // 2 + 1)
    there, back = np.eye(n)[k], np.eye(n)[-k % n]
    return np.stack([there + back, there - back]) / 2


def waves(n):
    """`[2, n/2 + 1, n/2 + 1]`: cosine and sine sums over the even and odd part."""
    k = np.arange(n // 2 + 1)
    angle = 2 * np.pi * np.outer(k, k) / n
    count = np.where((k == 0) | (k == n // 2), 1, 2)
    return np.stack([np.cos(angle), np.sin(angle)]) * count


def low_pass(phi, stride):
    """`[n / stride - 2, n]`: blur, every `stride`-th sample, the border ones dropped.

    Args:
        phi: `[n]`, real filter at the frequencies of the axis.
    """
    n = len(phi)
    kernel = np.fft.ifft(phi).real
    at = np.arange(0, n, stride)[1:-1]
    return kernel[(at[:, None] - np.arange(n)[None]) % n]


def separated(phi):
    """The two 1-D filters whose outer product is `phi`: a round Gaussian is separable.

    What is left over is below 1e-7 of it.
    """
    left, size, right = np.linalg.svd(phi.astype(np.float64))
    sign = np.sign(left[:, 0].sum()) * math.sqrt(size[0])
    return sign * left[:, 0], sign * right[0]


def on_signs(matrix):
    """A matrix `[k, n]` on positions, for the two signs of 0 .. n/2."""
    n = matrix.shape[1]
    k = np.arange(n // 2 + 1)
    share = np.where((k == 0) | (k == n // 2), 0.5, 1)
    return np.concatenate([matrix[:, k] * share, matrix[:, -k % n] * share], axis=1)


def meeting(n, fold):
    """Frequencies that become one when every `fold`-th sample is kept.

    Returns:
        `(place, sign)`: `[fold, n / fold / 2 + 1]`, where in 0 .. n/2 each alias of
        the frequencies kept lies, and -1 where it is the negative one.
    """
    kept = n // fold
    alias = np.arange(kept // 2 + 1) + kept * np.arange(fold)[:, None]
    return np.minimum(alias, n - alias), np.where(alias <= n // 2, 1, -1)


def band(psi, fold):
    """Wavelets as factors of the spectrum's parts, aliases of the result apart.

    Of X = sum over p, q in {0, 1} of (-i)^(p + q) G_pq, even and odd parts along rows
    and columns, the part pq of F^-1 (X psi) is, up to the sign of what is imaginary,

        G_pq psi_00 - (-1)^(p + q) G_(1-p)(1-q) psi_11           real,
        (-1)^p G_(1-p)q psi_10 + (-1)^q G_p(1-q) psi_01          imaginary.

    With x = p for the real and 1 - p for the imaginary part, both need G_xq and
    G_(1-x)(1-q) alone, so one product of arrays does it.

    Args:
        psi: `[L, n, m]`, real, in the frequency domain.
        fold: int, how many times smaller the result is, along each axis.

    Returns:
        `[2 terms, fold, fold, 2 (x), 2 (real, imaginary), n / fold / 2 + 1, 2 (q),
        m / fold / 2 + 1, 1, L]`.
    """
    _, n, m = psi.shape
    of = np.einsum("arn,lnm,bcm->abrcl", parts(n), psi, parts(m), optimize=True)
    of = of / (n * m)
    (up, up_sign), (left, left_sign) = meeting(n, fold), meeting(m, fold)
    sign, x, q = np.array([1, -1]), np.arange(2), np.arange(2)
    factors = np.zeros((2, 2, 2, 2, *of.shape[2:]))  # [terms, x, real, q, r, c, L]
    lift = lambda values: values[..., None, None, None]
    factors[0, :, 0] = of[0, 0]
    factors[1, :, 0] = lift(-sign[x][:, None] * sign[q]) * of[1, 1]
    factors[0, :, 1] = lift(-sign[x][:, None] * np.ones(2)) * of[1, 0]
    factors[1, :, 1] = lift(np.ones(2)[:, None] * sign[q]) * of[0, 1]
    factors = factors[..., up, :, :][..., left, :]  # [.., alias, r, alias, c, L]
    p = x[:, None] ^ np.arange(2)
    rows = np.stack([np.ones_like(up_sign), up_sign])[p]  # [x, real, alias, r]
    columns = np.stack([np.ones_like(left_sign), left_sign])  # [q, alias, c]
    return np.einsum("txzqarbcl,xzar,qbc->tabxzrqcl", factors, rows, columns)[
        ..., None, :
    ]


@functools.lru_cache(maxsize=8)
def filters(sizes, J, L):
    """kymatio's filters on a padded grid: `{"phi": .., "psi": [..]}`, each by level.

    From its own module: its front-ends do not import where SciPy is 1.17 or newer.
    """
    from kymatio.scattering2d.filter_bank import filter_bank

    return filter_bank(*sizes, J, L)


def bank(sizes, J, L):
    """All filters as kymatio numbers them in a checkpoint: a list of `[n, m]`."""
    found = filters(sizes, J, L)
    return [x for one in (found["phi"], *found["psi"]) for x in one["levels"]]


@functools.lru_cache(maxsize=8)
def plan(shape, J, L):
    """The `Plan` for images of (height, width).

    Raises:
        BadInput: they are too small for J.
    """
    small = min(shape)
    if small <= 2**J:
        raise BadInput(
            f"J = {J}: a wavelet of 2^{J} = {2**J} pixels does not fit images of "
            f"{shape[0]} x {shape[1]}; they must be larger than 2^J, so use J <= "
            f"{max(0, math.ceil(math.log2(small)) - 1)} or larger images."
        )
    sizes = tuple(padded(n, J) for n in shape)
    see = [reflected(n, J) for n in shape]
    found = filters(sizes, J, L)
    phis = [separated(phi) for phi in found["phi"]["levels"]]
    low = [[low_pass(phi, 2 ** (J - r)) for phi in phis[r]] for r in range(J)]
    psi = lambda j, r: np.stack([w["levels"][r] for w in found["psi"] if w["j"] == j])
    pairs = {(j, 0) for j in range(J)}
    pairs |= {(j2, j1) for j1 in range(J) for j2 in range(j1 + 1, J)}
    return Plan(
        J=J,
        L=L,
        shape=tuple(len(matrix) for matrix in low[0]),
        sizes=sizes,
        enter={j: entering(see, 2**j) for j in range(J)},
        mean=axes(*(a @ seen for a, seen in zip(low[0], see))),
        low=tuple(axes(*map(on_signs, pair)) for pair in low),
        forward={
            (j, r): ahead([n >> r for n in sizes], 2 ** (j - r))
            for j, r in pairs
            if j > r
        },
        inverse=tuple(back([n >> r for n in sizes]) for r in range(J)),
        bands={(j, r): ready([band(psi(j, r), 2 ** (j - r))])[0] for j, r in pairs},
    )


def entering(see, fold):
    """Matrices from images to their spectrum, in the order of `spectrum`."""
    of = lambda seen: np.einsum(
        "pkn,nx->pkx", np.matmul(spectrum(len(seen), fold), parts(len(seen))), seen
    )
    rows, columns = (of(seen).reshape(-1, seen.shape[1]) for seen in see)
    return axes(rows, columns)


def ahead(sizes, fold):
    """Matrices from even and odd parts of a map, doubled, to those of its spectrum."""
    t_y, t_x = (spectrum(n, fold) / 2 for n in sizes)
    return ready([t_y, tiled(t_x, (2, t_y.shape[1]))])


def back(sizes):
    """Matrices from the parts that `band` makes to those of the map."""
    t_y, t_x = map(waves, sizes)
    parity = np.arange(2)[:, None] ^ np.arange(2)
    return ready([t_y[parity], tiled(t_x, (2, 2, t_y.shape[1]))])


def spectrum(n, fold):
    """`waves` with the frequencies ordered as they meet: `[2, fold * h, n/2 + 1]`."""
    place, _ = meeting(n, fold)
    return waves(n)[:, place.ravel()]


def axes(by_row, by_column):
    return ready([by_row, tiled(by_column, (len(by_row),))])


def tiled(matrices, lead):
    """The same matrices for every row: products without a transposed copy."""
    return np.tile(matrices, (*lead, *[1] * matrices.ndim))


def ready(matrices):
    return tuple(np.ascontiguousarray(x, np.float32) for x in matrices)
