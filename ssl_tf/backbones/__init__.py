"""Images to features: built, named, headless."""

from ssl_tf.backbones.autoencoder import autoencoder_deep, autoencoder_shallow
from ssl_tf.backbones.cifar_resnet import cifar_resnet20, cifar_resnet38
from ssl_tf.backbones.densenet import densenet, densenet190
from ssl_tf.backbones.efficientnet import efficientnet, efficientnet_b0
from ssl_tf.backbones.pit import pit, pit_tiny
from ssl_tf.backbones.preact_resnet import preact_resnet18, preact_resnet50
from ssl_tf.backbones.resnet import resnet18, resnet50
from ssl_tf.backbones.resnet_keras import resnet50_keras
from ssl_tf.backbones.scatsimclr import (
    scatsimclr,
    scatsimclr8,
    scatsimclr12,
    scatsimclr16,
    scatsimclr30,
    scatsimclr45,
)
from ssl_tf.backbones.vit import (
    vit,
    vit_base,
    vit_small,
    vit_small_timm048,
    vit_tiny,
)
from ssl_tf.backbones.vit_minimal import vit_minimal
from ssl_tf.backbones.wide_resnet import se_wrn16_8, wide_resnet, wrn28_10

BACKBONES = {
    "autoencoder_deep": autoencoder_deep,
    "autoencoder_shallow": autoencoder_shallow,
    "cifar_resnet20": cifar_resnet20,
    "cifar_resnet38": cifar_resnet38,
    "densenet": densenet,
    "densenet190": densenet190,
    "efficientnet": efficientnet,
    "efficientnet_b0": efficientnet_b0,
    "pit": pit,
    "pit_tiny": pit_tiny,
    "preact_resnet18": preact_resnet18,
    "preact_resnet50": preact_resnet50,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "resnet50_keras": resnet50_keras,
    "scatsimclr": scatsimclr,
    "scatsimclr8": scatsimclr8,
    "scatsimclr12": scatsimclr12,
    "scatsimclr16": scatsimclr16,
    "scatsimclr30": scatsimclr30,
    "scatsimclr45": scatsimclr45,
    "se_wrn16_8": se_wrn16_8,
    "vit": vit,
    "vit_base": vit_base,
    "vit_minimal": vit_minimal,
    "vit_small": vit_small,
    "vit_small_timm048": vit_small_timm048,
    "vit_tiny": vit_tiny,
    "wide_resnet": wide_resnet,
    "wrn28_10": wrn28_10,
}
