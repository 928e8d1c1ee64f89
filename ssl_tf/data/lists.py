"""Which labelled images training may see: a share, the papers' lists, one's own."""

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
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: is no list of names ({error}).") from None


def listed(source, path, where):
    """The images of a source whose file names are in a list, in the list's order.

    Raises:
        BadInput: the source has no files, or a name is not among them.
    """
    if not source.files:
        raise BadInput(f"{where}: names files; {source.name} is held in memory.")
    places = {Path(image).name: i for i, image in enumerate(source.images)}
    names = names_in(path)
    lost = [name for name in names if name not in places]
    if lost or not names:
        what = f"{lost[0]!r} and {len(lost) - 1} more" if lost else "a single name"
        raise BadInput(f"{where}: {path} does not fit {source.name}: no {what}.")
    return subset(source, np.array([places[name] for name in names]))
