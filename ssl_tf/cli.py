"""What all commands share: exit codes, and arguments that several of them take."""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ssl_tf.errors import BadInput
from ssl_tf.ops import environment

INTERRUPTED = {"SIGINT": 130, "SIGTERM": 143}
BROKEN_PIPE = 141
STRATEGIES = ("one", "mirrored", "workers", "tpu")


class Parser(argparse.ArgumentParser):
    """Reports a wrong flag in one line and exits with code 2."""

    def error(self, message):
        print(f"{self.prog}: {message} (--help lists what there is)", file=sys.stderr)
        raise SystemExit(2)


def whole(text):
    """An int in decimal digits, as configs have it: `010` is ten, `1_0` is none."""
    if not re.fullmatch("[-+]?[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"invalid int value: {text!r}")
    return int(text)


def parser(module, doc):
    """A parser whose help is the module's docstring."""
    return Parser(
        prog=f"python -m ssl_tf.{module}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_choice(parser):
    """The arguments that name a config."""
    parser.add_argument("--method", metavar="M", help="what is trained; see --list")
    parser.add_argument("--arch", metavar="A", help="backbone, any of --list")
    parser.add_argument("--dataset", metavar="D", help="data set; see --list")
    parser.add_argument(
        "--config", metavar="FILE", help="a config instead of the above"
    )
    parser.add_argument(
        "--variant", metavar="V", help="a variant of the config, or A+B"
    )
    parser.add_argument(
        "--set",
        metavar="A.B=C",
        nargs="+",
        action="extend",
        default=[],
        help="values that differ from the config's, e.g. train.epochs=2",
    )
    parser.add_argument(
        "--init", metavar="RUN", help="start from its backbone; same as init.run"
    )
    parser.add_argument("--datadir", metavar="DIR", help="where the images are")
    parser.add_argument(
        "--classes-file",
        metavar="FILE",
        help="imagenet: wnids to use, one a line; or imagenet50, ...100, ...200",
    )
    parser.add_argument("--runs", metavar="DIR", default="runs", help="default: runs")
    parser.add_argument(
        "--name", metavar="N", help="run folder instead of <arch>_<data>"
    )
    parser.add_argument("--seed", type=whole, metavar="S", help="same as train.seed")
    parser.add_argument(
        "--precision",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
        help="same as train.precision",
    )
    parser.add_argument("--list", action="store_true", help="what can be trained")


def show_list():
    """Prints every method, architecture, data set and variant; returns 0."""
    from ssl_tf import config

    for method in config.methods():
        for _, arch, dataset, path in config.settings(method):
            variants = config.read_yaml(path).get("variants") or {}
            more = f"  --variant {'|'.join(variants)}" if variants else ""
            print(f"--method {method} --arch {arch} --dataset {dataset}{more}")
    print("other --arch of these, too, with the nearest config of method and data set")
    return 0


def chosen(options):
    """`(config, run folder, origin)` that the arguments of `add_choice` name."""
    from ssl_tf import config, runs

    overrides = list(options.set)
    named = {"train.seed": options.seed, "train.precision": options.precision}
    paths = {"data.classes_file": options.classes_file, "init.run": options.init}
    named |= {key: path and os.path.expanduser(path) for key, path in paths.items()}
    overrides += [pair for pair in named.items() if pair[1] is not None]
    if options.config is not None:
        place = written(Path(options.config))
    elif options.method is None:
        raise BadInput("give --method or --config; --list shows what there is.")
    else:
        place = setting(options.method, options.arch, options.dataset)
    spec = config.load(place.path, options.variant, overrides, place.change)
    folder = runs.folder(
        options.runs,
        spec["method"].get("name"),
        place.stem,
        options.variant,
        spec["train"].get("seed", 0),
        options.name,
    )
    return spec, folder, runs.origin(place.path, options.variant, place.arch)


class Setting(NamedTuple):
    """A config, or one composed of it for another architecture.

    Attributes:
        path: file of the config.
        stem: `<arch>_<dataset>`, which the run folder is named after.
        arch: the other architecture, or `None`.
        change: what makes the composed one of it, for `config.load`, or `None`.
    """

    path: Path
    stem: str
    arch: str | None = None
    change: Callable | None = None


def written(path):
    """The `Setting` of a config as it is."""
    return Setting(path, path.stem)


def setting(method, arch=None, dataset=None):
    """The `Setting` of a method, an architecture and a data set; says if composed.

    Raises:
        BadInput: see `config.nearest`, and for `Setting.change` `experiment.composed`.
    """
    from ssl_tf import config

    path, other = config.nearest(method, arch, dataset)
    if other is None:
        return written(path)
    import_tensorflow()
    from ssl_tf import experiment

    def change(spec):
        spec = experiment.composed(spec, path, other)
        section = ", ".join(f"{k}: {v}" for k, v in spec["backbone"].items())
        print(f"config    {method}/{path.stem} with {{{section}}}", file=sys.stderr)
        return spec

    return Setting(path, f"{other}_{dataset}", other, change)


def pairs(texts):
    """`{"a": 1}` of `["a=1"]`; values are YAML."""
    from ssl_tf import config

    return dict(map(config.pair, texts))


def import_tensorflow():
    """Imports TensorFlow and Keras, with Keras' own defaults.

    The lines that TensorFlow prints whatever its log level is are left out; a message
    about a GPU it cannot use is among them: the header of a run names the devices, and
    SSL_TF_VERBOSE=1 lets everything through.

    Raises:
        BadInput: one of them cannot be imported.
    """
    sys.stderr.flush()
    with contextlib.ExitStack() as undo:
        if not os.environ.get("SSL_TF_VERBOSE"):
            kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
            undo.callback(os.close, kept)
            undo.callback(os.close, nowhere)
            undo.callback(os.dup2, kept, 2)
            os.dup2(nowhere, 2)
        with environment.importing("tensorflow"):  # and Keras by it
            import tensorflow
        if not os.environ.get("SSL_TF_VERBOSE"):
            tensorflow.get_logger().setLevel("ERROR")  # e.g. each model traced anew
        environment.keras_defaults()


def run(main):
    """Runs a command's `main` and exits: 0, 2 for bad input, 130 or 143 if stopped.

    Where nobody reads its stdout any more (`| head -1`) it ends with 0 and without a
    word; where nobody reads its stderr, to which training reports, with 141.
    """
    environment.prepare()
    try:
        code = outcome(main)
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = 0 if environment.is_read(2) else BROKEN_PIPE
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(nowhere, number)
    sys.exit(code)


def outcome(main):
    """The exit code of `main`; says in one line why it failed."""
    try:
        return main()
    except BadInput as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED["SIGINT"]
