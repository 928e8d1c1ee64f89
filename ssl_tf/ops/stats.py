"""Means, deviations and intervals of a few runs."""

import math
from typing import NamedTuple

LEVEL = 0.95  # of all intervals, two-sided


def mean_and_deviation(values):
    """Mean and sample standard deviation (n - 1); the latter `None` for one value."""
    values = list(values)
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, None
    squares = math.fsum((value - mean) ** 2 for value in values)
    return mean, math.sqrt(squares / (len(values) - 1))


class Difference(NamedTuple):
    """Difference of two arms' means, with its two-sided 95 % t interval.

    Attributes:
        mean: ours minus theirs.
        low: lower end of the interval, `None` where it cannot be computed.
        high: upper end.
        df: degrees of freedom of the t distribution, `None` without an interval.
        pairs: seeds that both arms share and that were compared pair by pair; 0 where
            all runs of both arms were compared without pairing.
        sizes: runs of ours and of theirs that entered.
    """

    mean: float
    low: float | None
    high: float | None
    df: float | None
    pairs: int
    sizes: tuple


def difference(ours, theirs):
    """Compares two arms, seed by seed where they share at least two seeds.

    Paired: the differences of the shared seeds; runs of other seeds are left out.
    Otherwise Welch's interval of independent runs, where both arms have two or more.

    Args:
        ours: `{seed: value}`.
        theirs: the same.

    Returns:
        `Difference`.
    """
    shared = sorted(ours.keys() & theirs.keys())
    if len(shared) >= 2 or ours.keys() == theirs.keys():
        gains = [ours[seed] - theirs[seed] for seed in shared]
        mean, spread = mean_and_deviation(gains)
        sizes = (len(shared), len(shared))
        if spread is None:
            return Difference(mean, None, None, None, len(shared), sizes)
        df = len(shared) - 1
        return spanned(mean, spread / math.sqrt(len(shared)), df, len(shared), sizes)
    (a, spread_a), (b, spread_b) = map(
        mean_and_deviation, (ours.values(), theirs.values())
    )
    sizes = (len(ours), len(theirs))
    if spread_a is None or spread_b is None:
        return Difference(a - b, None, None, None, 0, sizes)
    parts = [spread_a**2 / len(ours), spread_b**2 / len(theirs)]
    below = sum(p**2 / (n - 1) for p, n in zip(parts, sizes))
    # Welch-Satterthwaite; without any spread the smaller arm's.
    df = sum(parts) ** 2 / below if below else min(sizes) - 1
    return spanned(a - b, math.sqrt(sum(parts)), df, 0, sizes)


def spanned(mean, error, df, pairs, sizes):
    """`Difference` with the interval of a standard error and degrees of freedom."""
    half = t_quantile(df) * error
    return Difference(mean, mean - half, mean + half, df, pairs, sizes)


def t_quantile(df):
    """The factor on a standard error that gives the two-sided 95 % interval."""
    from scipy.special import stdtrit

    return float(stdtrit(df, (1 + LEVEL) / 2))
