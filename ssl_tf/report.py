"""Finished numbers beside the papers': claims, tables, and one HTML file with figures.

python -m ssl_tf.report                          runs/ and results/, printed
python -m ssl_tf.report runs --html report.html  with curves and confusion matrices
python -m ssl_tf.report runs --keep results/mine.jsonl   numbers to commit
python -m ssl_tf.report --pages                  RESULTS.md and the generated parts of
                                                 README.md and docs/, from results/
"""

import datetime
import json
import sys
from pathlib import Path

from ssl_tf import cells, claims, cli, page, pages, results, runs, tables
from ssl_tf.errors import BadInput


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
    parser.add_argument(
        "--pages",
        action="store_true",
        help="write this checkout's pages from results/ and nothing else",
    )
    return parser


def main(argv=None):
    options = arguments().parse_args(argv)
    if options.pages:
        for path in pages.write():
            print(f"wrote {path}", file=sys.stderr)
        return 0
    roots = options.roots or ["runs"]
    for root in options.roots:
        if not Path(root).exists():
            raise BadInput(f"{root}: no such folder.")
    if options.keep:
        keep(results.gather(roots), options.keep)
    records = results.gather(roots if options.only else [*results.kept(), *roots])
    found = tables.tables(records, missing=not options.only)
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


def as_markdown(found, records):
    """The tables of one's own runs as text."""
    parts = [
        "# Results",
        f"Written by `python -m ssl_tf.report`. {tables.NOTE} Where `ours` names an "
        "experiment, it has not been run: `bash run_all.sh NAME` does, `--list` shows "
        "what it takes. `paper` is the authors' re-implementation, `org` the "
        "architecture's own paper.",
    ]
    for title, head, rows in tables.sections(found, records):
        parts += [f"## {title}", page.markdown(head, rows)]
    return "\n\n".join(parts) + "\n"


def write_markdown(path, found, records):
    """Replaces a RESULTS.md."""
    with runs.atomic(path, "w") as out:
        out.write(as_markdown(found, records))


def write_page(path, found, records, roots):
    """The HTML twin, with figures of the runs; their PNGs lie beside it."""
    path = Path(path)
    folders = [
        f for root in roots if Path(root).is_dir() for f in results.folders(root)
    ]
    judged = [v for v in claims.verdicts(claims.read()[0], records) if v.effect]
    parts = [("Claims", claim_table(judged))] if judged else []
    tabled = [
        (title, page.table(head, rows))
        for title, head, rows in tables.sections(found, records)
    ]
    parts += tabled[: len(found)]
    parts += pictures(found, folders, path.parent / f"{path.stem}_figures")
    parts += tabled[len(found) :]
    today = datetime.date.today().isoformat()
    with runs.atomic(path, "w") as out:
        out.write(
            page.page("ssl_tf: results", f"{tables.NOTE} Written {today}.", parts)
        )


def claim_table(judged):
    """The HTML table of verdicts, the intervals drawn on one scale."""
    ends = [v.effect.low for v in judged] + [v.effect.high for v in judged]
    ends += [v.effect.mean for v in judged]
    reach = max((abs(end) for end in ends if end is not None), default=0) or 1.0
    rows = [
        (*claims.row(v)[:5], page.interval(v.effect, reach), *claims.row(v)[5:])
        for v in judged
    ]
    head = (*claims.HEAD[:5], f"± {cells.percent(reach)}", *claims.HEAD[5:])
    return page.table(head, rows)


def pictures(found, folders, beside):
    """`[(heading, HTML)]` of the figures of run folders, drawn into `beside`."""
    from ssl_tf import figures, galleries, plots

    drawn = {
        "Learning curves": figures.curves(folders, beside / "curves.png"),
        "NT-Xent, plain against guided": plots.contrast(
            folders, beside / "nt_xent.png"
        ),
        "Similarity of views": plots.similarity(folders, beside / "similarity.png"),
        "Accuracy against parameters": plots.sizes(found, beside / "sizes.png"),
    }
    parts = [
        (title, page.image(file, title.lower()))
        for title, file in drawn.items()
        if file
    ]
    matrices = ""
    for folder in folders:
        name = "_".join(folder.parts[-3:])
        shown = figures.confusion(folder, beside / f"confusion_{name}.png")
        matrices += page.image(shown, f"confusion matrix of {name}") if shown else ""
    if matrices:
        parts.append(("Confusion matrices", matrices))
    for folder in folders:
        name, grids = "/".join(folder.parts[-3:]), galleries.draw(folder)
        shown = "".join(page.image(p, f"{p.stem} of {name}") for p in grids)
        if shown:
            parts.append((f"Pictures of {name}", shown))
    return parts


if __name__ == "__main__":
    cli.run(main)
