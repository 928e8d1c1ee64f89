"""What methods that learn from views share: forward passes, probe, collapse."""

from keras import ops

from ssl_tf.losses.classification import cross_entropy, hit
from ssl_tf.losses.contrastive import spread
from ssl_tf.methods.base import Method
from ssl_tf.methods.supervised import classifier


class SelfSupervised(Method):
    """A method without labels, watched by a linear probe that it does not feel.

    The probe is a softmax classifier on the stopped features of the first view,
    trained beside the method by the same optimiser. Images with label -1 do not count.
    The loss of a single image means nothing here: `score` is the probe's accuracy.

    Args:
        backbone: see `Method`.
        name: str.
        classes: int, classes of the probe; 0 for images without labels.
        probe: whether to train one.
    """

    couples = True
    labelled = False

    def __init__(self, backbone, name, classes=0, probe=False):
        super().__init__(backbone, name=name)
        self.probe = None
        if probe and classes:
            width = backbone.output_shape[-1]
            self.probe = classifier(width, classes, "glorot_uniform", name="probe")
            self.minimised = ("loss", "probe_loss")

    def watch(self, features, z, label):
        """The terms beside the loss: spread of `z`, and the probe's.

        Args:
            features: `[B, F]` of one view.
            z: `[B, D]`, what the loss is computed on.
            label: `[B]` int32, -1 where there is none; `[B, A]` attributes do not go
                with a probe.
        """
        spreads = ops.broadcast_to(spread(z), ops.shape(label)[:1])
        return {"spread": spreads} | self.probed(features, label)

    def probed(self, features, label):
        """`{"probe_loss": [B], "probe_accuracy": [B]}`, empty without a probe."""
        if self.probe is None:
            return {}
        logits = self.probe(ops.stop_gradient(features))
        known = ops.cast(label >= 0, "float32")
        label = ops.maximum(label, 0)
        return {
            "probe_loss": cross_entropy(logits, label) * known,
            "probe_accuracy": hit(logits, label) * known,
        }

    @property
    def scores(self):
        return () if self.probe is None else ("probe_accuracy",)

    def score(self, batch):
        features = self.features(batch["views"][0], training=False)[0]
        probed = self.probed(features, batch["label"])
        return {name: probed[name] for name in self.scores}
