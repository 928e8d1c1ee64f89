"""Runs one evaluation of one finished run; the result joins its results.jsonl.

Classes of images that are not the run's are matched by name, and the result is called
otherwise, e.g. terms@3fa9c1.

python -m ssl_tf.evaluate runs/ssal/resnet18_digits/seed0 terms
python -m ssl_tf.evaluate RUN knn --set k=[20,200] temperature=0.07
python -m ssl_tf.evaluate RUN linear --level p1 p2 p3
python -m ssl_tf.evaluate RUN linear --dataset cifar100 --datadir DIR
python -m ssl_tf.evaluate RUN linear --set data.pool=train   other images of its data
python -m ssl_tf.evaluate RUN confusion --split validation --groups 20 33 50
python -m ssl_tf.evaluate RUN neighbours    pictures go to RUN/figures
python -m ssl_tf.evaluate RUN clustering --set head=1 tasks=[level3,living17]
python -m ssl_tf.evaluate RUN kmeans --set share=10percent seeds=[0,1,2]
python -m ssl_tf.evaluate RUN kmeans --weights random       of an untrained network
python -m ssl_tf.evaluate RUN kmeans --level pixels         of the images themselves
python -m ssl_tf.evaluate RUN gallery --set task=level2 "kmeans={clusters: 50}"
python -m ssl_tf.evaluate RUN discover --dataset folder --set data.labels=false ...
"""

import ast
from pathlib import Path

import numpy as np

from ssl_tf import cli
from ssl_tf.errors import BadInput

PACKAGE = Path(__file__).parent


def arguments():
    parser = cli.parser("evaluate", f"{__doc__ or ''}\nevaluations:\n{listing()}")
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("evaluation", metavar="EVALUATION", help="one of the above")
    parser.add_argument("--datadir", metavar="DIR", help="where the images are")
    parser.add_argument(
        "--dataset", metavar="D", help="another data set, with its own classes"
    )
    parser.add_argument("--split", default="test", choices=("test", "validation"))
    parser.add_argument(
        "--weights",
        default="last",
        metavar="W",
        help="last, best, epoch00010, ...; random: the run's network, untrained",
    )
    parser.add_argument(
        "--level",
        nargs="+",
        metavar="L",
        help="what stands for an image: features (the backbone's), p1, z, pixels, ...",
    )
    parser.add_argument(
        "--groups",
        nargs="+",
        type=int,
        metavar="K",
        help="confusion: write groupings of the classes into K groups, too",
    )
    parser.add_argument(
        "--keep",
        default="float32",
        choices=("float32", "float16", "none"),
        help="how features are kept in RUN/features for the next evaluation",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="A=B",
        help="arguments that differ from the config's, e.g. k=[20]; or data.A=B",
    )
    return parser


def listing():
    """A line for each evaluation: its name, and the first of its docstring.

    The sources are read, not imported: help needs no TensorFlow.
    """
    tree = ast.parse(
        (PACKAGE / "evaluation" / "__init__.py").read_text(encoding="utf-8")
    )
    modules = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    table = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "EVALUATIONS"
    )
    entries = {k.value: modules[v.id] for k, v in zip(table.keys, table.values)}
    width = max(map(len, entries))
    return "\n".join(f"  {k:<{width}}  {first_line(*v)}" for k, v in entries.items())


def first_line(module, function):
    """The first line of a function's docstring."""
    path = PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


def main(argv=None):
    options = arguments().parse_args(argv)
    changes = cli.pairs(options.set)
    data = {k: changes.pop(k) for k in list(changes) if k.startswith("data.")}
    data = {k.removeprefix("data."): v for k, v in data.items()}
    if options.groups is not None:
        if options.evaluation != "confusion":
            raise BadInput("--groups: goes with the evaluation `confusion`.")
        changes["groups"] = options.groups
    if options.level is not None:
        one, *more = options.level
        changes["level"] = options.level if more else one
    cli.import_tensorflow()
    from ssl_tf import evaluator

    called, values = evaluator.named(
        options.run,
        options.evaluation,
        root=options.datadir,
        split=options.split,
        weights=options.weights,
        changes=changes,
        dataset=options.dataset,
        data=data,
        keep=options.keep,
    )
    show(options.run, called, values)
    return 0


def show(run, called, values):
    """Prints numbers and where arrays are; draws what can be drawn."""
    from ssl_tf import evaluator, galleries, runs

    kept = runs.writable(run)
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            shape = "x".join(map(str, value.shape))
            file = evaluator.array_file(run, called, name)
            print(f"{name}: {shape} in {file.name}" if kept else f"{name}: {shape}")
        else:
            print(f"{name}: {value:.6g}")
    for path in galleries.draw(run) if kept else ():
        if path.stem == evaluator.stem(called):
            print(f"picture: {path}")


if __name__ == "__main__":
    cli.run(main)
