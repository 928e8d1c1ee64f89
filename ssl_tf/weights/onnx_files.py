"""Writes ONNX files through Keras and tf2onnx; onnxruntime says what they answer."""

import importlib.util
import logging
import math
import warnings

import numpy as np

from ssl_tf.errors import BadInput, have

NEEDED = ("onnx", "tf2onnx")


def write(model, path, images):
    """Writes a model, and answers `images` with the file.

    Args:
        model: functional `keras.Model` of Keras' own layers; its GELUs are exchanged.
        path: file.
        images: `[B, H, W, 3]`; the file takes any B.

    Returns:
        list of arrays, or `None` without onnxruntime.

    Raises:
        BadInput: a package is missing, or ONNX has no counterpart of some operation.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise BadInput(
            f"--to onnx: needs {' and '.join(missing)}; pip install 'ssl_tf[onnx]'."
        )
    spell_out(model)
    model(images[:1])  # Keras exports models that were called
    log = logging.getLogger("tf2onnx")
    level = log.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of NumPy, about np.object
        log.setLevel(logging.CRITICAL)
        try:
            model.export(str(path), format="onnx", verbose=False)
        finally:
            log.setLevel(level)
    check(path)
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: images})


def spell_out(model):
    """Writes exact GELUs by the error function: tf2onnx lacks its complement."""
    import keras

    for layer in getattr(model, "layers", ()):
        if getattr(layer, "activation", None) is keras.activations.gelu:
            layer.activation = gelu
        spell_out(layer)


def gelu(x):
    """`x / 2 (1 + erf(x / sqrt 2))`."""
    from keras import ops

    return 0.5 * x * (1 + ops.erf(x / np.float32(math.sqrt(2))))


def check(path):
    """Raises BadInput where a file names operations that ONNX does not have."""
    import onnx

    nodes = onnx.load(str(path), load_external_data=False).graph.node
    unknown = {n.op_type for n in nodes if not onnx.defs.has(n.op_type, n.domain)}
    if unknown:
        raise BadInput(
            f"--to onnx: tf2onnx has nothing for {have(unknown)}, which this network "
            "needs; take savedmodel."
        )
