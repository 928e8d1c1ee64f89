"""The pages of this checkout that are made from `results/`, and from nothing else.

`RESULTS.md`, `results/paper.md`, `results/evidence.md`, and what stands between
`<!-- generated: NAME -->` and `<!-- end -->` in README.md and docs/.
"""

from ssl_tf import cells, claims, config, cost, page, results, runs, tables

WRITTEN = "Written by `python -m ssl_tf.report --pages` from the records in `results/`."


def write(home=None):
    """Writes the pages; returns the paths of those that changed.

    Args:
        home: the checkout, default `config.home()`.
    """
    home = home or config.home()
    changed = []
    for path, text in made(home).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            with runs.atomic(path) as out:
                out.write(text.encode())
            changed.append(path)
    return [*changed, draw(home)]


def draw(home):
    """Draws `configs/anchors.yaml`, our runs beside published ones; the path."""
    from ssl_tf import plots

    spec = config.read_yaml(home / "configs" / "anchors.yaml")
    records, ours = results.gather(results.kept()), []
    for one in spec["ours"]:
        arm = claims.Arm(one["run"], one["metric"], one.get("variant"))
        line = claims.measured(arm, records)
        if line is None:
            continue
        epochs = line.protocol["budget"]["epochs"]
        work = epochs * one["gflop"] * one["images"] / 1e6
        label = (
            f"ours: {claims.name_of(arm)}, {one['measure']}, "
            f"width {line.protocol['backbone']['width']}, {one['images']:,} images"
        )
        method = one["run"].partition("/")[0]
        ours.append((label, method, one["measure"], epochs, work, line.values))
    return plots.curves_beside(
        spec["published"], ours, home / "docs" / "accuracy_curves.png"
    )


def made(home):
    """`{path: text}` of every page with generated parts."""
    records = results.gather(results.kept())
    found, listings = claims.read()
    judged = claims.verdicts(found, records)
    leading = claims.leading(judged)
    blocks = {
        "claims": page.markdown(claims.HEAD, map(claims.row, judged)),
        "claims-short": page.markdown(SHORT, map(short, leading)),
        "verdicts": "\n".join(f"- {claims.sentence(v)}" for v in leading),
    }
    for name, table in listings.items():
        blocks[name] = page.markdown(*claims.listing(table, records))
    texts = {
        home / "RESULTS.md": claims_page(blocks),
        home / "results" / "paper.md": paper(records),
        home / "results" / "evidence.md": evidence(records),
    }
    for path in (home / "README.md", *sorted((home / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        texts[path] = page.filled(text, blocks, path.name)
    return texts


SHORT = ("claim", "the paper's number", "effect [95 % interval]", "runs", "verdict")


def short(verdict):
    """The cells of a verdict in README.md, without the description of the test."""
    said, number, _, runs_, effect, _, _ = claims.row(verdict)
    return (said, number, effect, runs_, verdict.status)


def claims_page(blocks):
    """The text of RESULTS.md."""
    return f"""# Results

{WRITTEN}

A claim is a record in `configs/claims.yaml`; the verdict follows from its rule.
Effects are differences of the arms' means with a two-sided 95 % t interval, paired by
seed where seeds are shared. *reproduced* and *contradicted*: the whole interval is on
one side of the rule's bound; *open*: too few seeds, or the interval contains the bound;
*not a test*: the runs cannot decide it, for the reason given; *missing*: not run.

{blocks["claims"]}

- [docs/results.md](docs/results.md): what each test can and cannot show
- [results/paper.md](results/paper.md): every number of the papers, and what fills it
- [results/evidence.md](results/evidence.md): our runs, searches, provenance
"""


_, _, *REST = cells.HEAD  # behind setting and variant
PAPER = ("id", "setting", "the paper's variant", *REST, "takes on two cores")


def paper(records):
    """The text of `results/paper.md`."""
    parts = [
        "# The papers' numbers",
        f"{WRITTEN} {tables.NOTE} `bash run_all.sh ID` fills a row: it trains the "
        "variant that is the paper's; `takes` is one seed's training. `org`: the "
        "architecture's own paper; `released`: what the authors say of their released "
        "code. ‡ The paper chose epochs, rates or stopping on the test images, and so "
        "does this variant.",
    ]
    for title, rows in tables.tables(records):
        own = [paper_row(row) for row in rows if row.line.paper is not None]
        if own:
            parts += [f"## {title}", page.markdown(PAPER, own)]
    return "\n\n".join(parts) + "\n"


def paper_row(row):
    """The printed cells of a row, in the order of `PAPER`."""
    setting, variant, *rest = cells.cells(row)
    name = cells.experiment(row.line.setting)
    entry = results.catalogue()["experiments"].get(name, {})
    path = config.home() / "configs" / f"{setting}.yaml"
    takes, mark = "", ""
    if path.exists():
        spec = config.load(path, row.line.setting.variant)
        chosen = [spec["data"], *(spec.get("evaluations") or {}).values()]
        on_test = any((own or {}).get("validation") == "test" for own in chosen)
        mark = " ‡" if on_test else ""
        if "gflop" in entry:
            flops = entry["gflop"] * 1e9 * entry["images"] * spec["train"]["epochs"]
            takes = cost.told(flops / cost.TWO_CORES)
        elif name:
            takes = "others' weights"
    if not row.line.values:
        rest[5] = ""  # the identifier has a column of its own
    return (f"`{name}`" if name else "", setting, variant + mark, *rest, takes)


RAW = ("setting", "variant", "", "value (seed)", "training (seed)")


def raw(records):
    """Rows of every value of ours, with its seed and training."""
    found = results.lines(records, results.catalogue()["labels"])
    each = lambda pairs: ", ".join(f"{text} ({seed})" for seed, text in pairs)
    rows = []
    for x in found:
        ids = {seed: one.get("run") or one["config"] for seed, one in x.by_seed.items()}
        row = (
            f"{x.setting.method}/{x.setting.name}",
            x.setting.variant or "default",
            x.label,
            each((s, cells.percent(v)) for s, v in x.seeds.items()) + cells.mark(x),
            each(sorted(ids.items())),
        )
        rows.append(row)
    return sorted(rows, key=lambda row: row[:2])


def evidence(records):
    """The text of `results/evidence.md`."""
    parts = [
        ("Every seed", RAW, raw(records)),
        ("Differences to the baseline", tables.GAIN, tables.differences(records)),
        ("On held-out training images", tables.HELD_OUT, tables.held_out(records)),
        ("Searches", tables.SEARCH, tables.searches(records)),
        ("How they were made", tables.HOW, tables.provenance(records)),
    ]
    text = ["# Our runs", f"{WRITTEN} {tables.NOTE}"]
    for title, head, rows in parts:
        if rows:
            text += [f"## {title}", page.markdown(head, rows)]
    return "\n\n".join(text) + "\n"
