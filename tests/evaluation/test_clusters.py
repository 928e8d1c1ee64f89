"""Clusters against classes: the authors' numbers, equations in loops, invariances."""

import itertools
from math import comb

import given
import numpy as np
import pytest

from ssl_tf.evaluation import clusters

GOLDEN = given.golden("selfclassifier", "cluster_metrics")
CASES = sorted({key.partition("_")[0] for key in GOLDEN})


def case(name):
    """`(clusters, classes)` of a golden case."""
    return GOLDEN[f"{name}_preds"].astype(int), GOLDEN[f"{name}_targets"].astype(int)


@pytest.mark.parametrize("name", CASES)
def test_measures_are_the_self_classifiers(name):
    found = clusters.measures(*case(name))
    for key in ("nmi", "ami", "ari", "acc"):
        assert abs(found[key] - GOLDEN[f"{name}_{key}"]) < 1e-9, key
    assert found["clusters"] == GOLDEN[f"{name}_n_unique_preds"]


@pytest.mark.parametrize("name", CASES)
def test_clusters_stand_for_the_authors_classes_in_their_order(name):
    cluster, label = case(name)
    of_cluster = clusters.matched(cluster, label)
    np.testing.assert_array_equal(of_cluster, GOLDEN[f"{name}_reassignment"])
    order, share, images = clusters.ranked(cluster, label, of_cluster)
    ranked = GOLDEN[f"{name}_acc_per_class_sorted"]
    np.testing.assert_allclose(share[order], ranked, atol=1e-9)
    theirs = GOLDEN[f"{name}_order"]
    np.testing.assert_allclose(share[theirs], ranked, atol=1e-9)
    np.testing.assert_array_equal(images[theirs], GOLDEN[f"{name}_n_per_class_sorted"])


def by_hand(cluster, label):
    """NMI from the entropies, ARI from all pairs of images, in loops."""
    n, joint = len(label), {}
    for pair in zip(cluster, label):
        joint[pair] = joint.get(pair, 0) + 1
    rows, columns = (
        {k: sum(side == k) for k in set(side)} for side in (cluster, label)
    )
    shared = sum(
        m / n * np.log(m * n / (rows[a] * columns[b])) for (a, b), m in joint.items()
    )
    entropy = lambda sizes: -sum(m / n * np.log(m / n) for m in sizes.values())
    together = [
        (cluster[i] == cluster[j], label[i] == label[j])
        for i, j in itertools.combinations(range(n), 2)
    ]
    both = sum(a and b for a, b in together)
    ours, theirs = (sum(p[side] for p in together) for side in (0, 1))
    expected = ours * theirs / comb(n, 2)
    return {
        "nmi": shared / ((entropy(rows) + entropy(columns)) / 2),
        "ari": (both - expected) / ((ours + theirs) / 2 - expected),
    }


def test_nmi_and_ari_are_those_of_the_loops(rng):
    label = rng.integers(0, 4, 60)
    cluster = np.where(rng.random(60) < 0.6, label, rng.integers(0, 6, 60))
    found = clusters.information(cluster, label)
    for name, value in by_hand(cluster, label).items():
        assert abs(found[name] - value) < 1e-9, name


def test_the_matching_is_the_best_of_all_permutations(rng):
    label, cluster = rng.integers(0, 5, (2, 80))
    table = clusters.counts(cluster, label)
    best = max(
        sum(table[k, c] for k, c in enumerate(order))
        for order in itertools.permutations(range(5))
    )
    assert abs(clusters.measures(cluster, label)["acc"] - best / 80) < 1e-12


def test_four_clusters_of_two_classes_can_be_checked_in_the_head():
    cluster = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3])
    label = np.array([0, 0, 0, 0, 0, 1, 1, 0, 1])
    # One to one: cluster 0 is class 0, cluster 2 class 1. Clusters 1 and 3 would get
    # numbers that are no class, so they stand for their commonest.
    np.testing.assert_array_equal(clusters.matched(cluster, label), [0, 0, 1, 1])
    assert abs(clusters.measures(cluster, label)["acc"] - 8 / 9) < 1e-12


def test_the_rule_for_many_clusters_waits_until_more_are_in_use_than_classes():
    cluster, label = np.array([0, 0, 0, 7, 7]), np.array([0, 0, 0, 0, 1])
    found = clusters.matched(cluster, label)  # two in use, two classes
    assert found[0] == 0 and found[7] == 1


def test_measures_do_not_depend_on_the_clusters_numbers(rng):
    cluster, label = case("corr")
    names = rng.permutation(10)
    expected, found = (clusters.measures(c, label) for c in (cluster, names[cluster]))
    assert found == pytest.approx(expected, abs=1e-12)


def test_small_and_empty_clusters_come_last_without_a_warning():
    cluster = np.repeat([0, 2, 3], [20, 10, 3])
    label = np.repeat([0, 2, 3], [20, 10, 3])
    label[:5] = 1
    of_cluster = np.array([0, 1, 2, 3])
    with np.errstate(all="raise"):
        order, share, images = clusters.ranked(cluster, label, of_cluster)
    np.testing.assert_array_equal(order, [2, 0, 3, 1])
    np.testing.assert_allclose(share, [0.75, 0, 1, 0])
    np.testing.assert_array_equal(images, [20, 0, 10, 3])
