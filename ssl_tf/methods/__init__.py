"""What is minimised."""

from ssl_tf.methods.ssal import SSAL
from ssl_tf.methods.supervised import Supervised

METHODS = {
    "ssal": SSAL,
    "supervised": Supervised,
}
