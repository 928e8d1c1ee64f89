"""Turns official checkpoints into runs that can be evaluated.

python -m ssl_tf.convert --list
python -m ssl_tf.convert ssal_densenet190-40_ssal
python -m ssl_tf.convert FILE --from keras_h5 --to ssal densenet190 --dataset cifar100
python -m ssl_tf.convert FILE --from torch --list
"""

import sys
from pathlib import Path

from ssl_tf import cli
from ssl_tf.errors import BadInput

PLAIN = (None, "faithful")  # variants whose official run has the plain name
FORMS = ("keras_h5", "torch", "safetensors", "npz")


def arguments():
    parser = cli.parser("convert", __doc__)
    parser.add_argument(
        "what",
        nargs="*",
        metavar="NAME|FILE",
        help="names of models/manifest.yaml, `all` of them, or with --from one file",
    )
    parser.add_argument("--from", dest="form", choices=FORMS, help="form of FILE")
    parser.add_argument(
        "--to", nargs=2, metavar=("METHOD", "ARCH"), help="what FILE belongs to"
    )
    parser.add_argument("--dataset", metavar="D", help="data set FILE was trained on")
    parser.add_argument("--config", metavar="F", help="a config instead of --to")
    parser.add_argument("--key", metavar="K", help="torch: entry that holds weights")
    parser.add_argument(
        "--prefix",
        metavar="P",
        help="beginning of the names to take, e.g. teacher.backbone; else it is found",
    )
    parser.add_argument(
        "--part",
        choices=("backbone",),
        help="take the backbone alone out of FILE; goes with --to supervised",
    )
    parser.add_argument("--variant", metavar="V", help="a variant of the config")
    parser.add_argument(
        "--set",
        metavar="A.B=C",
        nargs="+",
        action="extend",
        default=[],
        help="values that differ from the config's, e.g. data.norm=mean_std",
    )
    parser.add_argument("--runs", metavar="DIR", default="runs", help="default: runs")
    parser.add_argument("--name", metavar="N", help="instead of <arch>_<data>_official")
    parser.add_argument(
        "--models", metavar="DIR", help="where checkpoints lie; default: models"
    )
    parser.add_argument(
        "--list", action="store_true", help="official checkpoints, or arrays in FILE"
    )
    return parser


def main(argv=None):
    options = arguments().parse_args(argv)
    if options.form is not None:
        if options.form != "torch" and options.key is not None:
            raise BadInput("--key: goes with --from torch.")
        return listed(options) if options.list else foreign(options)
    own = (options.to, options.config, options.key, options.part, options.prefix)
    if any(own):
        raise BadInput(
            "--to, --config, --key, --prefix and --part go with a FILE and --from."
        )
    from ssl_tf import config

    options.models = Path(options.models or config.checkpoints())
    if options.list:
        return catalogue(options)
    return official(options)


def catalogue(options):
    """Prints the manifest: name, file, whether it is there, the paper's numbers."""
    from ssl_tf.weights import manifest

    for name, entry in manifest.load().items():
        there = (options.models / entry.file).exists()
        tables = (x for x in entry.paper.values() if isinstance(x, dict))
        paper = ", ".join(f"{k} {v}" for x in tables for k, v in x.items())
        print(f"{name:32} {entry.file:28} {'here' if there else '-':5} {paper}")
    return 0


def official(options):
    """Converts entries of the manifest; goes on with the next where one fails."""
    from ssl_tf.weights import manifest

    entries = manifest.load()
    names = list(entries) if options.what == ["all"] else options.what
    if not names:
        raise BadInput("give a name, `all`, or FILE --from; --list shows the names.")
    if options.name and len(names) > 1:
        raise BadInput("--name: goes with one checkpoint.")
    for name in names:
        manifest.find(entries, name)
    failed = []
    for name in names:
        try:
            from_manifest(
                name,
                options.runs,
                models=options.models,
                variant=options.variant,
                overrides=options.set,
                folder=options.name,
            )
        except BadInput as error:
            print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
            failed.append(name)
    if failed:
        print(f"not converted: {', '.join(failed)}", file=sys.stderr)
    return 2 if failed else 0


def from_manifest(name, root, *, models=None, variant=None, overrides=(), folder=None):
    """Fetches an official checkpoint if need be, and makes it a run.

    Args:
        name: of an entry in `models/manifest.yaml`.
        root: where run folders are.
        models: where checkpoints lie, or `None` for `models/`.
        variant: of the config, or `None` for the entry's.
        overrides: `"a.b=c"` texts, see `config.load`.
        folder: middle of the run folder instead of `<arch>_<dataset>_official`, which
            another variant than `PLAIN` follows.

    Returns:
        the run folder.

    Raises:
        BadInput: no such entry, no mirror gives its file, or see `converter.convert`.
    """
    from ssl_tf import config
    from ssl_tf.weights import download, manifest

    entry = manifest.find(manifest.load(), name)
    file = download.fetch(entry, models or config.checkpoints())
    place = config.find(entry.method, entry.arch, entry.dataset)
    chosen = variant or entry.variant
    spec = config.load(place, chosen, overrides)
    path = run_folder(root, place.stem, spec, suffix(entry, chosen), folder)
    notes = {"entry": name, "licence": entry.licence}
    taken = {"key": entry.key, "part": entry.part}
    return become(spec, path, file, entry.format, taken, (place, chosen), notes)


def foreign(options):
    """Converts one file that the user names."""
    if len(options.what) != 1 or bool(options.to) == bool(options.config):
        raise BadInput("--from: give one FILE and --to METHOD ARCH, or --config.")
    from ssl_tf import config

    if options.config:
        place = cli.written(Path(options.config))
    else:
        place = cli.setting(*options.to, options.dataset)
    spec = config.load(place.path, options.variant, options.set, place.change)
    path = run_folder(options.runs, place.stem, spec, options.variant, options.name)
    origin = (place.path, options.variant, place.arch)
    if options.form == "keras_h5" and options.prefix is not None:
        raise BadInput("--prefix: goes with --from torch, safetensors or npz.")
    taken = {"key": options.key, "part": options.part, "prefix": options.prefix}
    become(spec, path, Path(options.what[0]), options.form, taken, origin)
    return 0


def suffix(entry, chosen):
    """The variant that the run folder of an entry is named after, or `None`."""
    return None if chosen == entry.variant and chosen in PLAIN else chosen


def run_folder(root, stem, spec, variant, name):
    """`<root>/<method>/<arch>_<dataset>_official[_<variant>]/seed<k>`."""
    from ssl_tf import runs

    method = spec["method"].get("name")
    seed = spec["train"].get("seed", 0)
    return runs.folder(root, method, f"{stem}_official", variant, seed, name)


def become(spec, path, file, form, taken, origin, notes=None):
    """Converts one file and says so; returns the run folder.

    Args:
        taken: `{"key", "part", "prefix"}`, see `converter.convert`.
    """
    from ssl_tf import runs

    cli.import_tensorflow()
    from ssl_tf import converter

    noted = runs.origin(*origin)
    written = converter.convert(
        spec, path, file, form, **taken, origin=noted, notes=notes
    )
    converter.told(path, written)
    return path


def listed(options):
    """Prints name, shape and type of every array in a file."""
    from ssl_tf.weights import files

    if len(options.what) != 1:
        raise BadInput("--list with --from: give one FILE.")
    for name, array in files.read(options.what[0], options.form, options.key).items():
        print(f"{name}  {list(array.shape)}  {array.dtype}")
    return 0


if __name__ == "__main__":
    cli.run(main)
