"""What a detector's config may set."""

from typing import NamedTuple

from ssl_tf.detection.anchors import RATIOS, SIZES
from ssl_tf.schema import Count, Fraction, Positive, Share


class Proposing(NamedTuple):
    """How regions are proposed.

    Attributes:
        sizes: square roots of the anchors' areas, in pixels.
        ratios: their heights over widths.
        samples: anchors asked about in an image and an update.
        share: of them, at most, objects.
        before: proposals before suppression, in training and in evaluation.
        after: the same after it.
    """

    sizes: list[Positive] = SIZES
    ratios: list[Positive] = RATIOS
    samples: Count = 256
    share: Share = 0.5
    before: tuple[Count, Count] = (12_000, 6_000)
    after: tuple[Count, Count] = (2_000, 1_000)


class Looking(NamedTuple):
    """How regions are looked at.

    Attributes:
        samples: regions of an image and an update.
        share: of them, at most, objects.
        score: probability above which something is a detection.
        detections: of an image.
        chunk: regions whose features are cut out at a time; `None`: all.
    """

    samples: Count = 512
    share: Share = 0.25
    score: Fraction = 0.05
    detections: Count = 100
    chunk: Count | None = 128
