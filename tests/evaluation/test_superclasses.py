"""Superclasses: the authors' numbers for every task, and some checked by hand."""

import re

import given
import numpy as np
import pytest

from ssl_tf.data import hierarchy
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import clusters, superclasses

GOLDEN = given.golden("selfclassifier", "superclass_metrics")
CLUSTER, LABEL = (GOLDEN[f"all_{name}"].astype(int) for name in ("preds", "targets"))
CLASSES = hierarchy.tree().classes
TASKS = [name for name in hierarchy.RULES if f"{name}_acc" in GOLDEN]


@pytest.fixture(scope="module")
def found():
    tasks = [hierarchy.task(name, CLASSES) for name in hierarchy.RULES]
    return superclasses.measures(CLUSTER, LABEL, tasks)


def test_all_classes_together_are_the_self_classifiers():
    found = clusters.measures(CLUSTER, LABEL)
    for key in ("nmi", "ami", "ari", "acc"):
        assert abs(found[key] - GOLDEN[f"full_{key}"]) < 1e-9
    of_cluster = clusters.matched(CLUSTER, LABEL)
    np.testing.assert_array_equal(of_cluster, GOLDEN["full_reassignment"])
    assert found["clusters"] == GOLDEN["full_n_unique_preds"]


@pytest.mark.parametrize("name", TASKS)
def test_the_authors_protocol_is_the_self_classifiers(found, name):
    for key in ("nmi", "ami", "ari", "acc"):
        ours, theirs = found[f"{name}.authors.{key}"], GOLDEN[f"{name}_{key}"]
        assert abs(ours - theirs) < 1e-9, key
    assert found[f"{name}.images"] == GOLDEN[f"{name}_n"]


@pytest.mark.parametrize("name", TASKS)
def test_clusters_stand_for_the_authors_superclasses(name):
    task = hierarchy.task(name, CLASSES)
    kept, _ = superclasses.inside(LABEL, task)
    assert len(np.unique(LABEL[kept])) == GOLDEN[f"{name}_n_unique_targets"]
    assert len(np.unique(CLUSTER[kept])) == GOLDEN[f"{name}_n_unique_preds"]
    ours = clusters.matched(CLUSTER[kept], LABEL[kept])
    ours = superclasses.outer(ours, task.member)
    theirs = GOLDEN[f"{name}_reassignment"]
    inside = ours >= 0  # theirs go by a class's own number where it has none
    np.testing.assert_array_equal(ours[inside], theirs[inside])
    assert inside[np.unique(CLUSTER[kept])].all()


def test_six_classes_of_two_superclasses_can_be_checked_in_the_head():
    # Classes 0 and 1 are animals, 2 and 3 tools; 4 and 5 are left out.
    task = hierarchy.Task("two", ("a", "t"), np.array([0, 0, 1, 1, -1, -1], np.int32))
    label = np.array([0, 1, 2, 3, 4, 5, 5])
    cluster = np.array([1, 0, 2, 3, 0, 1, 2])
    found = superclasses.measures(cluster, label, [task])
    assert found["two.images"] == 4
    # Classes are told apart perfectly, as long as they are asked for.
    for key in ("nmi", "ami", "ari", "acc"):
        assert found[f"two.authors.{key}"] == pytest.approx(1)
    # Four clusters for two superclasses: I = ln 2, the mean entropy 1.5 ln 2.
    assert found["two.superclass.nmi"] == pytest.approx(2 / 3)
    assert found["two.superclass.acc"] == 1


def test_a_cluster_that_stands_for_a_class_outside_is_never_right():
    member = np.array([0, 1, -1, -1])
    np.testing.assert_array_equal(
        superclasses.outer(np.array([1, 2, 7, 0]), member), [1, -1, -1, 0]
    )
    # By a class's own number, 1 would have been the second superclass's.
    task = hierarchy.Task("x", ("a", "b"), np.array([0, -1, 1, 1], np.int32))
    label, cluster = np.array([0, 0, 2, 2, 3]), np.array([0, 0, 2, 1, 3])
    kept, superclass = superclasses.inside(label, task)
    of_cluster = superclasses.outer(np.array([0, 1, 2, 3]), task.member)
    assert clusters.accuracy(cluster, superclass, of_cluster) == 4 / 5


def test_tasks_of_the_same_images_agree_on_what_is_about_classes(found):
    for key in ("nmi", "ami", "ari"):
        same = {found[f"level{depth}.authors.{key}"] for depth in (2, 3, 4)}
        assert len(same) == 1
        apart = {found[f"level{depth}.superclass.{key}"] for depth in (2, 3, 4)}
        assert len(apart) == 3
    assert found["level5.authors.nmi"] != found["level4.authors.nmi"]


def test_a_task_without_images_is_refused():
    task = hierarchy.task("living17", CLASSES)
    with pytest.raises(BadInput, match=re.escape("no image is of a class of living17")):
        superclasses.measures(np.zeros(3, int), np.zeros(3, int), [task])
