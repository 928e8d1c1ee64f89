"""What the papers claim, and what our runs say: `configs/claims.yaml` and its rules."""

from typing import Any, Literal, NamedTuple

from ssl_tf import cells, config, results, schema
from ssl_tf.errors import BadInput
from ssl_tf.ops import stats
from ssl_tf.schema import Count

FILE = "claims.yaml"
# Parts of a protocol in which the arms of a test must agree, or say why they differ.
PARTS = ("data", "backbone", "budget", "init", "evaluation")
Part = Literal[PARTS]


class Arm(NamedTuple):
    """Runs of one setting, and what is measured of them.

    Attributes:
        run: `<method>/<name>`, as in the records.
        metric: `<evaluation>.<name>`.
        variant: of the config.
    """

    run: str
    metric: str
    variant: str | None = None


class Control(NamedTuple):
    """A number that stands beside an effect: a chance level or a placebo.

    Attributes:
        label: what it is.
        run, metric, variant: see `Arm`.
    """

    label: str
    run: str
    metric: str
    variant: str | None = None


class Test(NamedTuple):
    """Two arms and the rule that decides between them.

    Attributes:
        name: data, network and budget in a few words.
        ours: the arm that the paper claims is ahead.
        against: the other one.
        above: the effect, a share, that the claim must exceed.
        seeds: runs of each arm, paired where they share seeds, below which the test
            is open.
        differs: `{part of the protocol: why the arms differ in it}`; any other
            difference makes it no test.
        not_a_test: why the runs cannot decide the claim, whatever they say.
        controls: numbers printed beside the effect.
    """

    name: str
    ours: Arm
    against: Arm
    above: float = 0.0
    seeds: Count = cells.FEWEST
    differs: dict[Part, str] = {}
    not_a_test: str | None = None
    controls: list[Control] = []


class Claim(NamedTuple):
    """One sentence of a paper.

    Attributes:
        id: a name.
        paper: who says it, with the table or section.
        says: the sentence, in our words.
        number: the paper's numbers for it.
        tests: list of `Test`; none: nothing here could test it.
        missing: what would be needed, where there is no test.
    """

    id: str
    paper: str
    says: str
    number: str
    tests: list[Test] = []
    missing: str = ""


class Row(NamedTuple):
    """A row of a `Listing`.

    Attributes:
        run, variant: see `Arm`.
        evaluation: that takes the place of the columns' own.
        metrics: `{metric of a column: what is shown instead}`.
    """

    run: str
    variant: str | None = None
    evaluation: str | None = None
    metrics: dict[str, str] = {}


class Listing(NamedTuple):
    """A table of the documentation, made from records.

    Attributes:
        id: a name.
        columns: `{metric: heading}`.
        rows: `{label: Row}`.
        against: label of the row that differences are taken from, or none.
    """

    id: str
    columns: dict[str, str]
    rows: dict[str, Row]
    against: str | None = None


class Verdict(NamedTuple):
    """What a test of a claim came to.

    Attributes:
        claim: `Claim`.
        test: `Test`, or `None` where there is none.
        status: "reproduced", "contradicted", "open", "not a test" or "missing".
        effect: `stats.Difference`, or `None`.
        why: what kept it from a decision; empty for the first two.
        controls: `[(label, value or None)]`.
    """

    claim: Claim
    test: Any
    status: str
    effect: Any
    why: str
    controls: list


def read(path=None):
    """`(list of Claim, {id: Listing})` of a file.

    Raises:
        BadInput: a wrong key or type, or a name twice.
    """
    path = path or config.home() / "configs" / FILE
    spec = config.read_yaml(path)
    where = path.name
    found = schema.checked(list[Claim], spec.get("claims"), f"{where}: claims")
    tables = schema.checked(list[Listing], spec.get("tables"), f"{where}: tables")
    names = [one.id for one in (*found, *tables)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"{path}: the id {twice[0]!r} stands twice.")
    return found, {table.id: table for table in tables}


def verdicts(claims, records):
    """One `Verdict` a test, in the order of the file.

    Args:
        claims: list of `Claim`.
        records: from `results.gather`.
    """
    found = []
    for claim in claims:
        if not claim.tests:
            found.append(Verdict(claim, None, "missing", None, claim.missing, []))
        found += [judge(claim, test, records) for test in claim.tests]
    return found


def judge(claim, test, records):
    """The `Verdict` of one test.

    Missing: an arm has no runs. Not a test: the file says so, or the arms' protocols
    differ in a part that the test does not explain. Open: fewer runs than the rule
    asks for, or the interval of the effect contains the rule's bound. Otherwise the
    whole interval is above it (reproduced) or below it (contradicted).
    """
    ours, against = (measured(arm, records) for arm in (test.ours, test.against))
    controls = [(c.label, control(c, records)) for c in test.controls]
    lost = [
        name_of(arm)
        for arm, found in ((test.ours, ours), (test.against, against))
        if found is None
    ]
    if lost:
        why = f"no runs of {' or '.join(lost)}"
        return Verdict(claim, test, "missing", None, why, controls)
    effect = stats.difference(ours.seeds, against.seeds)
    why = test.not_a_test or unequal(ours, against, test.differs)
    if why:
        return Verdict(claim, test, "not a test", effect, why, controls)
    if min(effect.sizes) < test.seeds:
        why = f"{min(effect.sizes)} of {test.seeds} seeds"
        return Verdict(claim, test, "open", effect, why, controls)
    if effect.low > test.above:
        return Verdict(claim, test, "reproduced", effect, "", controls)
    if effect.high < test.above:
        return Verdict(claim, test, "contradicted", effect, "", controls)
    why = f"the interval contains {cells.percent(test.above)}"
    return Verdict(claim, test, "open", effect, why, controls)


def leading(judged):
    """One verdict a claim: of its first test that was run, else of the first."""
    found = {}
    for verdict in judged:
        before = found.setdefault(verdict.claim.id, verdict)
        if before.status == "missing" and verdict.status != "missing":
            found[verdict.claim.id] = verdict
    return list(found.values())


def measured(arm, records):
    """The `results.Line` of an arm, of its newest setup; `None` without runs."""
    method, _, name = arm.run.partition("/")
    own = [
        record
        for record in records
        if (record["method"], record["name"]) == (method, name)
        and record["variant"] == arm.variant
        and not record["official"]
    ]
    labels = {method: {arm.metric: arm.metric}}
    found = results.lines(own, labels)
    newest = lambda line: max(record["date"] for record in line.by_seed.values())
    return max(found, key=newest, default=None)


def control(wanted, records):
    """Mean of a control's runs, or `None`."""
    line = measured(wanted, records)
    return None if line is None else stats.mean_and_deviation(line.values)[0]


def name_of(arm):
    return arm.run + (f" {arm.variant}" if arm.variant else "")


def unequal(ours, against, differs):
    """In which unexplained parts two lines' protocols differ, as text, or nothing."""
    a, b = ours.protocol, against.protocol
    if a is None or b is None:
        return "the setup of a run is not known"
    parts = [p for p in PARTS if a.get(p) != b.get(p) and p not in differs]
    return f"the arms differ in {' and '.join(parts)}" if parts else ""


HEAD = (
    "claim",
    "the paper's number",
    "our test",
    "runs",
    "effect, points [95 % interval]",
    "chance or control",
    "verdict",
)


def row(verdict):
    """The printed cells of a verdict, in the order of `HEAD`."""
    claim, test, status, effect, why, controls = verdict
    known = [f"{label} {cells.percent(x)}" for label, x in controls if x is not None]
    return (
        f"{claim.says} ({claim.paper})",
        claim.number,
        test.name if test else "",
        cells.compared(effect) if effect else "",
        cells.interval(effect) if effect else "",
        "; ".join(known),
        status + (f": {why}" if why else ""),
    )


def sentence(verdict):
    """A verdict in a sentence of plain text."""
    claim, test, status, effect, why, _ = verdict
    text = f"**{claim.paper}**: {claim.says}: *{status}*"
    text += f" ({why})" if why else ""
    if effect is None:
        return f"{text}."
    return (
        f"{text}; {test.name}: {cells.interval(effect)} points, "
        f"{cells.compared(effect)}."
    )


def listing(table, records):
    """`(head, rows)` of texts of one `Listing`."""
    head = ["", *table.columns.values()]
    lines = {
        label: lines_of(entry, table, records) for label, entry in table.rows.items()
    }
    rows = []
    for label, own in lines.items():
        row = [label]
        for metric in table.columns:
            line = own[metric]
            text = cells.cell(line.values) + cells.mark(line) if line else ""
            other = lines[table.against][metric] if table.against else None
            if line and other and label != table.against:
                found = stats.difference(line.seeds, other.seeds)
                text += f"; {cells.interval(found)}"
            row.append(text)
        rows.append(row)
    return head, rows


def lines_of(row, table, records):
    """`{metric of the column: results.Line or None}` of a `Row`."""
    found = {}
    for metric in table.columns:
        evaluation, _, name = metric.partition(".")
        own = row.metrics.get(metric, f"{row.evaluation or evaluation}.{name}")
        found[metric] = measured(Arm(row.run, own, row.variant), records)
    return found
