"""Faster R-CNN on the C4 features of a ResNet."""

import math

from keras import ops

from ssl_tf import cost
from ssl_tf.detection import inference, roi, rpn
from ssl_tf.detection.anchors import grid_anchors
from ssl_tf.detection.parts import STRIDE, conv, cut, dense, draws, multiply_adds
from ssl_tf.detection.roi_align import roi_align
from ssl_tf.detection.sampling import gather
from ssl_tf.detection.settings import Looking, Proposing
from ssl_tf.layers.norm import BatchNorm, weighted
from ssl_tf.methods.base import Method


class FasterRCNN(Method):
    """Boxes and classes of objects; the backbone's stages are trunk and box head.

    The first three stages of the ResNet make the features that regions are proposed on
    and cut out of; the fourth, with one more batch norm behind it, looks at each
    region. Nothing is frozen, batch norm uses the moments of the batch everywhere.

    Args:
        backbone: ResNet with layers `stage3_block<i>` and `stage4_block<i>`, and a
            stride of 16 up to there.
        classes: int K.
        proposing: see `Proposing`.
        looking: see `Looking`.

    Source:
        Ren et al., arXiv:1506.01497; Self-Classifier's detection transfer by its code
        (spec of the transfer, 1 to 12), which is Detectron2's C4 with a batch norm
        behind the fourth stage.
    """

    called = "faster_rcnn"
    bins = 14  # of a region along a side; half as many behind the fourth stage
    scenes = True
    masks = False
    couples = True
    labelled = False
    minimised = ("loss",)
    terms = ("loss", "objectness", "proposal", "class", "box")
    scores = ()

    def __init__(
        self,
        backbone,
        classes,
        proposing: Proposing | None = None,
        looking: Looking | None = None,
    ):
        super().__init__(backbone, name=self.called)
        self.classes = classes
        self.proposing = proposing = proposing or Proposing()
        self.looking = looking or Looking()
        body, top, self.middle = cut(backbone)
        # Functions, not models: as attributes those would be saved as weights.
        self.body = lambda images, training: body(images, training=training)
        self.top = lambda crops, training: top(crops, training=training)
        width, self.deep = body.output_shape[-1], top.output_shape[-1]
        each = len(proposing.sizes) * len(proposing.ratios)
        self.rpn_conv = conv(width, 3, 0.01, "rpn_conv", "relu")
        self.rpn_objectness = conv(each, 1, 0.01, "rpn_objectness")
        self.rpn_boxes = conv(4 * each, 1, 0.01, "rpn_boxes")
        self.roi_norm = BatchNorm(name="roi_norm")
        self.roi_class = dense(classes + 1, 0.01, "roi_class")
        self.roi_boxes = dense(4 * classes, 0.001, "roi_boxes")
        for part in (self.rpn_conv, self.rpn_objectness, self.rpn_boxes):
            part.build((None, None, None, width))
        self.roi_norm.build((None, None, None, self.deep))
        for part in (self.roi_class, self.roi_boxes):
            part.build((None, self.deep))
        self.built = True

    def objective(self, batch, training):
        images, extent = batch["views"][0], batch["extent"]
        features = self.body(images, training)
        logits, deltas, anchors = self.propose(features)
        truth, there = batch["boxes"], batch["classes"] >= 0
        count, share = self.proposing.samples, self.proposing.share
        uniform = draws("rpn_sample", logits)
        asked = rpn.targets(anchors, truth, there, uniform, count, share)
        losses = {
            "objectness": rpn.objectness_loss(
                gather(logits, asked.index), asked.labels, count
            ),
            "proposal": rpn.box_loss(
                gather(deltas, asked.index),
                ops.take(anchors, asked.index, axis=0),
                asked.boxes,
                asked.labels,
                count,
            ),
        }
        found = self.proposals(logits, deltas, anchors, extent, 0 if training else 1)
        candidates = ops.concatenate([found.logits, truth[..., 0]], axis=1)
        regions = roi.sample(
            *(found.boxes, found.valid, truth, batch["classes"], there),
            *(draws("roi_sample", candidates), self.classes),
            *(self.looking.samples, self.looking.share),
        )
        crops = self.look(features, regions.boxes, regions.valid, training)
        scores, boxes = self.judge(crops)
        matched = gather(truth, regions.matched)
        losses |= {
            "class": roi.class_loss(scores, regions.classes, regions.valid),
            "box": roi.box_loss(
                boxes, regions.boxes, matched, regions.classes, regions.valid
            ),
        }
        losses |= self.more(crops, regions, batch)
        return {"loss": sum(losses.values())} | losses

    def multiply_adds(self, shape):
        """See `parts.multiply_adds`."""
        return multiply_adds(self, shape)

    def kept(self, views):
        """The crops of the regions, and the fourth stage's maps of each."""
        *nominal, width = self.backbone.get_layer(self.middle).output.shape[1:]
        deep = cost.activations(self.backbone, "stage4") / math.prod(nominal)
        return 0, int(self.looking.samples * self.bins**2 * (deep + width))

    def score(self, batch):
        """Single images have no scores; see the evaluation `detection`."""
        return {}

    def more(self, crops, regions, batch):
        """Losses beside those of boxes; none here."""
        return {}

    def propose(self, features):
        """`(logits [B, N], corrections [B, N, 4], anchors [N, 4])` of a feature map."""
        height, width = ops.shape(features)[1:3]
        hidden = self.rpn_conv(features)
        logits = ops.reshape(self.rpn_objectness(hidden), (features.shape[0], -1))
        deltas = ops.reshape(self.rpn_boxes(hidden), (features.shape[0], -1, 4))
        anchors = grid_anchors(
            height, width, STRIDE, self.proposing.sizes, self.proposing.ratios
        )
        return logits, deltas, anchors

    def proposals(self, logits, deltas, anchors, extent, turn):
        """`rpn.Proposals`; `turn` 0 in training, 1 in evaluation."""
        counts = self.proposing.before[turn], self.proposing.after[turn]
        return rpn.proposals(logits, deltas, anchors, extent, *counts)

    def look(self, features, boxes, valid, training):
        """`[B, R, 7, 7, F]`: the fourth stage's view of each region."""
        crops = roi_align(features, boxes, self.bins, 1 / STRIDE, self.looking.chunk)
        shape = crops.shape
        crops = ops.reshape(crops, (-1, *shape[2:]))
        with weighted(ops.reshape(ops.cast(valid, "float32"), (-1,))):
            crops = self.roi_norm(self.top(crops, training), training=training)
        return ops.reshape(crops, (*shape[:2], *crops.shape[1:]))

    def judge(self, crops):
        """`(logits [B, R, K + 1], corrections [B, R, 4 K])` of regions."""
        pooled = ops.mean(crops, axis=(2, 3))
        return self.roi_class(pooled), self.roi_boxes(pooled)

    def detect(self, images, extent):
        """What is in images.

        Args:
            images: `[B, H, W, 3]`, normalised, zeros below and to the right.
            extent: `[B, 2]`, height and width without them.

        Returns:
            `inference.Detections` in pixels of these images, and probabilities `[B, D,
            14, 14]` of their masks, or `None`.
        """
        features = self.body(images, False)
        found = self.proposals(*self.propose(features), extent, 1)
        crops = self.look(features, found.boxes, found.valid, False)
        detections = inference.detections(
            *self.judge(crops),
            *(found.boxes, found.valid, extent),
            threshold=self.looking.score,
            keep=self.looking.detections,
        )
        return detections, self.outlined(features, detections)

    def outlined(self, features, found):
        """Masks of detections; none here."""
        return None
