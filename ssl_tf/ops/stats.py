"""Small statistics of arrays and tensors, used by losses and reports."""

import math


def mean_and_deviation(values):
    """Mean and sample standard deviation (n - 1); the latter `None` for one value."""
    values = list(values)
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, None
    squares = math.fsum((value - mean) ** 2 for value in values)
    return mean, math.sqrt(squares / (len(values) - 1))


def standard_error(a, b):
    """Standard error of the difference of two means of independent runs (Welch).

    `None` where one side has a single run.
    """
    (_, spread_a), (_, spread_b) = mean_and_deviation(a), mean_and_deviation(b)
    if spread_a is None or spread_b is None:
        return None
    return math.sqrt(spread_a**2 / len(a) + spread_b**2 / len(b))
