"""The list of official checkpoints: `models/manifest.yaml`, checked."""

import re
from pathlib import Path
from typing import Literal, NamedTuple

from ssl_tf import config, schema
from ssl_tf.errors import BadInput, have
from ssl_tf.schema import Count


class Manual(NamedTuple):
    """A file that no program may fetch: a form or a browser stands before it.

    Attributes:
        page: address to open.
        file: what it is called there.
    """

    page: str
    file: str


class Entry(NamedTuple):
    """One official checkpoint.

    Attributes:
        method, arch, dataset, variant: the config it belongs to.
        format: see `files.read`.
        file: its name in `models/`.
        licence: of the weights, or "none stated".
        paper: `{evaluation: {metric: share}}`, what its authors report.
        urls: mirrors, tried in turn; or `manual`.
        member: name within the zip file that the urls give; "*" is the only PyTorch
            file in it.
        key: entry of a PyTorch checkpoint, see `files.read`.
        part: see `filling.fill`.
        size: bytes of `file`, if known.
        sha256: of `file`, if known.
    """

    method: str
    arch: str
    dataset: str
    format: Literal["keras_h5", "torch", "safetensors", "npz"]
    file: str
    licence: str
    paper: dict
    urls: list[str] | None = None
    manual: Manual | None = None
    variant: str | None = None
    member: str | None = None
    key: str | None = None
    part: Literal["backbone"] | None = None
    size: Count | None = None
    sha256: str | None = None


def load(path=None):
    """`{name: Entry}` of a manifest.

    Args:
        path: file; `None` is `models/manifest.yaml`.

    Raises:
        BadInput: names the first entry and key that cannot be used.
    """
    path = Path(path or config.home() / "models" / "manifest.yaml")
    content = config.read_yaml(path)
    if not isinstance(content, dict) or not content:
        raise BadInput(f"{path}: must be a mapping of names to entries.")
    entries = {}
    for name, section in content.items():
        entry = schema.checked(Entry, section, f"{path}: {name}")
        check(entry, f"{path}: {name}")
        entries[name] = entry
    return entries


def check(entry, where):
    """Raises BadInput for what the types alone do not show."""
    if Path(entry.file).name != entry.file or entry.file.startswith("."):
        raise BadInput(f"{where}.file: is {entry.file!r}; must be a plain file name.")
    if bool(entry.urls) == bool(entry.manual):
        raise BadInput(f"{where}: needs either urls or manual.")
    for url in entry.urls or [entry.manual.page]:
        if not re.match(r"https?://[^\s]+$", url):
            raise BadInput(f"{where}: {url!r} is no http address.")
    if entry.sha256 and not re.fullmatch(r"[0-9a-f]{64}", entry.sha256):
        raise BadInput(f"{where}.sha256: is {entry.sha256!r}; must be 64 hex digits.")


def find(entries, name):
    """The entry called `name`; BadInput lists what there is."""
    if name not in entries:
        raise BadInput(f"unknown checkpoint {name!r}. Have: {have(entries)}.")
    return entries[name]
