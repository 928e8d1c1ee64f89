"""Supervised classification: the baseline of every table, and fine-tuning."""

from typing import Literal

import keras

from ssl_tf.layers.initial import torch_uniform
from ssl_tf.losses.classification import cross_entropy, hit
from ssl_tf.methods.base import Method
from ssl_tf.schema import Fraction

HEADS = Literal["glorot_uniform", "he_normal", "torch"]


class Supervised(Method):
    """Softmax cross-entropy on the backbone's features.

    Args:
        backbone: see `Method`.
        classes: int, number of classes.
        smoothing: label smoothing, see `cross_entropy`.
        head: initialiser of the classifier's kernel; "torch" draws kernel and bias
            from U(+-1 / sqrt(F)).
        top5: log the share of labels among the five highest scores, too.
    """

    def __init__(
        self,
        backbone,
        classes,
        smoothing: Fraction = 0.0,
        head: HEADS = "glorot_uniform",
        top5: bool = False,
    ):
        super().__init__(backbone, name="supervised")
        self.classes = classes
        self.smoothing = smoothing
        self.head = classifier(backbone.output_shape[-1], classes, head)
        self.terms = ("loss", "accuracy") + ("top5",) * top5
        self.built = True

    def call(self, images, training=False):
        return self.head(self.backbone(images, training=training))

    def objective(self, batch, training):
        features = self.features(batch["views"][0], training)[0]
        logits = self.head(features)
        label = batch["label"]
        smoothing = self.smoothing if training else 0.0
        values = {
            "loss": cross_entropy(logits, label, smoothing),
            "accuracy": hit(logits, label),
        }
        if "top5" in self.terms:
            values["top5"] = hit(logits, label, 5)
        return values


def classifier(width, classes, init, name="head"):
    """`keras.layers.Dense`, features `[B, width]` -> logits `[B, classes]`. Built."""
    torch = init == "torch"
    dense = keras.layers.Dense(
        classes,
        kernel_initializer=torch_uniform() if torch else init,
        bias_initializer=torch_uniform(width) if torch else "zeros",
        name=name,
    )
    dense.build((None, width))
    return dense
