"""ImageNet's hierarchy: the counts of the papers' tables, facts, what fits which data.

The members of every task were compared once, class for class, with what BREEDS' own
tools make of its files: all were equal.
"""

import collections
import re

import numpy as np
import pytest

from ssl_tf import config
from ssl_tf.data import hierarchy
from ssl_tf.data.imagenet import chosen
from ssl_tf.errors import BadInput

TREE = hierarchy.tree()
COUNTS = {  # superclasses, classes
    "level2": (10, 890),
    "level3": (29, 890),
    "level4": (128, 890),
    "level5": (466, 887),
    "level6": (591, 616),
    "entity13": (13, 771),
    "entity30": (30, 639),
    "living17": (17, 223),
    "nonliving26": (26, 157),
    "entity13_balanced": (13, 260),
    "entity30_balanced": (30, 240),
    "living17_balanced": (17, 68),
    "nonliving26_balanced": (26, 104),
}


def named(task, wnid):
    """The name of a class's superclass, or `None`."""
    place = task.member[TREE.classes.index(wnid)]
    return None if place < 0 else TREE.name[task.superclasses[place]]


def test_the_tree_has_the_papers_nodes_and_every_class_a_name():
    children = {wnid for wnid, parent in TREE.parent.items() if parent is not None}
    assert len(TREE.classes) == 1000 and len(set(TREE.classes) & children) == 890
    assert len(children) == 1327 and TREE.parent[hierarchy.ROOT] is None
    assert all(TREE.path(wnid)[0] == hierarchy.ROOT for wnid in children)
    assert all(isinstance(name, str) and name for name in TREE.name.values())
    assert not set(TREE.classes) & set(TREE.parent.values())  # classes are leaves


@pytest.mark.parametrize("name", hierarchy.TASKS)
def test_tasks_have_the_superclasses_and_classes_of_the_table(name):
    task = hierarchy.task(name, TREE.classes)
    inside = task.member[task.member >= 0]
    assert (len(task.superclasses), len(inside)) == COUNTS[name]
    assert set(inside.tolist()) == set(range(len(task.superclasses)))
    assert list(task.superclasses) == sorted(task.superclasses)


def test_some_superclasses_can_be_checked_in_the_head():
    tench, beagle, oboe = "n01440764", "n02088364", "n03838899"
    two = hierarchy.task("level2", TREE.classes)
    assert named(two, tench) == named(two, beagle) == "animal"
    assert named(two, oboe) == "paraphernalia"
    thirteen = hierarchy.task("entity13", TREE.classes)
    assert named(thirteen, beagle) == "mammal" and named(thirteen, tench) is None
    living = hierarchy.task("living17", TREE.classes)
    assert named(living, beagle) == "dog" and named(living, oboe) is None
    assert named(living, "n02123045") == "domestic cat"  # tabby


def test_a_class_at_the_depth_of_a_level_is_its_own_superclass():
    five = hierarchy.task("level5", TREE.classes)
    own = set(five.superclasses) & set(TREE.classes)
    assert len(own) == 271
    for wnid in own:
        assert five.superclasses[five.member[TREE.classes.index(wnid)]] == wnid
    assert len(set(hierarchy.task("level4", ()).superclasses) & set(TREE.classes)) == 3


@pytest.mark.parametrize("name", hierarchy.BREEDS)
def test_balanced_tasks_are_as_many_classes_of_each_superclass(name):
    whole = hierarchy.superclass_of(hierarchy.RULES[name])
    part = hierarchy.balanced(name)
    assert part.items() <= whole.items()
    sizes = collections.Counter(part.values())
    assert set(sizes.values()) == {hierarchy.RULES[name].least}
    assert sizes.keys() == set(whole.values())


def test_classes_may_come_in_any_order_and_be_a_part():
    whole = hierarchy.task("level3", TREE.classes)
    turned = hierarchy.task("level3", TREE.classes[::-1])
    np.testing.assert_array_equal(whole.member, turned.member[::-1])
    part = hierarchy.task("level3", TREE.classes[400:600])
    np.testing.assert_array_equal(part.member, whole.member[400:600])
    assert part.superclasses == whole.superclasses


def test_the_data_decide_which_tasks_there_are():
    tasks = lambda *given: [t.name for t in hierarchy.chosen(*given, "x.tasks")]
    assert tasks(None, TREE.classes) == list(hierarchy.RULES)
    assert tasks(None, TREE.classes[:200]) == list(hierarchy.LEVELS)
    assert tasks(None, ("cat", "dog")) == tasks(None, ()) == []
    assert tasks([], TREE.classes) == tasks([], ("cat", "dog")) == []
    strict = ["level2", "entity13_balanced"]
    assert tasks(strict, TREE.classes) == strict


@pytest.mark.parametrize(
    ("names", "classes", "message"),
    [
        (["level2"], ("n01440764", "cat"), "the data has a class 'cat'. Leave tasks"),
        (["level2"], (), "the data has no classes. Leave tasks out."),
        (["entity13"], TREE.classes[1:], "1,000 classes of ImageNet, there are 999;"),
        (["living17_balanced"], TREE.classes[:9], "take levels, level2, level3, "),
    ],
)
def test_tasks_that_do_not_fit_the_data_are_refused(names, classes, message):
    with pytest.raises(BadInput, match=re.escape(message)) as error:
        hierarchy.chosen(names, classes, "clustering.tasks")
    assert str(error.value).startswith("clustering.tasks: ")
    assert "\n" not in str(error.value)


def test_titles_are_names_where_there_are_some():
    assert hierarchy.titles(["n01440764", "cat"]) == ["tench", "cat"]


@pytest.mark.parametrize("count", [50, 100, 200])
def test_the_subsets_of_scan_are_classes_and_chosen_by_name(count):
    found = chosen(f"imagenet{count}", TREE.classes)
    assert len(found) == count and set(found) <= set(TREE.classes)
    path = config.home() / "configs" / "hierarchy" / f"imagenet{count}.txt"
    assert chosen(path, TREE.classes) == found
    assert path.read_text().startswith("# ")
