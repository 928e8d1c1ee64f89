"""Multi-label classification: which of many attributes an image has."""

from ssl_tf.losses.classification import binary_cross_entropy, binary_hit
from ssl_tf.methods.base import Method
from ssl_tf.methods.supervised import classifier


class Multilabel(Method):
    """One sigmoid output for each attribute on the backbone's features.

    `binary_accuracy` is the share of right answers; where attributes are rare it is
    high for a model that always denies them. The evaluation `multilabel` has the
    measures of the ablation study.

    Args:
        backbone: see `Method`.
        classes: int, number of attributes.

    Source:
        Papastratis, arXiv:2112.02297, by its code; the classifier starts as torch's
        Linear.
    """

    terms = ("loss", "binary_accuracy")
    attributes = True

    def __init__(self, backbone, classes):
        super().__init__(backbone, name="multilabel")
        self.head = classifier(backbone.output_shape[-1], classes, "torch")
        self.built = True

    def call(self, images, training=False):
        return self.head(self.backbone(images, training=training))

    def objective(self, batch, training):
        logits = self.head(self.features(batch["views"][0], training)[0])
        return {
            "loss": binary_cross_entropy(logits, batch["label"]),
            "binary_accuracy": binary_hit(logits, batch["label"]),
        }
