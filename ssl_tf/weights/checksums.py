"""Checksums of checkpoints: the manifest's, or those of the first download."""

import hashlib
import re
from pathlib import Path

from ssl_tf import config, runs
from ssl_tf.errors import BadInput
from ssl_tf.weights import files


def verify(entry, path):
    """Compares a file with its checksum, or pins that at the first time.

    Then a name like those of PyTorch's libraries, `name-3dd342df.pth`, must tell how it
    begins.

    Raises:
        BadInput: it differs.
    """
    files.recognise(path)
    known, found = checksum(entry, path), digest(path)
    if known is None:
        told = re.search(r"-([0-9a-f]{8})\.\w+$", entry.file)
        if told and not found.startswith(told[1]):
            raise BadInput(
                f"{path}: has sha256 {found[:8]}..., not the {told[1]}... of its name; "
                "remove it and download it again."
            )
        pin(path, found)
    elif found != known:
        raise BadInput(
            f"{path}: has sha256 {found}, not {known}; remove it to download it again "
            "(or its line in checksums.yaml, if you trust this file)."
        )


def checksum(entry, path):
    """The sha256 a file must have by manifest or pin, or `None`."""
    return entry.sha256 or pins(path.parent).get(entry.file)


def digest(path):
    """sha256 of a file, in hex."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}).") from None


def pins(folder):
    """`{file: sha256}` of first downloads."""
    path = Path(folder) / "checksums.yaml"
    content = (config.read_yaml(path) if path.exists() else None) or {}
    if not isinstance(content, dict):
        raise BadInput(f"{path}: must map files to checksums; remove it.")
    return content


def pin(path, found):
    with runs.atomic(path.parent / "checksums.yaml") as out:
        known = pins(path.parent) | {path.name: found}
        out.write(config.dump(dict(sorted(known.items()))).encode())
