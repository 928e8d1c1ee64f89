"""The science of the evaluations, on arrays."""

import numpy as np
import pytest
import small
import tensorflow as tf

from ssl_tf.data import pipeline
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput
from ssl_tf.evaluation.combination import combination, learn, probabilities
from ssl_tf.evaluation.confusion import confusion, matrix
from ssl_tf.evaluation.features import extract
from ssl_tf.evaluation.terms import Evaluator


def test_the_confusion_matrix_counts_true_rows_and_predicted_columns():
    logits = np.array([[2.0, 1, 0], [0, 3, 1], [5, 0, 0], [0, 0, 1]])
    expected = [[1, 1, 0], [1, 0, 0], [0, 0, 1]]
    label = np.array([0, 0, 1, 2])
    np.testing.assert_array_equal(matrix(logits, label), expected)


def test_the_soft_confusion_matrix_adds_probabilities(rng):
    logits, label = rng.normal(size=(40, 5)) * 9, rng.integers(0, 5, 40)
    table = np.zeros((5, 5))
    for row, true in zip(logits, label):
        table[true] += np.exp(row) / np.exp(row).sum()
    soft = matrix(logits, label, soft=True)
    np.testing.assert_allclose(soft, table, rtol=1e-9)


def test_the_combination_learns_what_single_outputs_cannot_tell(rng):
    label = rng.integers(0, 4, 400)
    heads = [np.eye(2)[label // 2] * 4, np.eye(2)[label % 2] * 4]
    x = probabilities(heads)
    assert x.shape == (400, 4)
    np.testing.assert_allclose(x.sum(axis=1), 2)
    predicted = learn(x[:200], label[:200], x[200:], 1.0, 200)
    np.testing.assert_array_equal(predicted, label[200:])


def images(count):
    draw = np.random.default_rng(count)
    pixels = draw.integers(0, 256, (count, *small.SHAPE), np.uint8)
    label = draw.integers(0, small.CLASSES, count).astype(np.int32)
    source = Source("x", "test", pixels, label, tuple("abcdef"))
    return pipeline.Images(source, pipeline.Normal(), small.SHAPE[0])


@pytest.mark.parametrize("batch_size", [4, 7, 16])
def test_means_over_a_split_do_not_depend_on_the_batch_size(batch_size):
    given, method = images(10), small.ssal()
    batch = {
        "views": (given.source.images.astype(np.float32) / 255,),
        "label": given.source.label,
    }
    whole = method.objective(batch, training=False)
    means = Evaluator(method, tf.distribute.get_strategy(), batch_size)(given)
    assert means.keys() == set(method.terms)
    for name, value in means.items():
        np.testing.assert_allclose(value, np.mean(whole[name]), rtol=1e-5)


def test_features_come_in_the_order_of_the_images_without_the_padding():
    given = images(10)
    for batch_size in (3, 10, 64):
        found = extract(lambda x: [x, x[:, 0, 0, 0]], given, batch_size)
        expected = given.source.images / np.float32(255)
        np.testing.assert_allclose(found[0], expected, atol=1e-6)
        np.testing.assert_allclose(found[1], expected[:, 0, 0, 0], atol=1e-6)


def test_accuracies_of_each_class_are_the_diagonals_share_of_its_row():
    given = images(40)
    found = confusion(small.supervised(), None, given)
    rows = found["matrix"].sum(axis=1)
    np.testing.assert_allclose(found["per_class"], np.diag(found["matrix"]) / rows)
    assert abs(found["accuracy"] - np.trace(found["matrix"]) / 40) < 1e-9
    without = given.source._replace(label=np.full(40, -1, np.int32))
    with pytest.raises(BadInput, match="confusion: 40 of 40 test images of x have no"):
        confusion(small.supervised(), None, given._replace(source=without))


def test_the_combination_reports_each_class():
    train, test = images(60), images(40)
    found = combination(small.ssal(), train, test)
    counts = np.bincount(test.source.label, minlength=small.CLASSES)
    hits = np.nan_to_num(found["per_class"]) @ counts
    assert abs(hits / 40 - found["accuracy"]) < 1e-9
