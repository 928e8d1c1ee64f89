"""Features of your own images from a finished run.

python -m ssl_tf.embed runs/ssal/resnet18_digits/seed0 photos/ -o features.npz
python -m ssl_tf.embed RUN one.jpg -o features.csv
"""

import sys
from pathlib import Path

import numpy as np

from ssl_tf import cli, runs
from ssl_tf.errors import BadInput


def arguments():
    parser = cli.parser("embed", __doc__)
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument(
        "images", metavar="IMAGES", help="an image, or a folder of them"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help=".npz, .csv"
    )
    parser.add_argument(
        "--weights", default="last", metavar="W", help="last, best, ..."
    )
    return parser


def main(argv=None):
    options = arguments().parse_args(argv)
    if Path(options.output).suffix not in (".npz", ".csv"):
        raise BadInput(f"-o {options.output}: must end in .npz or .csv.")
    runs.stored(options.run)
    from ssl_tf.data.folder import image_root
    from ssl_tf.data.skipped import Skipped, told

    skipped = Skipped()
    paths = image_root(options.images, skipped)
    if skipped.paths:
        print(f"left out  {told(skipped)}", file=sys.stderr)
    if not paths:
        raise BadInput(f"{options.images}: holds no image.")
    cli.import_tensorflow()
    features = embed(options.run, paths, options.weights)
    write(options.output, features, paths)
    print(
        f"{len(paths)} images, {features.shape[1]} features: {options.output}",
        file=sys.stderr,
    )
    return 0


def embed(folder, paths, weights="last"):
    """Backbone features of image files, shown to the model as its evaluations are.

    Args:
        folder: a finished run.
        paths: files.
        weights: see `evaluator.Run`.

    Returns:
        float32 `[N, F]`.

    Raises:
        BadInput: no finished run, or a file is no readable image.
    """
    from ssl_tf import evaluator
    from ssl_tf.data.source import Source
    from ssl_tf.evaluation.features import extract

    done = evaluator.Run(folder, weights)
    label = np.full(len(paths), -1, np.int32)
    source = Source("images", "test", np.array(paths), label, ())
    model = lambda images: done.method.backbone(images, training=False)
    return extract(model, done.shown(source))


def write(path, features, paths):
    """`features` and `path` in an `.npz`, or a row an image in a `.csv`."""
    with runs.atomic(path) as out:
        if Path(path).suffix == ".npz":
            np.savez(out, features=features, path=np.array(paths))
            return
        for name, row in zip(paths, features):
            quoted = '"' + name.replace('"', '""') + '"'
            values = ",".join(format(float(v), ".8g") for v in row)
            out.write(f"{quoted},{values}\n".encode())


if __name__ == "__main__":
    cli.run(main)
