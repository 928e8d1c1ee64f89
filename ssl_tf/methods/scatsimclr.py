"""ScatSimCLR: SimCLR, helped by a pretext task that the same network solves."""

from typing import Annotated, Literal

import keras
from keras import layers, ops

from ssl_tf.layers.dropout import Dropout
from ssl_tf.losses.classification import cross_entropy, hit
from ssl_tf.methods import jigsaw
from ssl_tf.methods.simclr import SimCLR
from ssl_tf.methods.supervised import classifier
from ssl_tf.ops import chance
from ssl_tf.schema import Count, Fraction, NonNegative, Positive, Range, Whole

TURNS = 4


class ScatSimCLR(SimCLR):
    """ScatSimCLR, arXiv:2108.13939: NT-Xent plus a weighted pretext loss.

    The backbone is anything; with `scatsimclr8` ... `scatsimclr45` it is the paper's
    scattering network, with `resnet18` or `resnet50` its SimCLR baseline. With a
    pretext task the last view of a batch is `[B, K, H, W, C]`: K = 4 turned copies
    (recipe `rotations`), whose turn is to be told, or K = 9 tiles (recipe `jigsaw`)
    in row order, which are shuffled here by one of a set of permutations, to be told.
    The pretext images are a forward pass of their own, after the two views.

    Args:
        backbone: see `Method`.
        classes: see `SimCLR`.
        temperature: see `SimCLR`; the paper has 0.5.
        head: see `SimCLR`.
        init: see `SimCLR`.
        pretext: "rotation", "jigsaw" or none.
        weight: lambda, factor on the pretext loss.
        start: first epoch, from 0, in which the pretext loss counts: 0 in the authors'
            code, 40 in the paper (the switch to it).
        permutations: how many the jigsaw has; 35 takes the authors' table. Or the
            table itself, rows of 0 to 8, or a `.npy` file of it.
        dropout: of the pretext heads.
        official_norm: after the first epoch, normalise with the running statistics as
            they are: the authors' code puts the network into inference mode to
            evaluate it after each epoch, and leaves it there.
        probe: see `SimCLR`.

    Raises:
        BadInput: a permutation table of wrong shape.

    Source:
        Sections 3 and 4 of the paper; heads, 0.3 and dropout are the authors' code's.
    """

    def __init__(
        self,
        backbone,
        classes=0,
        temperature: Positive = 0.5,
        head: list[Count] = (2048, 128),
        init: Literal["keras", "torch"] = "torch",
        pretext: Literal["rotation", "jigsaw"] | None = None,
        weight: NonNegative = 0.3,
        start: Whole = 0,
        permutations: Annotated[int, Range(low=2)] | list[list[int]] | str = 35,
        dropout: Fraction = 0.5,
        official_norm: bool = False,
        probe: bool = False,
    ):
        super().__init__(
            backbone, classes, temperature, head, init, "cosine", probe, "scatsimclr"
        )
        self.still_from = 1 if official_norm else None
        self.pretext = pretext
        self.weight = weight
        self.start = start
        if pretext is None:
            return
        self.views = 3
        width = backbone.output_shape[-1]
        if pretext == "jigsaw":
            self.permutations = jigsaw.table(permutations)
        self.tiles = TURNS if pretext == "rotation" else jigsaw.TILES
        self.pretext_head = pretext_head(
            pretext,
            width,
            TURNS if pretext == "rotation" else len(self.permutations),
            dropout,
        )
        own = ("pretext_loss", "pretext_accuracy")
        self.terms = (*self.terms[:1], "contrastive_loss", *own, *self.terms[1:])
        self.built = True

    def objective(self, batch, training):
        *views, images = batch["views"] if self.pretext else (*batch["views"], None)
        features = [self.features(x, training)[0] for x in views]
        terms = self.contrast(features, batch["label"])
        if images is None:
            return terms
        task, label = self.task(images, batch["index"])
        logits = self.pretext_logits(task, training)
        terms["contrastive_loss"] = terms["loss"]
        terms |= pretext_terms(logits, label)
        counts = self.weight * ops.cast(batch["epoch"] >= self.start, "float32")
        terms["loss"] = terms["loss"] + counts * terms["pretext_loss"]
        return {name: terms[name] for name in self.terms}

    def task(self, images, index):
        """The images as the network gets them, and what it is to tell of them.

        Args:
            images: `[B, K, H, W, C]` from the pipeline.
            index: `[B]`, decides the permutation where no key does.

        Returns:
            `(images [B, K, H, W, C], label [B, 4])` or, for jigsaws, `label [B]`.
        """
        size = ops.shape(images)[0]
        if self.pretext == "rotation":
            turns = ops.expand_dims(ops.arange(TURNS, dtype="int32"), 0)
            return images, ops.tile(turns, (size, 1))
        count = len(self.permutations)
        label = ops.cast(ops.cast(index, "int32") % count, "int32")
        if chance.active():
            drawn = chance.uniform("jigsaw", (1,))[:, 0] * count
            label = ops.cast(drawn, "int32")
        return jigsaw.shuffled(
            images, ops.take(self.permutations, label, axis=0)
        ), label

    def pretext_logits(self, images, training):
        """`[B, 4, 4]` for turned copies, `[B, P]` for shuffled tiles."""
        shape = images.shape[2:]
        flat = self.features(ops.reshape(images, (-1, *shape)), training)[0]
        tiles = ops.reshape(flat, (-1, self.tiles, flat.shape[-1]))
        return self.pretext_head(tiles, training=training)


def pretext_terms(logits, label):
    """Mean cross-entropy and accuracy over each image's pretext questions."""
    loss = cross_entropy(logits, label)
    right = hit(logits, label)
    if len(loss.shape) == 2:
        loss, right = ops.mean(loss, axis=1), ops.mean(right, axis=1)
    return {"pretext_loss": loss, "pretext_accuracy": right}


def pretext_head(name, width, answers, dropout):
    """`[B, K, width]` features -> logits, as a model; names follow the checkpoints'.

    rotation: each copy by itself, width-512-128-4. jigsaw: each tile width-512, all
    nine together 4608-4096-P. ReLU and dropout after every layer but the last.

    Source:
        ScatSimCLR, spec 1.6; the width is the backbone's (Q9: the authors fix 2048).
    """
    copies = TURNS if name == "rotation" else jigsaw.TILES
    features = keras.Input((copies, width), name=f"{name}_features")

    def dense(x, units, part):
        layer = classifier(x.shape[-1], units, "torch", name=f"{name}_{part}")
        return layer(x)

    def hidden(x, units, part):
        x = layers.ReLU(name=f"{name}_{part}_relu")(dense(x, units, part))
        return Dropout(dropout, name=f"{name}_{part}_dropout")(x)

    x = hidden(features, 512, "fc1")
    if name == "jigsaw":
        x = layers.Flatten(name=f"{name}_joined")(x)
        x = hidden(x, 4096, "fc2")
    else:
        x = hidden(x, 128, "fc2")
    return keras.Model(features, dense(x, answers, "classifier"), name=f"{name}_head")
