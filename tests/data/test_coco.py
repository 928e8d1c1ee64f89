"""COCO's files: what is read, and what is said where something is wrong."""

import json

import annotated
import numpy as np
import pictures
import pytest
from PIL import Image

from ssl_tf.data import faults, instances
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


def read(root, rng, change, files=None):
    """The training split after a change of a good file's content."""
    own = annotated.good()
    annotated.coco(root, rng, own)
    for old, new in (files or {}).items():
        (root / "train2017" / new).parent.mkdir(parents=True, exist_ok=True)
        (root / "train2017" / old).rename(root / "train2017" / new)
    change(own)
    (root / "annotations/instances_train2017.json").write_text(json.dumps(own))
    return coco("train", root)


def called(name):
    return lambda x: x["images"][1].update(file_name=name)


@pytest.mark.parametrize(
    "name, file",
    [
        ("deep/er/a.jpg", "deep/er/a.jpg"),
        ("deep\\er\\a.jpg", "deep/er/a.jpg"),
        ("/home/me/train2017/a.jpg", "a.jpg"),
        ("C:\\photos\\a.jpg", "deep/a.jpg"),
        ("train2017/A.JPG", "a.jpg"),
        ("my%20photo.jpg", "my photo.jpg"),
        ("https://host/x/a.jpg?size=full", "a.jpg"),
        ("cafe\u0301.jpg", "caf\u00e9.jpg"),
    ],
)
def test_names_of_other_systems_are_found(rng, tmp_path, name, file):
    train = read(tmp_path, rng, called(name), {"000003.jpg": file})
    assert train.images[0] == str(tmp_path / "train2017" / file)
    assert train.pixels(0).shape == (24, 32, 3)


MANY = {"000003.jpg": "a/x.jpg", "000012.jpg": "b/x.jpg"}


def ambiguous(content):
    content["images"][0]["file_name"] = "b/x.jpg"
    content["images"][1]["file_name"] = "/gone/x.jpg"


SHORT = {"counts": [5], "size": [1, 5]}


def corners(x, y, w, h):
    return [x, y, x + w, y + h]


def shares(content):
    for item in content["annotations"]:
        x, y, w, h = item["bbox"]
        item["bbox"] = [x / 32, y / 24, w / 32, h / 24]


def as_corners(*drop):
    def change(content):
        for item in content["annotations"]:
            item["area"] = item["bbox"][2] * item["bbox"][3]
            item["bbox"] = corners(*item["bbox"])
            for name in drop:
                item.pop(name)

    return change


@pytest.mark.parametrize(
    "change, files, message",
    [
        (ambiguous, MANY, "lists /gone/x.jpg, which is not in"),
        (
            lambda x: x["images"][1].update(id=12),
            None,
            "image id 12 is 000012.jpg and 000003.jpg; give each image an id",
        ),
        (
            called("000012.jpg"),
            None,
            "images 12 and 3 are one file, 000012.jpg; keep one entry",
        ),
        (shares, None, "its boxes are shares of the image .0 to 1., not pixels"),
        (as_corners(), None, "its boxes are corners .x1, y1, x2, y2., not x, y, width"),
        (as_corners("segmentation"), None, "its boxes are corners"),
        (
            lambda x: x["categories"][0].update(name="apple"),
            None,
            "two categories are called 'apple'; merge or rename them",
        ),
        (
            lambda x: x["annotations"][1].update(image_id=None),
            None,
            "annotation 2 is not in COCO's form .an id is None.",
        ),
        (
            lambda x: x["annotations"][1].update(bbox=[1, 2, 3]),
            None,
            "annotation 2 is not in COCO's form .a box of 3 numbers.; correct or",
        ),
        (
            lambda x: x["annotations"][1].update(segmentation=SHORT),
            None,
            "annotation 2 is not .* .its run-length mask is not one of 32x24",
        ),
    ],
)
def test_what_has_no_one_reading_is_refused(rng, tmp_path, change, files, message):
    with pytest.raises(BadInput, match=message) as error:
        read(tmp_path, rng, change, files)
    assert "\n" not in str(error.value)


def test_boxes_in_the_upper_left_are_no_corners(rng, tmp_path):
    """Whole images annotated as x, y, width, height fit as corners, too."""

    def change(content):
        for item in content["annotations"]:
            item.update(bbox=[0, 0, 31, 23], area=31 * 23)
            item.pop("segmentation")

    assert read(tmp_path, rng, change).objects[0].boxes.tolist() == [[0, 0, 31, 23]]


def test_every_form_of_an_outline_is_read_and_what_is_none_is_not(rng, tmp_path):
    square = [[4, 5], [14, 5], [14, 15], [4, 15]]
    for shape in (annotated.SQUARE, square, [square], [annotated.SQUARE]):
        change = lambda x, s=shape: x["annotations"][0].update(segmentation=s)
        (polygon,) = read(tmp_path, rng, change).objects[1].polygons[0]
        assert polygon.tolist() == square
    for shape in (None, [], [[]], [[4, 5, 14, 15]], [["x"] * 6], [[np.nan] * 6]):
        change = lambda x, s=shape: x["annotations"][0].update(segmentation=s)
        own = read(tmp_path, rng, change).objects[1]
        assert own.count == 2 and own.polygons[0] == ()


@pytest.mark.parametrize("compressed", [False, True])
def test_a_mask_becomes_an_outline_that_draws_it(rng, tmp_path, compressed):
    tool = pytest.importorskip("pycocotools.mask")
    mask = rng.random((24, 32)) < 0.5  # parts, holes, pixels that touch at corners
    mask[5:15, 4:14] = True
    flat = mask.T.ravel()
    change = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *([0] if flat[0] else []), *change, flat.size]).tolist()
    shape = {"size": [24, 32], "counts": runs}
    if compressed:
        shape = tool.frPyObjects(shape, 24, 32)
        shape["counts"] = shape["counts"].decode()
    own = read(
        tmp_path, rng, lambda x: x["annotations"][0].update(segmentation=shape)
    ).objects[1]
    (polygon,) = own.polygons[0]
    drawn = tool.decode(tool.frPyObjects([polygon.ravel().tolist()], 24, 32))
    np.testing.assert_array_equal(drawn[:, :, 0] > 0, mask)


def test_an_object_annotated_twice_is_one_and_counts_unless_both_are_difficult():
    told = faults.Faults()
    row = lambda difficult, label=0: ((1.0, 2.0, 9.0, 8.0), label, difficult, False, ())
    rows = [row(True), row(False), row(False, 1), row(True)]
    own = faults.objects(rows, (24, 32), "x", told)
    assert own.label.tolist() == [0, 1] and own.difficult.tolist() == [False, False]
    assert told.notes["repeated"] == ["x", "x"]


def test_a_box_over_the_edge_is_cut_to_the_image():
    told = faults.Faults()
    rows = [((-5.0, 2.0, 40.0, 8.0), 0, False, False, ())]
    own = faults.objects(rows, (24, 32), "x", told)
    assert own.boxes.tolist() == [[0, 2, 32, 8]] and told.notes["beyond"] == ["x"]


@pytest.mark.parametrize("stored", [False, True])
def test_boxes_of_a_turned_image_are_of_the_size_that_is_annotated(
    rng, tmp_path, stored
):
    upright = pictures.smooth(rng, 24, 32)
    image = Image.fromarray(np.rot90(upright))
    note = image.getexif()
    note[0x0112] = 6  # to be turned clockwise
    size = {"height": 32, "width": 24} if stored else {"height": 24, "width": 32}
    train = read(tmp_path, rng, lambda x: x["images"][1].update(**size))
    image.save(train.images[0], exif=note, quality=95)
    instances.check_sizes(train)
    right = np.rot90(upright) if stored else upright
    found = train.pixels(0).astype(int)
    assert found.shape == right.shape and np.abs(found - right).mean() < 8


def test_an_image_of_another_size_is_refused_before_training(rng, tmp_path):
    train = read(tmp_path, rng, lambda x: x["images"][1].update(width=33))
    with pytest.raises(BadInput, match="000003.jpg: has 32x24 pixels, its annot"):
        instances.check_sizes(train)


def test_masks_are_not_learnt_without_outlines(rng, tmp_path, capsys):
    bare = lambda x: x["annotations"][0].update(segmentation=[])
    train = read(tmp_path, rng, bare)
    assert [own.count for own in for_training(train, True).objects] == [1, 0]
    assert "coco: 1 train objects without an outline are" in capsys.readouterr().err

    def none(content):
        for item in content["annotations"]:
            item.pop("segmentation")

    train = read(tmp_path, rng, none)
    with pytest.raises(BadInput, match="train object has an outline.* faster_rcnn"):
        for_training(train, masks=True)
    assert [own.count for own in for_training(train).objects] == [1, 1]
