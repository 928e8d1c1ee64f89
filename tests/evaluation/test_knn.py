"""k nearest neighbours: exact, whatever the chunks; the authors' scores."""

import inspect
import re
import sys

import given
import numpy as np
import pytest

from ssl_tf.errors import BadInput
from ssl_tf.evaluation.knn import chunks, knn, nearest, unit, votes

MODULE = sys.modules["ssl_tf.evaluation.knn"]  # the package's `knn` is the function


def naive(queries, bank, k):
    similarity = unit(queries) @ unit(bank).T
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(similarity, order, axis=1), order


@pytest.mark.parametrize("rows,columns", [(1, 1), (3, 7), (7, 16), (40, 90)])
def test_the_search_is_exact_whatever_the_chunks(rng, monkeypatch, rows, columns):
    monkeypatch.setattr(MODULE, "chunks", lambda *_: (rows, columns))
    queries, bank = rng.normal(size=(40, 5)), rng.normal(size=(90, 5))
    similarity, places = nearest(queries, bank, 12)
    expected, order = naive(queries, bank, 12)
    np.testing.assert_array_equal(places, order)
    np.testing.assert_allclose(similarity, expected, atol=1e-6)


@pytest.mark.parametrize("columns", [4, 16])
def test_equal_neighbours_come_in_the_order_of_the_bank(monkeypatch, columns):
    monkeypatch.setattr(MODULE, "chunks", lambda *_: (2, columns))
    bank = np.tile([[1.0, 0.0], [0.0, 1.0]], (8, 1))
    _, places = nearest(bank[:2], bank, 10)
    np.testing.assert_array_equal(places[0][:8], np.arange(0, 16, 2))
    np.testing.assert_array_equal(places[1][:8], np.arange(1, 16, 2))


@pytest.mark.parametrize("queries,bank,width", [(10_000, 10**6, 2048), (5, 40, 3)])
def test_chunks_stay_within_the_memory_and_cover_something(queries, bank, width):
    for mebibytes in (8, 64, 512):
        rows, columns = chunks(queries, bank, width, 200, mebibytes)
        assert 1 <= rows <= queries and 1 <= columns <= bank
        used = 4 * (columns * width + rows * (width + columns + 6 * 200))
        assert used <= mebibytes * 2**20


def test_votes_are_sums_of_exponentials_up_to_a_factor():
    similarity = np.array([[0.9, 0.8, 0.5]])
    found = votes(similarity, np.array([[2, 0, 2]]), 4, 0.1)
    exact = np.array([[np.exp(8), 0, np.exp(9) + np.exp(5), 0]]) / np.exp(9)
    np.testing.assert_allclose(found, exact, rtol=1e-12)
    assert np.isfinite(votes(similarity, np.array([[2, 0, 2]]), 4, 1e-6)).all()


@pytest.mark.parametrize("k", [5, 10, 200])
def test_scores_and_accuracies_are_the_self_classifiers(k):
    arrays = given.golden("selfclassifier", "knn")
    bank, queries = arrays["train_features"], arrays["test_features"]
    label, truth = arrays["train_labels"], arrays["test_labels"]
    classes, tau = int(arrays["num_classes"]), float(arrays["tau"])
    similarity, places = nearest(queries, bank, k)
    scores = votes(similarity, label[places], classes, tau)
    scores = scores * np.exp(similarity[:, :1].astype(float) / tau)
    np.testing.assert_allclose(scores, arrays[f"k{k}_scores"], rtol=1e-4)
    first = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    of = lambda places: np.take_along_axis(scores, places, axis=1)
    theirs = arrays[f"k{k}_pred_top5"]
    np.testing.assert_allclose(of(first), of(theirs), rtol=1e-4)  # up to ties
    assert (first == theirs)[of(first) > 0].mean() > 0.99
    train = given.images(label, classes)
    test = given.images(truth, classes, "test")
    store = given.Fixed(train=bank, test=queries)
    found = knn(None, train, test, store, k=[k], temperature=tau)
    assert abs(100 * found[f"k{k}.accuracy"] - arrays[f"k{k}_top1"]) < 1e-9
    assert abs(100 * found[f"k{k}.top5"] - arrays[f"k{k}_top5"]) < 1e-9


def test_a_bank_of_half_precision_is_read_from_its_file_in_chunks(
    tmp_path, monkeypatch
):
    arrays = given.golden("selfclassifier", "knn")
    rows = {"train": arrays["train_features"], "test": arrays["test_features"]}
    for name, x in rows.items():
        np.save(tmp_path / f"{name}.npy", x.astype(np.float16))
    bank, queries = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in rows)
    assert isinstance(bank, np.memmap)
    whole, _ = nearest(rows["test"], rows["train"], 20)
    once = nearest(np.array(queries), np.array(bank), 20)
    monkeypatch.setattr(MODULE, "chunks", lambda *_: (16, 90))
    similarity, places = nearest(queries, bank, 20)
    np.testing.assert_allclose(similarity, whole, atol=2e-3)
    np.testing.assert_array_equal(places, once[1])
    train = given.images(arrays["train_labels"], 20)
    test = given.images(arrays["test_labels"], 20, "test")
    store = given.Fixed(train=bank, test=queries)
    found = knn(None, train, test, store, k=[10], temperature=0.1)
    assert abs(100 * found["k10.top5"] - arrays["k10_top5"]) < 2


def test_the_papers_neighbours_and_temperature_are_the_defaults():
    usual = inspect.signature(knn).parameters
    assert usual["k"].default == (10, 20, 100, 200)
    assert usual["temperature"].default == 0.1


def test_several_k_in_one_search_equal_each_alone():
    (x, a), (y, b) = given.blobs(60, 3, apart=0.5), given.blobs(30, 3, seed=1)
    splits = given.images(a), given.images(b, split="test")
    store = given.Fixed(train=x, test=y)
    both = knn(None, *splits, store, k=[1, 9])
    for k in (1, 9):
        alone = knn(None, *splits, store, k=[k])
        for name, value in alone.items():
            np.testing.assert_array_equal(both[name], value)


def test_a_k_larger_than_the_bank_is_refused():
    images = given.images(np.arange(6) % 3)
    message = "knn.k: is 20; there are only 6 training images."
    with pytest.raises(BadInput, match=re.escape(message)):
        knn(None, images, images, given.Fixed(), k=[5, 20])


def test_a_zero_vector_has_no_direction_and_no_nan():
    similarity, _ = nearest(np.zeros((1, 3)), np.eye(3), 2)
    np.testing.assert_array_equal(similarity, [[0, 0]])


def test_the_first_class_is_the_ablation_studys():
    arrays = given.golden("simsiam", "d_metrics")
    bank, queries, label = (
        arrays[f"knn/{name}"] for name in ("bank", "query", "bank_labels")
    )
    similarity, places = nearest(queries, bank, 9)
    found = votes(similarity, label[places], 4, 0.1).argmax(axis=1)
    np.testing.assert_array_equal(found, arrays["knn/ranked_classes_k9_t0.1"][:, 0])


@pytest.mark.parametrize("kind", given.UGLY)
@pytest.mark.parametrize("k", [1, 40])
def test_the_search_finds_what_float64_finds_on_ugly_features(kind, k, monkeypatch):
    bank, queries = given.ugly(kind, 300), given.ugly(kind, 30, seed=5)
    rows = []
    for x in (queries.astype(np.float64), bank.astype(np.float64)):
        length = np.sqrt((x**2).sum(axis=1, keepdims=True))
        rows.append(x / np.where(length > 0, length, 1))
    exact = (rows[0][:, None] * rows[1][None]).sum(axis=2)
    order = np.argsort(-exact, axis=1, kind="stable")[:, :k]
    monkeypatch.setattr(MODULE, "chunks", lambda *_: (16, 128))
    similarity, places = nearest(queries, bank, k)
    np.testing.assert_array_equal(places, order)
    exact = np.take_along_axis(exact, order, axis=1)
    np.testing.assert_allclose(similarity, exact, rtol=0, atol=3e-7)
