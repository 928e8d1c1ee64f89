"""SimSiam: a view predicts the other, and only the prediction learns from it."""

from typing import Literal

import keras
from keras import layers, ops

from ssl_tf.layers.initial import torch_uniform
from ssl_tf.layers.norm import BatchNorm
from ssl_tf.losses.siamese import negative_cosine
from ssl_tf.methods.self_supervised import SelfSupervised
from ssl_tf.methods.supervised import classifier
from ssl_tf.schema import Count


class SimSiam(SelfSupervised):
    """SimSiam, arXiv:2011.10566, and its study on CNNs and transformers.

    Each view goes through the network by itself: first both through backbone and
    projector, then both through the predictor, so that batch norm's running statistics
    move as in the authors' code.

    Args:
        backbone: see `Method`.
        classes: int, of the probe.
        head: "official" is the paper's: no bias before a batch norm, the last batch
            norm neither scales nor shifts, and the last layer's bias is drawn but never
            trained. "ablation" is the study's (arXiv:2112.02297): biases everywhere,
            and a last batch norm that does both.
        dim: width of the projection; 1024 in the study.
        hidden: width inside the projector, `None` the backbone's; 1024 in the study.
        predictor: width inside the predictor; a quarter of `dim` in both.
        depth: Dense layers of the projector; 2 on CIFAR-10 in the paper.
        stop_gradient: `False` lets the projections learn, too, and collapse.
        probe: see `SelfSupervised`.

    Source:
        arXiv:2011.10566, alg. 1 and sec. 3; spec 1.2.
    """

    views = 2
    couples = False

    def __init__(
        self,
        backbone,
        classes=0,
        head: Literal["official", "ablation"] = "official",
        dim: Count = 2048,
        hidden: Count | None = None,
        predictor: Count = 512,
        depth: Literal[2, 3] = 3,
        stop_gradient: bool = True,
        probe: bool = False,
    ):
        super().__init__(backbone, "simsiam", classes, probe)
        width = backbone.output_shape[-1]
        self.projector = projector(width, hidden or width, dim, depth, head)
        self.predictor = prediction(dim, predictor, head)
        self.stop_gradient = stop_gradient
        self.terms = ("loss", "spread")
        self.terms += () if self.probe is None else ("probe_loss", "probe_accuracy")
        self.built = True

    def objective(self, batch, training):
        features = [self.features(x, training)[0] for x in batch["views"]]
        return self.compare(features, batch["label"], training)

    def compare(self, features, label, training):
        """The terms from the features `[B, F]` of both views."""
        z1, z2 = (self.projector(h, training=training) for h in features)
        p1, p2 = (self.predictor(z, training=training) for z in (z1, z2))
        loss = (self.distance(p1, z2) + self.distance(p2, z1)) / 2
        return {"loss": loss} | self.watch(features[0], z1, label)

    def distance(self, p, z):
        return negative_cosine(p, ops.stop_gradient(z) if self.stop_gradient else z)

    def representations(self, images):
        features = self.features(images, training=False)[0]
        return {"features": features, "z": self.projector(features, training=False)}


def projector(width, hidden, dim, depth, head):
    """`[B, width]` -> `[B, dim]`: Dense, batch norm and ReLU, but for the last ReLU."""
    official = head == "official"
    features = x = keras.Input((width,), name="projector_features")
    for i in range(1, depth + 1):
        last = i == depth
        units = dim if last else hidden
        dense = linear(x.shape[-1], units, f"projector_dense{i}", last or not official)
        if last and official:
            dense.bias.trainable = False
        affine = not (last and official)
        norm = BatchNorm(center=affine, scale=affine, name=f"projector_norm{i}")
        x = norm(dense(x))
        if not last:
            x = layers.ReLU(name=f"projector_relu{i}")(x)
    return keras.Model(features, x, name="projector")


def prediction(dim, hidden, head):
    """`[B, dim]` -> `[B, dim]` through a narrow layer, batch norm and ReLU."""
    z = keras.Input((dim,), name="predictor_projection")
    x = linear(dim, hidden, "predictor_dense1", head != "official")(z)
    x = layers.ReLU(name="predictor_relu1")(BatchNorm(name="predictor_norm1")(x))
    return keras.Model(z, linear(hidden, dim, "predictor_dense2")(x), name="predictor")


def linear(width, units, name, bias=True):
    """A built Dense layer as PyTorch starts it."""
    if bias:
        return classifier(width, units, "torch", name)
    dense = layers.Dense(
        units, use_bias=False, kernel_initializer=torch_uniform(), name=name
    )
    dense.build((None, width))
    return dense
