"""The run folder: where it is, what lies in it, who may write to it."""

import contextlib
import csv
import datetime
import errno
import fcntl
import json
import os
import platform
import secrets
import shlex
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np

from ssl_tf import config
from ssl_tf.errors import BadInput
from ssl_tf.ops.environment import variables

TIMING = ("seconds", "images_per_second", "waiting")
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


class Unwritable(BadInput):
    """A place that cannot be written; `.read_only` where it never can be."""

    read_only = False


def folder(root, method, setting, variant=None, seed=0, name=None):
    """`<root>/<method>/<arch>_<dataset>[_<variant>]/seed<k>`, or `name` in the middle.

    A function of what is run, never of the clock.
    """
    middle = name or (setting if variant is None else f"{setting}_{variant}")
    if name is not None and (not name or name in (".", "..") or "/" in name):
        raise BadInput(f"--name {name!r}: must be one folder name.")
    short = str(method).rpartition(".")[2].lower()  # of a class that is in no table yet
    return Path(root) / short / middle / f"seed{seed}"


def origin(path, variant=None, arch=None):
    """What `environment.json` notes of the config: its file, below `home` if it is.

    And the architecture, where it is not the file's.
    """
    path = Path(path).resolve()
    if path.is_relative_to(config.home()):
        path = path.relative_to(config.home())
    noted = {"config": str(path), "variant": variant}
    return noted if arch is None else noted | {"arch": arch}


@contextlib.contextmanager
def atomic(path, mode="wb"):
    """Opens a temporary neighbour of `path` that takes its place on success.

    Text is UTF-8 whatever the locale says.

    Raises:
        Unwritable: the disk is full or the folder cannot be written. The old file,
            if any, is untouched and nothing else is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{unique()}.tmp")
    encoding, errors = (None, None) if "b" in mode else ("utf-8", "surrogateescape")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, mode, encoding=encoding, errors=errors) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def unique():
    """A word that no other process or thread has, on this host or on another."""
    return f"{os.getpid()}-{secrets.token_hex(4)}"


def sync_folder(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritable(path, error):
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    why = "the disk is full" if full else error.strerror or str(error)
    hint = "free some space and repeat the command" if full else "check the folder"
    found = Unwritable(f"{path}: cannot be written, {why}; {hint}.")
    found.read_only = error.errno in READ_ONLY
    return found


def writable(path):
    """Whether files can be made in a folder: tried, for permissions do not tell."""
    try:
        with tempfile.TemporaryFile(dir=path):
            return True
    except OSError as error:
        return error.errno not in READ_ONLY


@contextlib.contextmanager
def locked(path):
    """Holds a run folder for this process; the lock dies with the process.

    On a file system without locks one line says so, and the folder is not held.

    Raises:
        BadInput: another process holds it, or the folder cannot be made.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle = open(path / ".lock", "a")  # noqa: SIM115
    except OSError as error:
        raise unwritable(path, error) from None
    with handle:
        held = take(
            handle,
            path,
            "another process is working on this run; wait for it, or give this one "
            "another --name",
        )
        yield
        if not held:
            print(
                f"{path}: was written without a lock; this file system has no locks.",
                file=sys.stderr,
            )


def take(handle, path, held):
    """Locks an open file without waiting; says so where there are no locks.

    Args:
        handle: the file.
        path: what it stands for, for messages.
        held: what is said if another process has it.

    Returns:
        whether it is locked now.

    Raises:
        BadInput: another process has it, or locking fails.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise BadInput(f"{path}: {held}.") from None
        if error.errno not in NO_LOCKS:
            raise BadInput(f"{path}: cannot be locked, {error.strerror}.") from None
        print(
            f"{path}: this file system has no locks ({error.strerror}); see to it that "
            "no other process writes there.",
            file=sys.stderr,
        )
        return False


@contextlib.contextmanager
def alone(path):
    """Waits until no other process adds results, arrays or pictures to a run.

    What is held is `results.jsonl`, opened to be added to; not to be nested. Where a
    file system has no locks, nothing is waited for.

    Raises:
        Unwritable: the folder cannot be written.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        file = open(Path(path) / "results.jsonl", "a+b")  # noqa: SIM115
    except OSError as error:
        raise unwritable(Path(path) / "results.jsonl", error) from None
    with file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def agree(path, spec):
    """Checks that a config is the one of a run folder, if there is one.

    A larger `train.epochs` is the one change that goes on with the run.

    Raises:
        BadInput: other keys differ; they are named.
    """
    if not (Path(path) / "config.yaml").exists():
        return
    keys = config.differences(stored(path), spec)
    longer = stored(path)["train"].get("epochs", 0) < spec["train"]["epochs"]
    if keys == ["train.epochs"] and longer:
        keys = []
    if keys:
        raise BadInput(
            f"{path}: holds a run with another {', '.join(keys[:8])}; "
            "choose another --name, --variant or --seed, or remove the folder."
        )


def remember(path, spec):
    """Writes `config.yaml`, if the stored one agrees; see `agree`."""
    agree(path, spec)
    with atomic(Path(path) / "config.yaml") as out:
        out.write(config.dump(spec).encode())


def stored(path):
    """The resolved config of a run.

    Raises:
        BadInput: `path` is not a run folder.
    """
    file = Path(path) / "config.yaml"
    if not file.exists():
        raise BadInput(f"{path}: is not a run folder (no config.yaml).")
    return config.read_yaml(file)


def finished(path):
    """Whether a run folder has its last weights, in a file that can be read."""
    try:
        with opened(Path(path) / "last.weights.h5") as file:
            found = []
            file.visititems(lambda _, x: found.append(x.shape) if sets(x) else None)
            return bool(found)
    except (OSError, RuntimeError, KeyError, ValueError):
        return False


def opened(path):
    """A weight file, read-only; also where a file system has no locks."""
    import h5py

    try:
        return h5py.File(path)
    except OSError:
        return h5py.File(path, locking=False)


def sets(item):
    """Whether an item of a weight file is an array."""
    return hasattr(item, "shape")


def begun(path):
    """Whether something was learnt in a run folder, which other data would spoil."""
    kinds = ("state/step*.npz", "*.weights.h5", "clusters.npy", "history.csv")
    return any(any(Path(path).glob(kind)) for kind in kinds)


def facts(path, name="data.json"):
    """A JSON file of a run folder, a dict; `{}` if it is not there.

    Raises:
        BadInput: it is damaged.
    """
    file = Path(path) / name
    if not file.exists():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{file}: is damaged ({error}).") from None
    if not isinstance(found, dict):
        raise BadInput(f"{file}: is damaged (no JSON object).")
    return found


def identity(path):
    """`{"run": its id}` for records of its results; `{}` of a run from before."""
    own = facts(path).get("id")
    return {"run": own} if own else {}


def epochs_done(path):
    rows = history(path)
    return int(rows[-1]["epoch"]) if rows else 0


def history(path):
    """The rows of `history.csv` as dicts of text, oldest first."""
    file = Path(path) / "history.csv"
    if not file.exists():
        return []
    with open(file, newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def write_json(path, content):
    """Replaces a small JSON file."""
    with atomic(path) as out:
        out.write(json.dumps(content, indent=1).encode())


def write_history(path, rows):
    """Replaces `history.csv`. Numbers are written so that they read back exactly."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    names = [n for n in names if n not in TIMING] + [n for n in names if n in TIMING]
    with atomic(Path(path) / "history.csv", "w") as out:
        writer = csv.DictWriter(out, names, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


def append_result(path, record):
    """Adds one line to `results.jsonl`, with the date; whole or not at all.

    Processes that do so at once wait for each other, and each line is one write.
    """
    stamp = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    line = (json.dumps(record | {"date": stamp}) + "\n").encode()
    with alone(path) as file:
        end = file.seek(0, os.SEEK_END)
        if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
            line = b"\n" + line  # edited by hand, or torn by a crash
        try:
            if os.write(file.fileno(), line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(file.fileno(), end)
            raise unwritable(Path(path) / "results.jsonl", error) from None


def results(path):
    """The records of `results.jsonl`, oldest first."""
    file = Path(path) / "results.jsonl"
    if not file.exists():
        return []
    try:
        with open(file, encoding="utf-8") as lines:
            with contextlib.suppress(OSError):
                fcntl.flock(lines, fcntl.LOCK_SH)  # no line is half written
            return [json.loads(line) for line in lines if line.strip()]
    except ValueError as error:
        raise BadInput(f"{file}: is damaged ({error}).") from None


def environment(**more):
    """What the numbers of a run depend on beside its config."""
    packages = {}
    for name in ("tensorflow", "keras", "numpy", "jax"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return {
        "python": platform.python_version(),
        "packages": packages,
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "variables": variables(),
        "commit": commit(),
        "command": command(),
    } | more


def command():
    """What was typed, without the folder this copy of the program is in."""
    program, *rest = sys.argv
    path = Path(program)
    inside = path.parent.name == "ssl_tf"
    start = ["python", "-m", f"ssl_tf.{path.stem}"] if inside else [path.name]
    return shlex.join([*start, *rest])


def processor():
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit():
    """The checkout's commit, with `+` if files differ from it; `None` elsewhere."""
    if not (config.home() / ".git").exists():
        return None  # a repository around an installed package is not ours
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        git = ["git", "-C", str(config.home())]
        quiet = {"capture_output": True, "text": True, "check": True, "timeout": 10}
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], **quiet)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], **quiet)
        return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
    return None


def save_weights(method, path, name):
    """Writes `<name>.weights.h5` of a method into a run folder, atomically.

    One data set a weight, called `<layer>/<weight>`. Keras' own layout numbers layers
    and containers, differently from version to version, and skips what it cannot find.
    """
    import h5py

    with atomic(Path(path) / f"{name}.weights.h5") as out, h5py.File(out, "w") as file:
        for key, variable in addressed(method).items():
            file.create_dataset(key, data=np.asarray(variable), track_times=False)


def load_weights(method, path, more=False, fit=None, but=()):
    """Fills a method (or a part of one: the file may hold `more`), all or nothing.

    `fit(key, value, shape)` may change a value before shapes are compared; layers in
    `but` keep what they have.

    Raises:
        BadInput: the file is missing, damaged or of another model; misfits are listed.
    """
    if not Path(path).exists():
        raise BadInput(f"{path}: no such weights; train the run to its end first.")
    values = {}
    keep = lambda k, x: values.update({k: x[()]}) if sets(x) else None
    try:
        with opened(path) as file:
            file.visititems(keep)
    except (OSError, RuntimeError, KeyError) as error:
        why = " ".join(str(error).split())[:120]
        raise BadInput(f"{path}: is no readable weight file ({why}).") from None
    taken = lambda found: {k: v for k, v in found.items() if k.split("/")[0] not in but}
    ours, values = taken(addressed(method)), taken(values)
    for key in ours.keys() & values.keys() if fit else ():
        values[key] = fit(key, values[key], ours[key].shape)
    misfits = [f"{key} is missing" for key in ours if key not in values]
    misfits += [f"{k} is not in the model" for k in values if not (more or k in ours)]
    misfits += [
        f"{key} is {list(values[key].shape)}, not {list(variable.shape)}"
        for key, variable in ours.items()
        if key in values and values[key].shape != tuple(variable.shape)
    ]
    if misfits:
        more = f" and {len(misfits) - 4} more" if len(misfits) > 4 else ""
        raise BadInput(f"{path}: is of another model: {'; '.join(misfits[:4])}{more}.")
    for key, variable in ours.items():
        variable.assign(values[key])


def addressed(method):
    """`{"<layer>/<weight>": variable}`; layer names are unique in a method."""
    found = {"/".join(v.path.split("/")[-2:]): v for v in method.weights}
    if len(found) < len(method.weights):
        raise ValueError(f"{method.name}: two layers share a name.")
    return found
