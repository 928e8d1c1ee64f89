"""Weights and images behind G-SimCLR's golden arrays: hashes of place and number."""

import functools
import re
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "golden" / "gsimclr"
KINDS = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")


@functools.cache
def arrays(name):
    """The arrays of `tests/golden/gsimclr/<name>.npz`."""
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def fractions(k, size):
    """float64 `[size]` in [0, 1): element t of tensor k."""
    h = (np.arange(size, dtype=np.uint64) + np.uint64(1000003 * k)) & 0xFFFFFFFF
    for last in (False, False, True):
        h ^= h >> 16
        if not last:
            h = h * 0x45D9F3B & 0xFFFFFFFF
    return h / 2.0**32


def images(m, shape):
    """Image batch `m`."""
    size = int(np.prod(shape))
    return fractions(900001 + m, size).reshape(shape).astype(np.float32)


def value(k, kind, shape):
    """Tensor `k` of a network."""
    u = 2 * fractions(k, int(np.prod(shape))) - 1
    scaled = {
        "kernel": lambda: u * np.sqrt(6 / np.prod(shape[:-1])),
        "bias": lambda: 0.05 * u,
        "gamma": lambda: 1 + 0.2 * u,
        "beta": lambda: 0.1 * u,
        "moving_mean": lambda: 0.1 * u,
        "moving_variance": lambda: 1 + 0.5 * u,
    }[kind]
    return scaled().reshape(shape).astype(np.float32)


def resnet_order(backbone):
    """Names of a CIFAR ResNet's layers in the authors' order: by depth."""
    names = ["stem_conv", "stem_norm"]
    blocks = [
        x.name for x in backbone.layers if re.fullmatch(r"stage\d_block\d+", x.name)
    ]
    have = {layer.name for layer in backbone.layers}
    for block in blocks:
        parts = ("conv1", "norm1", "conv2", "norm2", "conv3", "shortcut", "norm3")
        names += [f"{block}_{part}" for part in parts if f"{block}_{part}" in have]
    return names + ["tail_norm"] * ("tail_norm" in have)


def autoencoder_order(stages):
    """Names of an autoencoder's layers, encoder first."""
    parts = [f"stage{i + 1}" for i in range(stages)]
    parts += [f"decoder_{part}" for part in parts]
    return [f"{p}_{x}" for p in parts for x in ("conv", "norm")] + ["decoder_output"]


def fill(layers, order, first=0):
    """Gives the layers named in `order` their weights; returns the next free number.

    Args:
        layers: layers, in any order, that hold all of these names.
        order: names.
        first: number of the first tensor.
    """
    named = {layer.name: layer for layer in layers}
    for name in order:
        layer = named[name]
        for kind in KINDS:
            variable = getattr(layer, kind, None)
            if variable is not None:
                variable.assign(value(first, kind, tuple(variable.shape)))
                first += 1
    return first
