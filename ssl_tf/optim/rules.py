"""Update rules: SGD, LARS, Adam and RMSprop as the papers' frameworks have them."""

import re

from keras import ops

from ssl_tf.optim.coupled import Coupled, norm


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
        more: see `Coupled`.

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
        **more,
    ):
        super().__init__(learning_rate, l2, weight_decay, rates, name, **more)
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


class LARS(SGD):
    """Momentum SGD whose steps are as long as the weights make them, tensor by tensor.

    Before the momentum a gradient g of a tensor w becomes

        trust |w| / (|g| + d |w| + epsilon) (g + d w),    d its weight decay,

    but stays g, without decay, while |w| or |g| is 0: what starts at 0 (biases, shifts
    of batch norms) makes one step of the full rate, which stays in the momentum. The
    rate multiplies the momentum, as in PyTorch.

    Args:
        learning_rate: see `Coupled`.
        momentum: float in [0, 1).
        nesterov: look ahead by one step of the momentum.
        trust: float > 0, length of a step of rate 1 over that of the weights.
        epsilon: float > 0, added to the lengths.
        excluded: pattern of the paths that are plain SGD's, without decay; the usual
            ones are biases and batch norms. `None` excludes none, as Self-Classifier.
        more: `weight_decay` and others, see `Coupled`.

    Source:
        You et al., arXiv:1708.03888, eq. 6; zero lengths and epsilon as documented for
        Self-Classifier, arXiv:2103.10994 (NVIDIA apex' LARC, not clipped): spec 4.1.
    """

    def __init__(
        self,
        learning_rate=0.01,
        momentum=0.9,
        nesterov=False,
        trust=0.001,
        epsilon=1e-8,
        excluded=None,
        name="lars",
        **more,
    ):
        super().__init__(learning_rate, momentum, nesterov, name=name, **more)
        self.trust, self.epsilon = trust, epsilon
        self.excluded = excluded

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        out = lambda v: bool(self.excluded and re.search(self.excluded, v.path))
        self.plain = [out(v) for v in variables]
        self.penalties = [
            0.0 if plain else penalty
            for plain, penalty in zip(self.plain, self.penalties)
        ]

    def decayed(self, place, variable, gradient):
        if self.plain[place]:
            return gradient
        decay = 2.0 * self.penalties[place]
        w, g = norm(variable), norm(gradient)
        scale = self.trust * w / (g + decay * w + self.epsilon)
        scaled = scale * super().decayed(place, variable, gradient)
        return ops.where((w > 0) & (g > 0), scaled, gradient)

    def get_config(self):
        return super().get_config() | {
            "trust": self.trust,
            "epsilon": self.epsilon,
            "excluded": self.excluded,
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
        more: see `Coupled`.

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
        **more,
    ):
        super().__init__(learning_rate, l2, weight_decay, rates, name, **more)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.form = form

    def slots(self, variables):
        self.first = self.add_optimizer_variables(variables, "first")
        self.second = self.add_optimizer_variables(variables, "second")

    def move(self, place, variable, gradient, rate):
        t = ops.cast(self.steps + 1, variable.dtype)
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


class AdamW(Adam):
    """Adam whose `weight_decay` shrinks the weight beside the update.

    w <- w (1 - rate * factor), then Adam's step from the gradient alone; the penalty
    that `l2` adds to a gradient would be another rule and is refused.

    Args:
        more: see `Adam`; `weight_decay` by path, too.

    Raises:
        ValueError: `l2` is given.

    Source:
        Loshchilov and Hutter, arXiv:1711.05101, alg. 2, with PyTorch's decay
        that follows the rate.
    """

    def __init__(self, learning_rate=0.001, name="adamw", **more):
        super().__init__(learning_rate, name=name, **more)
        if self.l2:
            raise ValueError("AdamW shrinks weights by weight_decay; l2 is Adam's.")

    def decayed(self, place, variable, gradient):
        return gradient

    def move(self, place, variable, gradient, rate):
        if self.penalties[place]:
            self.assign_sub(variable, variable * (2.0 * self.penalties[place] * rate))
        super().move(place, variable, gradient, rate)

    def penalty(self):
        """No penalty is minimised: zero."""
        return ops.zeros(())


class RMSprop(Coupled):
    """RMSprop as PyTorch has it: the gradient over the root of its mean square.

    Args:
        learning_rate: see `Coupled`.
        rho: float in [0, 1), of the mean square.
        epsilon: float > 0, added to the root.
        momentum: float in [0, 1), of the scaled gradients.
        more: see `Coupled`.

    Source:
        PyTorch's documented update rule, not centred.
    """

    def __init__(
        self,
        learning_rate=0.01,
        rho=0.99,
        epsilon=1e-8,
        momentum=0.0,
        name="rmsprop",
        **more,
    ):
        super().__init__(learning_rate, name=name, **more)
        self.rho, self.epsilon, self.momentum = rho, epsilon, momentum

    def slots(self, variables):
        self.squares = self.add_optimizer_variables(variables, "square")
        self.momentums = []
        if self.momentum:
            self.momentums = self.add_optimizer_variables(variables, "momentum")

    def move(self, place, variable, gradient, rate):
        square = self.squares[place]
        kept = square * self.rho + ops.square(gradient) * (1 - self.rho)
        self.assign(square, kept)
        scaled = gradient / (ops.sqrt(kept) + self.epsilon)
        if self.momentum:
            scaled = self.momentums[place] * self.momentum + scaled
            self.assign(self.momentums[place], scaled)
        self.assign_sub(variable, rate * scaled)

    def get_config(self):
        return super().get_config() | {
            "rho": self.rho,
            "epsilon": self.epsilon,
            "momentum": self.momentum,
        }
