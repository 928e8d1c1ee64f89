"""The pretext tasks, and the permutations of the jigsaw."""

import keras
import numpy as np
import pytest
import small
from keras import ops

from ssl_tf.errors import BadInput
from ssl_tf.methods import jigsaw
from ssl_tf.methods.scatsimclr import pretext_head, pretext_terms
from ssl_tf.methods.supervised import classifier
from ssl_tf.ops import chance


def test_the_loss_is_the_contrastive_one_plus_lambda_times_the_pretext_one():
    method = small.scatsimclr(weight=0.3)
    terms = method.objective(small.batches(method=method)[0], training=False)
    expected = terms["contrastive_loss"] + 0.3 * terms["pretext_loss"]
    np.testing.assert_allclose(terms["loss"], expected, rtol=1e-6)


def test_before_its_first_epoch_the_pretext_loss_does_not_count():
    method = small.scatsimclr(start=40)
    batch = small.batches(method=method)[0]
    for epoch, factor in ((0, 0), (39, 0), (40, 0.3), (41, 0.3)):
        batch["epoch"] = np.full(8, epoch, np.int32)
        terms = method.objective(batch, training=False)
        expected = terms["contrastive_loss"] + factor * terms["pretext_loss"]
        np.testing.assert_allclose(terms["loss"], expected, rtol=1e-6)


def test_without_a_pretext_task_it_is_simclr_with_the_papers_head():
    method = small.scatsimclr(pretext=None)
    assert "pretext_loss" not in method.terms and method.views == 2


def test_turned_copies_are_labelled_in_order():
    method = small.scatsimclr()
    images, label = method.task(np.zeros((2, 4, 3, 3, 3), "f4"), np.arange(2))
    np.testing.assert_array_equal(label, [[0, 1, 2, 3]] * 2)
    np.testing.assert_array_equal(images, 0)


def test_tiles_are_moved_by_the_permutation_that_is_to_be_told():
    method = small.scatsimclr(pretext="jigsaw")
    tiles = np.tile(np.arange(9.0).reshape(1, 9, 1, 1, 1), (64, 1, 2, 2, 3))
    with chance.keyed(np.arange(64, dtype=np.int32)):
        moved, label = method.task(tiles, np.arange(64))
    label = ops.convert_to_numpy(label)
    np.testing.assert_array_equal(moved[..., 0, 0, 0], jigsaw.official()[label])
    assert len(set(label.tolist())) > 15  # drawn anew for each image


@pytest.mark.parametrize(
    ("task", "width", "answers", "size"),
    [
        ("rotation", 2048, 4, 1_115_268),
        ("rotation", 512, 4, 328_836),
        ("jigsaw", 2048, 35, 20_070_947),
        ("jigsaw", 512, 35, 19_284_515),
    ],
)
def test_pretext_heads_have_the_papers_size(task, width, answers, size):
    assert pretext_head(task, width, answers, 0.5).count_params() == size


def test_accuracy_is_the_share_of_answered_questions():
    logits = 9.0 * np.eye(4)[None].repeat(2, 0)
    label = np.array([[0, 1, 2, 3], [0, 1, 3, 2]])
    terms = pretext_terms(ops.convert_to_tensor(logits, "float32"), label)
    np.testing.assert_allclose(terms["pretext_accuracy"], [1.0, 0.5])


def test_the_official_permutations_have_the_published_distances():
    rows = jigsaw.official()
    assert rows.shape == (35, 9)
    np.testing.assert_array_equal(np.sort(rows, axis=1), [range(9)] * 35)
    np.testing.assert_array_equal(rows[0], [2, 4, 6, 0, 5, 8, 7, 1, 3])
    np.testing.assert_array_equal(rows[1], range(9))
    distance = (rows[:, None] != rows[None]).sum(axis=2)[np.triu_indices(35, 1)]
    counts = {d: int((distance == d).sum()) for d in range(3, 10)}
    assert counts == {3: 3, 4: 3, 5: 13, 6: 21, 7: 70, 8: 171, 9: 314}


@pytest.mark.parametrize("count", [2, 9, 64])
def test_generated_permutations_are_far_apart_and_repeatable(count):
    rows = jigsaw.generated(count)
    np.testing.assert_array_equal(np.sort(rows, axis=1), [range(9)] * count)
    distance = (rows[:, None] != rows[None]).sum(axis=2)[np.triu_indices(count, 1)]
    assert distance.min() >= (8 if count <= 9 else 6)
    np.testing.assert_array_equal(rows, jigsaw.generated(count))


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ([[0, 1, 2]], "shape"),
        ([[0, 1, 2, 3, 4, 5, 6, 7, 8]], "shape"),
        ([[0, 0, 2, 3, 4, 5, 6, 7, 8]] * 2, "once"),
        ([[0.5, 0, 2, 3, 4, 5, 6, 7, 8]] * 2, "whole numbers"),
        ("missing.npy", "missing.npy"),
    ],
)
def test_a_wrong_table_is_refused_in_one_line(table, why):
    with pytest.raises(BadInput, match=why) as error:
        jigsaw.table(table)
    assert "\n" not in str(error.value)


def test_a_table_that_counts_from_one_is_shifted(tmp_path):
    np.save(tmp_path / "table.npy", jigsaw.official() + 1)
    np.testing.assert_array_equal(
        jigsaw.table(str(tmp_path / "table.npy")), jigsaw.official()
    )


def test_torch_heads_draw_kernel_and_bias_within_the_same_bound():
    dense = classifier(400, 50, "torch")
    for variable in (dense.kernel, dense.bias):
        assert 0.8 / 20 < np.abs(variable).max() <= 1 / 20
    assert isinstance(dense, keras.layers.Dense)
