"""Wall time until a command answers."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ssl_tf.measure import timing


def measure(options):
    """Wall time of commands that must answer at once, and of a run's first update."""
    commands = {
        "train --help": ["train", "--help"],
        "train --list": ["train", "--list"],
        "run_all.sh --list": ["reproduce", "--list"],
        "report": ["report"],
        "plan (a model, no step)": ["plan", "--no-measure", "--method", "supervised"]
        + ["--dataset", "digits"],
    }
    values = {}
    for name, arguments in commands.items():
        times = []
        for _ in range(options.rounds):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", f"ssl_tf.{arguments[0]}", *arguments[1:]],
                capture_output=True,
                check=True,
            )
            times.append(time.perf_counter() - began)
        values[f"{name}, s"] = f"{timing.median(times):.2f}"
    values["train on digits to first update, s"] = f"{first_update():.1f}"
    return values


def first_update():
    """Seconds from the command to the first saved state of an SSAL run on digits."""
    with tempfile.TemporaryDirectory() as root:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "ssl_tf.train", "--method", "ssal"]
            + ["--dataset", "digits", "--runs", root, "--set", "train.save_minutes=0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while process.poll() is None and not list(Path(root).rglob("step*.npz")):
                time.sleep(0.05)
            return time.perf_counter() - began
        finally:
            process.kill()
            process.wait()
