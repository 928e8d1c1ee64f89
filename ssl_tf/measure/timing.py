"""Medians, and the rate of a dataset."""

import time


def median(values):
    return sorted(values)[len(values) // 2]


def rate(images, dataset, batches, rounds):
    """Images a second that a dataset delivers: median of the rounds, and the range."""
    iterator = iter(dataset)
    for _ in range(max(3, batches // 10)):
        next(iterator)
    speeds = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(batches):
            next(iterator)
        speeds.append(images * batches / (time.perf_counter() - began))
    return median(speeds), f"({min(speeds):,.0f}-{max(speeds):,.0f})"


def in_turn(programs, rounds):
    """`{name: seconds of each round}`; alternating, so all meet what else goes on."""
    for run in programs.values():
        run()
    times = {name: [] for name in programs}
    for _ in range(rounds):
        for name, run in programs.items():
            began = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - began)
    return times


def compared(found, base, width=1):
    """`1.34 x ours (0.97-1.61)`: median and range of the rounds' ratios to ours.

    Args:
        found: seconds of each round.
        base: ours in the same rounds.
        width: characters of the median, at least.
    """
    ratios = [a / b for a, b in zip(found, base)]
    return f"{median(ratios):{width}.2f} x ours ({min(ratios):.2f}-{max(ratios):.2f})"


def a_second(value):
    """A number a second, with decimals where it is small."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
