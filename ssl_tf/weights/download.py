"""Fetches a checkpoint once: resumed, verified, in place only when whole."""

import contextlib
import http.client
import os
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

from ssl_tf import runs
from ssl_tf.errors import BadInput
from ssl_tf.weights.checksums import checksum, digest, verify
from ssl_tf.weights.zipped import Refused, extract

ATTEMPTS = 5
TIMEOUT = 60  # seconds without a byte
CHUNK = 2**18
LIMIT = 16 * 2**30  # bytes, where the manifest knows no size


def fetch(entry, folder):
    """The path of a checkpoint, downloaded if it is not there.

    Args:
        entry: `manifest.Entry`.
        folder: where files and `checksums.yaml` lie.

    Returns:
        path of a file whose checksum is the manifest's, or that of the first
        download.

    Raises:
        BadInput: no mirror gives it, it must be fetched by hand, or its checksum
            differs.
    """
    path = Path(folder) / entry.file
    if not path.exists():
        if entry.member is not None and unpacked(entry, path):
            verify(entry, path)
            return path
        if entry.manual is not None:
            place = path if entry.member is None else path.with_name(entry.manual.file)
            raise BadInput(
                f"{entry.file}: open {entry.manual.page}, download "
                f"{entry.manual.file} there and put it at {place}."
            )
        obtain(entry, path)
    verify(entry, path)
    return path


def unpacked(entry, path):
    """Whether `path` could be taken from a zip file that lies beside it by hand."""
    for url in entry.urls or [entry.manual.file]:
        archive = path.with_name(url.rpartition("/")[2])
        if not archive.is_file():
            continue
        with held(path.with_name(f"{path.name}.part")) as part:
            try:
                extract(archive, entry.member, part, 20 * length(archive), spare=True)
            except Refused as error:
                raise BadInput(f"{archive}: {error}; remove it.") from None
            os.replace(part, path)
        return True
    return False


def obtain(entry, path):
    """Downloads `path` from the first mirror that gives it whole."""
    part = path.with_name(f"{path.name}.part")
    with held(part):
        reasons = []
        for url in entry.urls:
            try:
                resumed = receive(url, part, entry, checksum(entry, path))
                try:
                    return finish(part, path, entry)
                except Refused:
                    if not resumed:
                        raise
                # What was there from before may have been wrong: once more, whole.
                receive(url, part, entry, checksum(entry, path))
                return finish(part, path, entry)
            except Refused as error:
                reasons.append(f"{url}: {error}")
    raise BadInput(
        f"{entry.file}: cannot be downloaded ({'; '.join(reasons)}); "
        f"put it at {path} by hand."
    )


@contextlib.contextmanager
def held(part):
    """Keeps a second process from writing the same file."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        handle = open(part.with_name(f".{part.name}.lock"), "a")  # noqa: SIM115
    except OSError as error:
        raise runs.unwritable(part, error) from None
    with handle:
        runs.take(handle, part, "another process is downloading it")
        try:
            yield part
        finally:
            Path(handle.name).unlink(missing_ok=True)


def receive(url, part, entry, known):
    """Brings `part` to its full size; every attempt goes on where the last ended.

    Returns:
        whether some of it was there before.

    Raises:
        Refused: the mirror does not give it.
    """
    source = part.with_name(f"{part.name}.url")
    mine = source.exists() and source.read_text(encoding="utf-8") == url
    # Without a checksum only what came from this very address can be gone on with.
    if part.exists() and not mine and (known is None or entry.member):
        part.unlink()
    resumed = part.exists()
    with runs.atomic(source, "w") as out:
        out.write(url)
    for _ in range(ATTEMPTS):
        before = length(part)
        try:
            attempt(url, part, entry, before)
            return resumed
        except Refused:
            if length(part) <= before:
                raise
    raise Refused(f"broke off {ATTEMPTS} times")


def length(part):
    return part.stat().st_size if part.exists() else 0


def attempt(url, part, entry, before):
    """One request; what arrives is kept, whatever happens."""
    headers = {"User-Agent": "ssl_tf", "Accept-Encoding": "identity"}
    if before:
        headers["Range"] = f"bytes={before}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            start, total = span(response, before)
            if entry.size and not entry.member and total not in (None, entry.size):
                raise Refused(f"gives {total} bytes, not {entry.size}")
            copy(response, part, start, total, f"{entry.file} from {url}")
    except urllib.error.HTTPError as error:
        if error.code != 416 or not before:
            raise Refused(f"HTTP {error.code} {error.reason}") from None
        if error.headers["Content-Range"] != f"bytes */{before}":
            part.unlink()
            attempt(url, part, entry, 0)
    except (OSError, http.client.HTTPException) as error:
        raise Refused(str(getattr(error, "reason", error)) or "broke off") from None


def span(response, before):
    """`(first byte, all bytes or None)` that a response gives.

    Raises:
        Refused: it is a web page, or begins elsewhere than asked.
    """
    if response.headers.get_content_type() == "text/html":
        raise Refused("gives a web page")
    size = response.headers["Content-Length"]
    size = int(size) if (size or "").isdigit() else None
    if response.status != 206:
        return 0, size
    place = re.match(r"bytes (\d+)-", response.headers["Content-Range"] or "")
    if place is None or int(place[1]) != before:
        raise Refused("resumes at the wrong place")
    return before, None if size is None else before + size


def copy(response, part, start, total, what):
    """Appends a response to a file, showing how far it is.

    Raises:
        Refused: it ends early, or does not end.
        BadInput: the disk is full.
    """
    with (
        written(part, "ab" if start else "wb") as write,
        shown(what, start, total) as at,
    ):
        done = start
        while chunk := response.read(CHUNK):
            write(chunk)
            done += len(chunk)
            at(done)
            if done > (total or LIMIT):
                raise Refused(f"gives more than {total or LIMIT} bytes")
    if total is not None and done < total:
        raise Refused(f"broke off after {done} of {total} bytes")


@contextlib.contextmanager
def written(part, mode):
    """A file's `write`, whose errors are not mistaken for the network's."""
    try:
        file = open(part, mode)  # noqa: SIM115
    except OSError as error:
        raise runs.unwritable(part, error) from None

    def write(chunk):
        try:
            file.write(chunk)
            file.flush()
        except OSError as error:
            raise runs.unwritable(part, error) from None

    with file:
        yield write


@contextlib.contextmanager
def shown(what, start, total):
    """A bar on a terminal, one line elsewhere; yields `bytes so far -> None`."""
    if not sys.stderr.isatty():
        size = "" if total is None else f" ({total / 1e6:,.1f} MB)"
        print(f"downloading {what}{size}", file=sys.stderr, flush=True)
        yield lambda done: None
        return
    from rich import progress
    from rich.console import Console

    columns = progress.Progress.get_default_columns()
    more = progress.DownloadColumn(), progress.TransferSpeedColumn()
    with progress.Progress(*columns, *more, console=Console(stderr=True)) as bar:
        task = bar.add_task(what.partition(" ")[0], total=total, completed=start)
        yield lambda done: bar.update(task, completed=done)


def finish(part, path, entry):
    """Puts a whole download in its place, its member if it is a zip file."""
    whole, known = part, checksum(entry, path)
    if entry.member is not None:
        whole = part.with_name(f"{part.name}.member")
        # Weights hardly compress: a member far larger than its archive is a bomb.
        extract(part, entry.member, whole, entry.size or 20 * length(part))
    found, size = digest(whole), length(whole)
    if known not in (None, found) or entry.size not in (None, size):
        whole.unlink()
        part.unlink(missing_ok=True)
        wanted = known or f"one of {entry.size} bytes"
        raise Refused(f"gives {size} bytes with sha256 {found}, not {wanted}")
    os.replace(whole, path)
    runs.sync_folder(path.parent)
    part.unlink(missing_ok=True)
    part.with_name(f"{part.name}.url").unlink(missing_ok=True)
