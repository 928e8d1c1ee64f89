"""Speed and memory on this machine: pipeline, update, scattering, start-up.

  python -m ssl_tf.benchmark pipeline --datadir FOLDER_OF_JPEGS
  python -m ssl_tf.benchmark step --method ssal --arch resnet50 --dataset cifar100
  python -m ssl_tf.benchmark memory --method ssal --arch densenet190
  python -m ssl_tf.benchmark scattering --threads 1
  python -m ssl_tf.benchmark kmeans --images 50000 --width 2048 --clusters 1000
  python -m ssl_tf.benchmark knn --images 1281167 --width 2048 --queries 2000
  python -m ssl_tf.benchmark detection      ROIAlign and suppression of boxes
  python -m ssl_tf.benchmark start-up

Comparisons with other programs are in benchmarks/.
"""

import importlib
import json

from ssl_tf import cli, runs
from ssl_tf.errors import BadInput

MEASURES = {  # modules of ssl_tf.measure, imported when asked for
    "pipeline": "pipeline",
    "step": "step",
    "memory": "memory",
    "scattering": "scattering",
    "kmeans": "kmeans",
    "knn": "knn",
    "detection": "detection",
    "start-up": "start_up",
}


def arguments():
    parser = cli.parser("benchmark", __doc__)
    parser.add_argument("what", choices=list(MEASURES))
    cli.add_choice(parser)
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="scattering: 0 takes all"
    )
    parser.add_argument(
        "--images", type=int, metavar="N", help="kmeans: 50000; knn: 1281167, the bank"
    )
    parser.add_argument(
        "--width", type=int, default=2048, metavar="F", help="kmeans, knn: of features"
    )
    parser.add_argument(
        "--clusters", type=int, default=1000, metavar="K", help="kmeans"
    )
    parser.add_argument("--queries", type=int, default=2000, metavar="N", help="knn")
    parser.add_argument(
        "--folder", metavar="DIR", help="knn: where the bank is written for the while"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="append to a .jsonl, too"
    )
    return parser


def main(argv=None):
    options = arguments().parse_args(argv)
    if options.list:
        return cli.show_list()
    for name in ("rounds", "images", "width", "clusters", "queries"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise BadInput(f"--{name} {value}: must be 1 or more.")
    module = importlib.import_module(f"ssl_tf.measure.{MEASURES[options.what]}")
    values = module.measure(options)
    for name, value in values.items():
        print(f"{name:<38}{value}")
    if options.output:
        line = {"benchmark": options.what, "values": values} | runs.environment()
        with open(options.output, "a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
    return 0


if __name__ == "__main__":
    cli.run(main)
