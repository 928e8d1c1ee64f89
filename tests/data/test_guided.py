"""Guided batches: the authors' order exactly; ours keep what theirs promises."""

import hash_weights
import numpy as np
import pytest

from ssl_tf.data import guided
from ssl_tf.errors import BadInput

GOLDEN = hash_weights.arrays("batching")
SETS = sorted(key.removesuffix("_labels") for key in GOLDEN if key.endswith("_labels"))


def labels_of(name):
    return GOLDEN[f"{name}_labels"], int(GOLDEN[f"{name}_batch_size"])


def made(seed, size, clusters):
    """Very unequal clusters, some of one image, some ids unused."""
    draw = np.random.default_rng(seed)
    shares = draw.dirichlet(np.full(clusters, 0.3))
    return draw.choice(clusters, size, p=shares) * 2


@pytest.mark.parametrize("name", SETS)
def test_the_notebook_order_is_the_authors(name):
    labels, batch = labels_of(name)
    rows = guided.notebook(labels, batch)(0)
    np.testing.assert_array_equal(guided.ranks(labels), GOLDEN[f"{name}_rank"])
    np.testing.assert_array_equal(rows, GOLDEN[f"{name}_batches_stable"])
    assert rows.dtype == np.int64
    order = GOLDEN[f"{name}_order_stable"]
    np.testing.assert_array_equal(rows.ravel(), order[: rows.size])
    pandas = GOLDEN[f"{name}_order_pandas_here"]  # ties in any order
    ranks = guided.ranks(labels)
    np.testing.assert_array_equal(ranks[pandas], ranks[order])
    dropped = GOLDEN[f"{name}_dropped_stable"]
    assert set(range(len(labels))) - set(rows.ravel()) == set(dropped.tolist())
    own = [np.unique(labels[row], return_counts=True)[1] for row in rows]
    distinct = GOLDEN[f"{name}_distinct_clusters_per_batch"]
    most = GOLDEN[f"{name}_max_multiplicity_per_batch"]
    np.testing.assert_array_equal([len(counts) for counts in own], distinct)
    np.testing.assert_array_equal([counts.max() for counts in own], most)


def test_the_notebook_order_is_the_same_in_every_epoch():
    labels, batch = labels_of("toy")
    order = guided.notebook(labels, batch)
    np.testing.assert_array_equal(order(0), order(7))


def test_the_notebook_order_of_six_images():
    rows = guided.notebook([1, 1, 0, 1, 0, 2], 2)(0)
    assert rows.tolist() == [[2, 0], [5, 4], [1, 3]]


def test_a_list_sorted_by_class_is_counted_in_another_order():
    """Else the first images of all clusters would be of the first class."""
    classes = np.repeat(np.arange(5), 250)
    labels = np.random.default_rng(0).integers(0, 64, 1250)
    same = lambda order: guided.pair_rates(order(0), classes).mean()
    assert same(guided.notebook(labels, 64)) > 0.4
    order = guided.ordered("notebook", labels, 64, 3)
    assert abs(same(order) - 0.2) < 0.01
    again = guided.notebook(labels, 64, 3)
    np.testing.assert_array_equal(order(0), again(5))
    assert not np.array_equal(order(0), guided.notebook(labels, 64, 4)(0))
    assert (
        guided.pair_rates(order(0), labels)[: guided.strict_steps(labels, 64)].max()
        == 0
    )


@pytest.mark.parametrize("name", SETS)
def test_strict_reaches_the_largest_number_of_clean_batches(name):
    labels, _ = labels_of(name)
    most = GOLDEN[f"{name}_strict_max_batches"]
    for batch, wanted in zip(GOLDEN[f"{name}_strict_B"], most, strict=True):
        if wanted == 0:
            with pytest.raises(BadInput):
                guided.strict(labels, int(batch), 0)
            continue
        order = guided.strict(labels, int(batch), 3)
        for epoch in (0, 1):
            rows = order(epoch)
            assert rows.shape == (wanted, batch)
            assert len(np.unique(rows)) == rows.size
            assert guided.pair_rates(rows, labels).max() == 0


@pytest.mark.parametrize("seed", range(5))
def test_strict_is_as_good_as_an_exhaustive_bound(seed):
    labels = made(seed, 300, 24)
    sizes = np.bincount(labels)
    for batch in (2, 3, 5):
        bound = max(
            m
            for m in range(len(labels) // batch + 1)
            if np.minimum(sizes, m).sum() >= m * batch
        )
        rows = guided.strict(labels, batch, seed)(0)
        assert len(rows) == bound
        assert guided.pair_rates(rows, labels).max() == 0


@pytest.mark.parametrize("batch", [2, 7, 64, 150])
@pytest.mark.parametrize("clusters", [1, 3, 64])
def test_deal_gives_every_batch_its_share_of_every_cluster(batch, clusters):
    labels = made(clusters, 320, clusters)
    rows = guided.deal(labels, batch, 5)(2)
    assert rows.shape == (320 // batch, batch)
    assert len(np.unique(rows)) == rows.size
    counts = np.stack([np.bincount(labels[row], minlength=130) for row in rows])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 1


def test_deal_has_the_fewest_pairs_a_partition_can_have():
    labels, batch = labels_of("imbalanced5000_dirichlet6")
    rows = guided.deal(labels, batch, 0)(0)
    used = np.bincount(labels[rows.ravel()])
    share, more = np.divmod(used, len(rows))
    # n images over s batches: `more` of these get share + 1, the others share.
    pairs = more * (share + 1) * share + (len(rows) - more) * share * (share - 1)
    rate = pairs.sum() / (len(rows) * batch * (batch - 1))
    np.testing.assert_allclose(guided.pair_rates(rows, labels).mean(), rate)
    chance = guided.pair_rates(
        np.random.default_rng(0).permutation(labels.size)[: rows.size].reshape(-1, 64),
        labels,
    ).mean()
    ours = guided.notebook(labels, batch)(0)
    authors = guided.pair_rates(ours, labels).mean()
    assert rate < 0.4 * authors < authors < chance


@pytest.mark.parametrize("order", [guided.strict, guided.deal])
def test_epochs_differ_and_the_same_seed_repeats(order):
    labels = made(1, 200, 30)
    first, again, other = (order(labels, 5, seed) for seed in (3, 3, 4))
    for epoch in (0, 1, np.int64(6)):
        np.testing.assert_array_equal(first(epoch), again(epoch))
        assert not np.array_equal(first(epoch), other(epoch))
    assert not np.array_equal(first(0), first(1))
    for rows in (first(0), first(1)):  # batches of late ranks are anywhere
        assert rows.dtype == np.int64


def test_nothing_is_left_out_of_dealing_twice_in_a_row():
    labels = made(2, 127, 9)
    order = guided.deal(labels, 64, 0)
    for epoch in range(6):
        seen = np.concatenate([order(epoch), order(epoch + 1)])
        assert len(np.unique(seen)) == 127


def test_strict_uses_every_image_over_the_epochs():
    labels = np.repeat([0, 1, 2], [12, 4, 4])
    order = guided.strict(labels, 2, 0)
    seen = set()
    for epoch in range(12):
        seen |= set(order(epoch).ravel().tolist())
    assert seen == set(range(20))


def test_permuted_labels_keep_the_sizes_of_their_clusters_and_nothing_else():
    labels = np.repeat(np.arange(5), (100, 50, 25, 20, 5))
    one, again, other = (guided.permuted(labels, seed) for seed in (3, 3, 4))
    assert np.bincount(one).tolist() == [100, 50, 25, 20, 5]
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    # Of independent draws 0.5^2 + 0.25^2 + ... = 0.3494 of the images agree.
    assert 0.2 < np.mean(one == labels) < 0.5


def test_pair_rates_of_four_batches():
    rows = np.arange(16).reshape(4, 4)
    labels = [0, 0, 0, 0, 0, 0, 1, 2, 5, 5, 7, 7, 1, 2, 3, 4]
    rates = guided.pair_rates(rows, labels)
    np.testing.assert_allclose(rates, [1, 1 / 6, 2 / 6, 0])


@pytest.mark.parametrize(
    "labels, batch, told",
    [
        ([0, 1, 2], 1, "is 1; guided batches need 2"),
        ([0, 1, 2], 4, "is 4; there are pseudo-labels of only 3"),
        ([0, -1, 2], 2, "whole number >= 0"),
        ([0.0, 1.0], 2, "whole number >= 0"),
        ([[0], [1]], 2, r"not int64 \[2, 1\]"),
    ],
)
def test_what_cannot_be_ordered_is_told_in_one_line(labels, batch, told):
    for order in (
        lambda: guided.notebook(labels, batch),
        lambda: guided.strict(labels, batch, 0),
        lambda: guided.deal(labels, batch, 0),
    ):
        with pytest.raises(BadInput, match=told) as error:
            order()
        assert "\n" not in str(error.value)


def test_fewer_clusters_than_images_in_a_batch_are_told_by_strict_alone():
    labels = np.arange(30) % 3
    with pytest.raises(BadInput, match="needs images of 4 clusters; there are 3. Use"):
        guided.strict(labels, 4, 0)
    assert guided.deal(labels, 4, 0)(0).shape == (7, 4)
