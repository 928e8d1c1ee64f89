"""COCO's average precision, as pycocotools counts it."""

import json
import sys

import annotated
import given
import numpy as np
import pytest

from ssl_tf.data.coco import coco
from ssl_tf.data.shapes import shapes, within
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import coco_ap
from ssl_tf.evaluation.found import Found, joined

FOLDER = given.GOLDEN / "detection"
pytest.importorskip("pycocotools")


def loaded(name):
    return json.loads((FOLDER / name).read_text())


@pytest.mark.parametrize("kind, name", [("box", "bbox"), ("mask", "segm")])
def test_numbers_are_those_of_the_golden_files(kind, name):
    golden = given.golden("detection", "coco_eval")
    truth, rows = loaded("coco_gt.json"), loaded("coco_dt.json")
    stats, classes = coco_ap.evaluated(truth, rows, kind)
    np.testing.assert_allclose(stats, golden[f"stats_{name}"], rtol=0, atol=1e-9)
    expected = golden[f"ap_per_cat_{name}"]
    np.testing.assert_allclose(classes, expected, rtol=0, atol=1e-9)


def perfect(instances):
    """All objects found, the first with the highest score."""
    parts = []
    for i, own in enumerate(instances.objects):
        masks = [within(polygon, (96, 128)) for (polygon,) in own.polygons]
        score = np.linspace(0.9, 0.8, own.count)
        image = np.full(own.count, i)
        masks = coco_ap.encoded(masks)
        parts.append(Found(image, own.label, score, own.boxes, masks))
    return joined(parts)


def test_a_perfect_detector_of_drawn_shapes(capsys):
    test = shapes("test", test=12)
    found = perfect(test)
    boxes, masks = (coco_ap.coco_ap(test, found, kind) for kind in ("box", "mask"))
    assert boxes["AP"] == pytest.approx(100) and boxes["AR_100"] == pytest.approx(100)
    np.testing.assert_allclose(boxes["classes"], 100)
    assert masks["AP75"] == pytest.approx(100) and masks["AP"] > 90
    assert set(boxes) == {*coco_ap.NUMBERS, "classes"}
    assert not capsys.readouterr().out


def test_missing_one_class_of_three_costs_a_third():
    test = shapes("test", test=12)
    found = perfect(test)
    some = Found(*(column[found.label > 0] for column in found[:4]))
    numbers = coco_ap.coco_ap(test, some)
    assert numbers["AP"] == pytest.approx(200 / 3)
    np.testing.assert_allclose(numbers["classes"], [0, 100, 100])
    with pytest.raises(BadInput, match="found boxes only, take box"):
        coco_ap.coco_ap(test, some, "mask")


def test_nothing_found_is_zero():
    test = shapes("test", test=6)
    none = Found(*(np.zeros(shape) for shape in (0, 0, 0, (0, 4))))
    assert coco_ap.coco_ap(test, none)["AP"] == 0


def test_a_set_from_a_file_is_judged_by_its_file(rng, tmp_path):
    test = coco("test", annotated.coco(tmp_path, rng))
    box = [[4, 2, 26, 15], [4, 5, 14, 15], [2, 1, 9, 20]]
    # The last one lies in the crowd of apples: neither right nor wrong.
    found = Found([0, 1, 1], [0, 1, 0], [0.9, 0.8, 0.95], np.array(box, np.float32))
    numbers = coco_ap.coco_ap(test, found)
    assert numbers["AP"] == pytest.approx(100)
    rows = coco_ap.results(test, found)
    assert [row["image_id"] for row in rows] == [3, 12, 12]
    assert [row["category_id"] for row in rows] == [2, 7, 2]
    assert rows[0]["bbox"] == [4, 2, 22, 13]


def test_without_pycocotools_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(BadInput, match="pip install 'ssl_tf.detect.'"):
        coco_ap.tools()
