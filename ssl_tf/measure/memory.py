"""Peak memory of a few updates."""

import json
import subprocess
import sys

from ssl_tf.errors import BadInput
from ssl_tf.measure.step import chosen


def measure(options):
    """Peak memory of a few updates, measured in a process of its own."""
    spec = chosen(options)
    code = (
        "import json, sys; from ssl_tf import cli; cli.import_tensorflow(); "
        "from ssl_tf.rehearsal import Rehearsal; "
        "print(json.dumps(Rehearsal(json.loads(sys.argv[1])).peak_memory()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(spec)], capture_output=True, text=True
    )
    if done.returncode:
        raise BadInput(f"benchmark memory: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)
