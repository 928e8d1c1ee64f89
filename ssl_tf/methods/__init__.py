"""What is minimised."""

from ssl_tf.methods.autoencoder import Autoencoder
from ssl_tf.methods.faster_rcnn import FasterRCNN
from ssl_tf.methods.mask_rcnn import MaskRCNN
from ssl_tf.methods.multilabel import Multilabel
from ssl_tf.methods.scatsimclr import ScatSimCLR
from ssl_tf.methods.self_classifier import SelfClassifier
from ssl_tf.methods.simclr import GSimCLR, SimCLR
from ssl_tf.methods.simsiam import SimSiam
from ssl_tf.methods.ssal import SSAL
from ssl_tf.methods.supervised import Supervised

METHODS = {
    "autoencoder": Autoencoder,
    "faster_rcnn": FasterRCNN,
    "gsimclr": GSimCLR,
    "mask_rcnn": MaskRCNN,
    "multilabel": Multilabel,
    "scatsimclr": ScatSimCLR,
    "self_classifier": SelfClassifier,
    "simclr": SimCLR,
    "simsiam": SimSiam,
    "ssal": SSAL,
    "supervised": Supervised,
}
