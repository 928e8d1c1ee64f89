"""What the papers' optimisers share: a decay that enters the gradient, not the weight.

Keras' `weight_decay` shrinks the weights beside the update, another one than any of the
papers'.
"""

import re

import keras
from keras import ops


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
        held: pattern of the paths whose rate does not follow the schedule but stays at
            `peak`; SimSiam's predictor.
        every: batches a step, where an epoch's first batch always makes one: with
            batches 0, every, 2 every, ... of an epoch the weights move by the gradients
            since the last step, each over `every`. What an epoch leaves over enters the
            next one's first step. The SimSiam study's way to large batches.
        carry: `False` forgets the gradients between the steps, as the study did at
            first.
        clip: largest norm of a weight's gradient; a longer one is multiplied by
            clip / (norm + 1e-6) before the decay enters it. `None`: any length.

    Attributes:
        peak: float, the rate of `held`; the trainer sets it.
        period: int, batches an epoch; the trainer sets it where `every` is over 1.

    Source:
        SimSiam study, arXiv:2112.02297, by its code: spec 1.4 and 7, no. 5-7.
    """

    def __init__(
        self,
        learning_rate,
        l2=None,
        weight_decay=None,
        rates=None,
        name=None,
        held=None,
        every=1,
        carry=True,
        clip=None,
    ):
        super().__init__(learning_rate, name=name)
        self.l2 = table(l2)
        self.coupled_decay = table(weight_decay)
        self.rates = table(rates)
        self.held = held
        self.every, self.carry = every, carry
        self.clip = clip
        self.peak, self.period = None, None

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
        self.holds = [
            bool(self.held and re.search(self.held, v.path)) for v in variables
        ]
        self.slots(variables)
        self.sums = []
        if self.every > 1 and self.carry:
            self.sums = self.add_optimizer_variables(variables, "sum")

    def slots(self, variables):
        """Makes what the rule remembers of each weight."""
        raise NotImplementedError

    def update_step(self, gradient, variable, learning_rate):
        place = self._get_variable_index(variable)
        rate = self.peak if self.holds[place] else learning_rate
        rate = ops.cast(rate, variable.dtype) * self.factors[place]
        gradient = ops.cast(gradient, variable.dtype)
        if self.every > 1:
            gradient = gradient / self.every
        if self.sums:
            gradient = gradient + self.sums[place]
            super().assign(self.sums[place], ops.where(self.due, 0.0, gradient))
        if self.clip is not None:
            shorter = self.clip / (norm(gradient) + 1e-6)
            gradient = gradient * ops.minimum(1.0, shorter)
        gradient = self.decayed(place, variable, gradient)
        self.move(place, variable, gradient, rate)

    def decayed(self, place, variable, gradient):
        """The gradient with its weight's penalty."""
        if self.penalties[place]:
            gradient = gradient + variable * (2.0 * self.penalties[place])
        return gradient

    def move(self, place, variable, gradient, rate):
        """The rule itself, penalty and factor included already."""
        raise NotImplementedError

    def assign(self, variable, value):
        """All that a rule changes goes through here; between steps nothing does."""
        if self.every > 1:
            value = ops.where(self.due, ops.cast(value, variable.dtype), variable)
        super().assign(variable, value)

    def assign_sub(self, variable, value):
        if self.every > 1:
            self.assign(variable, variable - ops.cast(value, variable.dtype))
        else:
            super().assign_sub(variable, value)

    @property
    def due(self):
        """Whether this batch makes a step."""
        return (self.iterations % self.period) % self.every == 0

    @property
    def steps(self):
        """Steps made before this batch, a scalar."""
        if self.every == 1:
            return self.iterations
        epochs, place = self.iterations // self.period, self.iterations % self.period
        an_epoch = -(-self.period // self.every)
        return epochs * an_epoch + (place + self.every - 1) // self.every

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
            "held": self.held,
            "every": self.every,
            "carry": self.carry,
            "clip": self.clip,
        }


def norm(x):
    """Euclidean norm of all numbers of a tensor, a scalar."""
    return ops.sqrt(ops.sum(ops.square(ops.convert_to_tensor(x))))


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
