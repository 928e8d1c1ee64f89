"""Alternates training steps of several programs and prints the ratios of their times.

python benchmarks/compare.py [CONTENDER ...] [--rounds N] [--steps N] [--python PATH]
python benchmarks/compare.py --program siamese.py --model resnet18 --size 32 --batch 64
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTENDERS = {
    "contender.py": ("ours", "bare", "ours_xla", "fit", "torch", "torch_channels_last"),
    "siamese.py": ("ours", "ours_xla", "torch"),
}


def start(name, options):
    """A contender's process, ready and warm; `None` if it cannot run here."""
    given = [options.model, str(options.size), str(options.batch)]
    given = given if options.program == "siamese.py" else []
    process = subprocess.Popen(
        [options.python, str(HERE / options.program), name, *given],
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
    parser.add_argument("names", nargs="*", metavar="CONTENDER")
    parser.add_argument("--program", choices=CONTENDERS, default="contender.py")
    parser.add_argument("--model", default="resnet18", help="of siamese.py")
    parser.add_argument("--size", type=int, default=32, help="pixels, of siamese.py")
    parser.add_argument("--batch", type=int, default=64, help="of siamese.py")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument(
        "--python", default=sys.executable, help="that has PyTorch, too"
    )
    options = parser.parse_args()
    names = options.names or CONTENDERS[options.program]
    running = {name: start(name, options) for name in names}
    running = {name: pair for name, pair in running.items() if pair}
    times = {name: [] for name in running}
    for _ in range(options.rounds):
        for name, (process, _) in running.items():
            times[name].append(turn(process, options.steps))
    told = [facts for _, facts in running.values()]
    peak, batch = told[0]["peak"], told[0]["batch"]
    work = next((facts["work"] for facts in told if facts["work"]), 0)
    print(f"matrix product peak: {peak / 1e9:.0f} GFLOP/s")
    print(
        "contender            ms/step (min-max)   images/s  of peak  time / ours   GiB"
    )
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        ratios = [a / b for a, b in zip(seconds, times.get("ours", seconds))]
        print(
            f"{name:<20} {1e3 * middle:6.0f} ({1e3 * min(seconds):.0f}-"
            f"{1e3 * max(seconds):.0f}) {batch / middle:10.0f} "
            f"{work / middle / peak:8.0%} {statistics.median(ratios):9.2f} "
            f"{running[name][1]['memory'] / 2**30:8.2f}"
        )
    for process, _ in running.values():
        process.stdin.close()
        process.wait()


if __name__ == "__main__":
    main()
