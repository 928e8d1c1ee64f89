"""Softmax regression by small steps: its gradient has a closed form, so no tape.

With p = softmax(x W + b) and one-hot labels y, the mean cross-entropy of B rows has

    dL/dW = x' (p - y) / B        dL/db = mean(p - y).

NumPy on purpose: a step is two thin products of microseconds, less than a call into a
compiled graph costs.
"""

from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

# Kernels smaller than this are multiplied on one thread: on a busy machine the threads
# of a product of 50 microseconds wait for each other for milliseconds.
THIN = 2**18


class Weights(NamedTuple):
    """`kernel` float32 `[F, C]` and `bias` float32 `[C]`."""

    kernel: np.ndarray
    bias: np.ndarray

    def __call__(self, x):
        """Logits `[B, C]`."""
        return x @ self.kernel + self.bias

    def copy(self):
        return Weights(self.kernel.copy(), self.bias.copy())


class Adam(NamedTuple):
    """Adam's constants.

    Attributes:
        rate: learning rate.
        epsilon: 1e-7 in Keras, 1e-8 in torch.
        form: where epsilon stands. "torch" adds it to the corrected second moment's
            root; "keras" to the uncorrected one's, "epsilon hat" of the paper.
        l2: coupled: `l2 * weight` joins the gradient before the moments, of the bias,
            too, as `torch.optim.Adam(weight_decay=l2)` does.

    Source:
        Kingma and Ba, arXiv:1412.6980, algorithm 1 and the end of its section 2.
    """

    rate: float = 1e-3
    epsilon: float = 1e-7
    form: str = "keras"
    l2: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999


def torch_start(features, classes, seed):
    """Weights as `torch.nn.Linear` draws them: all uniform within 1 / sqrt(F)."""
    draw, bound = np.random.default_rng(seed), features**-0.5
    kernel = draw.uniform(-bound, bound, (features, classes))
    bias = draw.uniform(-bound, bound, classes)
    return Weights(kernel.astype(np.float32), bias.astype(np.float32))


def keras_start(features, classes, seed):
    """Weights as `keras.layers.Dense` draws them: Glorot uniform, zero bias."""
    draw, bound = np.random.default_rng(seed), (6 / (features + classes)) ** 0.5
    kernel = draw.uniform(-bound, bound, (features, classes))
    return Weights(kernel.astype(np.float32), np.zeros(classes, np.float32))


def probabilities(logits):
    """Softmax of rows."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def loss(weights, x, label, chunk=8192):
    """Mean cross-entropy in nats, summed in float64."""
    total = 0.0
    for start in range(0, len(x), chunk):
        logits = weights(x[start : start + chunk])
        top = logits.max(axis=1, keepdims=True)
        spread = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
        own = logits[np.arange(len(logits)), label[start : start + chunk]]
        total += float((spread - own).sum(dtype=np.float64))
    return total / len(x)


def gradient(weights, x, label):
    """`(d kernel [F, C], d bias [C])` of the mean cross-entropy."""
    rest = probabilities(weights(x))
    rest[np.arange(len(x)), label] -= 1
    rest /= len(x)
    return x.T @ rest, rest.sum(axis=0)


class Trainer:
    """Weights on their way: `epoch` goes once over rows and labels.

    Args:
        weights: `Weights`; copied, then changed in place.
        adam: `Adam`.
        batch_size: int; a smaller last batch counts like the others.
    """

    def __init__(self, weights, adam, batch_size=64):
        self.weights: Any = weights.copy()
        self.adam = adam
        self.batch_size = batch_size
        self.moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
        self.steps = 0

    def epoch(self, x, label, order=None):
        """One pass over float32 `[N, F]`, in `order` (ints `[N]`) or as they stand."""
        with threadpool_limits(1 if self.weights.kernel.size < THIN else None):
            for start in range(0, len(label), self.batch_size):
                here = slice(start, start + self.batch_size)
                here = here if order is None else order[here]
                self.step(x[here], label[here])

    def step(self, x, label):
        adam = self.adam
        self.steps += 1
        first = 1 - adam.beta1**self.steps
        root = (1 - adam.beta2**self.steps) ** 0.5
        epsilon = adam.epsilon if adam.form == "keras" else adam.epsilon * root
        rate = np.float32(adam.rate * root / first)
        gradients = gradient(self.weights, x, label)
        for w, g, (m, v) in zip(self.weights, gradients, self.moments):
            if adam.l2:
                g += np.float32(adam.l2) * w
            m += np.float32(1 - adam.beta1) * (g - m)
            v += np.float32(1 - adam.beta2) * (g * g - v)
            w -= rate * m / (np.sqrt(v) + np.float32(epsilon))
