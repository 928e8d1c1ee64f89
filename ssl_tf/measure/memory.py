"""Peak memory: of a few updates, and of a piece of work in this process."""

import json
import re
import subprocess
import sys
import threading
from pathlib import Path

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


class Anonymous:
    """Peak of this process's own memory inside `with`, over what it was before.

    Pages of mapped files do not count: the system takes them back at will.
    """

    SECONDS = 0.01  # between two looks

    def __enter__(self):
        self.before = self.peak = held()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()
        return self

    def look(self):
        while self.before is not None and not self.over.wait(self.SECONDS):
            self.peak = max(self.peak, held())

    def __exit__(self, *error):
        self.over.set()
        self.thread.join()

    @property
    def described(self):
        if self.before is None:
            return "not measured: only Linux tells"
        return f"{(self.peak - self.before) / 2**30:.2f} GiB"


def held():
    """Bytes of memory that belong to no file, or `None` where /proc does not tell."""
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"RssAnon:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else None
