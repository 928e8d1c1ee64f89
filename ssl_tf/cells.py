"""The printed cells of tables."""

from ssl_tf.ops.stats import mean_and_deviation
from ssl_tf.results import catalogue

FEWEST = 3  # runs from which a deviation is printed


def percent(value, signed=False):
    if value is None:
        return ""
    return f"{100 * value:+.2f}" if signed else f"{100 * value:.2f}"


def cell(values):
    """`78.12 ± 0.31 (3)` of three shares or more, else each; empty for none."""
    values = list(values)
    if len(values) < FEWEST:
        return ", ".join(map(percent, values))
    mean, spread = mean_and_deviation(values)
    return f"{percent(mean)} ± {percent(spread)} ({len(values)})"


def mark(line):
    """A sign behind the values of a `results.Line` with more trainings than seeds."""
    return " †" if line.retrained else ""


def interval(found):
    """`+1.20 [-0.35, +2.75]` of a `stats.Difference` in points of a percent."""
    mean = percent(found.mean, signed=True)
    if found.low is None:
        return mean
    low, high = (percent(end, signed=True) for end in (found.low, found.high))
    return f"{mean} [{low}, {high}]"


def compared(found):
    """How a `stats.Difference` was made: `3 pairs, df 2` or `3 and 4 runs, df 4.1`."""
    if found.pairs:
        text = "1 pair" if found.pairs == 1 else f"{found.pairs} pairs"
    else:
        text = "{} and {} runs, not paired".format(*found.sizes)
    return text if found.df is None else f"{text}, df {found.df:.3g}"


HEAD = (
    "setting",
    "variant",
    "",
    "org",
    "paper",
    "released",
    "official weights",
    "ours",
    "difference",
    "parameters",
)


def cells(row):
    """The printed cells of a row, in the order of `HEAD`."""
    line = row.line
    mean = mean_and_deviation(line.values)[0] if line.values else None
    known = line.paper is not None and mean is not None
    return (
        f"{line.setting.method}/{line.setting.name}",
        line.setting.variant or "default",
        line.label,
        percent(line.org),
        percent(line.paper),
        percent(line.released),
        cell(row.official.values) if row.official else "",
        cell(line.values) + mark(line) if line.values else todo(line.setting),
        percent(mean - line.paper, signed=True) if known else "",
        f"{line.parameters:,}" if line.parameters else "",
    )


def todo(setting):
    """What fills an empty cell: the identifier to give to `run_all.sh`."""
    name = experiment(setting)
    return f"`{name}`" if name else ""


def experiment(setting):
    """The experiment of `run_all.sh` with a setting's config and variant, or `None`."""
    wanted = f"{setting.method}/{setting.name}", setting.variant
    for name, entry in catalogue()["experiments"].items():
        if (entry["config"], entry.get("variant")) == wanted:
            return name
    return None
