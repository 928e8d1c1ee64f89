"""The benchmark measures what it says and prints it."""

import json

import commands
import pictures

from ssl_tf import benchmark


def test_the_pipeline_is_measured_with_and_without_files(tmp_path, rng, capsys):
    pictures.tree(tmp_path, rng, {"a": 64}, size=48, suffix=".jpg")
    kept = tmp_path / "out.jsonl"
    arguments = ["pipeline", "--rounds", "1", "--datadir", str(tmp_path)]
    assert benchmark.main([*arguments, "-o", str(kept)]) == 0
    assert "of decoding" in capsys.readouterr().out
    values = json.loads(kept.read_text())["values"]
    assert len(values) == 4


def test_the_step_is_measured_plain_and_compiled():
    small = ["--method", "supervised", "--dataset", "digits", "--rounds", "1", "--set"]
    small += ["backbone={name: wide_resnet, depth: 10, width: 1}", "train.batch_size=8"]
    code, printed, error = commands.run("benchmark", "step", *small)
    assert code == 0, error
    assert printed.count("of the peak") == 2 and "matrix product peak" in printed
