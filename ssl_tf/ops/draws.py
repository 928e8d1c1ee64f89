"""Random draws as functions of a seed per image, for the input pipeline.

Counter-based: draw k of seed s is a hash of (s, k), so that an image's draws depend
neither on its neighbours in the batch nor on the batch's size.
"""

import tensorflow as tf

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, the step of SplitMix64


def constant(value):
    return tf.constant(value, tf.uint64)


def mix(x):
    """SplitMix64's output function: a bijection of uint64 that scatters all bits.

    Source:
        Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014.
    """
    shift, xor = tf.bitwise.right_shift, tf.bitwise.bitwise_xor
    x = xor(x, shift(x, constant(30))) * constant(0xBF58476D1CE4E5B9)
    x = xor(x, shift(x, constant(27))) * constant(0x94D049BB133111EB)
    return xor(x, shift(x, constant(31)))


def bits(seeds, count):
    """`[B, count]` uint64, uniform, from `seeds` `[B]` uint64."""
    counter = tf.cast(tf.range(1, count + 1), tf.uint64) * constant(GOLDEN)
    return mix(mix(seeds)[:, None] + counter)


def seeds(seed, epoch, index, view):
    """One seed per image: a function of (seed, epoch, index, view), of nothing else.

    Args:
        seed: int or scalar, the run's seed.
        epoch: int or scalar, 0-based.
        index: `[B]` integers, positions in the split.
        view: int, which view of the image.

    Returns:
        `[B]` uint64.
    """
    state = mix(tf.cast(seed, tf.uint64) + constant(GOLDEN))
    for part in (epoch, view, index):
        state = mix(state + (tf.cast(part, tf.uint64) + constant(1)) * constant(GOLDEN))
    return tf.broadcast_to(state, tf.shape(index))


def keys(seed, epoch, index):
    """`[B]` int32 per image and epoch, independent of the seeds of its views."""
    high = tf.bitwise.right_shift(seeds(seed, epoch, index, 2**20), constant(32))
    return tf.bitcast(tf.cast(high, tf.uint32), tf.int32)


def split(seeds, count):
    """`count` independent seed vectors `[B]` from one."""
    return tf.unstack(bits(seeds, count), axis=1)


def uniform(seeds, count=1, low=0.0, high=1.0):
    """`[B, count]` float32 in [low, high)."""
    top = tf.bitwise.right_shift(bits(seeds, count), constant(40))  # 24 bits
    unit = tf.cast(tf.cast(top, tf.int32), tf.float32) * 2.0**-24
    return low + unit * (high - low)


def integers(seeds, count, bound):
    """`[B, count]` int32 in [0, bound); the bias of the modulus is below 2^-32."""
    top = tf.bitwise.right_shift(bits(seeds, count), constant(1))
    return tf.cast(tf.cast(top, tf.int64) % bound, tf.int32)


def permutations(seeds, count):
    """`[B, count]` int32, one uniformly drawn order of 0 ... count - 1 per image."""
    return tf.argsort(uniform(seeds, count), axis=1, stable=True)


def maybe(seeds, p, changed, original):
    """`changed` for a share `p` of the images, `original` for the others."""
    return choose(uniform(seeds)[:, 0] < p, changed, original)


def choose(chosen, changed, original):
    """Whole images: `changed` where `chosen` `[B]` is true, else `original`.

    The old op that takes one bool an image; `tf.where` on `[B, 1, 1, 1]` is 10 times
    slower on a CPU.
    """
    return tf.raw_ops.Select(condition=chosen, x=changed, y=original)
