"""Which labelled images training may see: a share, the papers' lists, one's own."""

import collections
import itertools
import os
import unicodedata
from pathlib import Path

import numpy as np

from ssl_tf.data import cifar
from ssl_tf.data.imagenet5 import Archive
from ssl_tf.data.source import labelled_share, subset
from ssl_tf.errors import BadInput, have

BASE = "https://raw.githubusercontent.com/google-research/simclr/master"
# SimCLR's semi-supervised ImageNet, arXiv:2002.05709, sec. 5: file names, one a line.
COUNTS = {"1percent": 12_811, "10percent": 128_116}
LISTS = {
    name: Archive(f"{name}.txt", (f"{BASE}/imagenet_subsets/{name}.txt",))
    for name in COUNTS
}


def share_of(source, share, seed=0):
    """The labelled images a config's `data.share` names.

    Args:
        source: `Source`.
        share: float in (0, 1], class by class; "authors", see `labelled_share`;
            "1percent" or "10percent", SimCLR's lists of ImageNet, downloaded once; or a
            text file of image names, one a line.
        seed: int, of the draw of a share.

    Raises:
        BadInput: a share out of range, no such list, or names that are not there.
    """
    if not isinstance(share, str) or share == "authors":
        if not isinstance(share, str) and not 0 < share <= 1:
            raise BadInput(f"data.share: is {share}; must be > 0 and <= 1.")
        return labelled_share(source, share, seed)
    if share in LISTS:
        return listed(source, fetched(share), f"data.share {share}")
    if not Path(share).is_file():
        known = have(["authors", *LISTS])
        raise BadInput(f"data.share: {share!r} is no file and no list. Have: {known}.")
    return listed(source, Path(share), f"data.share {share}")


def fetched(name):
    """The path of one of `LISTS`, which must be whole."""
    from ssl_tf.weights import download

    path = download.fetch(LISTS[name], cifar.caches()[0] / "simclr_lists")
    count = len(names_in(path))
    if count != COUNTS[name]:
        raise BadInput(f"{path}: lists {count} images, not {COUNTS[name]}; remove it.")
    return path


def names_in(path):
    """The lines of a list without blank ones and comments, which begin with #."""
    try:
        rows = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not in UTF-8"
        raise BadInput(f"{path}: is no list of names ({why}).") from None
    return [row.strip() for row in rows if row.strip() and row.strip()[0] != "#"]


def listed(source, path, where):
    """The images of a source whose file names are in a list, in the list's order.

    A line is `name.jpg`, or as much of the path as tells the image from others:
    `class/name.jpg`; the suffix may be left out. Lines of several names without spaces
    are read, too.

    Raises:
        BadInput: the source has no files; a name is not among them, stands for several
            of them, or names one a second time; nothing is listed.
    """
    if not source.files and source.paths is None:
        raise BadInput(f"{where}: names files; {source.name} has none.")
    images = [clean(name) for name in source.names]
    places = collections.defaultdict(list)
    for place, image in enumerate(images):
        name = image.rpartition("/")[2]
        for key in {name, os.path.splitext(name)[0]}:
            places[key].append(place)

    def matching(row):
        folder, name = os.path.split(os.path.normpath(clean(row).replace("\\", "/")))
        found = places.get(name, ())
        if folder:
            own = [f"/{os.path.dirname(os.path.abspath(images[i]))}" for i in found]
            end = "/" + folder
            fits = (x == end if folder[0] == "/" else x.endswith(end) for x in own)
            found = list(itertools.compress(found, fits))
        exact = [i for i in found if images[i].rpartition("/")[2] == name]
        return exact or found

    rows = []
    for row in names_in(path):
        words = [] if matching(row) else row.split()
        rows += words if any(map(matching, words)) else [row]
    found = [matching(row) for row in rows]
    lost = [row for row, own in zip(rows, found) if not own]
    if not rows:
        raise BadInput(f"{where}: {path} lists no image.")
    if lost:
        more = f" and {len(lost) - 1:,} more" if len(lost) > 1 else ""
        raise BadInput(
            f"{where}: {path} does not fit {source.name}: no {lost[0]!r}{more} among "
            f"its {source.size:,} {source.split} images."
        )
    for row, own in zip(rows, found):
        if len(own) > 1:
            some = ", ".join("/".join(images[i].split("/")[-2:]) for i in own[:2])
            raise BadInput(
                f"{where}: {row!r} in {path} stands for {len(own)} images ({some}"
                f"{', ...' if len(own) > 2 else ''}); write their folders, too."
            )
    chosen = [place for (place,) in found]
    if len(set(chosen)) < len(chosen):
        counts = collections.Counter(chosen)
        twice = next(row for row, place in zip(rows, chosen) if counts[place] > 1)
        raise BadInput(f"{where}: {path} lists {twice!r} twice; remove one.")
    return subset(source, np.array(chosen))


def clean(name):
    """A name in the one of the two Unicode forms that is compared."""
    return unicodedata.normalize("NFC", name)
