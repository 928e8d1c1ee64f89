"""A run's network for other tools; input is RGB in [0, 1], `[B, H, W, 3]`.

python -m ssl_tf.export runs/ssal/resnet18_digits/seed0 --to keras -o trunk.keras
python -m ssl_tf.export RUN --to savedmodel -o trunk --part method

A .keras file of a scattering network needs `import ssl_tf.layers.scattering,
ssl_tf.layers.adaptive_pool` before it is loaded, one of a transformer `import
ssl_tf.layers.attention, ssl_tf.layers.tokens`; all others are of Keras' own layers.
"""

import shutil
import sys
from pathlib import Path

import numpy as np

from ssl_tf import cli, runs
from ssl_tf.errors import BadInput

TOLERANCE = 1e-4


def arguments():
    parser = cli.parser("export", __doc__)
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("--to", required=True, choices=("keras", "savedmodel"))
    parser.add_argument("-o", "--output", required=True, metavar="PATH")
    parser.add_argument(
        "--weights", default="last", metavar="W", help="last, best, ..."
    )
    parser.add_argument(
        "--part",
        default="backbone",
        choices=("backbone", "method"),
        help="features, or the logits of the classifier and of each branch",
    )
    return parser


def main(argv=None):
    options = arguments().parse_args(argv)
    path = Path(options.output)
    if options.to == "keras" and path.suffix != ".keras":
        raise BadInput(f"-o {path}: must end in .keras.")
    if path.exists():
        raise BadInput(f"-o {path}: exists already; remove it or choose another name.")
    runs.stored(options.run)
    cli.import_tensorflow()
    error = export(options.run, options.to, path, options.part, options.weights)
    print(f"{path}: largest difference after reloading {error:.1e}", file=sys.stderr)
    return 0


def export(folder, kind, path, part="backbone", weights="last"):
    """Writes a network made of Keras' own layers, and reloads it as a check.

    Args:
        folder: a finished run.
        kind: "keras" or "savedmodel".
        path: file or folder to write.
        part: "backbone" or "method".
        weights: see `evaluator.Run`.

    Returns:
        float, largest difference of the outputs, relative to the largest output.

    Raises:
        BadInput: no finished run, or the reloaded network differs.
    """
    import keras

    from ssl_tf import evaluator

    done = evaluator.Run(folder, weights)
    size = done.facts["size"]
    model = plain(network(done.method, part), done.normal(), size)
    images = np.random.default_rng(0).random((2, size, size, 3), np.float32)
    normal = done.normal()(images)
    original = network(done.method, part)
    wanted = keras.tree.flatten(original(normal, training=False))
    temporary = Path(path).with_name(f".{Path(path).name}.partial{Path(path).suffix}")
    try:
        got = written(model, kind, temporary, images)
        error = max(
            float(np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(a).max())
            for a, b in zip(wanted, got, strict=True)
        )
        if not error <= TOLERANCE:
            raise BadInput(f"{path}: the reloaded network differs by {error:.1e}.")
        temporary.rename(path)
    except OSError as problem:
        raise runs.unwritable(path, problem) from None
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
    return error


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
    if not hasattr(method, "head"):
        raise BadInput(f"--part method: {method.name} has no head; take the backbone.")
    branches = getattr(method, "branches", ())
    outputs = [method.head(backbone.output)]
    outputs += [branch(x) for branch, x in zip(branches, tapped)]
    return keras.Model(method.backbone.input, outputs)


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

    if kind == "keras":
        model.save(path)
        return keras.tree.flatten(keras.models.load_model(path)(images))
    model.export(str(path), verbose=False)
    loaded = tf.saved_model.load(str(path))  # must live as long as its function
    return tf.nest.flatten(loaded.serve(images))


if __name__ == "__main__":
    cli.run(main)
