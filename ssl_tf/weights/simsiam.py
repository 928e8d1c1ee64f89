"""Names of SimSiam's PyTorch checkpoints: the official ones, and the ablation's."""

import re

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.weights import trunks
from ssl_tf.weights.port import WRAPPED, linear, norm

SUPERVISED = r"(?:cnn\.)?"  # before the names of the ablation's fine-tuned networks
TWICE = {"encoder.0.": "backbone.", "encoder.1.": "projector."}

# Linear layers and batch norms by their numbers; between them are ReLUs.
OFFICIAL = [
    *linear(r"encoder\.fc\.0", "projector_dense1"),
    *norm(r"encoder\.fc\.1", "projector_norm1"),
    *linear(r"encoder\.fc\.3", "projector_dense2"),
    *norm(r"encoder\.fc\.4", "projector_norm2"),
    *linear(r"encoder\.fc\.6", "projector_dense3"),
    *norm(r"encoder\.fc\.7", "projector_norm3"),
    *linear(r"predictor\.0", "predictor_dense1"),
    *norm(r"predictor\.1", "predictor_norm1"),
    *linear(r"predictor\.3", "predictor_dense2"),
]
ABLATION = [
    *linear(r"projector\.layer(\d)\.0", "projector_dense{1}"),
    *norm(r"projector\.layer(\d)\.1", "projector_norm{1}"),
    *linear(r"predictor\.layer1\.0", "predictor_dense1"),
    *norm(r"predictor\.layer1\.1", "predictor_norm1"),
    *linear(r"predictor\.layer2", "predictor_dense2"),
]


def handles(method):
    """Whether either code can have written a file of this method."""
    return method.name == "simsiam"


def rules(method):
    """Rules for a backbone, called `encoder` or `backbone`, and either pair of heads.

    What one of the two pairs has and a method lacks, or the other way round (biases,
    the last batch norm's factor), is a misfit.

    Source:
        arXiv:2011.10566 and arXiv:2112.02297, by their code.
    """
    trunk = trunks.prefixed(trunks.rules(method.backbone), r"(?:encoder|backbone)\.")
    return [*trunk, *OFFICIAL, *ABLATION, trunks.COUNTERS]


def distinct(arrays):
    """The arrays of a file without second names of the same.

    The ablation's code saves backbone and projector once more, as parts 0 and 1 of
    `encoder`. A file that has only these gets the first names.

    Raises:
        BadInput: two that must be equal differ.
    """
    found, differing = {}, []
    for name, array in arrays.items():
        twin = re.sub(WRAPPED, "", name, count=1)
        for second, own in TWICE.items():
            if twin.startswith(second):
                twin = own + twin.removeprefix(second)
        if twin not in found:
            found[twin] = array
        elif not np.array_equal(found[twin], array):
            differing.append(name)
    if differing:
        raise BadInput(
            f"{len(differing)} arrays are saved twice and differ, nothing imported: "
            f"{', '.join(differing[:3])}."
        )
    return found
