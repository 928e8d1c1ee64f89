"""SimCLR: an image's views attract each other and repel all other images."""

from typing import Literal

from keras import ops

from ssl_tf.losses.contrastive import nt_xent, unit
from ssl_tf.methods.self_supervised import SelfSupervised
from ssl_tf.methods.supervised import classifier
from ssl_tf.schema import Count, Positive


class SimCLR(SelfSupervised):
    """SimCLR, arXiv:2002.05709, with the projection heads of G-SimCLR and ScatSimCLR.

    Each view goes through the network by itself, so that batch norm sees one view at
    a time, as in both papers' code. Guided batches (G-SimCLR) and the scattering
    network (ScatSimCLR) are the data's and the backbone's business.

    Args:
        backbone: see `Method`.
        classes: int, of the probe.
        temperature: of NT-Xent.
        head: widths of the projection head's Dense layers, ReLU between them.
        init: "keras" draws kernels from Glorot's uniform distribution with zero biases
            (G-SimCLR), "torch" both from U(+-1 / sqrt(fan_in)) (ScatSimCLR).
        similarity: "cosine", or "dot" of the projections as they are.
        probe: train an online linear probe, see `SelfSupervised`.
    """

    views = 2

    def __init__(
        self,
        backbone,
        classes=0,
        temperature: Positive = 0.1,
        head: list[Count] = (256, 128, 50),
        init: Literal["keras", "torch"] = "keras",
        similarity: Literal["cosine", "dot"] = "cosine",
        probe: bool = False,
        name="simclr",
    ):
        super().__init__(backbone, name, classes, probe)
        self.temperature = temperature
        self.similarity = similarity
        self.head = projection(backbone.output_shape[-1], head, init)
        self.terms = ("loss", "match", "spread")
        self.terms += () if self.probe is None else ("probe_loss", "probe_accuracy")
        self.built = True

    def project(self, features):
        """Inputs of each head layer but the first, and `z` `[B, D]` last, a list."""
        outputs = []
        for i, layer in enumerate(self.head):
            features = layer(features)
            if i < len(self.head) - 1:
                features = ops.relu(features)
            outputs.append(features)
        return outputs

    def representations(self, images):
        """Levels as G-SimCLR counts them: p1 lacks the head's last layer, p2 the last
        two, ...; the one that lacks all is the backbone, which is "features", too.
        """
        features = self.features(images, training=False)[0]
        *hidden, z = self.project(features)
        levels = {f"p{len(hidden) - i}": x for i, x in enumerate(hidden)}
        return {"features": features, f"p{len(hidden) + 1}": features, **levels, "z": z}

    def objective(self, batch, training):
        features = [self.features(x, training)[0] for x in batch["views"]]
        return self.contrast(features, batch["label"])

    def contrast(self, features, label):
        """The terms from the features `[B, F]` of each view."""
        z = [self.project(h)[-1] for h in features]
        compared = [unit(x) for x in z] if self.similarity == "cosine" else z
        loss, match = nt_xent(compared, self.temperature)
        watched = self.watch(features[0], z[0], label)
        return {"loss": loss, "match": match} | watched


class GSimCLR(SimCLR):
    """G-SimCLR, arXiv:2009.12007: SimCLR on batches guided by pseudo-labels.

    The network, the head and the loss are SimCLR's; what differs is the order of the
    images. An autoencoder's features are clustered, and a batch holds as few images of
    one cluster as possible (`data.order`), so that look-alikes are rarely negatives of
    each other.
    """

    def __init__(
        self,
        backbone,
        classes=0,
        temperature: Positive = 0.1,
        head: list[Count] = (256, 128, 50),
        init: Literal["keras", "torch"] = "keras",
        probe: bool = False,
    ):
        super().__init__(
            backbone, classes, temperature, head, init, "cosine", probe, "gsimclr"
        )


def projection(width, widths, init):
    """The head's Dense layers `head_dense1`, ..., built, a list."""
    layers = []
    for i, units in enumerate(widths, start=1):
        kernel = "torch" if init == "torch" else "glorot_uniform"
        layers.append(classifier(width, units, kernel, name=f"head_dense{i}"))
        width = units
    return layers
