"""Images to features: built, named, headless."""

from ssl_tf.backbones.densenet import densenet, densenet190
from ssl_tf.backbones.preact_resnet import preact_resnet18, preact_resnet50
from ssl_tf.backbones.resnet import resnet18, resnet50
from ssl_tf.backbones.wide_resnet import se_wrn16_8, wide_resnet, wrn28_10

BACKBONES = {
    "densenet": densenet,
    "densenet190": densenet190,
    "preact_resnet18": preact_resnet18,
    "preact_resnet50": preact_resnet50,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "se_wrn16_8": se_wrn16_8,
    "wide_resnet": wide_resnet,
    "wrn28_10": wrn28_10,
}
