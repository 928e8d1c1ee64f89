"""Learning rates as functions of progress, 1 at their peak."""

import inspect

import numpy as np

from ssl_tf.schema import Count, NonNegative, Positive, Whole


def constant(epoch, epochs):
    """1 throughout."""
    return np.ones_like(epoch)


def slanted_triangle(epoch, epochs, warmup: Positive = 10.0):
    """Up to 1 over the first `warmup` epochs, then down a line; constant in an epoch.

        (e + 1) / warmup            for e < warmup
        1 - (e - warmup + 1) / (E - warmup + 1)   after that

    Source:
        SSAL, Keras code: set when an epoch starts. The last epoch keeps
        1 / (E - warmup + 1) of the peak.
    """
    e = np.floor(epoch)
    falling = 1 - (e - (warmup - 1)) / max(epochs - (warmup - 1), 1e-12)
    return np.where(e < warmup, (e + 1) / warmup, falling)


def warmup_line(epoch, epochs, warmup: Positive = 5.0, lag: NonNegative = 0.0):
    """From 1 / warmup to 1 over `warmup - 1` epochs, then a line to 0, step by step.

    Args:
        epoch: epochs done, with fraction.
        epochs: the run's length.
        warmup: epochs.
        lag: how far the authors' counter runs ahead; 1 in their code, which therefore
            starts at 0.4 of the peak (warmup 5) and trains its last epoch at rate 0.

    Source:
        SSAL, PyTorch code.
    """
    t = epoch + lag
    if epochs <= warmup - 1:
        return np.interp(t, [0, warmup - 1], [1 / warmup, 1])
    return np.interp(t, [0, warmup - 1, epochs], [1 / warmup, 1, 0])


def cosine(epoch, epochs, warmup: NonNegative = 0.0):
    """A line from 0 to 1 over `warmup` epochs, then half a cosine to 0, step by step.

    Source:
        Loshchilov and Hutter, arXiv:1608.03983, without restarts.
    """
    rest = np.clip((epoch - warmup) / max(epochs - warmup, 1e-12), 0, 1)
    falling = 0.5 * (1 + np.cos(np.pi * rest))
    return np.where(epoch < warmup, epoch / max(warmup, 1e-12), falling)


def cosine_steps(
    epoch, epochs, steps, period: Count = 1000, growth: Count | None = None
):
    """Half a cosine from 1 to 0 over `period` updates; then 0, or again from 1.

    Args:
        epoch: epochs done, with fraction.
        epochs: the run's length.
        steps: updates an epoch.
        period: updates of the first half-cosine.
        growth: each further period is so many times as long; `None` stays at 0.

    Source:
        G-SimCLR, spec 3.4: growth 2 on CIFAR-10 (Keras' cosine decay with restarts,
        arXiv:1608.03983), none on the ImageNet subset, which trains its last 2,800 of
        3,800 steps at rate 0.
    """
    t = np.round(epoch * steps)
    length, start = np.full_like(t, period), np.zeros_like(t)
    if growth is not None:
        while (over := t >= start + length).any():
            start = np.where(over, start + length, start)
            length = np.where(over, length * growth, length)
    done = np.minimum((t - start) / length, 1.0)
    return 0.5 * (1 + np.cos(np.pi * done))


def held_cosine(epoch, epochs, steps, hold: Whole = 10, bounce: bool = False):
    """1 in the first `hold` epochs, then half a cosine, constant within an epoch.

    Args:
        epoch: epochs done, with fraction.
        epochs: the run's length.
        steps: updates an epoch.
        hold: epochs.
        bounce: the half-cosine takes as many *epochs* as an epoch has *updates*; in a
            longer run the rate rises again. Else it ends with the run, above 0.

    Source:
        ScatSimCLR, spec 4 and Q4: the authors' scheduler counts epochs with a period in
        updates (`bounce`).
    """
    falling = np.maximum(np.floor(epoch) + 1 - hold, 0)
    period = steps if bounce else max(epochs - hold + 1, 1)
    return 0.5 * (1 + np.cos(np.pi * falling / period))


def cosine_epochs(epoch, epochs):
    """Half a cosine from 1, constant within an epoch: 0.5 (1 + cos(pi e / E)).

    Source:
        SimSiam, arXiv:2011.10566, the authors' ImageNet code.
    """
    return cosine(np.floor(epoch), epochs)


def warmup_cosine_steps(
    epoch,
    epochs,
    steps,
    warmup: Whole = 5,
    every: Count = 1,
    lag: bool = False,
):
    """A line from 0 to 1 over the updates of `warmup` epochs, then half a cosine.

    Both lists hold the peak, and the cosine ends above 0.

    Args:
        epoch: epochs done, with fraction.
        epochs: the run's length.
        steps: batches an epoch.
        warmup: epochs.
        every: batches a step of the optimiser; see `optim.Coupled`.
        lag: set a rate after the step it was counted for: the first step has the peak,
            the second 0. The list then holds `floor(steps / every)` values an epoch, so
            that it may run out before the last epoch, see `epochs_left`.

    Source:
        SimSiam study, arXiv:2112.02297, by its code: spec 1.4 and 7, no. 3-6.
    """
    batch = np.round(np.asarray(epoch) * steps).astype(np.int64)
    made = batch // steps * -(-steps // every) + batch % steps // every
    values = warmup_cosine_values(epochs, steps, warmup, every, lag)
    if lag:
        values = np.concatenate([[1.0], values])
    return values[np.minimum(made, len(values) - 1)]


def warmup_cosine(
    epoch,
    epochs,
    steps,
    warmup: Whole = 10,
    start: NonNegative = 0.0625,
    final: NonNegative | None = 0.001,
):
    """A line from `start` to 1 over `warmup` epochs, then half a cosine to `final`.

    Over W warm-up updates and T others, at update k from 0:

        start + (1 - start) k / (W - 1)                     for k < W, ends included
        final + (1 - final) (1 + cos(pi (k - W) / T)) / 2   after that

    The peak is reached twice in a row, `final` one update after the last.

    Args:
        epoch: epochs done, with fraction.
        epochs: the run's length.
        steps: updates an epoch.
        warmup: epochs; a warm-up of one update has the rate `start`.
        start: first rate over the peak; 0.3 of 4.8 in the paper.
        final: last rate over the peak; `None` stays at the peak after the warm-up.

    Source:
        Self-Classifier, arXiv:2103.10994, by its code: spec 4.2.
    """
    k = np.round(np.asarray(epoch) * steps)
    rising, total = warmup * steps, epochs * steps
    line = start + (1 - start) * k / max(rising - 1, 1)
    if final is None:
        return np.where(k < rising, line, 1.0)
    done = np.clip((k - rising) / max(total - rising, 1), 0, 1)
    falling = final + 0.5 * (1 - final) * (1 + np.cos(np.pi * done))
    return np.where(k < rising, line, falling)


def multistep(
    epoch,
    epochs,
    steps,
    rise: Whole = 100,
    start: NonNegative = 0.001,
    drops: list[Count] = (18_000, 22_000),
    factor: Positive = 0.1,
):
    """A line from `start` to 1 over `rise` updates; times `factor` at each drop.

    Args:
        epoch: epochs done, with fraction.
        epochs: the run's length.
        steps: updates an epoch.
        rise: updates; it goes on over drops that come earlier.
        start: first rate over the peak.
        drops: updates after which the rate falls.
        factor: by which it does.

    Source:
        Detectron2's schedule, spec 13 of the detection transfer.
    """
    t = np.round(np.asarray(epoch) * steps)
    done = np.minimum(t / max(rise, 1), 1.0)
    rising = np.where(t < rise, start * (1 - done) + done, 1.0)
    passed = (t[..., None] >= np.asarray(drops)).sum(axis=-1)
    return rising * factor**passed


def warmup_cosine_values(epochs, steps, warmup, every, lag):
    """The list of `warmup_cosine_steps`, one value a step of the optimiser."""
    an_epoch = steps // every if lag else -(-steps // every)
    rising, falling = warmup * an_epoch, max(epochs - warmup, 0) * an_epoch
    cosine = 0.5 * (1 + np.cos(np.pi * np.arange(falling) / max(falling, 1)))
    return np.concatenate([np.linspace(0, 1, rising), cosine])


def epochs_left(schedule, steps, epochs):
    """Whole epochs that a schedule can serve, at most `epochs`.

    The study's list counts the floor of its steps an epoch where the optimiser makes
    the ceiling; its training broke off when the list had run out, and what it had saved
    was the epoch before.

    Args:
        schedule: callable of `SCHEDULES` with its own arguments bound, or `None`.
        steps: batches an epoch.
        epochs: int.
    """
    given = getattr(schedule, "keywords", {})
    every = given.get("every", 1)
    if not given.get("lag") or not steps % every:
        return epochs
    values = epochs * (steps // every)
    an_epoch = -(-steps // every)
    # Step number `values`, from 0, is made, but the rate after it is missing.
    return min(epochs, values // an_epoch)


SCHEDULES = {
    "constant": constant,
    "cosine": cosine,
    "cosine_epochs": cosine_epochs,
    "cosine_steps": cosine_steps,
    "held_cosine": held_cosine,
    "multistep": multistep,
    "slanted_triangle": slanted_triangle,
    "warmup_cosine": warmup_cosine,
    "warmup_cosine_steps": warmup_cosine_steps,
    "warmup_line": warmup_line,
}
CONTEXT = ("epoch", "epochs", "steps")  # what `rates` gives to those that take it


def rates(schedule, peak, steps, steps_per_epoch, epochs):
    """Learning rates `[len(steps)]` float64 of the given updates, 0-based.

    Args:
        schedule: callable of `SCHEDULES` with its own arguments bound.
        peak: float, multiplies the schedule.
        steps: array of int.
        steps_per_epoch: int.
        epochs: int.
    """
    epoch = np.asarray(steps, np.float64) / steps_per_epoch
    given = dict(zip(CONTEXT, (epoch, epochs, steps_per_epoch)))
    taken = inspect.signature(schedule).parameters
    given = {name: value for name, value in given.items() if name in taken}
    return peak * np.asarray(schedule(**given), np.float64)
