"""A memory of past embeddings in which an image finds its nearest neighbour."""

import keras
from keras import ops

from ssl_tf.ops import distribute

FIXED = {"trainable": False, "autocast": False, "aggregation": "only_first_replica"}


class Neighbours(keras.layers.Layer):
    """The last `length` embeddings of all replicas, the same on each of them.

    Its weights are state: saved and restored with the method's.

    Args:
        length: int, K; at least a global batch, less than the data set.
        width: int, D.

    Source:
        Self-Classifier, arXiv:2103.10994, by the authors' code: spec 2.4.
    """

    def __init__(self, length, width, **kwargs):
        super().__init__(**kwargs)
        self.length = length
        self.width = width
        self.build()

    def build(self, shape=None):
        if self.built:
            return
        whole = {"initializer": "zeros", "dtype": "int32", **FIXED}
        self.embeddings = self.add_weight(
            shape=(self.length, self.width),
            name="embeddings",
            initializer="zeros",
            dtype="float32",
            **FIXED,
        )
        self.labels = self.add_weight(shape=(self.length,), name="labels", **whole)
        self.indices = self.add_weight(shape=(self.length,), name="indices", **whole)
        self.place = self.add_weight(shape=(), name="place", **whole)
        self.filled = self.add_weight(shape=(), name="filled", **whole)
        self.built = True

    @property
    def full(self):
        """Whether every place was written once, a scalar."""
        return ops.convert_to_tensor(self.filled) > 0

    def nearest(self, z, index):
        """The stored embedding most like each `z`, but for the image's own.

        Only the best hit is checked to be the image itself; then the second is taken.

        Args:
            z: `[B, D]`, unit vectors.
            index: `[B]`, positions of the images in the data set.

        Returns:
            `(embedding [B, D] float32, label [B] int32)`, without gradient.
        """
        z = ops.stop_gradient(ops.cast(z, "float32"))
        stored = ops.convert_to_tensor(self.embeddings)
        _, best = ops.top_k(ops.matmul(z, ops.transpose(stored)), 2)
        taken = lambda values, rows: ops.take(ops.convert_to_tensor(values), rows, 0)
        itself = taken(self.indices, best[:, 0]) == ops.cast(index, "int32")
        rows = ops.where(itself, best[:, 1], best[:, 0])
        return taken(self.embeddings, rows), taken(self.labels, rows)

    def push(self, z, label, index):
        """Writes the embeddings of all replicas over the oldest ones.

        Args:
            z: `[B, D]` of this replica.
            label: `[B]`.
            index: `[B]`.
        """
        z = distribute.gather(ops.stop_gradient(ops.cast(z, "float32")))
        told = ops.stack([ops.cast(label, "int32"), ops.cast(index, "int32")], axis=1)
        told = distribute.gather(told)
        count = ops.shape(z)[0]
        place = ops.convert_to_tensor(self.place)
        rows = ops.expand_dims((place + ops.arange(count)) % self.length, 1)
        write = lambda variable, values: variable.assign(
            ops.scatter_update(ops.convert_to_tensor(variable), rows, values)
        )
        write(self.embeddings, z)
        write(self.labels, told[:, 0])
        write(self.indices, told[:, 1])
        reached = ops.cast(place + count >= self.length, "int32")
        self.filled.assign(ops.maximum(ops.convert_to_tensor(self.filled), reached))
        self.place.assign((place + count) % self.length)
