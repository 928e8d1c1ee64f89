"""What the folders of a data set hold that is not used, and why."""

import os
import shlex
from typing import NamedTuple


class Kind(NamedTuple):
    """A reason to leave files out.

    Attributes:
        text: what they are, `{s}` for the plural.
        mend: what to do about them.
        suffixes: whether to name their suffixes.
        level: how serious `doctor` takes it.
    """

    text: str
    mend: str
    suffixes: bool = False
    level: str = "warning"


DEAD = Kind("dead link{s}", "point them to the files, or remove them")
AGAIN = Kind("link{s} to folders that are listed already", "", False, "fine")
CLOSED = Kind("folder{s} that cannot be opened", "give yourself the right to read them")
BESIDE = Kind(
    "image{s} beside the class folders", "move into a class folder what should be used"
)
NESTED = Kind("image{s} in nested folders", "move them up into the class folder")
FORMAT = Kind(
    "image{s} in a format that is not read", "convert them to JPEG or PNG", True
)
BARE = Kind("file{s} without a suffix", "add one to those that are images")
OTHER = Kind("other file{s}", "remove them if they are not needed", True, "fine")
HIDDEN = Kind(
    "hidden image{s}", "rename those that should be used (._* are not)", level="fine"
)
UNKNOWN = Kind("image{s} of classes without training images", "add training images")
UNLISTED = Kind("image{s} that no list names", "add them to the list, or remove them")


class Skipped:
    """Collects what is left out while folders are listed.

    Args:
        name: the data set, for `command`; "": there is none.
        root: `--datadir`.

    Attributes:
        paths: `{Kind: [path]}`.
        command: the `doctor` command that lists them.
        seen: identities of folders that are listed, which links may lead back to.
    """

    def __init__(self, name="", root=""):
        place = shlex.quote(str(root))
        command = f"python -m ssl_tf.doctor data {name} --datadir {place}"
        self.command = command if name else ""
        self.paths, self.seen = {}, set()

    def see(self, folder):
        """Whether a folder is listed for the first time, or cannot be looked at."""
        try:
            status = os.stat(folder)
        except OSError:
            return True
        new = (status.st_dev, status.st_ino) not in self.seen
        self.seen.add((status.st_dev, status.st_ino))
        return new

    def note(self, kind, *paths):
        if paths:
            self.paths.setdefault(kind, []).extend(map(str, paths))


def counted(kind, paths):
    """`30 dead links`, `2 other files (.csv, .txt)`."""
    text = f"{len(paths):,} {kind.text.format(s='' if len(paths) == 1 else 's')}"
    if not kind.suffixes:
        return text
    found = sorted({os.path.splitext(path)[1].lower() for path in paths} - {""})
    more = ", ..." if len(found) > 4 else ""
    return f"{text} ({', '.join(found[:4])}{more})" if found else text


def told(*skipped):
    """One line on all that is left out; "" if nothing.

    Args:
        skipped: `Skipped`s, of which some may be `None` and some may name the same
            files.
    """
    skipped = [own for own in skipped if own is not None]
    together = {}
    for kind, paths in (item for own in skipped for item in own.paths.items()):
        together.setdefault(kind, {}).update(dict.fromkeys(paths))
    if not together:
        return ""
    reasons = ", ".join(counted(kind, list(paths)) for kind, paths in together.items())
    text = f"{sum(map(len, together.values())):,} not used: {reasons}"
    command = skipped[0].command
    return f"{text}; `{command}` lists them" if command else text
