"""Commands as a user types them, in processes of their own or within the test's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ssl_tf import cli

ROOT = Path(__file__).resolve().parents[1]

TINY = """
method:
  name: ssal
  power: 0.5
  branches:
    - tap: stage1_block1
      weight: 0.5
      groups: [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
      blocks: [{name: cbr, filters: 4, strides: 2}, {name: gap}]
backbone: {name: densenet, depth: 10, growth: 4, dropout: 0.2}
data: {name: digits, limit: 256}
views:
  - {name: shift_flip, pixels: 2, flip: false}
optimizer: {name: sgd, learning_rate: 0.02, momentum: 0.9, l2: {kernel: 1.0e-4}}
train: {batch_size: 32, epochs: 3, save_minutes: 0}
evaluations:
  terms: {}
"""


def tiny_config(folder):
    """A config of a few seconds: SSAL on a small DenseNet with dropout, digits."""
    path = Path(folder) / "tiny_digits.yaml"
    path.write_text(TINY)
    return str(path)


def start(command, *arguments, **more):
    """A running `python -m ssl_tf.<command>`."""
    return subprocess.Popen(
        [sys.executable, "-m", f"ssl_tf.{command}", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | more,
    )


def run(command, *arguments, **more):
    """`(exit code, stdout, stderr)` of `python -m ssl_tf.<command>`."""
    process = start(command, *arguments, **more)
    out, error = process.communicate(timeout=600)
    return process.returncode, out, error


def refused(capsys, main, *arguments):
    """The one line that a command prints before it exits with 2."""
    with pytest.raises(SystemExit) as stop:
        cli.run(lambda: main([str(a) for a in arguments]))
    captured = capsys.readouterr()
    assert stop.value.code == 2, captured.err
    assert captured.err.count("\n") == 1, captured.err
    return captured.err
