"""The demo: every method small, on embedded data, ending with a table and a page."""

import filecmp
import shutil
import sys
import time
from pathlib import Path

from ssl_tf import cli, config, report, reproduce, results, runs, tables
from ssl_tf.errors import BadInput, have


def main(options):
    """Trains (or only evaluates) the demo's runs; options as of `reproduce`."""
    entries = results.catalogue()["demo"]
    if options.demo != "all" and options.demo not in entries:
        raise BadInput(
            f"--demo: unknown method {options.demo!r}. Have: {have(entries)}."
        )
    every = [name for name, entry in entries.items() if not entry.get("alone")]
    names = every if options.demo == "all" else [options.demo]
    began = time.monotonic()
    cli.import_tensorflow()
    if options.pretrained:
        root = Path(options.runs or "runs/demo_pretrained")
        make = lambda name: shipped(name, root)
    else:
        root = Path(options.runs or "runs/demo")
        make = lambda name: train(name, entries[name], root)
    for name in names:
        first = None
        for folder in make(name):
            reproduce.evaluate(folder, runs.stored(folder), None)
            first = first or folder
        pictures(first, entries[name]["pictures"])
    finish(root)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    return 0


def train(name, entry, root):
    """Trains one method's seeds, and one of each variant; yields the run folders."""
    for variant in (None, *entry.get("variants", ())):
        kept = {}  # compiled once for all seeds
        for seed in range(entry["seeds"] if variant is None else 1):
            yield from trained(name, entry["config"], variant, seed, root, kept)


def trained(name, setting, variant, seed, root, kept):
    """Trains one run and evaluates the stage before it; yields the run folder."""
    from ssl_tf import stages, trainer

    path = config.home() / "configs" / f"{setting}.yaml"
    spec = config.load(path, variant, [f"train.seed={seed}"])
    folder = runs.folder(root, name, path.stem, variant, seed)
    print(
        f"demo: {name}{f' {variant}' if variant else ''}, seed {seed}", file=sys.stderr
    )
    trainer.train(spec, folder, origin=runs.origin(path, variant), kept=kept)
    yield folder
    if spec.get("needs"):
        *_, first = stages.needed(spec, folder, f"{path}: needs no config.")
        reproduce.evaluate(first, runs.stored(first), None)


def shipped(name, root):
    """Copies of the weights in `models/demo`, to be evaluated anew. Yields them."""
    sources = sorted((config.home() / "models" / "demo" / name).glob("*/seed*"))
    if not sources:
        raise BadInput(f"models/demo: holds no weights of {name!r}.")
    for source in sources:
        folder = root / source.relative_to(config.home() / "models" / "demo")
        if runs.begun(folder) and not copied(source, folder):
            raise BadInput(f"{folder}: holds another run; choose another --runs.")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        (folder / "results.jsonl").unlink()
        yield folder


def copied(source, folder):
    """Whether a run folder has the weights of another, to the bit."""
    one, other = (place / "last.weights.h5" for place in (source, folder))
    return other.exists() and filecmp.cmp(one, other, shallow=False)


def pictures(folder, names):
    """Evaluations that leave pictures, on the first seed only."""
    from ssl_tf import evaluator

    done = {record["evaluation"] for record in runs.results(folder)}
    for name in names:
        if name not in done:
            evaluator.evaluate(folder, name)


def finish(root):
    """The table, figures and the page."""
    records = results.gather([root])
    found = tables.tables(records, missing=False)
    reproduce.show(found)
    gains = tables.differences(records)
    for row in gains:
        print(
            "  ".join(f"{name} {text}" for name, text in zip(tables.GAIN, row) if text)
        )
    page = root / "report.html"
    report.write_page(page, found, records, [root])
    report.write_markdown(root / "RESULTS.md", found, records)
    print(f"figures and table: {page}")
