"""COCO's files: what is read, and what is said where something is wrong."""

import annotated
import numpy as np
import pytest

from ssl_tf.data.coco import area, coco, written
from ssl_tf.data.instances import for_training, padded, same_classes
from ssl_tf.errors import BadInput


@pytest.mark.parametrize("inner", ["", "coco"])
def test_boxes_classes_and_outlines_are_those_of_the_file(rng, tmp_path, inner):
    annotated.coco(tmp_path / inner, rng)
    train = coco("train", tmp_path)
    assert train.ids == (3, 12)  # ascending
    assert train.classes == ("apple", "kite") and train.numbers == (2, 7)
    two, kite = train.objects
    assert two.boxes.tolist() == [[4, 2, 26, 15]] and two.label.tolist() == [0]
    assert [len(polygon) for polygon in two.polygons[0]] == [4, 3]
    assert two.polygons[0][1].tolist() == [[20, 2], [26, 2], [23, 8]]
    assert kite.label.tolist() == [1, 0] and kite.crowd.tolist() == [False, True]
    assert train.pixels(0).shape == (24, 32, 3)


def test_training_drops_crowds_empty_boxes_and_images_without_an_object(rng, tmp_path):
    note = annotated.annotation
    own = annotated.content(
        [
            note(1, 1),
            note(2, 1, iscrowd=1, segmentation=annotated.CROWD),
            note(3, 2, iscrowd=1, segmentation=annotated.CROWD),
            note(4, 4, bbox=[4, 5, 0, 10]),
            note(5, 5, segmentation=[[1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7]]),
            note(6, 6, segmentation=[[1, 2, 3, 4], annotated.SQUARE]),
            note(7, 7, segmentation=[]),
        ],
        images=(1, 2, 3, 4, 5, 6, 7),
    )
    train = coco("train", annotated.coco(tmp_path, rng, own))
    assert [o.count for o in train.objects] == [2, 1, 0, 1, 1, 1, 1]
    kept = for_training(train)
    assert kept.ids == (1, 4, 5, 6, 7) and kept.sizes.shape == (5, 2)
    assert [o.count for o in kept.objects] == [1, 0, 1, 1, 1]  # 4 stays as background
    assert [o.count for o in for_training(train, masks=True).objects] == [1, 0, 0, 1, 0]
    assert len(kept.objects[3].polygons[0]) == 1


def test_nothing_to_learn_from_is_an_error(rng, tmp_path):
    train = coco("train", annotated.coco(tmp_path, rng, annotated.content([])))
    with pytest.raises(BadInput, match="no train image has an object"):
        for_training(train)


def test_padding_adds_edges_without_length(rng, tmp_path):
    own = coco("train", annotated.coco(tmp_path, rng)).objects[0]
    found = padded(own, (3, 2, 6))
    assert found["label"].tolist() == [0, -1, -1]
    assert found["valid"].tolist() == [True, False, False]
    assert found["corners"].tolist() == [[4, 3], [0, 0], [0, 0]]
    assert found["polygons"].shape == (3, 2, 6, 2)
    areas = [[area(polygon) for polygon in outlines] for outlines in found["polygons"]]
    np.testing.assert_allclose(areas, [[100, 18], [0, 0], [0, 0]])
    assert (found["polygons"][0, 1, 3:] == [23, 8]).all()
    assert padded(own)["polygons"].shape == (1, 2, 4, 2)
    with pytest.raises(ValueError, match="too small"):
        padded(own, (3, 2, 3))


FAULTS = [
    (lambda x: x["images"].pop(), "annotation 2 is of image 3, which is not listed"),
    (lambda x: x["categories"].pop(), "has the category 2, which is not listed"),
    (
        lambda x: x["annotations"][0].update(segmentation={"size": [9, 9]}),
        "annotation 1 is not in COCO's form .has no 'counts'",
    ),
    (
        lambda x: x["annotations"][0].update(segmentation={"size": 2, "counts": [5]}),
        "annotation 1 is not in COCO's form .'int' object is not iterable",
    ),
    (
        lambda x: x["annotations"][0].update(bbox=[40, 5, 10, 10]),
        r"000012.jpg: the box \(40, 5, 50, 15\) is not within the image of 32x24",
    ),
    (lambda x: x["annotations"][0].update(bbox=[4, 5, -2, 10]), "is not within"),
    (lambda x: x["annotations"][0].pop("bbox"), "is not in COCO's form .has no 'bbox'"),
    (lambda x: x["annotations"][0].update(bbox="wide"), "is not in COCO's form"),
    (lambda x: x.pop("annotations"), "has no list 'annotations'"),
    (lambda x: x["categories"].append({"id": 7, "name": "x"}), "same category twice"),
]


@pytest.mark.parametrize("change, message", FAULTS)
def test_what_is_wrong_is_said_in_one_line(rng, tmp_path, change, message):
    own = annotated.good()
    change(own)
    annotated.coco(tmp_path, rng, own)
    with pytest.raises(BadInput, match=message) as error:
        coco("train", tmp_path)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def test_missing_and_broken_files_are_named(rng, tmp_path):
    annotated.coco(tmp_path, rng)
    (tmp_path / "train2017/000003.jpg").unlink()
    with pytest.raises(BadInput, match="lists 000003.jpg, which is not in .*train2017"):
        coco("train", tmp_path)
    path = tmp_path / "annotations/instances_val2017.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(BadInput, match="val2017.json: cannot be read"):
        coco("test", tmp_path)
    path.unlink()
    with pytest.raises(BadInput, match="is missing; coco needs annotations/"):
        coco("test", tmp_path)


def test_splits_must_have_the_same_classes(rng, tmp_path):
    other = annotated.good()
    other["categories"][1]["name"] = "pear"
    annotated.coco(tmp_path, rng, test=other)
    train, test = coco("train", tmp_path), coco("test", tmp_path)
    same_classes(train, train)
    with pytest.raises(BadInput, match="class 'apple' of the training annotations is"):
        same_classes(train, test)


def test_what_is_written_reads_back(rng, tmp_path):
    first = coco("train", annotated.coco(tmp_path / "a", rng))
    content = written(first._replace(ids=(1, 2)))
    assert [item["area"] for item in content["annotations"]] == [118, 100, 240]
    for item in content["annotations"]:
        item["segmentation"] = item["segmentation"] or annotated.CROWD
    second = coco("train", annotated.coco(tmp_path / "b", rng, content))
    for one, other in zip(first.objects, second.objects):
        assert one.boxes.tolist() == other.boxes.tolist()
        assert one.label.tolist() == other.label.tolist()
