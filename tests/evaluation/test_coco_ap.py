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
from ssl_tf.evaluation import coco_ap, voc_ap
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


def itself(instances):
    """The truth as `Found`, crowds left out; masks are the outlines as COCO draws."""
    tool, parts = coco_ap.tools()[2], []
    for i, own in enumerate(instances.objects):
        own = own.kept(~own.crowd)
        size = tuple(map(int, instances.sizes[i]))
        masks = [
            tool.merge(tool.frPyObjects([p.ravel().tolist() for p in polygons], *size))
            if polygons
            else coco_ap.encoded(np.zeros((1, *size)))[0]
            for polygons in own.polygons
        ]
        score = np.full(own.count, 0.9)
        parts.append(Found(np.full(own.count, i), own.label, score, own.boxes, masks))
    return joined(parts)


def renumbered(image=None, category=None, number=None):
    def change(content):
        for item in content["images"] if image else ():
            item["id"] = image(item["id"])
        for item in content["categories"] if category else ():
            item["id"] = category(item["id"])
        for i, item in enumerate(content["annotations"]):
            if image:
                item["image_id"] = image(item["image_id"])
            if category:
                item["category_id"] = category(item["category_id"])
            if number:
                item["id"] = number(i)

    return change


def without(*names):
    def change(content):
        for item in [*content["images"], *content["annotations"]]:
            for name in names:
                item.pop(name, None)

    return change


def mixed(content):
    renumbered(image=str)(content)
    for item in content["annotations"]:
        item["image_id"] = float(item["image_id"])


def degenerate(content):
    """An empty box, an object annotated twice, a box over the edge."""
    one = content["annotations"][0]
    content["annotations"] += [
        one | {"bbox": [3, 3, 0, 5], "segmentation": []},
        dict(one),
        one | {"bbox": [20, 4, 30, 30], "segmentation": None, "area": -1},
    ]


READINGS = {
    "annotation ids from 0": renumbered(number=lambda i: i),
    "annotation ids all alike": renumbered(number=lambda i: 1),
    "annotation ids null": renumbered(number=lambda i: None),
    "annotation ids of text": renumbered(number=lambda i: f"a{i}"),
    "image ids from 0": renumbered(image=lambda i: i - 3),
    "image ids of text": renumbered(image=lambda i: f"{i:012}"),
    "image ids that are names": renumbered(image=lambda i: f"photo {i}"),
    "image ids of 70 bits": renumbered(image=lambda i: 2**70 + i),
    "image ids as text and as numbers": mixed,
    "category ids of text": renumbered(category=str),
    "category ids from 0": renumbered(category=lambda i: i - 2.0),
    "no optional key": without("iscrowd", "area", "height", "width", "segmentation"),
    "no annotation id": lambda x: [item.pop("id") for item in x["annotations"]],
    "what cannot be found": degenerate,
    "an image listed twice": lambda x: x["images"].append(dict(x["images"][0])),
}


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("kind", ["box", "mask"])
def test_the_truth_itself_is_found_whatever_the_file_calls_it(
    rng, tmp_path, name, kind
):
    content = annotated.good()
    READINGS[name](content)
    test = coco("test", annotated.coco(tmp_path, rng, test=content))
    assert test.size == 2 and test.sizes.tolist() == [[24, 32]] * 2
    assert sum((~own.crowd).sum() for own in test.objects) >= 2
    if name == "no optional key" and kind == "mask":
        with pytest.raises(BadInput, match="no object has an outline, take box"):
            coco_ap.coco_ap(test, itself(test), kind)
        return
    found = coco_ap.coco_ap(test, itself(test), kind)
    assert found["AP"] == pytest.approx(100) and found["AR_100"] == pytest.approx(100)


def test_small_objects_are_told_by_the_annotated_area(rng, tmp_path):
    content = annotated.good()
    content["annotations"][0]["area"] = 5000.0
    test = coco("test", annotated.coco(tmp_path, rng, test=content))
    found = coco_ap.coco_ap(test, itself(test))
    assert found["AP_medium"] == found["AP_small"] == pytest.approx(100)
    none = itself(test)
    none = none._replace(label=1 - none.label)  # the apple is small, the kite is not
    assert coco_ap.coco_ap(test, none)["AP_medium"] == 0
    without("area")(content)
    test = coco("test", annotated.coco(tmp_path, rng, test=content))
    assert np.isnan(coco_ap.coco_ap(test, itself(test))["AP_medium"])


def test_where_masks_are_judged_an_object_without_outline_does_not_count(rng, tmp_path):
    content = annotated.good()
    content["annotations"][0]["segmentation"] = [[4, 5, 14, 15]]
    test = coco("test", annotated.coco(tmp_path, rng, test=content))
    assert coco_ap.coco_ap(test, itself(test), "mask")["AP"] == pytest.approx(100)
    assert coco_ap.coco_ap(test, itself(test), "box")["AP"] == pytest.approx(100)


@pytest.mark.parametrize("column", ["score", "boxes"])
def test_detections_that_are_not_finite_are_refused(column):
    test = shapes("test", test=3)
    found = perfect(test)
    getattr(found, column)[0] = np.nan
    for measure in (coco_ap.coco_ap, voc_ap.voc_ap):
        with pytest.raises(BadInput, match="predictions are not finite"):
            measure(test, found)
