"""What `run_all.sh --demo` leaves behind."""

import re

import commands
import pytest

from ssl_tf import config, report, reproduce, results, runs


def test_shipped_weights_are_small_and_give_the_numbers_they_were_kept_with(
    tmp_path, capsys
):
    assert reproduce.main(["--demo", "--pretrained", "--runs", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for label in ("baseline", "+TR", "+JP", "(3)", "linear probe", "kNN, k = 20"):
        assert label in printed
    kept = config.home() / "models/demo"
    folders = sorted(p.parent for p in kept.rglob("config.yaml"))
    assert {p.parts[-3] for p in folders} == set(results.catalogue()["demo"])
    for folder in folders:
        assert (folder / "last.weights.h5").stat().st_size < 1e6
        own = tmp_path / folder.relative_to(kept)
        (then,) = runs.results(folder)
        records = {record["evaluation"]: record for record in runs.results(own)}
        now = records[then["evaluation"]]["values"]["accuracy"]
        # Another processor's rounding moves up to two of the 500 images.
        assert now == pytest.approx(then["values"]["accuracy"], abs=0.005)
    page = (tmp_path / "report.html").read_text()
    assert len(re.findall("<img", page)) >= 6 and "http" not in page.lower()
    assert "+JP" in (tmp_path / "RESULTS.md").read_text()


@pytest.mark.slow
def test_the_demo_of_one_method_trains_its_seeds_and_repeats_at_once(tmp_path):
    arguments = ("--demo", "supervised", "--runs", tmp_path)
    code, printed, error = commands.run("reproduce", *arguments)
    assert code == 0, error
    assert "baseline" in printed and "(3)" in printed
    assert (
        list(tmp_path.rglob("*.png"))
        or "<img" in (tmp_path / "report.html").read_text()
    )
    records = results.gather([tmp_path])
    assert len(report.tables(records, missing=False)) == 1
    again = commands.run("reproduce", *arguments)
    assert again[0] == 0 and "done already" in again[2]
