"""The state of a run on disk: everything a killed run needs to go on, exactly."""

import contextlib
import json
import zipfile
from pathlib import Path

import numpy as np

from ssl_tf import runs
from ssl_tf.errors import BadInput

KEPT = 2


def save(folder, step, arrays, extra):
    """Writes `state/step<step>.npz` atomically and keeps the last two.

    Args:
        folder: the run folder.
        step: int, optimizer updates done.
        arrays: `{name: array}`: weights, optimizer slots.
        extra: JSON-able dict: counters, running sums.

    Raises:
        BadInput: the disk is full (earlier states stay), or a value is not finite.
    """
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BadInput(f"{name} is not finite at step {step}; state not saved.")
    path = Path(folder) / "state" / f"step{step:09d}.npz"
    header = np.frombuffer(json.dumps(extra).encode(), np.uint8)
    with runs.atomic(path) as file:
        np.savez(file, **{"extra.json": header}, **arrays)
    for old in saved(folder)[:-KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()


def saved(folder):
    """Paths of the states, oldest first."""
    return sorted((Path(folder) / "state").glob("step*.npz"))


def newest(folder, warn=print):
    """`(arrays, extra)` of the newest readable state, or `None` if there is none.

    A damaged one is passed over with a warning that names it.

    Raises:
        BadInput: states exist, and none can be read.
    """
    paths = saved(folder)[::-1]
    for path in paths:
        try:
            return read(path)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            warn(f"{path}: is damaged ({error}); trying the one before.")
    if paths:
        raise BadInput(
            f"{paths[0].parent}: no state can be read; remove this folder to start "
            "the run again, or restore it from a backup."
        )
    return None


def read(path):
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return arrays, json.loads(arrays.pop("extra.json").tobytes())
