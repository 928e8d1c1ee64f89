"""SSAL's label groupings: files of class names, and making them from confusions."""

from pathlib import Path

import numpy as np

from ssl_tf import config
from ssl_tf.errors import BadInput, have


def load(name, classes):
    """The group of each class, from a grouping file.

    Args:
        name: a file of `configs/groupings/` without suffix, or a path.
        classes: class names in label order; `None`: sorted, as CIFAR-100 and ImageNet
            have them.

    Returns:
        list of int `[C]`.

    Raises:
        BadInput: no such file, a class missing, unknown or in two groups.
    """
    path = find(name)
    content = config.read_yaml(path)
    groups = content.get("groups") if isinstance(content, dict) else None
    if not isinstance(groups, dict) or not all(map(good, groups.values())):
        raise BadInput(f"{path}: needs `groups:`, a mapping of group -> class names.")
    members = [(str(c), g) for g, cs in enumerate(groups.values()) for c in cs]
    of_class = dict(members)
    if len(of_class) < len(members):
        names = [c for c, _ in members]
        twice = next(c for c in names if names.count(c) > 1)
        raise BadInput(f"{path}: class {twice!r} is in two groups.")
    classes = sorted(of_class) if classes is None else classes
    if set(classes) != set(of_class):
        odd = sorted(set(classes) ^ set(of_class))[0]
        raise BadInput(
            f"{path}: groups {len(of_class)} classes, the data has {len(classes)}; "
            f"{odd!r} is in one of them only."
        )
    return [of_class[c] for c in classes]


def good(members):
    return isinstance(members, list) and len(members) > 0


def find(name):
    folder = config.home() / "configs" / "groupings"
    for path in (Path(name), folder / f"{name}.yaml"):
        if path.is_file():
            return path
    known = have(path.stem for path in folder.glob("*.yaml"))
    raise BadInput(f"grouping {name!r}: no such file. Have: {known}.")


def save(path, groups, classes, source):
    """Writes a grouping file.

    Args:
        path: file.
        groups: `[C]` ints.
        classes: names.
        source: str, where it comes from.
    """
    from ssl_tf import runs

    members = {
        int(g): [c for c, own in zip(classes, groups) if own == g]
        for g in sorted(set(groups))
    }
    rows = [
        f"  {g}: [{', '.join(map(config.scalar, own))}]" for g, own in members.items()
    ]
    text = "\n".join([f"source: {config.scalar(source)}", "groups:", *rows]) + "\n"
    with runs.atomic(path) as out:
        out.write(text.encode())


def generate(confusion, count, similar=True, margin=1.1, seed=0):
    """Groups classes that are confused with each other ("group similar"), or not.

    Clusters are seeded by classes far from all chosen so far and filled by average
    linkage, each up to `margin * C / count` members.

    Args:
        confusion: `[C, C]` counts, rows are true classes.
        count: int, groups, 2 <= count <= C / 2 in the paper.
        similar: group confusable classes together; else spread them ("split similar").
        margin: float >= 1, slack on the size of a group.
        seed: int, for ties.

    Returns:
        int32 `[C]`, group of each class. A group can stay empty if the confusions are
        nearly all equal (a baseline without errors); `check` of the method says so.

    Source:
        SSAL, arXiv:2101.03057, sec. 3.3, and the authors' code, which differs: the
        distance is max(M) - M (the paper: 1 - M of normalised rows), the first seed is
        the class with the smallest total distance, and the margin is 1.1.
    """
    draw = np.random.RandomState(seed)
    classes = len(confusion)
    distance = np.array(confusion, np.float64)
    np.fill_diagonal(distance, 0)
    if similar:
        distance = distance.max() - distance
        np.fill_diagonal(distance, 0)
    distance = (distance + distance.T) / 2
    group = np.full(classes, -1, np.int32)
    full = margin * classes / count
    sums, sizes = np.zeros((classes, count)), np.zeros(count, int)
    chosen, place = int(np.argmin(distance.sum(axis=1))), 0
    while True:
        group[chosen] = place
        sums[:, place] += distance[:, chosen]
        sizes[place] += 1
        free = np.flatnonzero(group < 0)
        if not len(free):
            return group
        linkage = sums / np.maximum(sizes, 1)
        near = np.where(sizes > 0, linkage, np.inf).min(axis=1)[free]
        chosen = free[pick(near, seeding=(sizes == 0).any(), draw=draw)]
        place = target(linkage[chosen], sizes, full, similar, draw)


def pick(near, seeding, draw):
    """Position of the farthest class while seeding, of the nearest after that.

    Ties are drawn. The authors' code draws in the second phase also from a single
    candidate when all distances are equal, which moves the generator.
    """
    best = near.max() if seeding else near.min()
    tied = np.flatnonzero(near == best)
    if len(tied) > 1 or (not seeding and near.min() == near.max()):
        return draw.choice(tied)
    return tied[0]


def target(linkage, sizes, full, similar, draw):
    """The group nearest to a class; an empty one is at distance 0, a full one far."""
    linkage = linkage.copy()
    while True:
        place = int(np.argmin(linkage))
        if not similar and linkage[place] == 0:
            for _ in range(draw.randint(0, len(linkage))):
                place = next_zero(linkage, place)
        if sizes[place] < full:
            return place
        linkage[place] = 1e9


def next_zero(linkage, place):
    """The next group at distance 0 behind `place`, going round."""
    zeros = np.flatnonzero(linkage == 0)
    return int(zeros[(np.searchsorted(zeros, place) + 1) % len(zeros)])
