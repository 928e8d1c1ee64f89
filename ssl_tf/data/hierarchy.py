"""ImageNet's classes in WordNet's hierarchy: superclasses, and tasks made of them."""

import collections
import functools
from typing import NamedTuple

import numpy as np

from ssl_tf import config
from ssl_tf.errors import BadInput

ROOT = "n00001740"  # entity


class Rule(NamedTuple):
    """Which nodes of the hierarchy are a task's superclasses.

    Attributes:
        depth: of the nodes, below the root, which has 0.
        least: classes that must be below a node.
        below: a node above all of them, or `None`.
    """

    depth: int
    least: int = 1
    below: str | None = None


LEVELS = {f"level{depth}": Rule(depth) for depth in range(2, 7)}
# BREEDS, arXiv:2008.04859, table 1.
BREEDS = {
    "entity13": Rule(3, 20),
    "entity30": Rule(4, 8),
    "living17": Rule(5, 4, "n00004258"),
    "nonliving26": Rule(5, 4, "n00021939"),
}
RULES = LEVELS | BREEDS
BALANCED = tuple(f"{name}_balanced" for name in BREEDS)
TASKS = (*RULES, *BALANCED)


class Tree(NamedTuple):
    """The hierarchy.

    Attributes:
        parent: `{wnid: wnid or None}`, of classes, too; some of these have none and
            are in no task.
        name: `{wnid: str}`.
        classes: the 1,000 wnids, sorted, which is torchvision's label order.
    """

    parent: dict
    name: dict
    classes: tuple

    def path(self, wnid):
        """Wnids from the root down to a node; from itself if it is not in the tree."""
        found = []
        while wnid is not None:
            found.append(wnid)
            wnid = self.parent[wnid]
        return found[::-1]


class Task(NamedTuple):
    """Superclasses of the classes of a data set.

    Attributes:
        name: of `TASKS`.
        superclasses: wnids, sorted.
        member: int32 `[C]`: position of a class's superclass; -1 for a class that is
            left out.
    """

    name: str
    superclasses: tuple
    member: np.ndarray


@functools.cache
def tree():
    """The `Tree` in `configs/hierarchy/imagenet.yaml`."""
    content = config.read_yaml(place("imagenet.yaml"))
    every = content["nodes"] | content["classes"]
    return Tree(
        parent={wnid: parent for wnid, (parent, _) in every.items()},
        name={wnid: name for wnid, (_, name) in every.items()},
        classes=tuple(sorted(content["classes"])),
    )


def place(name):
    return config.home() / "configs" / "hierarchy" / name


def superclass_of(rule):
    """`{class: superclass}` of all of ImageNet's classes that a rule takes, by wnid."""
    paths = {wnid: tree().path(wnid) for wnid in tree().classes}
    found = {
        wnid: path[rule.depth]
        for wnid, path in paths.items()
        if path[0] == ROOT
        and len(path) > rule.depth
        and (rule.below is None or rule.below in path[: rule.depth + 1])
    }
    sizes = collections.Counter(found.values())
    return {wnid: node for wnid, node in found.items() if sizes[node] >= rule.least}


def balanced(name):
    """`{class: superclass}` of BREEDS' own choice: as many classes for each.

    Args:
        name: of `BREEDS`.
    """
    groups = config.read_yaml(place("breeds.yaml"))["balanced"][name]
    return {wnid: node for node, members in groups.items() for wnid in members}


def task(name, classes):
    """A task on the classes of a data set.

    Args:
        name: of `TASKS`.
        classes: wnids in label order: all of ImageNet's, or some.

    Returns:
        `Task`; a superclass may have none of these classes.
    """
    if name in RULES:
        found = superclass_of(RULES[name])
    else:
        found = balanced(name.removesuffix("_balanced"))
    nodes = tuple(sorted(set(found.values())))
    number = {node: i for i, node in enumerate(nodes)}
    member = [number.get(found.get(wnid), -1) for wnid in classes]
    return Task(name, nodes, np.array(member, np.int32))


def chosen(names, classes, where):
    """The tasks that an evaluation's `tasks` names.

    Args:
        names: of `TASKS`, or `None`: those that the classes allow, which is all but the
            balanced ones of ImageNet, the levels of a part of it, none of other data.
        classes: names in label order.
        where: str, for messages.

    Returns:
        list of `Task`.

    Raises:
        BadInput: the classes are not ImageNet's, or too few for a task of BREEDS.
    """
    known = set(tree().classes)
    odd = next((name for name in classes if name not in known), None)
    if odd is not None or not classes:
        if names:
            have = "has no classes" if odd is None else f"has a class {odd!r}"
            raise BadInput(
                f"{where}: superclasses are those of ImageNet's wnids; the data "
                f"{have}. Leave tasks out."
            )
        return []
    whole = len(classes) == len(known)
    if names is None:
        names = RULES if whole else LEVELS
    short = next((name for name in names if name not in LEVELS), None)
    if short is not None and not whole:
        raise BadInput(
            f"{where}: {short} needs the {len(known):,} classes of ImageNet, there are "
            f"{len(classes):,}; take levels, {', '.join(LEVELS)}."
        )
    return [task(name, classes) for name in names]


def titles(classes):
    """What to call classes in pictures: names for wnids, others as they are."""
    return [tree().name.get(name, name) for name in classes]
