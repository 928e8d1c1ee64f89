"""What no number may be made of: features and predictions that are none."""

import sys
import warnings

import given
import numpy as np
import pytest

from ssl_tf.errors import BadInput
from ssl_tf.evaluation import EVALUATIONS, features, scoring, store
from ssl_tf.evaluation.online import Online
from ssl_tf.evaluation.terms import terms


class Broken:
    """A method that gives each image what `function` makes of its pixels."""

    class_names = None

    name, attributes, scores = "broken", False, ("loss",)

    def __init__(self, function):
        self.function = function

    def representations(self, images):
        rows = self.function(images[:, 0, :, 0])
        return {"features": rows, "logits0": rows, "p1": rows, "p2": rows, "p3": rows}

    def __call__(self, images, training=False):
        return self.function(images[:, 0, :, 0])

    def outputs(self, images):
        return [self(images)]

    def score(self, batch):
        return {"loss": self(batch["views"][0])[:, 0]}


NAN = lambda x: x / 0 * 0
INFINITE = lambda x: (x + 1) * 3e38 * 10
CONSTANT = lambda x: x * 0 + np.arange(4, dtype=np.float32)
# These train, need other images, or see losses, which may be alike.
NONE = {"finetune", "detection", "views", "multilabel", "terms"}


@pytest.mark.parametrize("name", sorted(set(EVALUATIONS) - NONE))
@pytest.mark.parametrize(
    "function, said",
    [(NAN, "are not finite; training diverged"), (CONSTANT, "are the same for all im")],
)
def test_every_evaluation_refuses_them_in_the_same_line(name, function, said):
    train = given.images(np.arange(40) % 4, 4)
    test = given.images(np.arange(24) % 4, 4, "test", seed=1)
    more = {"clusters": 4} if name in ("pseudo_labels", "pair_rates") else {}
    more |= {"k": [3]} if name == "knn" else {}
    more |= {"perplexity": 5.0} if name == "map" else {}
    with warnings.catch_warnings(), pytest.raises(BadInput, match=said) as error:
        warnings.simplefilter("error")
        EVALUATIONS[name](Broken(function), train, test, **more)
    assert str(error.value).split()[0] in ("features", "logits", "predictions")


@pytest.mark.parametrize("function", [NAN, INFINITE, CONSTANT])
def test_nothing_of_them_is_kept_on_disk(tmp_path, function):
    (tmp_path / "last.weights.h5").write_bytes(b"the weights")
    kept = store.Store(
        Broken(function), tmp_path / "f", tmp_path / "last.weights.h5", batch_size=4
    )
    with pytest.raises(BadInput, match="not finite|the same for all"):
        kept(given.images(np.zeros(10)))
    assert not list((tmp_path / "f").glob("*"))


def test_a_file_of_them_from_before_is_refused_too(tmp_path):
    (tmp_path / "last.weights.h5").write_bytes(b"the weights")
    images = given.images(np.zeros(10))
    made = lambda: store.Store(given.Pixels(), tmp_path, tmp_path / "last.weights.h5")
    made()(images)
    (path,) = tmp_path.glob("*.npy")
    rows = np.load(path)
    rows[7, 3] = np.nan
    np.save(path, rows)
    with pytest.raises(BadInput, match="features are not finite"):
        made()(images)


def test_equal_images_may_have_equal_features_and_one_image_any():
    images = given.images(np.zeros(6))
    alike = images.source._replace(images=images.source.images[:1].repeat(6, axis=0))
    rows = features.extract(CONSTANT_ROWS, images._replace(source=alike), 4)
    assert rows.shape == (6, 2)
    with pytest.raises(BadInput, match="features are the same for all images"):
        features.extract(CONSTANT_ROWS, images, 4)
    assert features.checked(np.ones((1, 3))).shape == (1, 3)


CONSTANT_ROWS = lambda x: x[:, 0, :2, 0] * 0 + 1


@pytest.mark.parametrize(
    "change, constant",
    [(0, True), (1e-7, True), (3e-6, False)],
)
def test_constant_means_up_to_the_rounding_of_float32(change, constant):
    rows = np.tile(np.float32([1e4, 3e-5]), (9, 1))
    rows[4, 1] *= 1 + change
    gate = features.Gate("features", 9)
    for part in (rows[:4], rows[4:]):
        gate(part)
    assert gate.constant == constant


def test_rows_that_are_no_images_are_counted():
    pairs = lambda x: x[:2, 0, :, 0]
    with pytest.raises(BadInput, match="features: 4 rows for 8 images"):
        features.extract(pairs, given.images(np.zeros(8)), 4)


def test_terms_that_are_not_finite_are_no_numbers():
    with pytest.raises(BadInput, match="predictions are not finite"):
        terms(Broken(NAN), None, given.images(np.arange(9) % 3, split="test"))


@pytest.mark.parametrize("function, kept", [(NAN, 0), (CONSTANT, 2)])
def test_monitors_leave_numbers_out_and_warn(function, kept):
    images = given.images(np.arange(40) % 4, 4)
    monitor = Online(Broken(function), images, images, k=3, probe=2)
    with pytest.warns(UserWarning, match="online monitors: features are"):
        found = monitor()
    assert len(found) == kept and not {"knn", "probe"} & found.keys()


def test_top_5_counts_only_classes_that_got_a_vote():
    votes = np.zeros((2, 9))
    votes[:, 7] = 1, 0.5
    votes[1, 8] = 2
    found = scoring.summary(votes, np.array([0, 7]))
    assert (found["accuracy"], found["top5"]) == (0, 0.5)
    without = np.full((2, 9), -np.inf)  # classes that no training image has
    without[:, 3] = -2, -9
    found = scoring.summary(without, np.array([3, 0]))
    assert (found["accuracy"], found["top5"]) == (0.5, 0.5)


def test_a_row_of_zeros_tells_no_class_but_a_logit_of_zero_may():
    assert scoring.summary(np.zeros((3, 4)), np.array([0, 1, 2]))["accuracy"] == 0
    logits = np.array([[0, -1.0, -2], [-3, -1, 0]])
    assert scoring.summary(logits, np.array([0, 2]))["accuracy"] == 1


@pytest.mark.parametrize(
    "scores, said",
    [
        (np.array([[0, np.nan], [1, 2]]), "predictions are not finite"),
        (np.array([[0, np.inf], [1, 2]]), "predictions are not finite"),
        (np.ones((3, 2)), "3 rows of 2 classes for 2 images of 2"),
        (np.ones((2, 1)), "2 rows of 1 classes for 2 images of 2"),
    ],
)
def test_scores_that_are_none_are_refused(scores, said):
    with pytest.raises(BadInput, match=said):
        scoring.summary(scores, np.array([0, 1]))


def test_classes_without_an_image_are_named(capsys):
    images = given.images(np.array([0, 0, 3, 3]), 6)
    scoring.labels(images, "knn")
    assert capsys.readouterr().err == (
        "knn: no train image of 4 of the 6 classes (class1, class2, class4, ...); "
        "images of these are taken for others.\n"
    )
    scoring.labels(given.images(np.arange(3), split="test"), "knn")
    assert not capsys.readouterr().err


def test_votes_too_small_for_a_number_are_votes_and_keep_their_order():
    knn = sys.modules["ssl_tf.evaluation.knn"]
    similarity = np.array([[0.9, 0.5, 0.4, 0.1]])
    votes = knn.votes(similarity, np.array([[6, 2, 5, 2]]), 8, 1e-4)
    assert votes[0].argsort()[::-1][:3].tolist() == [6, 2, 5]
    assert (votes > 0).sum() == 3
    for truth, hit in ((2, 1), (5, 1), (0, 0)):
        assert scoring.summary(votes, np.array([truth]))["top5"] == hit
