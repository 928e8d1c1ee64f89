"""Groupings: the authors' generator label for label, and files of class names."""

from pathlib import Path

import numpy as np
import pytest

from ssl_tf import config
from ssl_tf.data import groupings
from ssl_tf.errors import BadInput

GOLDEN = Path(__file__).parents[1] / "golden/ssal/grouping.npz"
CASES = ("a_gs", "a_ss", "c_gs", "c_ss", "c33_gs", "c50_gs")
OFFICIAL = [("cifar100", 100, k) for k in (20, 33, 50)]
OFFICIAL += [("imagenet", 1000, k) for k in (200, 334, 500)]


@pytest.mark.parametrize("case", CASES)
def test_groups_are_the_authors_label_for_label(case):
    with np.load(GOLDEN) as file:
        parts = ("conf", "labels", "meta", "margin")
        table, expected, meta, margin = (file[f"{case}_{name}"] for name in parts)
    count, similar, seed = map(int, meta)
    made = groupings.generate(table, count, bool(similar), float(margin), seed)
    np.testing.assert_array_equal(made, expected)


def test_every_golden_case_is_tested():
    with np.load(GOLDEN) as file:
        assert {key.rpartition("_")[0] for key in file if "conf" in key} == set(CASES)


def block_confusions(size=3, groups=4):
    """Classes confused within their block only."""
    return np.kron(np.eye(groups), np.ones((size, size))) * 5 + 0.1


@pytest.mark.parametrize("similar", [True, False])
def test_confused_classes_come_together_or_apart(similar):
    made = groupings.generate(block_confusions(), 4, similar).reshape(4, 3)
    for members in made:
        assert len(set(members.tolist())) == (1 if similar else 3)


def test_no_group_is_larger_than_the_margin_allows(rng):
    table = rng.integers(0, 30, (60, 60))
    for count in (5, 20, 30):
        sizes = np.bincount(groupings.generate(table, count), minlength=count)
        assert sizes.sum() == 60 and sizes.min() > 0
        assert sizes.max() <= np.ceil(1.1 * 60 / count)


def test_the_table_of_the_caller_stays_as_it_is():
    table = block_confusions()
    groupings.generate(table, 4)
    np.testing.assert_array_equal(table, block_confusions())


@pytest.mark.parametrize(("name", "classes", "count"), OFFICIAL)
def test_official_groupings_give_every_class_one_of_so_many_groups(
    name, classes, count
):
    groups = groupings.load(f"{name}_{count}_group_similar_v2", None)
    assert len(groups) == classes and set(groups) == set(range(count))


def test_shipped_groupings_all_load_and_name_their_source():
    paths = sorted((config.home() / "configs/groupings").glob("*.yaml"))
    assert len(paths) >= 12
    for path in paths:
        assert min(np.bincount(groupings.load(path, None))) > 0, path
        assert config.read_yaml(path)["source"], path


def test_what_is_saved_loads_again_in_any_order_of_classes(tmp_path):
    classes, groups = ("b c", "yes", "1", "ä"), [1, 0, 1, 0]
    path = tmp_path / "mine.yaml"
    groupings.save(path, groups, classes, "a test")
    assert groupings.load(path, classes) == groups
    assert groupings.load(path, classes[::-1]) == groups[::-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("groups: {0: [a, b], 1: [c]}", "groups 3 classes, the data has 4; 'd'"),
        ("groups: {0: [a, b, c], 1: [d, a]}", "'a' is in two groups"),
        ("groups: {0: [a, b, c, d, e]}", "'e' is in one of them only"),
        ("groups: {0: [a, b, c, d], 1: []}", "needs `groups:`"),
        ("groups: [a, b, c, d]", "needs `groups:`"),
        ("- a", "needs `groups:`"),
        ("groups: {0: [a", "mine.yaml"),
    ],
)
def test_a_grouping_that_does_not_fit_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match="mine.yaml") as error:
        groupings.load(path, ["a", "b", "c", "d"])
    assert message in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(BadInput, match="no such file. Have: .*cifar100_20"):
        groupings.load("cifar100_21", None)
