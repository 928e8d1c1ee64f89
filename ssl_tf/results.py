"""Finished numbers of run folders and kept files, joined with the papers'."""

import functools
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from ssl_tf import config, runs
from ssl_tf.errors import BadInput

KEPT = "results"  # committed: numbers that survive the machine


class Setting(NamedTuple):
    """What was run: all that tells two rows of a table apart, but the seed."""

    method: str
    name: str
    variant: str | None
    official: bool


class Line(NamedTuple):
    """One line of a table.

    Attributes:
        setting: `Setting`.
        metric: `<evaluation>.<name>`.
        label: what the paper calls it.
        by_seed: `{seed: record}`, the training that counts for each.
        retrained: whether a seed of this setting was trained more than once, so that
            its metrics may be of different weights.
        paper: its number, or `None`.
        org: of the architecture's own paper, or `None`.
        released: of the authors' released code, or `None`.
        parameters: int or `None`.
        source: where in the paper.
    """

    setting: Setting
    metric: str
    label: str
    by_seed: dict
    retrained: bool
    paper: float | None
    org: float | None
    released: float | None
    parameters: int | None
    source: str

    @property
    def seeds(self):
        """`{seed: value}`, in order of seeds."""
        _, _, name = self.metric.partition(".")
        return {
            seed: record["values"][own_name(record, name)]
            for seed, record in sorted(self.by_seed.items())
        }

    @property
    def values(self):
        """One a seed, in order of seeds."""
        return list(self.seeds.values())

    @property
    def protocol(self):
        """What a fair comparison has in common, see `protocol`; `None` if unknown."""
        return protocol(next(iter(self.by_seed.values()))) if self.by_seed else None


HELD_OUT = "validation_"  # before a metric: of held-out images


def own_name(record, name):
    """What a record calls a metric; that of held-out images has records of its own."""
    return name if name in record["values"] else name.removeprefix(HELD_OUT)


def gather(roots):
    """Records of all finished evaluations.

    Args:
        roots: folders of runs, or `.jsonl` files of kept records.

    Returns:
        list of dicts; the newest of each (training, evaluation, split, weights).

    Raises:
        BadInput: a file is damaged.
    """
    found = {}
    for root in map(Path, roots):
        if root.suffix == ".jsonl":
            records = read_lines(root)
        else:
            records = [r for folder in folders(root) for r in of_run(folder)]
        for record in records:
            old = found.get(key(record))
            if old is None or old["date"] <= record["date"]:
                found[key(record)] = record
    return sorted(found.values(), key=key)


def kept():
    """The committed files of records."""
    return sorted((config.home() / KEPT).glob("*.jsonl"))


def identity(record):
    """What tells one training from all others.

    Written once into a run when it begins. Runs from before have the digest of their
    config, seed and commit; converted ones their name.
    """
    names = ("config", "seed", "commit")
    old = "-".join(str(record.get(name)) for name in names)
    return record.get("run") or old


def key(record):
    """What two records have in common if the newer replaces the older."""
    names = ("method", "name", "variant", "official", "seed")
    mine = tuple(str(record.get(n)) for n in names)
    rest = tuple(str(record.get(n)) for n in ("evaluation", "split", "weights"))
    return (*mine, identity(record), *rest)


def is_search(record):
    """Whether a run only chose a setting; such runs are no results."""
    variant = (record["variant"] or "").split("+")
    return "search" in variant or record["name"].startswith("search")


# Of a data section: how images are shown and ordered, not which ones they are.
SHOWN = ("norm", "resize", "fit", "held_out", "order", "repeated")
BUDGET = ("epochs", "updates", "batch_size", "precision")


def setup(spec):
    """Of a config, what arms of a fair comparison share: images, network, budget."""
    data = {k: v for k, v in spec["data"].items() if k not in SHOWN}
    budget = {k: spec["train"][k] for k in BUDGET if k in spec["train"]}
    found = {"data": data, "backbone": spec["backbone"], "budget": budget}
    if spec.get("init"):  # runs of other seeds start from other seeds
        run = re.sub(r"seed\d+/?$", "seed*", str(spec["init"]["run"]))
        found["init"] = spec["init"] | {"run": run}
    return found


def protocol(record):
    """`{"data", "backbone", "budget", "evaluation"}`; `None` for an unknown setup."""
    if record.get("setup") is None:
        return None
    judged = {k: record.get(k) for k in ("arguments", "data", "weights")}
    return record["setup"] | {"evaluation": judged}


def folders(root):
    """All run folders below `root`, but for those inside others (fine-tuning)."""
    found = {path.parent for path in Path(root).glob("**/config.yaml")}
    return sorted(p for p in found if found.isdisjoint(p.parents))


def read_lines(path):
    try:
        text = Path(path).read_text(encoding="utf-8")
        return [json.loads(x) for x in text.splitlines() if x.strip()]
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: is no file of results ({error}).") from None


def of_run(folder):
    """The records of one run folder, each with all that is needed without it."""
    lines = runs.results(folder)
    if not lines:
        return []
    spec, facts = runs.stored(folder), runs.facts(folder)
    machine = runs.facts(folder, "environment.json")
    variant = machine.get("variant")
    name = folder.parent.name
    official = (folder / "certificate.json").exists()
    common = {
        "method": folder.parent.parent.name,
        "name": name.removesuffix(f"_{variant}") if variant else name,
        "variant": variant,
        "official": official,
        "seed": spec["train"].get("seed", 0),
        "file": machine.get("config"),
        "parameters": facts.get("parameters"),
        "minutes": minutes(folder),
        "machine": f"{machine.get('processor')}, {machine.get('cores')} cores",
        "commit": machine.get("commit"),
        "command": portable(machine.get("command")),
        "paper": spec.get("paper") or {},
        "setup": setup(spec),
    }
    defaults = {"weights": "last", "arguments": {}}
    return [defaults | common | line for line in lines]


def minutes(folder):
    """Time its updates took, in minutes; `None` if it was not trained here."""
    rows = runs.history(folder)
    seconds = sum(float(row["seconds"]) for row in rows)
    return round(seconds / 60, 1) if rows else None


def portable(command):
    """A command without the folders of one machine: what another user would type."""
    if command is None:
        return None
    without_runs = re.sub(r" --runs[ =]\S+", "", command)
    return re.sub(r"( --datadir)[ =]\S+", r"\1 DIR", without_runs)


def lines(records, labels, split="test"):
    """Table lines: one a setting, setup and metric, with the values of all seeds.

    Where a seed was trained again, the newest training that has the metric counts;
    two trainings never enter one mean, and the line says that there are two.

    Args:
        records: from `gather`; searches are left out.
        labels: `{method: {metric: label}}`; metrics without a label are left out, and
            the paper's numbers appear even where nothing was run.
        split: of the images, "test" or "validation".
    """
    table, trainings = {}, {}
    for record in sorted(records, key=lambda record: record["date"]):
        apart = split == "test" and record["split"] == "validation"
        if record["split"] != split and not apart:
            continue
        if record["weights"] not in ("last", "random") or is_search(record):
            continue
        setting = Setting(
            *(record[n] for n in ("method", "name", "variant", "official"))
        )
        place = setting, config.digest(record.get("setup") or {})
        trainings.setdefault((place, record["seed"]), set()).add(identity(record))
        for name, value in record["values"].items():
            metric = f"{record['evaluation']}.{HELD_OUT if apart else ''}{name}"
            label = label_of(labels.get(record["method"], {}), metric)
            if label is None or not isinstance(value, (int, float)):
                continue
            empty = blank(setting, metric, label, record)
            line = table.setdefault((place, metric), empty)
            line.by_seed[record["seed"]] = record
    again = {place for (place, _), ids in trainings.items() if len(ids) > 1}
    return [x._replace(retrained=place in again) for (place, _), x in table.items()]


CHANCE = "chance_"  # before a measure of clusters: its level by chance


def label_of(labels, metric):
    """The label of a metric; a level by chance has that of its measure."""
    if metric in labels or CHANCE not in metric:
        return labels.get(metric)
    label = labels.get(metric.replace(CHANCE, ""))
    return label and f"{label}, by chance"


def blank(setting, metric, label, record):
    """A line without values, with the paper's numbers of a record's config."""
    paper = record.get("paper") or {}
    evaluation, _, name = metric.partition(".")
    return Line(
        setting=setting,
        metric=metric,
        label=label,
        by_seed={},
        retrained=False,
        paper=(paper.get(evaluation) or {}).get(name),
        org=(paper.get("org") or {}).get(name),
        released=(paper.get("released") or {}).get(metric),
        parameters=record.get("parameters") or paper.get("parameters"),
        source=str(paper.get("source", "")),
    )


def expected(settings, labels):
    """Lines without values for every number that a config says the paper has.

    Args:
        settings: `[(method, name, variant, spec)]`.
        labels: see `lines`.
    """
    found = []
    for method, name, variant, spec in settings:
        setting = Setting(method, name, variant, False)
        for metric, label in labels.get(method, {}).items():
            line = blank(setting, metric, label, {"paper": spec.get("paper")})
            if line.paper is not None:
                found.append(line)
    return found


class Row(NamedTuple):
    """A line with its official twin: one row of the printed table."""

    line: Line
    official: Any


def joined(found, wanted):
    """Rows: ours beside the official weights' number, missing ones included."""
    ours = [x for x in found if not x.setting.official]
    theirs = {(plain_name(x), x.metric): x for x in found if x.setting.official}
    there = {(x.setting[:3], x.metric) for x in ours}
    ours += [x for x in wanted if (x.setting[:3], x.metric) not in there]
    twin = lambda x: theirs.get((plain_name(x), x.metric))
    rows = [Row(x, twin(x)) for x in ours]
    order = [(m, n) for m, own in catalogue()["labels"].items() for n in own]
    place = lambda x: (
        x.setting.name,
        str(x.setting.variant or ""),
        order.index((x.setting.method, x.metric.replace(CHANCE, ""))),
        CHANCE in x.metric,
    )
    return sorted(rows, key=lambda row: place(row.line))


def plain_name(line):
    """What official weights and our runs share: method, config and variant.

    One set of weights stands beside our default and our faithful runs.
    """
    method, name, variant, _ = line.setting
    parts = [p for p in (variant or "").split("+") if p not in ("", "faithful")]
    variant = "+".join(parts) or None
    return method, name.removesuffix("_official"), variant


@functools.cache
def catalogue():
    """`configs/run_all.yaml`: papers, labels, experiments and the demo."""
    return config.read_yaml(config.home() / "configs" / "run_all.yaml")
