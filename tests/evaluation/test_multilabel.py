"""Measures of attributes: the ablation study's numbers, and what they leave open."""

import given
import numpy as np
import pytest
import small
import tensorflow as tf

from ssl_tf.data import pipeline
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import multilabel
from ssl_tf.evaluation.multilabel import auc, by_attribute, measures, named, sigmoid
from ssl_tf.losses.classification import binary_hit

GOLDEN = given.golden("simsiam", "d_metrics")
Y, P = GOLDEN["y"], GOLDEN["prob"]
THEIRS = {
    "macro_jaccard": "m/acc_macro",
    "micro_jaccard": "m/acc_micro",
    "macro_precision": "m/prec_macro",
    "macro_recall": "m/rec_macro",
    "macro_f1_of_means": "m/f1_macro",
    "micro_precision": "m/prec_micro",
    "micro_recall": "m/rec_micro",
    "micro_f1": "m/f1_micro",
    "macro_auc": "m/auc_macro",
    "micro_auc": "m/auc_micro",
    "recall_at_1": "m/rec_at_1",
    "precision_at_1": "m/prec_at_1",
    "f1_at_1": "m/f1_at_1",
    "recall_at_1 of 3": "m5/rec_at_1",
    "precision_at_1 of 3": "m5/prec_at_1",
    "recall_at_5": "m5/rec_at_5",
    "precision_at_5": "m5/prec_at_5",
    "recall_at_8": "m5/rec_at_8",
    "precision_at_8": "m5/prec_at_8",
    "binary_accuracy": "ordinary_binary_accuracy",
}


@pytest.mark.parametrize("ours, theirs", THEIRS.items())
def test_every_number_is_the_studys(ours, theirs):
    k = [8, 1, 5] if theirs.startswith("m5") else [1]
    assert abs(measures(P, Y, k)[ours.split()[0]] - GOLDEN[theirs]) < 1e-9


def test_the_table_is_the_studys_and_names_each_attribute():
    table = named(by_attribute(P, Y), [f"a{i}" for i in range(40)])
    for name in ("jaccard", "auc"):
        np.testing.assert_allclose(
            table[name], GOLDEN[f"per_label_{name}"], atol=1e-9, equal_nan=True
        )
    assert np.isnan(table["auc"][7]) and table["positives"][7] == 0
    np.testing.assert_array_equal(table["positives"], Y.sum(axis=0))
    assert table["name"][39] == "a39" and table.dtype.names[0] == "name"
    assert abs(table["accuracy"].mean() - GOLDEN["ordinary_binary_accuracy"]) < 1e-9


def test_an_attribute_that_all_have_has_no_area():
    label = Y.copy()
    label[:, 3] = 1
    found = measures(P, label)["macro_auc"]
    assert abs(found - GOLDEN["all_positive_label/auc_macro"]) < 1e-9


def test_probabilities_are_the_studys_and_a_half_is_no():
    np.testing.assert_allclose(sigmoid(GOLDEN["logits"]), P, atol=1e-6)
    assert sigmoid([0.0, 1e4, -50.0]).tolist()[:2] == [0.5, 1.0]
    told = GOLDEN["yhat"].astype(int)
    assert (by_attribute(P, told)["accuracy"] == 1).all() and told[0, 0] == 0
    assert np.min(binary_hit(GOLDEN["logits"], told)) == 1
    found = measures(np.array([[0.5, 0.51]]), np.array([[1, 1]]))
    assert found["micro_jaccard"] == 0.5 and found["micro_precision"] == 1


def test_the_area_is_the_share_of_pairs_in_order(rng):
    scores, label = rng.integers(0, 6, 50) / 5, rng.integers(0, 2, 50)
    a, b = scores[label == 1][:, None], scores[label == 0]
    naive = np.mean((a > b) + 0.5 * (a == b))
    assert abs(auc(scores, label) - naive) < 1e-12


def test_common_measures_are_scikit_learns(rng):
    from sklearn import metrics

    told = np.rint(P).astype(int)
    found = measures(P, Y)
    macro = metrics.f1_score(Y, told, average="macro", zero_division=0)
    assert abs(found["macro_f1"] - macro) < 1e-12
    assert abs(found["macro_f1"] - found["macro_f1_of_means"]) > 0.01
    micro = metrics.jaccard_score(Y, told, average="micro")
    assert abs(found["micro_jaccard"] - micro) < 1e-12


def test_a_single_image_and_one_without_attributes_have_numbers_not_errors():
    found = measures(np.array([[0.9, 0.2, 0.8]]), np.array([[1, 0, 0]]))
    assert "macro_auc" not in found and found["micro_auc"] == 1
    assert found["micro_jaccard"] == 0.5 and found["recall_at_1"] == 1
    found = measures(np.array([[0.1, 0.2]]), np.array([[0, 0]]))
    assert "micro_auc" not in found and found["binary_accuracy"] == 1
    assert all(np.isfinite(x) and x in (0, 1) for x in found.values())


def images(count, attributes=small.CLASSES):
    draw = np.random.default_rng(count)
    pixels = draw.integers(0, 256, (count, *small.SHAPE), np.uint8)
    label = draw.integers(0, 2, (count, attributes)).astype(np.int32)
    source = Source("x", "test", pixels, label, tuple("abcdefgh"[:attributes]))
    return pipeline.Images(source, pipeline.Normal(), small.SHAPE[0])


@pytest.mark.parametrize("count", [1, 9])
def test_it_measures_what_the_method_says_of_a_split(count):
    given, method = images(count), small.multilabel()
    found = multilabel(method, None, given)
    logits = method(given.source.images / np.float32(255), training=False)
    expected = measures(sigmoid(logits), given.source.label)
    assert set(found) == {*expected, "table"}
    for name, value in expected.items():
        assert abs(found[name] - value) < 1e-6, name
    score = method.score(
        {"views": (given.source.images / np.float32(255),)}
        | {"label": given.source.label}
    )
    assert abs(np.mean(score["binary_accuracy"]) - found["binary_accuracy"]) < 1e-6


def test_what_it_cannot_measure_is_told_in_one_line():
    with pytest.raises(BadInput, match="supervised tells no attributes; evaluate a"):
        multilabel(small.supervised(), None, images(4))
    with pytest.raises(BadInput, match="k: is 7; there are only 6 attributes"):
        multilabel(small.multilabel(), None, images(4), k=[1, 7])


def test_logits_whose_probabilities_round_to_one_are_ranked(capsys):
    class Sure:
        attributes, name, class_names = True, "sure", None

        def __call__(self, shown, training):
            logits = tf.constant([[20.0, -3], [30, -2], [40, -1], [-5, -4]])
            return logits[: tf.shape(shown)[0]]

    given = images(4, 2)
    given.source.label[:] = [[0, 0], [0, 0], [1, 0], [0, 0]]
    given.source.label.setflags(write=False)
    found = multilabel(Sure(), None, given)
    assert found["macro_auc"] == 1  # a tie of 20, 30 and 40 would make it 2 / 3
    said = "multilabel: no test image of 1 of the 2 attributes (b); macro precision,"
    assert capsys.readouterr().err.startswith(said)
