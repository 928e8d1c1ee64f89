"""Runs a paper's experiments and ends with its table; resumable.

bash run_all.sh --demo                     every method small, offline, in minutes
bash run_all.sh --demo --pretrained        the demo's shipped weights, no training
bash run_all.sh --list                     identifiers and what each one takes
bash run_all.sh resnet50_ssal --seeds 3    some experiments (default: CIFAR-100 ones)
bash run_all.sh --pretrained               the authors' weights, evaluated by us
"""

import sys
from pathlib import Path

from ssl_tf import cells, cli, config, cost, report, results, runs, tables
from ssl_tf.errors import BadInput, have


def arguments():
    parser = cli.parser("reproduce", __doc__)
    parser.prog = "run_all.sh"
    parser.add_argument(
        "names", nargs="*", metavar="ID", help="experiments; see --list"
    )
    parser.add_argument(
        "--demo",
        nargs="?",
        const="all",
        metavar="METHOD",
        help="small runs on embedded data, of all methods or of one",
    )
    parser.add_argument(
        "--pretrained", action="store_true", help="evaluate weights, do not train"
    )
    parser.add_argument(
        "--list", action="store_true", help="experiments and their cost"
    )
    parser.add_argument("--datadir", metavar="DIR", help="where the images are")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="0 ... N - 1")
    parser.add_argument("--variant", metavar="V", help="e.g. faithful")
    parser.add_argument("--runs", metavar="DIR", help="default: runs, or runs/demo")
    parser.add_argument("--strategy", default="one", choices=cli.STRATEGIES)
    parser.add_argument(
        "--set", metavar="A.B=C", nargs="+", action="extend", default=[]
    )
    return parser


def main(argv=None):
    options = arguments().parse_args(argv)
    if options.seeds < 1:
        raise BadInput(f"--seeds {options.seeds}: must be 1 or more.")
    if options.list:
        return show_list()
    if options.demo:
        from ssl_tf import demo

        return demo.main(options)
    root = options.runs or "runs"
    names = chosen(options.names)
    if options.pretrained:
        code = pretrained(names, root, options)
    else:
        code = train(names, root, options)
    end(root)
    return code


def chosen(names):
    """Identifiers to run: those given, tables as their experiments; else the default.

    Raises:
        BadInput: an unknown identifier.
    """
    known, tables = (results.catalogue()[key] for key in ("experiments", "tables"))
    for name in names:
        if name not in known and name not in tables:
            raise BadInput(
                f"unknown experiment {name!r}. Have: {have(tables)}, {have(known)}."
            )
    wanted = [own for name in names for own in tables.get(name, [name])]
    return list(dict.fromkeys(wanted)) or results.catalogue()["default"]


def show_list():
    """Prints identifiers with their cost; imports nothing heavy."""
    print(f"{'ID':<38}{'PFLOP':>8}  on two cores ({cost.TWO_CORES / 1e9:.0f} GFLOP/s)")
    for name, entry in results.catalogue()["experiments"].items():
        if not entry.get("trained", True):
            print(f"  {name:<36}{'':>8}  others' weights, with --pretrained")
            continue
        path = config.home() / "configs" / f"{entry['config']}.yaml"
        spec = config.load(path, entry.get("variant"))
        flops = entry["gflop"] * 1e9 * entry["images"] * spec["train"]["epochs"]
        mark = "*" if name in results.catalogue()["default"] else " "
        time = cost.told(flops / cost.TWO_CORES)
        print(f"{mark} {name:<36}{flops / 1e15:>8,.1f}  {time}")
    print("* run by default; training only, one seed; --demo takes minutes\n\ntables:")
    for name, own in results.catalogue()["tables"].items():
        print(f"  {name:<36}{len(own)} experiments, {own[0]} to {own[-1]}")
    return 0


def train(names, root, options):
    """Trains and evaluates experiments, seed by seed."""
    for name in names:
        if not results.catalogue()["experiments"][name].get("trained", True):
            raise BadInput(
                f"{name}: evaluates others' weights and trains nothing; add "
                "--pretrained."
            )
    cli.import_tensorflow()
    for name in names:
        kept = {}
        for seed in range(options.seeds):
            folder, spec, origin = place(name, root, seed, options)
            start = results.catalogue()["experiments"][name].get("start")
            if start is not None:
                spec["init"] = {"run": str(begun(start, root, seed, options))}
            trained(folder, spec, origin, options, kept)
            evaluate(folder, spec, options.datadir)
    return 0


def begun(name, root, seed, options):
    """The run folder of an experiment that another one starts from.

    What is there is taken, else others' weights, else it is trained now.
    """
    from ssl_tf import convert

    folder, spec, origin = place(name, root, seed, options)
    if runs.finished(folder):
        return folder
    weights = results.catalogue()["experiments"][name].get("weights")
    if weights is not None:
        return convert.from_manifest(weights, root)
    return trained(folder, spec, origin, options)


def trained(folder, spec, origin, options, kept=None):
    """The folder of a run that is trained, or goes on; see `trainer.train`."""
    from ssl_tf import trainer

    return trainer.train(
        spec,
        folder,
        root=options.datadir,
        strategy=options.strategy,
        origin=origin,
        kept=kept,
    )


def place(name, root, seed, options):
    """`(run folder, config, origin)` of an experiment."""
    entry = results.catalogue()["experiments"][name]
    path = config.home() / "configs" / f"{entry['config']}.yaml"
    variant = "+".join(v for v in (entry.get("variant"), options.variant) if v) or None
    spec = config.load(path, variant, [*options.set, f"train.seed={seed}"])
    method = spec["method"]["name"]
    folder = runs.folder(root, method, path.stem, variant, seed)
    return folder, spec, runs.origin(path, variant)


def evaluate(folder, spec, datadir):
    """The evaluations a config lists, unless the run has them already."""
    from ssl_tf import evaluator

    done = {record["evaluation"] for record in runs.results(folder)}
    for name in spec.get("evaluations") or {}:
        if name not in done:
            print(f"{folder}: evaluating {name}", file=sys.stderr)
            evaluator.evaluate(folder, name, root=datadir)


def pretrained(names, root, options):
    """Converts and evaluates the authors' weights; goes on where one is missing."""
    from ssl_tf import convert

    known = results.catalogue()["experiments"]
    weights = {name: known[name].get("weights") for name in names}
    failed = 0
    for name, source in weights.items():
        if source is None:
            print(f"{name}: the authors offer no weights.", file=sys.stderr)
            continue
        try:
            folder = convert.from_manifest(source, root)
            evaluate(folder, runs.stored(folder), options.datadir)
        except BadInput as error:
            failed = 2
            print(" ".join(str(error).split()), file=sys.stderr)
    return failed


def end(root):
    """Writes and prints the table of everything below `root`."""
    there = [root] if Path(root).exists() else []
    records = results.gather([*results.kept(), *there])
    found = tables.tables(records)
    show(found)
    if there:
        path = Path(root) / "RESULTS.md"
        report.write_markdown(path, found, records)
        print(f"wrote {path}", file=sys.stderr)


def show(found):
    """Prints tables on the terminal."""
    from rich.console import Console
    from rich.table import Table

    for title, rows in found:
        table = Table(title=title)
        filled = [cells.cells(row) for row in rows]
        used = [i for i, _ in enumerate(cells.HEAD) if any(c[i] for c in filled)]
        for i in used:
            table.add_column(cells.HEAD[i], no_wrap=True)
        for own in filled:
            table.add_row(*(own[i] for i in used))
        width = None if sys.stdout.isatty() else 160
        Console(width=width).print(table)


if __name__ == "__main__":
    cli.run(main)
