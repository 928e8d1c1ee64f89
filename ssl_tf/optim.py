"""SGD and Adam whose decay is coupled: it enters the gradient, not the weight.

Keras' `weight_decay` shrinks the weights beside the update, another one than any of the
papers'.
"""

import re
from typing import Literal

import keras
from keras import ops

from ssl_tf.schema import Fraction, NonNegative, Pattern, Positive


class Coupled(keras.optimizers.Optimizer):
    """An L2 penalty and a factor on the learning rate for each weight, by its path.

    Args:
        learning_rate: float, or what Keras takes.
        l2: `{path pattern: factor}`; penalty factor * sum(w^2), gradient 2 factor w,
            as Keras regularisers have it. The first pattern found in a weight's path
            counts; no match means 0.
        weight_decay: the same with gradient factor * w (penalty half of that), as
            PyTorch's argument of this name.
        rates: `{path pattern: factor}` on the learning rate, 1 without a match.
    """

    def __init__(
        self, learning_rate, l2=None, weight_decay=None, rates=None, name=None
    ):
        super().__init__(learning_rate, name=name)
        self.l2 = table(l2)
        self.coupled_decay = table(weight_decay)
        self.rates = table(rates)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        # Half the gradient of the penalty over w: both conventions in one number.
        self.penalties = [
            match(self.l2, v.path, 0.0) + match(self.coupled_decay, v.path, 0.0) / 2
            for v in variables
        ]
        self.factors = [match(self.rates, v.path, 1.0) for v in variables]
        self.slots(variables)

    def slots(self, variables):
        """Makes what the rule remembers of each weight."""
        raise NotImplementedError

    def update_step(self, gradient, variable, learning_rate):
        place = self._get_variable_index(variable)
        rate = ops.cast(learning_rate, variable.dtype) * self.factors[place]
        gradient = ops.cast(gradient, variable.dtype)
        if self.penalties[place]:
            gradient = gradient + variable * (2.0 * self.penalties[place])
        self.move(place, variable, gradient, rate)

    def move(self, place, variable, gradient, rate):
        """The rule itself, penalty and factor included already."""
        raise NotImplementedError

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
            "l2": self.l2,
            "weight_decay": self.coupled_decay,
            "rates": self.rates,
        }


class SGD(Coupled):
    """Momentum SGD.

    Args:
        learning_rate: see `Coupled`.
        momentum: float in [0, 1).
        nesterov: look ahead by one step of the momentum.
        l2: see `Coupled`.
        weight_decay: see `Coupled`.
        rates: see `Coupled`.
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
        super().__init__(learning_rate, l2, weight_decay, rates, name)
        self.momentum = momentum
        self.nesterov = nesterov
        self.form = form

    def slots(self, variables):
        self.momentums = []
        if self.momentum:
            self.momentums = self.add_optimizer_variables(variables, "momentum")

    def move(self, place, variable, gradient, rate):
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

    def get_config(self):
        return super().get_config() | {
            "momentum": self.momentum,
            "nesterov": self.nesterov,
            "form": self.form,
        }


class Adam(Coupled):
    """Adam with bias-corrected moments of the gradient, penalty included.

    Args:
        learning_rate: see `Coupled`.
        beta1: float in [0, 1), of the first moment.
        beta2: float in [0, 1), of the second moment.
        epsilon: float > 0, added to the root of the second moment.
        l2: see `Coupled`.
        weight_decay: see `Coupled`.
        rates: see `Coupled`.
        form: "torch" adds epsilon to the root of the corrected moment, "keras" to that
            of the moment itself (the "epsilon hat" of the paper).

    Source:
        Kingma and Ba, arXiv:1412.6980, alg. 1 and the end of its section 2.
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
        l2=None,
        weight_decay=None,
        rates=None,
        form="torch",
        name="adam",
    ):
        super().__init__(learning_rate, l2, weight_decay, rates, name)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.form = form

    def slots(self, variables):
        self.first = self.add_optimizer_variables(variables, "first")
        self.second = self.add_optimizer_variables(variables, "second")

    def move(self, place, variable, gradient, rate):
        t = ops.cast(self.iterations + 1, variable.dtype)
        kept = lambda beta: 1 - ops.power(ops.cast(beta, variable.dtype), t)
        first, second = self.first[place], self.second[place]
        m = first + (gradient - first) * (1 - self.beta1)
        v = second + (ops.square(gradient) - second) * (1 - self.beta2)
        self.assign(first, m)
        self.assign(second, v)
        root = ops.sqrt(kept(self.beta2))
        epsilon = self.epsilon * (1.0 if self.form == "keras" else root)
        step = rate * root / kept(self.beta1)
        self.assign_sub(variable, step * m / (ops.sqrt(v) + epsilon))

    def get_config(self):
        return super().get_config() | {
            "beta1": self.beta1,
            "beta2": self.beta2,
            "epsilon": self.epsilon,
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
Form = Literal["keras", "torch"]


def sgd(
    momentum: Fraction = 0.9,
    nesterov: bool = False,
    l2: Factors = None,
    weight_decay: Factors = None,
    rates: Factors = None,
    form: Form = "torch",
):
    """See `SGD`; the loop sets its learning rate before every update."""
    return SGD(0.0, momentum, nesterov, l2, weight_decay, rates, form)


def adam(
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    epsilon: Positive = 1e-8,
    l2: Factors = None,
    weight_decay: Factors = None,
    rates: Factors = None,
    form: Form = "torch",
):
    """See `Adam`; Keras' own has form "keras" and epsilon 1e-7."""
    return Adam(0.0, beta1, beta2, epsilon, l2, weight_decay, rates, form)


OPTIMIZERS = {"adam": adam, "sgd": sgd}
