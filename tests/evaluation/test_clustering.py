"""The evaluation of heads: which head, which tasks, which data, what it leaves."""

import csv
import re
import types
from itertools import combinations

import heads
import numpy as np
import pytest

from ssl_tf import evaluator
from ssl_tf.data import hierarchy
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import EVALUATIONS, clusters, store
from ssl_tf.evaluation.clustering import chance, clustering, table

FOUR = ("cat", "dog", "owl", "pig")
ANIMALS = ("n02123045", "n02124075", "n02088364", "n03838899")  # two cats, dog, oboe


def split(rng, classes=FOUR, count=60):
    """Images whose first head is right three times in four, the second hardly ever."""
    label = rng.integers(0, 4, count)
    first = np.where(rng.random(count) < 0.75, label, rng.integers(0, 4, count))
    return heads.told(first, (label + 1) % 2, label, classes), first


def test_a_head_is_judged_by_its_largest_logit(rng):
    images, first = split(rng)
    found = clustering(heads.Told(), None, images)
    np.testing.assert_array_equal(found["predictions"], first)
    assert found["predictions"].dtype == np.int32
    expected = clusters.measures(first, images.source.label)
    assert {name: found[name] for name in expected} == expected
    assert not any("." in name for name in found)  # no superclasses of these classes
    other = clustering(heads.Told(), None, images, head=1)
    assert other["clusters"] == 2 and other["acc"] < found["acc"]


def test_all_tasks_and_heads_take_one_pass_over_the_images(rng):
    images, _ = split(rng, ANIMALS)
    method = heads.Told()
    kept = store.Store(method, batch_size=30)
    clustering(method, None, images, kept)
    assert method.passes.numpy() == 2
    clustering(method, None, images, kept, tasks=["level3"])
    assert method.passes.numpy() == 2


def test_classes_that_are_wnids_are_judged_by_their_superclasses_as_well(rng):
    images, _ = split(rng, ANIMALS)
    found = clustering(heads.Told(), None, images)
    tasks = {name.partition(".")[0] for name in found if "." in name}
    assert tasks == set(hierarchy.LEVELS)
    # At level 2 the two cats and the dog are animals: more is right than of classes.
    assert found["acc"] < found["level2.authors.acc"] <= 1
    assert found["level2.images"] == 60
    one = clustering(heads.Told(), None, images, tasks=["level4"])
    tasks = {name.partition(".")[0] for name in one if "." in name}
    assert tasks == {"level4"}
    assert one["level4.superclass.nmi"] == found["level4.superclass.nmi"]


def test_the_table_lists_the_clusters_in_use_from_the_best_on():
    label = np.repeat([0, 1, 3], [4, 5, 2])
    cluster = label + (np.arange(11) == 0)  # one image of class 0 went to cluster 1
    images = heads.told(cluster, cluster, label, ANIMALS)
    rows = table(cluster, images.source)
    assert rows["cluster"].tolist() == [0, 3, 1]
    assert rows["class"].tolist() == [ANIMALS[0], ANIMALS[3], ANIMALS[1]]
    assert rows["title"].tolist() == ["tabby", "oboe", "Egyptian cat"]
    assert rows["images"].tolist() == [3, 2, 6]
    np.testing.assert_allclose(rows["accuracy"], [1, 1, 5 / 6])


def test_a_cluster_beyond_the_classes_has_no_name():
    images = heads.told(9, 9, [0, 0, 1], ("a", "b"))
    rows = table(np.array([0, 0, 5]), images.source)
    assert rows["class"].tolist() == ["a", "b"]
    rows = table(np.array([4, 4, 4]), images.source._replace(label=np.zeros(3, int)))
    assert rows["class"].tolist() in (["a"], [""])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"head": 2}, "clustering.head: is 2; told has 0 to 1."),
        ({"tasks": ["level2"]}, "clustering.tasks: superclasses are those of ImageNet"),
    ],
)
def test_heads_and_tasks_that_are_not_there_are_refused(rng, more, message):
    images, _ = split(rng)
    with pytest.raises(BadInput, match=re.escape(message)) as error:
        clustering(heads.Told(), None, images, **more)
    assert "\n" not in str(error.value)


def test_methods_without_heads_and_images_without_labels_are_refused(rng):
    images, _ = split(rng)
    with pytest.raises(BadInput, match="told has no heads; evaluate `kmeans` instead"):
        clustering(heads.Told(()), None, images)
    bare = images.source._replace(label=np.full(60, -1, np.int32))
    with pytest.raises(BadInput, match="clustering: 60 of 60 test images of made have"):
        clustering(heads.Told(), None, images._replace(source=bare))


def test_logits_that_are_not_finite_are_refused(rng):
    images, _ = split(rng)
    with pytest.raises(BadInput, match="logits are not finite; training diverged"):
        clustering(heads.Told(scale=np.nan), None, images)


def test_another_head_stands_in_the_results_name():
    label, function = evaluator.label, EVALUATIONS["clustering"]
    assert label("clustering", function, {}, {"head": 0}, None) == "clustering"
    assert label("clustering", function, {}, {"head": 2}, None) == "clustering:head2"
    given = {"head": 2}
    assert label("clustering", function, given, {"head": 2}, "x") == "clustering@x"


def test_tables_with_commas_in_names_read_back(tmp_path):
    rows = np.array([(1, 'a, "b"', 0.5)], [("n", int), ("name", "U9"), ("x", float)])
    done = types.SimpleNamespace(folder=tmp_path)
    evaluator.keep_arrays(done, "clustering", {"table": rows})
    with open(tmp_path / "clustering_table.csv", newline="") as file:
        found = list(csv.reader(file))
    assert found == [["n", "name", "x"], ["1", 'a, "b"', "0.5"]]


def test_chance_is_the_mean_over_assignments_to_clusters_of_the_same_sizes():
    """Two classes and two clusters of two images: all 6 assignments, by hand."""
    label = np.array([0, 0, 1, 1])
    every = [np.isin(range(4), ones).astype(int) for ones in combinations(range(4), 2)]
    expected = np.mean([clusters.measures(one, label)["acc"] for one in every])
    assert expected == pytest.approx(2 / 3)  # two of six are right, four half
    measure = lambda cluster: clusters.measures(cluster, label)
    found = chance(measure, np.array([0, 1, 0, 1]), draws=400)
    assert found["chance_acc"] == pytest.approx(2 / 3, abs=0.05)
    assert set(found) == {"chance_nmi", "chance_ari", "chance_acc"}


def test_one_cluster_for_all_has_the_chance_of_the_largest_class():
    label = np.array([0, 0, 0, 1, 1, 2])
    alone = np.zeros(6, int)
    found = chance(lambda cluster: clusters.measures(cluster, label), alone)
    assert found["chance_acc"] == clusters.measures(alone, label)["acc"] == 0.5
    assert found["chance_nmi"] == 0
