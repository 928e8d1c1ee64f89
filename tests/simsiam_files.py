"""Weights of the SimSiam golden arrays, and checkpoints laid out as its authors do."""

import json
import zlib
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "golden" / "simsiam"
ROOT = {4: 6, 2: 3}  # by the number of axes


def layout(name):
    """`{key: shape}` of one of the authors' state dicts."""
    return json.loads((GOLDEN / f"f_{name}.json").read_text())


def fractions(name, shape):
    """float64 in [-0.5, 0.5), a hash of a name and each element's number."""
    size = int(np.prod(shape))
    start = 1 + zlib.crc32(name.encode()) * 0x9E3779B9
    x = np.arange(size, dtype=np.uint32) + np.uint32(start & 0xFFFFFFFF)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return (x / 2.0**32 - 0.5).reshape(shape)


def value(name, shape):
    """The golden weight of a state-dict key, float32."""
    u = fractions(name, shape)
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if name.endswith("running_mean"):
        u = 0.2 * u
    elif name.endswith("running_var"):
        u = 1 + 0.5 * u
    elif name in ("pos_embed", "cls_token"):
        u = 0.4 * u
    elif len(shape) in ROOT:
        u = 2 * u * np.sqrt(ROOT[len(shape)] / np.prod(shape[1:]))
    elif name.endswith("weight"):
        u = 1 + 0.2 * u
    else:
        u = 0.2 * u
    return u.astype(np.float32)


def state(rows):
    """`{key: golden weight}` of a layout."""
    return {name: value(name, shape) for name, shape in rows.items()}


def images(name, shape):
    """Golden input `[B, H, W, 3]`; the authors' networks take it as `[B, 3, H, W]`."""
    batch, height, width, channels = shape
    x = 4 * fractions(name, (batch, channels, height, width))
    return x.astype(np.float32).transpose(0, 2, 3, 1)


def classifier(width, classes=1000, name="fc"):
    """Layout of a linear classifier."""
    return {f"{name}.weight": [classes, width], f"{name}.bias": [classes]}
