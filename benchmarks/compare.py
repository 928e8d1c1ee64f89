"""Alternates training steps of several programs and prints the ratios of their times.

python benchmarks/compare.py [CONTENDER ...] [--rounds N] [--steps N] [--python PATH]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTENDERS = ("ours", "bare", "ours_xla", "fit", "torch", "torch_channels_last")
WORK = 6 * 392.6e6 * 64  # FLOP of one step: WRN-16-4, batch 64


def start(name, python):
    """A contender's process, ready and warm; `None` if it cannot run here."""
    process = subprocess.Popen(
        [python, str(HERE / "contender.py"), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": str(HERE.parent), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    ready = process.stdout.readline()
    if not ready.startswith("{"):
        print(f"{name}: cannot run here, left out", file=sys.stderr)
        return None
    return process, json.loads(ready)


def turn(process, steps):
    """Seconds a step over `steps` steps of one contender."""
    process.stdin.write(f"{steps}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="CONTENDER", default=CONTENDERS)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument(
        "--python", default=sys.executable, help="that has PyTorch, too"
    )
    options = parser.parse_args()
    running = {name: start(name, options.python) for name in options.names}
    running = {name: pair for name, pair in running.items() if pair}
    times = {name: [] for name in running}
    for _ in range(options.rounds):
        for name, (process, _) in running.items():
            times[name].append(turn(process, options.steps))
    peak = next(pair[1]["peak"] for pair in running.values())
    print(f"matrix product peak: {peak / 1e9:.0f} GFLOP/s")
    print("contender            ms/step (min-max)   images/s  of peak  time / ours")
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        ratios = [a / b for a, b in zip(seconds, times.get("ours", seconds))]
        print(
            f"{name:<20} {1e3 * middle:6.0f} ({1e3 * min(seconds):.0f}-"
            f"{1e3 * max(seconds):.0f}) {64 / middle:10.0f} {WORK / middle / peak:8.0%}"
            f" {statistics.median(ratios):9.2f}"
        )
    for process, _ in running.values():
        process.stdin.close()
        process.wait()


if __name__ == "__main__":
    main()
