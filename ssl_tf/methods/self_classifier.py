"""Self-Classifier: classes that all views of an image agree on, without labels."""

import itertools
from typing import Literal

import keras
from keras import layers, ops

from ssl_tf.errors import BadInput
from ssl_tf.layers.neighbours import Neighbours
from ssl_tf.layers.norm import BatchNorm, in_groups
from ssl_tf.layers.weight_norm import WeightNorm
from ssl_tf.losses.contrastive import unit
from ssl_tf.losses.uniform_prior import uniform_prior
from ssl_tf.methods.self_supervised import SelfSupervised
from ssl_tf.ops import chance, distribute
from ssl_tf.schema import Count, NonNegative, Positive, Whole

MOST = 262_144  # embeddings the paper remembers
FLOOR = 1e-14  # of an embedding's squared length


class SelfClassifier(SelfSupervised):
    """Self-Classifier, arXiv:2103.10994, with multi-crop and nearest neighbours.

    Views of one size that follow each other go through the backbone together, so that
    batch norm sees one resolution at a time; the projection sees all views at once.
    The first two views are the large crops.

    Args:
        backbone: see `Method`.
        classes: int, labels of the images: for the probe and for what is watched.
        images: int, training images; `None` if they are not known.
        batch: int, images of a global batch, or `None`.
        heads: classes of each classifier. Evaluations look at the first.
        hidden: width inside the projection.
        dim: width of the embedding.
        depth: Dense layers of the projection; 0 takes the features as they are.
        norm: batch norm behind each Dense layer but the last.
        activation: behind it; the paper's leaks 0.01.
        row: temperature of the predictions.
        column: temperature of the targets.
        epsilon: see `uniform_prior`; the authors' class has 1e-8, their runs 1e-12.
        queue: embeddings remembered; "auto" is the largest multiple of the batch
            within 262,144 and half of the images, 0 remembers none.
        neighbours: the first view's embedding is its nearest neighbour's, as soon as
            the queue is full; `False` only watches how often labels agree.
        train_heads: `False` leaves the classifiers as they are drawn.
        group: images of the global batch that share batch norm, with all their views,
            in backbone and projection; 1,364 in the paper, 0 all of them.
        probe: see `SelfSupervised`.

    Raises:
        BadInput: a batch larger than the queue, or a queue of all images or more.

    Source:
        arXiv:2103.10994, sec. 3 and 4; spec 1 and 2. The authors' `--num-hidden` counts
        Dense layers, as `depth` does.
    """

    views = 2
    more_views = True
    remembers = ("queue",)

    def __init__(
        self,
        backbone,
        classes=0,
        images=None,
        batch=None,
        heads: list[Count] = (1000, 2000, 4000, 8000),
        hidden: Count = 4096,
        dim: Count = 128,
        depth: Whole = 2,
        norm: bool = True,
        activation: Literal["leaky_relu", "relu"] = "leaky_relu",
        row: Positive = 0.1,
        column: Positive = 0.05,
        epsilon: NonNegative = 1e-12,
        queue: Whole | Literal["auto"] = "auto",
        neighbours: bool = True,
        train_heads: bool = True,
        group: Whole = 0,
        probe: bool = False,
    ):
        super().__init__(backbone, "self_classifier", classes, probe)
        self.temperatures = (row, column, epsilon)
        self.neighbours = neighbours
        width = backbone.output_shape[-1]
        dim = dim if depth else width
        self.mlp = mlp(width, hidden, dim, depth, norm, activation)
        for part in (backbone, self.mlp):
            in_groups(part, group)
        self.heads = [WeightNorm(k, name=f"head{i}") for i, k in enumerate(heads)]
        for head in self.heads:
            head.build((None, dim))
            head.trainable = train_heads
        length = queue_length(queue, images, batch)
        self.queue = Neighbours(length, dim, name="queue") if length else None
        self.terms = ("loss", "spread", "used")
        self.terms += () if self.queue is None else ("neighbour_accuracy",)
        self.terms += () if self.probe is None else ("probe_loss", "probe_accuracy")
        self.built = True

    def objective(self, batch, training):
        features = self.all_features(batch["views"], training)
        z = self.embed(features, training)
        looked, z = self.remember(batch, z, training)
        logits = [head(ops.concatenate(z)) for head in self.heads]
        logits = [ops.split(x, len(z)) for x in logits]
        loss = uniform_prior(logits, *self.temperatures)
        used = {"used": ops.broadcast_to(share_used(logits[0][1]), ops.shape(loss))}
        watched = self.watch(features[0], z[1], batch["label"])
        return {"loss": loss, "spread": watched["spread"]} | used | looked | watched

    def all_features(self, views, training):
        """`[B, F]` of each view; equal sizes in a row share a forward pass."""
        found = []
        for _, group in itertools.groupby(views, key=lambda x: x.shape[1:]):
            group = list(group)
            with chance.repeated(len(group)):
                features = self.features(ops.concatenate(group), training)[0]
            found += ops.split(features, len(group))
        return found

    def embed(self, features, training):
        """`[B, D]` unit vectors of each view, float32; one pass for all."""
        z = unit(self.mlp(ops.concatenate(features), training=training), FLOOR)
        return ops.split(z, len(features))

    def remember(self, batch, z, training):
        """What the queue says, and the embeddings with the first view's replaced."""
        if self.queue is None:
            return {}, z
        label = ops.cast(batch["label"], "int32")
        found, theirs = self.queue.nearest(z[0], batch["index"])
        full = self.queue.full
        agree = ops.logical_and(full, ops.logical_and(theirs == label, label >= 0))
        looked = {"neighbour_accuracy": ops.cast(agree, "float32")}
        first = z[0]
        if training:
            self.queue.push(first, label, batch["index"])
        if self.neighbours:
            first = ops.where(full, ops.cast(found, first.dtype), first)
        return looked, [first, *z[1:]]

    def count_params(self):
        """Of the network; what the queue remembers is none."""
        return super().count_params() - self.kept(0)[0]

    def kept(self, views):
        """The queue and its likenesses; about eight arrays the size of the logits."""
        logits = 8 * views * sum(head.classes for head in self.heads)
        if self.queue is None:
            return 0, logits
        return self.queue.count_params(), self.queue.length + logits

    def representations(self, images):
        """Levels "features", "z" (unit vectors) and "logits0", "logits1", ..."""
        features = self.features(images, training=False)[0]
        z = unit(self.mlp(features, training=False), FLOOR)
        logits = {f"logits{i}": head(z) for i, head in enumerate(self.heads)}
        return {"features": features, "z": z} | logits


def mlp(width, hidden, dim, depth, norm, activation):
    """`[B, width]` -> `[B, dim]`: the projection, of `depth` Dense layers."""
    slope = {"leaky_relu": 0.01, "relu": 0.0}[activation]
    features = x = keras.Input((width,), name="mlp_features")
    for i in range(1, depth + 1):
        last = i == depth
        kernel = keras.initializers.RandomNormal(0.0, 0.02)
        units = dim if last else hidden
        x = layers.Dense(units, kernel_initializer=kernel, name=f"mlp_dense{i}")(x)
        if last:
            break
        if norm:
            x = BatchNorm(name=f"mlp_norm{i}")(x)
        x = layers.LeakyReLU(slope, name=f"mlp_relu{i}")(x)
    return keras.Model(features, x, name="mlp")


def share_used(logits):
    """Share of the classes that some image of the global batch is given."""
    classes = logits.shape[-1]
    given = ops.one_hot(ops.argmax(logits, axis=-1), classes, dtype="float32")
    counts = distribute.total(ops.sum(given, axis=0))
    return ops.mean(ops.cast(counts > 0, "float32"))


def queue_length(queue, images, batch):
    """Embeddings to remember; see `SelfClassifier`.

    Args:
        queue: int, or "auto".
        images: int or `None`.
        batch: int or `None`.
    """
    if queue == "auto":
        if not images or not batch:
            return 0
        return min(MOST, images // 2) // batch * batch
    if queue and batch and batch > queue:
        raise BadInput(
            f"method.queue: {queue} embeddings cannot hold a batch of {batch}; set it "
            f'to {batch} or more, to 0 or to "auto".'
        )
    if queue and images and queue >= images:
        raise BadInput(
            f"method.queue: {queue} embeddings of {images} images: an image would be "
            f'its own neighbour; set it to {images // 2} or less, or to "auto".'
        )
    return queue
