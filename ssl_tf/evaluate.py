"""Runs one evaluation of one finished run; the result joins its results.jsonl.

python -m ssl_tf.evaluate runs/ssal/resnet18_digits/seed0 terms
python -m ssl_tf.evaluate RUN confusion --split validation --groups 20 33 50
python -m ssl_tf.evaluate RUN combination --set decay=10
"""

import numpy as np

from ssl_tf import cli
from ssl_tf.errors import BadInput


def arguments():
    parser = cli.parser("evaluate", __doc__)
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument(
        "evaluation", metavar="EVALUATION", help="terms, confusion, ..."
    )
    parser.add_argument("--datadir", metavar="DIR", help="where the images are")
    parser.add_argument("--split", default="test", choices=("test", "validation"))
    parser.add_argument(
        "--weights", default="last", metavar="W", help="last, best, epoch00010, ..."
    )
    parser.add_argument(
        "--groups",
        nargs="+",
        type=int,
        metavar="K",
        help="confusion: write groupings of the classes into K groups, too",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="A=B",
        help="arguments that differ from the config's, e.g. neighbours=20",
    )
    return parser


def main(argv=None):
    options = arguments().parse_args(argv)
    changes = cli.pairs(options.set)
    if options.groups is not None:
        if options.evaluation != "confusion":
            raise BadInput("--groups: goes with the evaluation `confusion`.")
        changes["groups"] = options.groups
    cli.import_tensorflow()
    from ssl_tf import evaluator

    values = evaluator.evaluate(
        options.run,
        options.evaluation,
        root=options.datadir,
        split=options.split,
        weights=options.weights,
        changes=changes,
    )
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            shape = "x".join(map(str, value.shape))
            print(f"{name}: {shape} in {options.evaluation}_{name}.npy")
        else:
            print(f"{name}: {value:.6g}")
    return 0


if __name__ == "__main__":
    cli.run(main)
