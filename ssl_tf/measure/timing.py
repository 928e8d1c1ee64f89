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
