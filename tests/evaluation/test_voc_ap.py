"""VOC's average precision: the authors' numbers, and some that one can count."""

import annotated
import given
import numpy as np
import pytest

from ssl_tf.data.voc import voc
from ssl_tf.evaluation import voc_ap
from ssl_tf.evaluation.found import Found, joined


@pytest.fixture(scope="module")
def golden():
    found = given.golden("detection", "voc_eval")
    truth = found["gt_img_cls_diff_xyxy"]
    detected = found["det_img_cls_score_xyxy"]
    return (
        found,
        voc_ap.Truth(*truth[:, :2].astype(int).T, truth[:, 2] > 0, truth[:, 3:]),
        Found(*detected[:, :2].astype(int).T, detected[:, 2], detected[:, 3:]),
    )


@pytest.mark.parametrize(
    "rule, name",
    [("eleven_point", "ap_11pt_cls_by_iou"), ("area", "ap_area_cls_by_iou")],
)
def test_both_rules_give_the_authors_numbers(golden, rule, name):
    found, truth, detected = golden
    np.testing.assert_allclose(voc_ap.THRESHOLDS, found["iou_thresholds"], rtol=1e-15)
    ap = voc_ap.average_precisions(truth, detected, 3, rule=rule)
    np.testing.assert_allclose(ap[:2], found[name][:2], rtol=0, atol=1e-9)
    assert np.isnan(ap[2]).all()  # nobody annotated that class
    numbers = voc_ap.summary(ap)
    assert numbers["AP"] == pytest.approx(100 * found[name][:2].mean(), abs=1e-9)
    assert numbers["AP75"] == pytest.approx(100 * found[name][:2, 5].mean(), abs=1e-9)


def test_recall_and_precision_are_the_authors(golden):
    found, truth, detected = golden
    own = voc_ap.Truth(*(x[truth.label == 0] for x in truth))
    matched = voc_ap.best(own, voc_ap.of_class(detected, 0))
    recall, precision = voc_ap.curve(own, *matched, 0.5)
    np.testing.assert_allclose(recall, found["rec_c0_50"], atol=1e-9)
    np.testing.assert_allclose(precision, found["prec_c0_50"], atol=1e-9)


def test_the_rules_on_a_curve_one_can_count():
    recall, precision = np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.5, 2 / 3])
    # Recalls 0 to 0.5 are six of eleven.
    assert voc_ap.eleven_point(recall, precision) == pytest.approx((6 + 5 * 2 / 3) / 11)
    assert voc_ap.area(recall, precision) == pytest.approx((1 + 2 / 3) / 2)
    none = np.zeros(0)
    assert voc_ap.eleven_point(none, none) == voc_ap.area(none, none) == 0


def test_the_last_pixel_belongs_to_a_box():
    boxes = [[1, 1, 10, 10], [1, 1, 10, 5], [11, 1, 12, 10]]
    iou = voc_ap.inclusive_iou(boxes, boxes)
    np.testing.assert_allclose(iou[0], [1, 0.5, 0])


def test_an_object_is_found_once_and_a_difficult_one_does_not_count():
    box = np.array([[1, 1, 10, 10]], float)
    truth = voc_ap.Truth(
        np.array([0, 0]),
        np.zeros(2, int),
        np.array([False, True]),
        np.concatenate([box, box + 50]),
    )
    boxes = np.concatenate([box + 50, box + 50, box, box, box])
    image, score = np.array([0, 0, 0, 0, 1]), np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    found = Found(image, np.zeros(5, int), score, boxes)
    recall, precision = voc_ap.curve(truth, *voc_ap.best(truth, found), 0.5)
    assert recall.tolist() == [0, 0, 1, 1, 1]
    np.testing.assert_allclose(precision, [0, 0, 1, 1 / 2, 1 / 3])


def test_an_overlap_must_exceed_the_threshold():
    truth = voc_ap.Truth(*map(np.array, ([0], [0], [False], [[1.0, 1, 10, 10]])))
    found = Found(*map(np.array, ([0], [0], [0.9], [[1.0, 1, 10, 5]])))
    assert voc_ap.average_precisions(truth, found, 1, [0.5, 0.49]).tolist() == [[0, 1]]


def test_detections_are_written_with_few_decimals():
    found = Found([0], [1], np.array([0.87654], np.float32), [[0.44, 3.26, 9.96, 7]])
    written = voc_ap.as_written(found)
    assert written.boxes.tolist() == [[1.4, 4.3, 10.0, 7.0]]
    assert written.score.tolist() == [0.877]


def test_a_perfect_detector_and_a_blind_one(rng, tmp_path):
    train = voc("train", annotated.voc(tmp_path, rng))
    parts = [
        Found(np.full(own.count, i), own.label, np.ones(own.count), own.boxes)
        for i, own in enumerate(train.objects)
    ]
    for rule in voc_ap.RULES:
        found = voc_ap.voc_ap(train, joined(parts), rule)
        assert (found["AP"], found["AP50"], found["AP75"]) == (100, 100, 100)
        # dog, person and car; the only cat is difficult
        assert (~np.isnan(found["classes"][:, 0])).sum() == 3
        none = joined([part._replace(label=part.label * 0) for part in parts])
        assert voc_ap.voc_ap(train, none, rule, written=False)["AP"] == 0


def test_what_nobody_can_find_costs_nothing(rng, tmp_path):
    """Objects annotated twice, empty boxes, difficult ones, images without objects."""
    box, other = (3, 4, 20, 18), (10, 2, 30, 24)
    years = {
        "VOC2007": {
            "test": {
                "000001": [("dog", box, 1), ("dog", box, 0), ("cat", other, 0)],
                "000002": [("dog", (9, 5, 8, 9), 0), ("dog", other, 0)],
                "000003": [],
                "000004": [("bird", (-9, 2, 40, 9), 0), ("bird", (-9, 2, 40, 9), 0)],
            }
        }
    }
    test = voc("test", annotated.voc(tmp_path, rng, years))
    assert [own.count for own in test.objects] == [2, 2, 0, 1]
    parts = [
        Found(np.full(own.count, i), own.label, np.ones(own.count), own.boxes)
        for i, own in enumerate(test.objects)
    ]
    for rule in voc_ap.RULES:
        found = voc_ap.voc_ap(test, joined(parts), rule)
        assert found["AP"] == 100
        assert (~np.isnan(found["classes"][:, 0])).sum() == 3
