"""The printed cells of tables."""

from ssl_tf.ops.stats import mean_and_deviation
from ssl_tf.results import catalogue


def percent(value, signed=False):
    if value is None:
        return ""
    return f"{100 * value:+.2f}" if signed else f"{100 * value:.2f}"


def cell(values):
    """`78.12 ± 0.31 (3)` of shares; empty for none."""
    if not values:
        return ""
    mean, spread = mean_and_deviation(values)
    if spread is None:
        return f"{percent(mean)} (1)"
    return f"{percent(mean)} ± {percent(spread)} ({len(values)})"


HEAD = (
    "setting",
    "variant",
    "",
    "org",
    "paper",
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
        cell(row.official.values) if row.official else "",
        cell(line.values) or todo(line.setting),
        percent(mean - line.paper, signed=True) if known else "",
        f"{line.parameters:,}" if line.parameters else "",
    )


def todo(setting):
    """What fills an empty cell: the identifier to give to `run_all.sh`."""
    wanted = f"{setting.method}/{setting.name}", setting.variant
    for name, entry in catalogue()["experiments"].items():
        if (entry["config"], entry.get("variant")) == wanted:
            return f"`{name}`"
    return ""
