"""Differences, intervals and verdicts on made-up records; the pages made from ours."""

import json
import math
import re
from pathlib import Path

import pytest

from ssl_tf import cells, claims, config, page, pages, report, results, schema, tables
from ssl_tf.errors import BadInput
from ssl_tf.ops import stats

ROOT = Path(__file__).resolve().parents[1]
T2, T1 = 4.302652729911275, 12.706204736432095  # two-sided 95 % of t, 2 and 1 df


def record(method, seed, value, **changes):
    """One kept record of an accuracy on made-up data."""
    width, epochs = changes.pop("width", 16), changes.pop("epochs", 8)
    setup = {
        "data": {"name": "made_up"},
        "backbone": {"name": "resnet18", "width": width},
        "budget": {"epochs": epochs, "batch_size": 64},
    }
    metric = "joint_accuracy" if method == "ssal" else "accuracy"
    return {
        "method": method,
        "name": f"resnet18_{width}_made_up",
        "variant": None,
        "official": False,
        "seed": seed,
        "evaluation": "terms",
        "split": "test",
        "weights": "last",
        "arguments": {},
        "values": {metric: value},
        "config": f"{method}{width}{epochs}{seed}",
        "commit": "abc",
        "date": f"2026-01-0{seed + 1}",
        "setup": setup,
    } | changes


BASELINE = [record("supervised", s, v) for s, v in enumerate((0.30, 0.40, 0.50))]
OURS = [record("ssal", s, v) for s, v in enumerate((0.32, 0.43, 0.54))]


def test_runs_that_share_seeds_are_compared_pair_by_pair():
    found = stats.difference({0: 0.32, 1: 0.43, 2: 0.54}, {2: 0.5, 1: 0.4, 0: 0.3})
    half = T2 * 0.01 / math.sqrt(3)  # differences 0.02, 0.03, 0.04
    assert found.pairs == 3 and found.df == 2
    assert found.mean == pytest.approx(0.03)
    assert (found.low, found.high) == pytest.approx((0.03 - half, 0.03 + half))


def test_runs_of_other_seeds_stay_out_of_a_paired_difference():
    found = stats.difference({0: 0.5, 1: 0.6, 7: 9.0}, {0: 0.4, 1: 0.5, 8: -9.0})
    assert found.mean == pytest.approx(0.1) and found.sizes == (2, 2)


def test_runs_without_common_seeds_have_welchs_interval():
    from scipy import stats as scipy_stats

    ours, theirs = (0.5, 0.6, 0.9), (0.1, 0.2, 0.25, 0.3)
    found = stats.difference(
        dict(enumerate(ours)), {s + 10: v for s, v in enumerate(theirs)}
    )
    expected = scipy_stats.ttest_ind(ours, theirs, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found.pairs == 0 and found.df == pytest.approx(expected.df)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("theirs", [{0: 0.4}, {1: 0.4}])
def test_a_single_run_has_a_difference_and_no_interval(theirs):
    found = stats.difference({0: 0.5}, theirs)
    assert found.mean == pytest.approx(0.1)
    assert (found.low, found.high, found.df) == (None, None, None)


def test_a_deviation_is_printed_from_three_runs_on():
    assert cells.cell([0.5, 0.6, 0.7]) == "60.00 ± 10.00 (3)"
    assert cells.cell([0.5, 0.6]) == "50.00, 60.00"
    assert cells.cell([0.5]) == "50.00" and cells.cell([]) == ""


def test_a_baseline_of_another_architecture_is_not_compared_with():
    wide = [record("supervised", s, 0.9, width=64) for s in range(3)]
    for records in (BASELINE + wide + OURS, wide + BASELINE + OURS):
        (row,) = tables.differences(records)
        assert row[3] == "40.00 ± 10.00 (3)" and row[5].startswith("+3.00 [")
        assert row[6] == "3 pairs, df 2"
    (row,) = tables.differences(wide + OURS)
    assert row[3] == row[5] == ""
    assert row[6] == "no baseline with the same backbone"


def test_a_baseline_of_another_budget_is_not_compared_with():
    long = [record("supervised", s, 0.9, epochs=80, name="long") for s in range(3)]
    (row,) = tables.differences(BASELINE + long + OURS)
    assert row[5].startswith("+3.00 [")
    (row,) = tables.differences(long + OURS)
    assert row[6] == "no baseline with the same budget"


def test_two_trainings_of_one_seed_never_enter_one_mean():
    again = record("supervised", 2, 0.70, commit="def", date="2026-02-01")
    gathered = {results.key(r) for r in [*BASELINE, again]}
    assert len(gathered) == 4
    labels = results.catalogue()["labels"]
    (line,) = results.lines([*BASELINE, again], labels)
    assert line.seeds == {0: 0.30, 1: 0.40, 2: 0.70} and line.retrained
    row = results.joined([line], [])[0]
    assert cells.cells(row)[7] == "46.67 ± 20.82 (3) †"


def test_a_number_that_only_the_older_training_has_is_marked():
    knn = {"evaluation": "knn", "values": {"k20.accuracy": 0.6}}
    first = record("simclr", 0, 0.5, **knn)
    again = record("simclr", 0, 0.5, commit="def", date="2026-02-01")
    again |= {"evaluation": "kmeans", "values": {"nmi": 0.2}}
    labels = results.catalogue()["labels"]
    found = {x.metric: x for x in results.lines([first, again], labels)}
    assert found["knn.k20.accuracy"].retrained and found["kmeans.nmi"].retrained


def test_the_identity_of_a_training_is_the_one_written_into_its_run():
    assert results.identity({"run": "a1", "config": "x", "commit": "y"}) == "a1"
    old = {"config": "x", "seed": 3, "commit": "y"}
    assert results.identity(old) == "x-3-y"


def test_searches_are_no_results():
    searched = record("supervised", 0, 0.9, name="search_0.1")
    variant = record("supervised", 0, 0.9, variant="search")
    labels = results.catalogue()["labels"]
    assert results.lines([searched, variant], labels) == []
    assert len(tables.searches([searched, variant, *BASELINE])) == 2


def claim(**changes):
    base = {
        "name": "made up",
        "ours": {"run": "ssal/resnet18_16_made_up", "metric": "terms.joint_accuracy"},
        "against": {
            "run": "supervised/resnet18_16_made_up",
            "metric": "terms.accuracy",
        },
    }
    spec = {
        "id": "x",
        "paper": "p",
        "says": "s",
        "number": "n",
        "tests": [base | changes],
    }
    return schema.checked(claims.Claim, spec, "claims.0")


def status(records, **changes):
    (verdict,) = claims.verdicts([claim(**changes)], records)
    return verdict.status, verdict.why


def test_a_verdict_follows_from_the_interval():
    # differences 0.02, 0.03, 0.04: the interval is 0.0052 to 0.0548
    assert status(BASELINE + OURS) == ("reproduced", "")
    assert status(BASELINE + OURS, above=0.06) == ("contradicted", "")
    wide = status(BASELINE + OURS, above=0.03)
    assert wide == ("open", "the interval contains 3.00")


def test_a_level_by_chance_may_stand_beside_an_effect():
    names = {"run": "ssal/resnet18_16_made_up", "metric": "terms.chance_acc"}
    with_chance = [r | {"values": r["values"] | {"chance_acc": 0.1}} for r in OURS]
    found = claim(controls=[names | {"label": "chance"}])
    (verdict,) = claims.verdicts([found], BASELINE + with_chance)
    assert verdict.controls == [("chance", pytest.approx(0.1))]


def test_two_seeds_decide_nothing():
    assert status(BASELINE[:2] + OURS) == ("open", "2 of 3 seeds")


def test_an_arm_without_runs_is_missing():
    why = "no runs of supervised/resnet18_16_made_up"
    assert status(OURS) == ("missing", why)


def test_arms_that_differ_without_a_reason_are_no_test():
    long = [record("supervised", s, 0.1, epochs=80) for s in range(3)]
    assert status(long + OURS) == ("not a test", "the arms differ in budget")
    told = status(long + OURS, differs={"budget": "equal minutes"})
    assert told == ("reproduced", "")


def test_a_claim_leads_with_its_first_test_that_was_run():
    one = claim()
    lost = one.tests[0]._replace(ours=claims.Arm("ssal/nowhere", "terms.accuracy"))
    both = one._replace(tests=[lost, *one.tests])
    found = claims.verdicts(
        [both, both._replace(id="y", tests=[lost])], BASELINE + OURS
    )
    assert [v.status for v in found] == ["missing", "reproduced", "missing"]
    assert [v.status for v in claims.leading(found)] == ["reproduced", "missing"]


def test_a_measure_of_held_out_images_is_found_in_their_record():
    held = record("multilabel", 0, 0.5, split="validation")
    test = record("multilabel", 0, 0.4)
    labels = {"multilabel": {"terms.accuracy": "a", "terms.validation_accuracy": "b"}}
    found = {x.metric: x.seeds for x in results.lines([held, test], labels)}
    assert found["terms.accuracy"] == {0: 0.4}
    assert found["terms.validation_accuracy"] == {0: 0.5}


def test_a_level_by_chance_stands_behind_its_measure():
    values = {"chance_nmi": 0.02, "ari": 0.1, "nmi": 0.3, "chance_ari": 0.0}
    one = record("simclr", 0, 0, evaluation="kmeans", values=values)
    found = results.lines([one], results.catalogue()["labels"])
    labels = [row.line.label for row in results.joined(found, [])]
    assert labels == [
        "k-means, NMI",
        "k-means, NMI, by chance",
        "k-means, ARI",
        "k-means, ARI, by chance",
    ]


def test_the_html_table_draws_intervals_on_one_scale():
    (verdict,) = claims.verdicts([claim()], BASELINE + OURS)
    html = report.claim_table([verdict])
    reach = verdict.effect.high  # the farthest end: the bar touches the right edge
    x, width = map(
        float, re.search(r'<rect x="([\d.]+)".*?width="([\d.]+)"', html).groups()
    )
    assert x + width == pytest.approx(page.WIDTH, abs=0.2)
    place = page.WIDTH / 2 * (1 + verdict.effect.low / reach)
    assert x == pytest.approx(place, abs=0.06)


def test_an_unknown_generated_block_is_refused():
    text = "a\n<!-- generated: one -->\nold\n<!-- end -->\nb"
    filled = page.filled(text, {"one": "new"}, "f.md")
    assert filled == "a\n<!-- generated: one -->\nnew\n<!-- end -->\nb"
    with pytest.raises(BadInput, match="no generated block 'one'. Have: two"):
        page.filled(text, {"two": ""}, "f.md")


def test_the_committed_pages_are_those_that_the_records_make():
    for path, text in pages.made(config.home()).items():
        assert path.read_text("utf-8") == text, f"{path}: run report --pages"


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=str
)
def test_results_stand_between_the_marks_only(path):
    outside = page.BLOCK.sub("", path.read_text("utf-8"))
    assert "±" not in outside and "%" not in outside


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 180


def test_the_trainings_of_old_records_keep_their_identity():
    """Whatever keys are called later: these trainings stay apart and are found."""
    frozen = json.loads((ROOT / "tests/golden/identities.json").read_text("utf-8"))
    now = {}
    for one in results.gather(results.kept()):
        name = "/".join(map(str, (one["method"], one["name"], one["variant"])))
        now.setdefault(results.identity(one), f"{name}/{one['seed']}")
    assert len(frozen) == 55
    assert frozen.items() <= now.items()


def test_claims_name_runs_and_metrics_that_exist_or_can_be_trained():
    found, _ = claims.read()
    for one in found:
        assert one.tests or one.missing, one.id
        for test in one.tests:
            for arm in (test.ours, test.against):
                method, _, name = arm.run.partition("/")
                name = name.removesuffix("_simsiam")  # started from SimSiam's weights
                path = config.home() / "configs/evidence" / f"{name}.yaml"
                other = config.home() / "configs" / f"{arm.run}.yaml"
                path = path if path.exists() else other
                spec = config.load(path, arm.variant)
                assert spec["method"]["name"].rpartition(".")[2] == method
