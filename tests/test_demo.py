"""What `run_all.sh --demo` leaves behind."""

import commands
import pytest

from ssl_tf import config, reproduce, results, runs, tables


def entries():
    """The demo's methods, all but one of them slow."""
    for name, entry in results.catalogue()["demo"].items():
        if not entry.get("alone"):
            yield pytest.param(name, marks=[pytest.mark.slow] * (name != "ssal"))


@pytest.mark.parametrize("name", list(entries()))
def test_shipped_weights_give_the_numbers_they_were_kept_with(name, tmp_path, capsys):
    arguments = ["--demo", name, "--pretrained", "--runs", str(tmp_path)]
    assert reproduce.main(arguments) == 0
    printed = capsys.readouterr().out
    kept = config.home() / "models/demo"
    folders = sorted(p.parent for p in (kept / name).rglob("config.yaml"))
    assert folders
    for folder in folders:
        assert (folder / "last.weights.h5").stat().st_size < 1e6
        own = tmp_path / folder.relative_to(kept)
        (then,) = runs.results(folder)
        records = {record["evaluation"]: record for record in runs.results(own)}
        now = records[then["evaluation"]]["values"]["accuracy"]
        # Another processor's rounding moves up to two of the 500 images.
        assert now == pytest.approx(then["values"]["accuracy"], abs=0.005)
    page = (tmp_path / "report.html").read_text()
    assert "<img" in page and "http" not in page.lower()
    if name == "ssal":
        assert "+JP" in printed and "(3)" in printed
        assert "+JP" in (tmp_path / "RESULTS.md").read_text()


def test_every_method_of_the_demo_has_shipped_weights():
    shipped = {p.name for p in (config.home() / "models/demo").iterdir() if p.is_dir()}
    names = {n for n, e in results.catalogue()["demo"].items() if not e.get("alone")}
    assert shipped == names


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
    assert len(tables.tables(records, missing=False)) == 1
    again = commands.run("reproduce", *arguments)
    assert again[0] == 0 and "done already" in again[2]
