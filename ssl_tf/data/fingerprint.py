"""Fingerprint of a data set: what it holds, wherever it lies. NumPy only."""

import hashlib
import json
import os
import unicodedata
from pathlib import Path

import numpy as np

from ssl_tf.errors import BadInput

SAMPLE = 1_000  # files whose sizes and first bytes are looked at
HEAD = 4_096  # bytes of each
SHOWN = 4  # names a message spells out


def fingerprint(train, test):
    """What tells one data set from another; the folder it lies in does not.

    It is about images as they are read, before a config draws some of them. Class
    names and file names are compared in Unicode's composed form (NFC), so that a copy
    on another file system is the same. At most `SAMPLE` files a split are opened.

    Args:
        train: `Source` or `Instances` of the training images.
        test: the same of the test images.

    Returns:
        JSON-able `{"train": part, "test": part}`; a part has `classes` (names in
        order), `images` and `counts` (of each class; of attributes, images that have
        it; of detection, objects), and digests: `labels` (and boxes), `names` (of
        files, `None` where there are none) and `content` (sizes and first bytes of a
        fixed sample of the files, or the pixels).
    """
    return {"train": part(train), "test": part(test)}


def part(source):
    """The fingerprint of one split, see `fingerprint`."""
    label = labels(source)
    if label.ndim == 2:
        counts = label.sum(axis=0)
    else:
        counts = np.bincount(label[label >= 0], minlength=len(source.classes))
    paths = files(source)
    return {
        "classes": [composed(name) for name in source.classes],
        "images": int(source.size),
        "counts": [int(count) for count in counts],
        "labels": digest(label.astype(np.int32), boxes(source)),
        "names": None if paths is None else names(paths),
        "content": pixels(source.images) if paths is None else heads(paths),
    }


def labels(source):
    """int `[N]` or `[N, A]`; of annotated images those of all objects."""
    if hasattr(source, "objects"):
        own = [np.asarray(each.label, int) for each in source.objects]
        return np.concatenate([np.zeros(0, int), *own])
    return np.asarray(source.label)


def boxes(source):
    """Counts and boxes of annotated images to a tenth of a pixel; else nothing."""
    if not hasattr(source, "objects"):
        return b""
    counts = [each.count for each in source.objects]
    corners = [np.reshape(each.boxes, (-1, 4)) for each in source.objects]
    corners = np.concatenate([np.zeros((0, 4)), *corners])
    return digest(np.array(counts, np.int32), np.rint(corners * 10).astype(np.int32))


def files(source):
    """`[N]` paths of the images, or `None`."""
    return source.images if source.files else getattr(source, "paths", None)


def names(paths):
    """Digest of the files' own names, in order."""
    text = "\0".join(composed(os.path.basename(os.fsdecode(p))) for p in paths)
    return digest(text)


def heads(paths):
    """Digest of the sizes and first bytes of a sample of files, evenly spread."""
    found = hashlib.blake2b(digest_size=8)
    for place in sample(len(paths)):
        try:
            with open(os.fsdecode(paths[place]), "rb") as file:
                size, head = os.fstat(file.fileno()).st_size, file.read(HEAD)
        except OSError:  # told where it is read
            size, head = -1, b""
        found.update(f"{size}\0".encode() + head)
    return found.hexdigest()


def pixels(images):
    """Digest of images in memory; of a sample where they are not all there."""
    if hasattr(images, "draw"):  # noise that is drawn when it is looked at
        return digest(repr((images.kind, images.size, images.stream, len(images))))
    if not isinstance(images, np.ndarray):
        images = np.asarray(images[sample(len(images))])
    return digest(repr(images.shape), *(np.ascontiguousarray(x) for x in images))


def sample(count):
    """Positions of at most `SAMPLE` images, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64))


def columns(ours, theirs, name, drop=False):
    """Where the classes of data stand among those that a network tells apart.

    Args:
        ours: names of the network's classes, in order.
        theirs: names of the data's.
        name: of the data, for the message.
        drop: leave other classes out instead of refusing them.

    Returns:
        int32 `[len(theirs)]`, positions in `ours`; -1 for a class that is left out.

    Raises:
        BadInput: a class that is not among ours.
    """
    place = {composed(each): i for i, each in enumerate(ours)}
    found = [place.get(composed(each), -1) for each in theirs]
    strange = [each for each, at in zip(theirs, found) if at < 0]
    if strange and not drop:
        raise BadInput(
            f"{name}: classes {listed(strange)} are not among the {len(ours):,} that "
            f"this run tells apart ({listed(ours)}); leave them out, e.g. with "
            "data.classes, or evaluate features (knn, linear)."
        )
    return np.array(found, np.int32)


def digest(*parts):
    """16 hex digits of texts, bytes and arrays."""
    found = hashlib.blake2b(digest_size=8)
    for each in parts:
        if isinstance(each, str):
            each = each.encode("utf-8", "surrogateescape")
        found.update(each)
        found.update(b"\0")
    return found.hexdigest()


def composed(name):
    """A name in Unicode's composed form."""
    return unicodedata.normalize("NFC", str(name))


def key(content):
    """12 hex digits that stand for a fingerprint, or for a part of one."""
    return digest(json.dumps(content, sort_keys=True))[:12]


def difference(kept, found):
    """How data differ from those of a kept fingerprint, in a few words.

    Args:
        kept: of a run, from `fingerprint`.
        found: of the data that are there now.

    Returns:
        str, the most telling difference; `None` if there is none.
    """
    for split, kind in (("train", "training"), ("test", "test")):
        old, new = kept[split], found[split]
        if old["classes"] != new["classes"]:
            return told(old["classes"], new["classes"])
        if old["images"] != new["images"]:
            return f"{new['images']:,} {kind} images instead of {old['images']:,}"
        for name, a, b in zip(old["classes"], old["counts"], new["counts"]):
            if a != b:
                return f"{b:,} {kind} images of class {name!r} instead of {a:,}"
        words = {
            "labels": "labels",
            "names": "file names",
            "content": "pixels" if new["names"] is None else "file sizes or contents",
        }
        for field, what in words.items():
            if old[field] != new[field]:
                return f"other {what} of the {kind} images"
    return None


def told(old, new):
    """How two lists of class names differ."""
    gone = [name for name in old if name not in new]
    more = [name for name in new if name not in old]
    if gone and more:
        return f"classes {listed(more)} instead of {listed(gone)}"
    if gone or more:
        return f"classes {'without' if gone else 'with'} {listed(gone or more)}"
    return f"the classes in another order, {listed(new)} instead of {listed(old)}"


def listed(names):
    """`a, b, c and 7 more`; `none` for no names."""
    more = len(names) - SHOWN
    tail = f" and {more:,} more" if more > 0 else ""
    return (", ".join(map(str, names[:SHOWN])) or "none") + tail


def known(facts):
    """The fingerprint in a run's `data.json`, or `None` without a whole one."""
    kept = facts.get("fingerprint")
    fields = {"classes", "images", "counts", "labels", "names", "content"}
    whole = isinstance(kept, dict) and all(
        isinstance(kept.get(split), dict) and fields <= kept[split].keys()
        for split in ("train", "test")
    )
    return kept if whole else None


def unknown(folder):
    """What is said of a run that has no fingerprint."""
    return (
        f"{folder}: keeps no fingerprint of the images it was trained on; whether "
        "these are the same is not known."
    )


WAYS = "give its own --datadir, choose another --name or --runs, or remove the folder"


def check(folder, facts, found, ways=WAYS):
    """Refuses data that are not a run's.

    Args:
        folder: the run's.
        facts: its `data.json`.
        found: fingerprint of the data that are there now.
        ways: what there is to do.

    Returns:
        whether the run's data are known.

    Raises:
        BadInput: they are others.
    """
    kept = known(facts)
    other = None if kept is None else difference(kept, found)
    if other:
        raise BadInput(
            f"{Path(folder)}: holds a run of other data, here are {other}; {ways}."
        )
    return kept is not None
