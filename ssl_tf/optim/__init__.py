"""The optimisers of the papers, with a table of what a config may name."""

from typing import Literal

from ssl_tf.optim.coupled import match
from ssl_tf.optim.rules import LARS, SGD, Adam, AdamW, RMSprop
from ssl_tf.schema import Count, Fraction, NonNegative, Pattern, Positive

__all__ = ["LARS", "OPTIMIZERS", "SGD", "Adam", "AdamW", "RMSprop", "match"]

Factors = dict[Pattern, NonNegative] | NonNegative | None
Form = Literal["keras", "torch"]


def sgd(
    momentum: Fraction = 0.9,
    nesterov: bool = False,
    l2: Factors = None,
    weight_decay: Factors = None,
    rates: Factors = None,
    form: Form = "torch",
    held: Pattern | None = None,
    every: Count = 1,
    carry: bool = True,
    clip: Positive | None = None,
):
    """See `SGD`; the loop sets its learning rate before every update."""
    common = shared(l2, weight_decay, rates, held, every, carry, clip)
    return SGD(0.0, momentum, nesterov, form=form, **common)


def lars(
    momentum: Fraction = 0.9,
    nesterov: bool = False,
    weight_decay: Factors = None,
    trust: Positive = 0.001,
    epsilon: Positive = 1e-8,
    excluded: Pattern | None = None,
    rates: Factors = None,
    held: Pattern | None = None,
    every: Count = 1,
    carry: bool = True,
    clip: Positive | None = None,
):
    """See `LARS`."""
    common = shared(None, weight_decay, rates, held, every, carry, clip)
    return LARS(0.0, momentum, nesterov, trust, epsilon, excluded, **common)


def adam(
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    epsilon: Positive = 1e-8,
    l2: Factors = None,
    weight_decay: Factors = None,
    rates: Factors = None,
    form: Form = "torch",
    held: Pattern | None = None,
    every: Count = 1,
    carry: bool = True,
    clip: Positive | None = None,
):
    """See `Adam`; Keras' own has form "keras" and epsilon 1e-7."""
    common = shared(l2, weight_decay, rates, held, every, carry, clip)
    return Adam(0.0, beta1, beta2, epsilon, form=form, **common)


def adamw(
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: Factors = 0.01,
    rates: Factors = None,
    form: Form = "torch",
    held: Pattern | None = None,
    every: Count = 1,
    carry: bool = True,
    clip: Positive | None = None,
):
    """See `AdamW`; PyTorch's defaults."""
    more = shared(None, weight_decay, rates, held, every, carry, clip)
    more |= {"beta1": beta1, "beta2": beta2, "epsilon": epsilon, "form": form}
    return AdamW(0.0, **more)


def rmsprop(
    rho: Fraction = 0.99,
    epsilon: Positive = 1e-8,
    momentum: Fraction = 0.0,
    l2: Factors = None,
    weight_decay: Factors = None,
    rates: Factors = None,
    held: Pattern | None = None,
    every: Count = 1,
    carry: bool = True,
    clip: Positive | None = None,
):
    """See `RMSprop`."""
    common = shared(l2, weight_decay, rates, held, every, carry, clip)
    return RMSprop(0.0, rho, epsilon, momentum, **common)


def shared(l2, weight_decay, rates, held, every, carry, clip):
    """The arguments of `Coupled`, which every rule takes, by name."""
    steps = {"held": held, "every": every, "carry": carry, "clip": clip}
    return {"l2": l2, "weight_decay": weight_decay, "rates": rates} | steps


OPTIMIZERS = {
    "adam": adam,
    "adamw": adamw,
    "lars": lars,
    "rmsprop": rmsprop,
    "sgd": sgd,
}
