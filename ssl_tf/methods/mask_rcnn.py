"""Mask R-CNN: Faster R-CNN that also draws its objects."""

import math

import keras
from keras import layers, ops

from ssl_tf.detection import masks
from ssl_tf.detection.parts import conv
from ssl_tf.detection.settings import Looking, Proposing
from ssl_tf.methods.faster_rcnn import FasterRCNN
from ssl_tf.schema import Count


class MaskRCNN(FasterRCNN):
    """The same with a mask of 14 x 14 for each object.

    Args:
        backbone: see `FasterRCNN`.
        classes: int K.
        proposing: see `Proposing`.
        looking: see `Looking`.
        mask_width: channels of the mask head.

    Source:
        He et al., arXiv:1703.06870, the C4 head.
    """

    called = "mask_rcnn"
    masks = True
    terms = (*FasterRCNN.terms, "mask")

    def __init__(
        self,
        backbone,
        classes,
        proposing: Proposing | None = None,
        looking: Looking | None = None,
        mask_width: Count = 256,
    ):
        super().__init__(backbone, classes, proposing, looking)
        fan = 4 * self.deep
        spread = keras.initializers.RandomNormal(stddev=math.sqrt(2 / fan))
        self.mask_deconv = layers.Conv2DTranspose(
            mask_width,
            2,
            2,
            activation="relu",
            kernel_initializer=spread,
            name="mask_deconv",
        )
        self.mask_logits = conv(self.classes, 1, 0.001, "mask_logits")
        self.mask_deconv.build((None, None, None, self.deep))
        self.mask_logits.build((None, None, None, mask_width))

    def draw(self, crops):
        """Logits `[B, F, 14, 14, K]` of regions `[B, F, 7, 7, C]`."""
        flat = ops.reshape(crops, (-1, *crops.shape[2:]))
        logits = self.mask_logits(self.mask_deconv(flat))
        return ops.reshape(logits, (*crops.shape[:2], *logits.shape[1:]))

    def more(self, crops, regions, batch):
        # Objects come first, at most so many.
        most = int(self.looking.samples * self.looking.share)
        first = lambda x: x[:, :most]
        logits = self.draw(first(crops))
        wanted = masks.targets(
            *(batch["polygons"], batch["corners"]),
            *(first(regions.matched), first(regions.boxes), logits.shape[2]),
        )
        loss = masks.mask_loss(
            *(logits, first(regions.classes), wanted, first(regions.objects))
        )
        return {"mask": loss}

    def outlined(self, features, found):
        """Probabilities `[B, D, 14, 14]` of the detected classes."""
        crops = self.look(features, found.boxes, found.valid, False)
        logits = self.draw(crops)
        plane = ops.one_hot(found.classes, self.classes, dtype="float32")
        return ops.sigmoid(ops.sum(logits * plane[:, :, None, None, :], axis=-1))
