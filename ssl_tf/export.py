"""A run's network for other tools; input is RGB in [0, 1], `[B, H, W, 3]`.

python -m ssl_tf.export runs/ssal/resnet18_digits/seed0 --to keras -o trunk.keras
python -m ssl_tf.export RUN --to savedmodel -o trunk --part method
python -m ssl_tf.export RUN --to onnx -o trunk.onnx            extra `onnx`
python -m ssl_tf.export RUN --to safetensors -o trunk.safetensors
python -m ssl_tf.export RUN --to detectron2 -o trunk.pkl       a ResNet-50's

A .keras file of a scattering network needs `import ssl_tf.layers.scattering,
ssl_tf.layers.adaptive_pool` before it is loaded, one of a transformer `import
ssl_tf.layers.attention, ssl_tf.layers.tokens`; all others are of Keras' own layers.

Files of safetensors and detectron2 hold weights, no network, and images are to be
normalised as the run's were: by our names (`convert FILE --from safetensors` takes
them back), or as docs/detection.md says.
"""

import shutil
import sys
from pathlib import Path

import numpy as np

from ssl_tf import cli, runs
from ssl_tf.errors import BadInput

TOLERANCE = 1e-4
ENDINGS = {
    "keras": ".keras",
    "savedmodel": None,
    "onnx": ".onnx",
    "safetensors": ".safetensors",
    "detectron2": ".pkl",
}


def arguments():
    parser = cli.parser("export", __doc__)
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("--to", required=True, choices=tuple(ENDINGS))
    parser.add_argument("-o", "--output", required=True, metavar="PATH")
    parser.add_argument(
        "--weights", default="last", metavar="W", help="last, best, ..."
    )
    parser.add_argument(
        "--part",
        default="backbone",
        choices=("backbone", "method"),
        help="features, or the logits of the classifier and of each branch; "
        "safetensors: all weights",
    )
    return parser


def main(argv=None):
    options = arguments().parse_args(argv)
    path, ending = Path(options.output), ENDINGS[options.to]
    if ending is not None and path.suffix != ending:
        raise BadInput(f"-o {path}: must end in {ending}.")
    if path.exists():
        raise BadInput(f"-o {path}: exists already; remove it or choose another name.")
    runs.stored(options.run)
    cli.import_tensorflow()
    error = export(options.run, options.to, path, options.part, options.weights)
    told = "not reloaded, for onnxruntime is not installed"
    if error is not None:
        told = f"largest difference after reloading {error:.1e}"
    print(f"{path}: {told}", file=sys.stderr)
    return 0


def export(folder, kind, path, part="backbone", weights="last"):
    """Writes a network of Keras' own layers, or its weights; reloads it as a check.

    Args:
        folder: a finished run.
        kind: of `ENDINGS`.
        path: file or folder to write.
        part: "backbone" or "method".
        weights: see `evaluator.Run`.

    Returns:
        float, largest difference of the outputs, relative to the largest output, or of
        the weights, which is 0; `None` if an ONNX file could not be run.

    Raises:
        BadInput: no finished run, the reloaded network differs, or there is no such
            thing of it.
    """
    from ssl_tf import evaluator

    done = evaluator.Run(folder, weights)
    write = stored if kind in ("safetensors", "detectron2") else answered
    name = f".{Path(path).name}.{runs.unique()}.partial{Path(path).suffix}"
    temporary = Path(path).with_name(name)
    try:
        error = write(done, kind, temporary, part)
        if error is not None and not error <= TOLERANCE:
            raise BadInput(f"{path}: the reloaded network differs by {error:.1e}.")
        temporary.rename(path)
    except OSError as problem:
        raise runs.unwritable(path, problem) from None
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
    return error


def answered(done, kind, path, part):
    """Writes the network; the largest difference of what the reloaded one answers."""
    import keras

    size, original = done.facts["size"], network(done.method, part)
    model = plain(original, done.normal(), size)
    images = np.random.default_rng(0).random((2, size, size, 3), np.float32)
    wanted = keras.tree.flatten(original(done.normal()(images), training=False))
    got = written(model, kind, path, images)
    if got is None:
        return None
    return max(
        float(np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(a).max())
        for a, b in zip(wanted, got, strict=True)
    )


def stored(done, kind, path, part):
    """Writes the weights; 0.0 if the file gives them back bit by bit."""
    from ssl_tf.weights import detectron2, files, safetensors_files

    if kind == "detectron2":
        if part != "backbone":
            raise BadInput("--part method: detectron2 takes the backbone alone.")
        arrays = detectron2.arrays(done.method.backbone)
        detectron2.write(path, arrays)
        found = detectron2.read(path)
    else:
        model = done.method if part == "method" else done.method.backbone
        arrays = {v.path: np.asarray(v) for v in model.weights}
        facts = {k: str(done.facts[k]) for k in ("size", "mean", "deviation")}
        facts |= {"resize": str(done.parts.data.resize), "fit": done.parts.data.fit}
        facts |= {"framework": "keras", "network": model.name}
        safetensors_files.write(path, arrays, facts)
        found = files.read(path, "safetensors")
    if list(found) != list(arrays):
        raise BadInput(f"{path}: the reloaded file has other names.")
    same = lambda a, b: a.dtype == b.dtype and a.shape == b.shape
    for name, array in arrays.items():
        equal = same(found[name], array) and found[name].tobytes() == array.tobytes()
        if not equal:
            raise BadInput(f"{path}: {name} differs after reloading.")
    return 0.0


def network(method, part):
    """The functional model to export: features, or what the method makes of them.

    That is all logits, the projection, or the image rebuilt.

    Raises:
        BadInput: the method makes nothing of them that stands for itself.
    """
    import keras

    backbone = method.backbone
    if part == "backbone":
        return backbone
    tapped = [backbone.get_layer(tap).output for tap in method.taps]
    if hasattr(method, "decoder"):
        return keras.Model(backbone.input, method.decoder(tapped[0]))
    if hasattr(method, "project"):
        return keras.Model(backbone.input, method.project(backbone.output)[-1])
    if hasattr(method, "heads"):
        return keras.Model(backbone.input, multiplied(method, backbone.output))
    if not hasattr(method, "head"):
        raise BadInput(f"--part method: {method.name} has no head; take the backbone.")
    branches = getattr(method, "branches", ())
    outputs = [method.head(backbone.output)]
    outputs += [branch(x) for branch, x in zip(branches, tapped)]
    return keras.Model(method.backbone.input, outputs)


def multiplied(method, features):
    """The logits of Self-Classifier's heads, their weight norm multiplied out."""
    from keras import layers

    z = layers.UnitNormalization(name="unit")(method.mlp(features))
    outputs = []
    for head in method.heads:
        dense = layers.Dense(head.classes, use_bias=False, name=head.name)
        outputs.append(dense(z))
        direction = np.asarray(head.direction)
        length = np.sqrt(np.square(direction).sum(0))
        dense.kernel.assign(direction * (np.asarray(head.gain) / length))
    return outputs


def plain(model, normal, size):
    """The same network of Keras' own layers, behind the normalisation."""
    import keras

    from ssl_tf.layers.dropout import Dropout
    from ssl_tf.layers.norm import BatchNorm
    from ssl_tf.layers.stochastic_depth import StochasticDepth

    def own(layer):
        if isinstance(layer, BatchNorm):
            return keras.layers.BatchNormalization(
                momentum=layer.momentum,
                epsilon=layer.epsilon,
                center=layer.center,
                scale=layer.scale,
                name=layer.name,
            )
        if isinstance(layer, Dropout):
            return keras.layers.Dropout(layer.rate, name=layer.name)
        if isinstance(layer, StochasticDepth):
            shape = (None, *(1 for _ in layer.output.shape[1:]))
            return keras.layers.Dropout(layer.rate, shape, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=own, recursive=True)
    values = {v.path: v for v in model.weights}
    for variable in copy.weights:
        variable.assign(values[variable.path])
    images = keras.Input((size, size, 3), name="images")
    scale = 1 / np.asarray(normal.deviation)
    offset = -np.asarray(normal.mean) * scale
    x = keras.layers.Rescaling(scale.tolist(), offset.tolist(), name="normalise")(
        images
    )
    return keras.Model(images, copy(x), name=model.name)


def written(model, kind, path, images):
    """Writes the model and returns what the reloaded one says about `images`."""
    import keras
    import tensorflow as tf

    from ssl_tf.weights import onnx_files

    if kind == "onnx":
        return onnx_files.write(model, path, images)
    if kind == "keras":
        model.save(path)
        return keras.tree.flatten(keras.models.load_model(path)(images))
    model.export(str(path), verbose=False)
    loaded = tf.saved_model.load(str(path))  # must live as long as its function
    return tf.nest.flatten(loaded.serve(images))


if __name__ == "__main__":
    cli.run(main)
