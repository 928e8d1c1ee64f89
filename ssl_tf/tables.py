"""Records to the rows of printed tables: papers, differences, searches, provenance."""

import re

from ssl_tf import cells, claims, config, results
from ssl_tf.ops import stats


def tables(records, missing=True):
    """`[(title, rows)]`: one a method family, paper rows without a number included."""
    labels = results.catalogue()["labels"]
    wanted = papers() if missing else []
    rows = results.joined(
        results.lines(records, labels), results.expected(wanted, labels)
    )
    titles = [title_of(row.line.setting) for row in rows]
    found = {
        title: [row for row, own in zip(rows, titles) if own == title]
        for title in results.catalogue()["papers"]
    }
    return [(title, own) for title, own in found.items() if own]


def papers():
    """`[(method, name, variant, spec)]` of all configs with numbers of the papers.

    Those of the experiments of `run_all.sh`, in the variant that is the paper's.
    """
    found = {}
    for entry in results.catalogue()["experiments"].values():
        method, name = entry["config"].split("/")
        variant = entry.get("variant")
        path = config.home() / "configs" / f"{entry['config']}.yaml"
        found.setdefault((method, name, variant), path)
    return [(*key, config.load(path, key[2])) for key, path in found.items()]


def title_of(setting):
    """The paper whose table a setting belongs to: the first with a pattern for it."""
    name = f"{setting.method}/{setting.name}"
    for title, patterns in results.catalogue()["papers"].items():
        if any(re.fullmatch(pattern, name) for pattern in patterns):
            return title
    return None


# What a method is compared with: another one, and its metric if it is not the same.
COMPARED = {"ssal": ("supervised", "terms.accuracy"), "gsimclr": ("simclr", None)}

GAIN = (
    "method",
    "setting",
    "",
    "baseline",
    "ours",
    "difference, points [95 % interval]",
    "compared",
)


def differences(records):
    """Rows that compare methods with their baseline.

    The baseline has the same images, network, budget and evaluation; where a data set
    has only others, the row says in what they differ instead of a difference.
    """
    found = results.lines(records, results.catalogue()["labels"])
    own = [line for line in found if not line.setting.official and line.protocol]
    return [row for line in own if (row := gain(line, own)) is not None]


def gain(line, every):
    """The row of one line in `differences`, or `None` without a baseline."""
    method, metric = COMPARED.get(line.setting.method, (None, None))
    if metric and line.setting.variant:
        return None
    bases = [
        other
        for other in every
        if other.setting.method == method
        and other.metric == (metric or line.metric)
        and other.protocol["data"].get("name") == line.protocol["data"].get("name")
    ]
    if not bases:
        return None
    apart = lambda other: [
        part
        for part in claims.PARTS
        if line.protocol.get(part) != other.protocol.get(part)
    ]
    base = min(
        bases, key=lambda other: (len(apart(other)), other.setting.variant or "")
    )
    variant = line.setting.variant
    start = (
        line.setting.method + (f" {variant}" if variant else ""),
        line.setting.name,
        line.label,
    )
    if apart(base):
        why = f"no baseline with the same {' and '.join(apart(base))}"
        return (*start, "", cells.cell(line.values), "", why)
    effect = stats.difference(line.seeds, base.seeds)
    return (
        *start,
        cells.cell(base.values),
        cells.cell(line.values),
        cells.interval(effect),
        cells.compared(effect),
    )


HELD_OUT = ("setting", "variant", "", "ours")


def held_out(records):
    """Rows of what was measured on held-out training images."""
    return plain_rows(records, "validation")


def plain_rows(records, split="test"):
    """Rows of settings and their values, without a paper's numbers."""
    found = results.lines(records, results.catalogue()["labels"], split)
    rows = [
        (
            f"{x.setting.method}/{x.setting.name}",
            x.setting.variant or "default",
            x.label,
            cells.cell(x.values) + cells.mark(x),
        )
        for x in found
    ]
    return sorted(rows, key=lambda row: row[:2])


SEARCH = ("setting", "variant", "evaluation", "judged on", "measured")


def searches(records):
    """Rows of runs that chose a setting, with the images they were judged on."""
    rows = []
    for record in filter(results.is_search, records):
        numbers = [
            f"{name} {cells.percent(value)}"
            for name, value in sorted(record["values"].items())
            if isinstance(value, float) and 0 <= value <= 1 and "chance" not in name
        ]
        row = (
            f"{record['method']}/{record['name']}",
            record["variant"] or "default",
            record["evaluation"],
            "test images" if record["split"] == "test" else "held-out images",
            ", ".join(numbers),
        )
        rows.append(row)
    return rows


HOW = ("setting", "seed", "training", "minutes", "date", "machine", "commit", "command")


def provenance(records):
    """Rows that say how each training came about."""
    rows = {}
    for record in records:
        rows.setdefault(results.key(record)[:6], record)
    return [
        (
            "/".join((record["method"], record["name"]))
            + (f" {record['variant']}" if record["variant"] else ""),
            record["seed"],
            record.get("run") or record.get("config") or "",
            f"{record['minutes']:g}" if record.get("minutes") else "",
            record["date"][:10],
            record.get("machine") or "",
            record.get("commit") or "",
            record.get("command") or "",
        )
        for _, record in sorted(rows.items())
    ]


NOTE = (
    "Percent. Three runs or more: mean ± deviation (runs); fewer: each. † A seed was "
    "trained more than once: numbers of this setting may be of different trainings, "
    "the newest that has each."
)


def sections(found, records):
    """`[(title, head, rows)]` of all tables that have rows."""
    parts = [(title, cells.HEAD, list(map(cells.cells, rows))) for title, rows in found]
    parts += [
        ("Difference to the baseline", GAIN, differences(records)),
        ("On held-out training images", HELD_OUT, held_out(records)),
        ("Searches", SEARCH, searches(records)),
        ("How they were made", HOW, provenance(records)),
    ]
    return [part for part in parts if part[2]]
