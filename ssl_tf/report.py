"""Finished numbers beside the papers': RESULTS.md, and one HTML file with figures.

python -m ssl_tf.report                          runs/ and results/ -> RESULTS.md
python -m ssl_tf.report runs --html report.html  with curves and confusion matrices
python -m ssl_tf.report runs --keep results/mine.jsonl   numbers to commit
"""

import datetime
import json
import re
import sys
from pathlib import Path

from ssl_tf import cells, cli, config, page, results, runs
from ssl_tf.errors import BadInput
from ssl_tf.ops.stats import mean_and_deviation, standard_error

HOW = ("setting", "seeds", "minutes", "date", "machine", "commit", "command")


def arguments():
    parser = cli.parser("report", __doc__)
    parser.add_argument(
        "roots", nargs="*", metavar="RUNS", help="run folders (default: runs)"
    )
    parser.add_argument("--output", metavar="FILE", help="Markdown (default: print)")
    parser.add_argument("--html", metavar="FILE", help="a page with figures, too")
    parser.add_argument("--keep", metavar="FILE", help="write the records as .jsonl")
    parser.add_argument(
        "--only", action="store_true", help="leave out kept results and empty rows"
    )
    return parser


def main(argv=None):
    options = arguments().parse_args(argv)
    roots = options.roots or ["runs"]
    for root in options.roots:
        if not Path(root).exists():
            raise BadInput(f"{root}: no such folder.")
    if options.keep:
        keep(results.gather(roots), options.keep)
    records = results.gather(roots if options.only else [*results.kept(), *roots])
    found = tables(records, missing=not options.only)
    if options.output:
        write_markdown(options.output, found, records)
        print(f"wrote {options.output}", file=sys.stderr)
    else:
        print(as_markdown(found, records))
    if options.html:
        write_page(options.html, found, records, roots)
        print(f"wrote {options.html}", file=sys.stderr)
    return 0


def keep(records, path):
    """Writes records as lines, so that the numbers survive the machine."""
    with runs.atomic(path, "w") as out:
        out.writelines(json.dumps(record, sort_keys=True) + "\n" for record in records)


def tables(records, missing=True):
    """`[(title, rows)]`: one a method family, paper rows without a number included."""
    labels = results.catalogue()["labels"]
    wanted = []
    if missing:
        for method, _, _, path in config.settings():
            for variant in [None, *tabled(path)]:
                spec = config.load(path, variant)
                wanted.append((method, path.stem, variant, spec))
    rows = results.joined(
        results.lines(records, labels), results.expected(wanted, labels)
    )
    titles = [title_of(row.line.setting) for row in rows]
    papers = {
        title: [row for row, own in zip(rows, titles) if own == title]
        for title in results.catalogue()["papers"]
    }
    return [(title, own) for title, own in papers.items() if own]


def tabled(path):
    """Variants of a config that have numbers of the paper of their own."""
    variants = config.read_yaml(path).get("variants") or {}
    return [n for n, v in variants.items() if any(k.startswith("paper") for k in v)]


def title_of(setting):
    """The paper whose table a setting belongs to: the first with a pattern for it."""
    name = f"{setting.method}/{setting.name}"
    for title, patterns in results.catalogue()["papers"].items():
        if any(re.fullmatch(pattern, name) for pattern in patterns):
            return title
    return None


# What a method is compared with: another one, and its metric if it is not the same.
COMPARED = {"ssal": ("supervised", "terms.accuracy"), "gsimclr": ("simclr", None)}


def differences(records):
    """Rows that compare methods with their baseline on the same data, with errors."""
    lines = results.lines(records, results.catalogue()["labels"])
    own = [line for line in lines if not line.setting.official]
    data = lambda line: line.setting.name.split("_", 1)[-1]
    base = {
        (x.setting.method, data(x), x.metric): x
        for x in own
        if x.setting.variant is None
    }
    rows = []
    for line in own:
        method, metric = COMPARED.get(line.setting.method, (None, None))
        other = base.get((method, data(line), metric or line.metric))
        if other is None or (metric and line.setting.variant):
            continue
        gain = mean_and_deviation(line.values)[0] - mean_and_deviation(other.values)[0]
        error = standard_error(line.values, other.values)
        variant = line.setting.variant
        rows.append(
            (
                line.setting.method + (f" {variant}" if variant else ""),
                data(line),
                line.label,
                cells.cell(other.values),
                cells.cell(line.values),
                cells.percent(gain, signed=True),
                cells.percent(error) if error is not None else "",
            )
        )
    return rows


GAIN = ("method", "data", "", "baseline", "ours", "gain", "standard error of the gain")


HELD_OUT = ("setting", "variant", "", "ours")


def held_out(records):
    """Rows of what was measured on held-out training images: searches, choices."""
    found = results.lines(records, results.catalogue()["labels"], "validation")
    rows = [
        (
            f"{x.setting.method}/{x.setting.name}",
            x.setting.variant or "default",
            x.label,
            cells.cell(x.values),
        )
        for x in found
    ]
    return sorted(rows, key=lambda row: row[:2])


def provenance(records):
    """Rows that say how each number came about."""
    rows = {}
    for record in records:
        name = f"{record['method']}/{record['name']}"
        name += f" {record['variant']}" if record["variant"] else ""
        old = rows.setdefault(name, {"seeds": {}, "record": record})
        old["seeds"][record["seed"]] = record.get("minutes")
    return [
        (
            name,
            ", ".join(map(str, sorted(row["seeds"]))),
            ", ".join(f"{m:g}" for _, m in sorted(row["seeds"].items()) if m),
            row["record"]["date"][:10],
            row["record"].get("machine") or "",
            row["record"].get("commit") or "",
            row["record"].get("command") or "",
        )
        for name, row in sorted(rows.items())
    ]


def as_markdown(found, records):
    """The text of RESULTS.md."""
    parts = [
        "# Results",
        "Written by `python -m ssl_tf.report`; percent; ours: mean ± deviation of the "
        "seeds (number of seeds). Where `ours` names an experiment, it has not been "
        "run: `bash run_all.sh NAME` does, `--list` shows what it takes. `paper` is "
        "the authors' re-implementation, `org` the architecture's own paper.",
    ]
    for title, rows in found:
        parts += [f"## {title}", page.markdown(cells.HEAD, map(cells.cells, rows))]
    gains = differences(records)
    if gains:
        parts += ["## Gain over the baseline", page.markdown(GAIN, gains)]
    chosen = held_out(records)
    if chosen:
        parts += ["## On held-out training images", page.markdown(HELD_OUT, chosen)]
    if records:
        parts += ["## How they were made", page.markdown(HOW, provenance(records))]
    return "\n\n".join(parts) + "\n"


def write_markdown(path, found, records):
    """Replaces a RESULTS.md."""
    with runs.atomic(path, "w") as out:
        out.write(as_markdown(found, records))


def write_page(path, found, records, roots):
    """The HTML twin, with figures of the runs; their PNGs lie beside it."""
    from ssl_tf import figures, galleries, plots

    path = Path(path)
    folders = [
        f for root in roots if Path(root).is_dir() for f in results.folders(root)
    ]
    sections = [
        (title, page.table(cells.HEAD, list(map(cells.cells, rows))))
        for title, rows in found
    ]
    gains = differences(records)
    if gains:
        sections.append(("Gain over the baseline", page.table(GAIN, gains)))
    chosen = held_out(records)
    if chosen:
        sections.append(("On held-out training images", page.table(HELD_OUT, chosen)))
    beside = path.parent / f"{path.stem}_figures"
    drawn = figures.curves(folders, beside / "curves.png")
    if drawn:
        sections.append(("Learning curves", page.image(drawn, "learning curves")))
    drawn = plots.contrast(folders, beside / "nt_xent.png")
    if drawn:
        shown = page.image(drawn, "NT-Xent, plain against guided")
        sections.append(("NT-Xent, plain against guided", shown))
    drawn = plots.similarity(folders, beside / "similarity.png")
    if drawn:
        sections.append(("Similarity of views", page.image(drawn, "similarity")))
    drawn = plots.sizes(found, beside / "sizes.png")
    if drawn:
        shown = page.image(drawn, "accuracy against parameters")
        sections.append(("Accuracy against parameters", shown))
    matrices = ""
    for folder in folders:
        name = "_".join(folder.parts[-3:])
        shown = figures.confusion(folder, beside / f"confusion_{name}.png")
        matrices += page.image(shown, f"confusion matrix of {name}") if shown else ""
    if matrices:
        sections.append(("Confusion matrices", matrices))
    for folder in folders:
        name, pictures = "/".join(folder.parts[-3:]), galleries.draw(folder)
        shown = "".join(page.image(p, f"{p.stem} of {name}") for p in pictures)
        if shown:
            sections.append((f"Pictures of {name}", shown))
    if records:
        sections.append(("How they were made", page.table(HOW, provenance(records))))
    today = datetime.date.today().isoformat()
    note = f"Percent; mean ± deviation of the seeds (number of seeds). Written {today}."
    with runs.atomic(path, "w") as out:
        out.write(page.page("ssl_tf: results", note, sections))


if __name__ == "__main__":
    cli.run(main)
