"""Denoising autoencoder: the image back from its noisy self, by way of a bottleneck."""

from keras import ops

from ssl_tf.errors import BadInput
from ssl_tf.layers.decoder import decoder
from ssl_tf.layers.noise import GaussianNoise
from ssl_tf.methods.base import Method
from ssl_tf.schema import Fraction, NonNegative


class Autoencoder(Method):
    """The first stage of G-SimCLR, arXiv:2009.12007, whose latents become clusters.

    The decoder mirrors the encoder: same kernel, widths in reverse, no connection past
    the bottleneck. Watch the loss: about .002 on CIFAR-10, .005 on the ImageNet subset.

    Args:
        backbone: encoder with a layer `retrieval`, for images in [0, 1]
            (`data.norm: unit`), such as `autoencoder_shallow`.
        noise: deviation of the Gaussian noise on the input; the authors' 0.01 is
            2.55 grey levels.
        momentum: of the decoder's running statistics.

    Raises:
        BadInput: the backbone is no such encoder.
    """

    labelled = False

    def __init__(self, backbone, noise: NonNegative = 0.01, momentum: Fraction = 0.99):
        stages = encoder_stages(backbone)
        super().__init__(backbone, name="autoencoder", taps=("retrieval",))
        self.noise = GaussianNoise(noise, name="noise")
        self.decoder = decoder(
            backbone.get_layer("retrieval").output.shape[1:],
            [conv.filters for conv in reversed(stages)],
            stages[0].kernel_size,
            backbone.input_shape[-1],
            momentum,
        )
        self.built = True

    def call(self, images, training=False):
        """Images `[B, H, W, C]` rebuilt, float32 in [0, 1]."""
        _, latent = self.features(self.noise(images, training=training), training)
        return self.decoder(latent, training=training)

    def objective(self, batch, training):
        images = batch["views"][0]
        error = self(images, training=training) - ops.cast(images, "float32")
        return {"loss": ops.mean(ops.square(error), axis=(1, 2, 3))}


def encoder_stages(backbone):
    """The convolutions `stage1_conv`, `stage2_conv`, ... of an encoder."""
    found = {layer.name: layer for layer in backbone.layers}
    names = (f"stage{i}_conv" for i in range(1, len(found) + 1))
    stages = [found[name] for name in names if name in found]
    if "retrieval" not in found or not stages:
        raise BadInput(
            f"method: autoencoder has no decoder for {backbone.name}; use "
            "autoencoder_shallow or autoencoder_deep."
        )
    return stages
