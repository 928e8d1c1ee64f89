"""Runs a paper's experiments and ends with its table; resumable.

bash run_all.sh --demo                     every method small, offline, in minutes
bash run_all.sh --demo --pretrained        the demo's shipped weights, no training
bash run_all.sh --list                     identifiers and what each one takes
bash run_all.sh resnet50_ssal --seeds 3    some experiments (default: CIFAR-100 ones)
bash run_all.sh --pretrained               the authors' weights, evaluated by us

A number of a paper is made by the paper's protocol, `faithful` where it is not our
default; --list and each start say which, --ours takes ours.
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
    parser.add_argument("--variant", metavar="V", help="one more, e.g. rotation")
    parser.add_argument(
        "--ours", action="store_true", help="our protocol instead of the papers'"
    )
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
    speed = f"{cost.TWO_CORES / 1e9:.0f} GFLOP/s"
    print(f"{'ID':<38}{'PFLOP':>8}  on two cores ({speed}); variant")
    for name, entry in results.catalogue()["experiments"].items():
        if not entry.get("trained", True):
            print(f"  {name:<36}{'':>8}  others' weights, only evaluated")
            continue
        path = config.home() / "configs" / f"{entry['config']}.yaml"
        spec = config.load(path, entry.get("variant"))
        flops = entry["gflop"] * 1e9 * entry["images"] * spec["train"]["epochs"]
        mark = "*" if name in results.catalogue()["default"] else " "
        time = cost.told(flops / cost.TWO_CORES)
        runs_as = entry.get("variant") or ""
        print(f"{mark} {name:<36}{flops / 1e15:>8,.1f}  {time:<8}  {runs_as}".rstrip())
    print("* run by default; training only, one seed; --demo takes minutes\n\ntables:")
    for name, own in results.catalogue()["tables"].items():
        print(f"  {name:<36}{len(own)} experiments, {own[0]} to {own[-1]}")
    return 0


def train(names, root, options):
    """Trains and evaluates experiments, seed by seed; others' weights once."""
    cli.import_tensorflow()
    failed = 0
    for name in names:
        entry = results.catalogue()["experiments"][name]
        if not entry.get("trained", True):
            failed = pretrained([name], root, options) or failed
            continue
        variant = chosen_variant(entry, options) or "default"
        print(f"{name}: {entry['config']}, variant {variant}", file=sys.stderr)
        kept = {}
        for seed in range(options.seeds):
            folder, spec, origin = place(name, root, seed, options)
            start = entry.get("start")
            if start is not None:
                spec["init"] = {"run": str(begun(start, root, seed, options))}
            trained(folder, spec, origin, options, kept)
            evaluate(folder, spec, options.datadir)
    return failed


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
    variant = chosen_variant(entry, options)
    spec = config.load(path, variant, [*options.set, f"train.seed={seed}"])
    method = spec["method"]["name"]
    folder = runs.folder(root, method, path.stem, variant, seed)
    return folder, spec, runs.origin(path, variant)


def chosen_variant(entry, options):
    """The variants of an experiment, joined: its own, then `--variant`, each once."""
    names = f"{entry.get('variant') or ''}+{options.variant or ''}".split("+")
    left_out = {"", "faithful"} if options.ours else {""}
    return "+".join(v for v in dict.fromkeys(names) if v not in left_out) or None


def evaluate(folder, spec, datadir):
    """The evaluations a config lists, unless the run has them already; draws them.

    A method's own evaluation is of held-out images, too, where the paper has a number.
    """
    from ssl_tf import evaluator, galleries

    done = {(r["evaluation"], r["split"]) for r in runs.results(folder)}
    before = [name for name, split in wanted(spec) if (name, split) in done]
    if before and datadir and "fingerprint" not in runs.facts(folder):
        print(
            f"{folder}: was evaluated before ({', '.join(before)}); whether on these "
            "images is not known, remove its results.jsonl to do it again.",
            file=sys.stderr,
        )
    for name, split in wanted(spec):
        if (name, split) not in done:
            print(f"{folder}: evaluating {name}, {split} images", file=sys.stderr)
            evaluator.evaluate(folder, name, root=datadir, split=split)
    galleries.draw(folder)


def wanted(spec):
    """`[(evaluation, split)]` of a config."""
    told = config.flatten(spec.get("paper") or {})
    held_out = lambda name: any(k.startswith(f"{name}.validation_") for k in told)
    found = []
    for name in spec.get("evaluations") or {}:
        both = held_out(name) and name != "finetune"  # which measures both itself
        found += [(name, split) for split in ("test", "validation")[: 1 + both]]
    return found


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
