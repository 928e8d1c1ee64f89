"""SGD with the papers' decay and momentum; learning rates as functions of progress."""

import re
from typing import Literal

import keras
import numpy as np
from keras import ops

from ssl_tf.schema import Fraction, NonNegative, Pattern, Positive


class SGD(keras.optimizers.Optimizer):
    """Momentum SGD whose decay is coupled: it enters the gradient, not the weight.

    Keras' `weight_decay` shrinks the weights beside the momentum, another update than
    any of the papers'.

    Args:
        learning_rate: float, or what Keras takes.
        momentum: float in [0, 1).
        nesterov: look ahead by one step of the momentum.
        l2: `{path pattern: factor}`; penalty factor * sum(w^2), gradient 2 factor w,
            as Keras regularisers have it. The first pattern found in a weight's path
            counts; no match means 0.
        weight_decay: the same with gradient factor * w (penalty half of that), as
            PyTorch's argument of this name.
        rates: `{path pattern: factor}` on the learning rate, 1 without a match.
        form: "keras" keeps v = m v - rate g (a change of rate acts on new gradients
            only), "torch" v = m v + g and w -= rate v.

    Source:
        PyTorch's and Keras 2's documented update rules.
    """

    def __init__(
        self,
        learning_rate=0.01,
        momentum=0.0,
        nesterov=False,
        l2=None,
        weight_decay=None,
        rates=None,
        form="torch",
        name="sgd",
    ):
        super().__init__(learning_rate, name=name)
        self.momentum = momentum
        self.nesterov = nesterov
        self.l2 = table(l2)
        self.coupled_decay = table(weight_decay)
        self.rates = table(rates)
        self.form = form

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.momentums = []
        if self.momentum:
            self.momentums = self.add_optimizer_variables(variables, "momentum")
        # Half the gradient of the penalty over w: both conventions in one number.
        self.penalties = [
            match(self.l2, v.path, 0.0) + match(self.coupled_decay, v.path, 0.0) / 2
            for v in variables
        ]
        self.factors = [match(self.rates, v.path, 1.0) for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        place = self._get_variable_index(variable)
        rate = ops.cast(learning_rate, variable.dtype) * self.factors[place]
        gradient = ops.cast(gradient, variable.dtype)
        if self.penalties[place]:
            gradient = gradient + variable * (2.0 * self.penalties[place])
        if not self.momentum:
            self.assign_sub(variable, rate * gradient)
            return
        slot = self.momentums[place]
        scale = rate if self.form == "keras" else 1.0
        moved = slot * self.momentum + scale * gradient
        self.assign(slot, moved)
        if self.nesterov:
            moved = moved * self.momentum + scale * gradient
        self.assign_sub(variable, moved if self.form == "keras" else rate * moved)

    def penalty(self):
        """The sum of all L2 penalties, a scalar: what the gradients above minimise."""
        parts = [
            penalty * ops.sum(ops.square(ops.convert_to_tensor(variable)))
            for penalty, variable in zip(self.penalties, self._trainable_variables)
            if penalty
        ]
        return sum(parts) if parts else ops.zeros(())

    def get_config(self):
        return super().get_config() | {
            "momentum": self.momentum,
            "nesterov": self.nesterov,
            "l2": self.l2,
            "weight_decay": self.coupled_decay,
            "rates": self.rates,
            "form": self.form,
        }


def table(value):
    """`{pattern: factor}` from a dict, one factor for all weights, or nothing."""
    if value is None:
        return {}
    if isinstance(value, (int, float)):
        return {".*": float(value)}
    return dict(value)


def match(table, path, default):
    """The factor of the first pattern found in `path`."""
    for pattern, factor in table.items():
        if re.search(pattern, path):
            return factor
    return default


Factors = dict[Pattern, NonNegative] | NonNegative | None


def sgd(
    momentum: Fraction = 0.9,
    nesterov: bool = False,
    l2: Factors = None,
    weight_decay: Factors = None,
    rates: Factors = None,
    form: Literal["keras", "torch"] = "torch",
):
    """See `SGD`; the loop sets its learning rate before every update."""
    return SGD(0.0, momentum, nesterov, l2, weight_decay, rates, form)


OPTIMIZERS = {"sgd": sgd}


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


SCHEDULES = {
    "constant": constant,
    "cosine": cosine,
    "slanted_triangle": slanted_triangle,
    "warmup_line": warmup_line,
}


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
    return peak * np.asarray(schedule(epoch, epochs), np.float64)
