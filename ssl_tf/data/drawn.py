"""Noise that is drawn when it is looked at: new images in every epoch, none stored."""

import numpy as np
import tensorflow as tf

from ssl_tf.ops import draws

SEEDS = 2**21  # pixels whose seeds are of images count from here


class Drawn:
    """uint8 noise as if one array; what `Source.images` may be.

    A pixel is a function of the seed, the epoch and the image. Slices and arrays of
    positions give another such view; `np.asarray` draws what seed and epoch 0 give.

    Args:
        places: `[N]` ints, which images.
        size: side in pixels.
        kind: "uniform" or "normal", see `noise`.
        stream: int, whose images are others.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, places, size, kind, stream=0):
        self.places = np.asarray(places)
        self.size = size
        self.kind = kind
        self.stream = int(stream)

    def __len__(self):
        return len(self.places)

    @property
    def shape(self):
        return (len(self), self.size, self.size, 3)

    def __getitem__(self, key):
        if isinstance(key, (int, np.integer)):
            return np.asarray(self[[key]])[0]
        return Drawn(self.places[key], self.size, self.kind, self.stream)

    def __array__(self, dtype=None, copy=None):
        rows = self.draw(tf.range(len(self), dtype=tf.int64), 0, 0).numpy()
        return rows if dtype is None else rows.astype(dtype, copy=False)

    def draw(self, index, seed, epoch):
        """uint8 `[B, S, S, 3]` of positions `[B]`.

        Args:
            index: `[B]` int64.
            seed: int.
            epoch: int or scalar, 0-based.
        """
        with tf.device("CPU:0"):
            places = tf.gather(tf.constant(self.places, tf.int64), index)
            mine = draws.seeds(seed, epoch, places, SEEDS + self.stream)
            spec = tf.TensorSpec(self.shape[1:], tf.uint8)
            return tf.map_fn(
                self.one, tf.bitcast(mine, tf.int32), fn_output_signature=spec
            )

    def one(self, seed):
        """An image `[S, S, 3]` from a seed `[2]`; normal noise wraps around."""
        shape = self.shape[1:]
        if self.kind == "normal":
            values = tf.random.stateless_normal(shape, seed, alg="philox")
            values = tf.cast(255 * values, tf.int32)
        else:
            values = tf.random.stateless_uniform(
                shape, seed, 0, 256, tf.int32, alg="philox"
            )
        return tf.cast(values % 256, tf.uint8)
