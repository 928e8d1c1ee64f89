"""Randomness inside a model, keyed by (seed, epoch, image) on any backend.

Keras' own dropout draws the same mask on every replica, and its seed state is in no
weight file. Here a context says which images are being computed; layers inside hash
that key with their own name and an element counter.
"""

import contextlib
import contextvars
import math
import zlib

from keras import ops

KEYS = contextvars.ContextVar("keys", default=None)


@contextlib.contextmanager
def keyed(keys):
    """Within it, `uniform` depends on these keys and the layer's name only.

    Args:
        keys: `[B]` int32, one a (seed, epoch, image), as the pipeline makes them; or
            `None`, which changes nothing.
    """
    if keys is None:
        yield
        return
    token = KEYS.set(ops.cast(keys, "uint32"))
    try:
        yield
    finally:
        KEYS.reset(token)


@contextlib.contextmanager
def repeated(count):
    """Within it, `count` views of the keyed images follow each other in one batch.

    The first draws as it would alone.
    """
    keys = KEYS.get()
    if keys is None or count == 1:
        yield
        return
    turns = [keys + word(view * 0x9E3779B1) for view in range(count)]
    token = KEYS.set(ops.concatenate(turns))
    try:
        yield
    finally:
        KEYS.reset(token)


def word(value):
    return ops.convert_to_tensor(value & 0xFFFFFFFF, "uint32")


def mix(x):
    """A bijection of uint32 that scatters all bits ("lowbias32", C. Wellons 2018)."""
    x = ops.bitwise_xor(x, ops.right_shift(x, word(16))) * word(0x7FEB352D)
    x = ops.bitwise_xor(x, ops.right_shift(x, word(15))) * word(0x846CA68B)
    return ops.bitwise_xor(x, ops.right_shift(x, word(16)))


def salt(name):
    """A number of its own for each layer name."""
    return zlib.crc32(name.encode())


def active():
    """Whether a `keyed` context says which images are being computed."""
    return KEYS.get() is not None


def uniform(name, shape):
    """`[B, *shape]` float32 in [0, 1), keyed by image and layer name.

    Args:
        name: str, tells the draws of one layer from another's.
        shape: tuple of ints, without the batch.
    """
    size = 1
    for length in shape:
        size *= length
    counter = ops.arange(size, dtype="int32")
    counter = ops.cast(counter, "uint32") * word(0x9E3779B1)
    keys = mix(KEYS.get() + word(salt(name)))
    bits = mix(ops.expand_dims(keys, 1) + ops.expand_dims(counter, 0))
    top = ops.cast(ops.right_shift(bits, word(8)), "int32")  # 24 bits
    return ops.reshape(ops.cast(top, "float32") * 2.0**-24, (-1, *shape))


def normal(name, shape):
    """`[B, *shape]` float32 of mean 0 and deviation 1, keyed like `uniform`.

    Source:
        Box and Muller, 1958; no value is beyond 5.8, the price of 24-bit draws.
    """
    radius = ops.sqrt(-2.0 * ops.log(1.0 - uniform(f"{name}/radius", shape)))
    return radius * ops.cos(2.0 * math.pi * uniform(f"{name}/angle", shape))
