"""What `doctor data` says about annotated sets for detection."""

import annotated
import pictures
import pytest

from ssl_tf import doctor
from ssl_tf.data import DATASETS, DETECTION_SETS
from ssl_tf.data.layout_objects import MOST


@pytest.fixture
def ask(capsys):
    """`(exit code, lines printed)` of `doctor data`."""

    def ask(name, root=None):
        where = [] if root is None else ["--datadir", str(root)]
        code = doctor.main(["data", name, *where])
        return code, capsys.readouterr().out.splitlines()

    return ask


def told(lines, level):
    return [line for line in lines if line.startswith(level + ":")]


def test_names_of_detection_and_classification_differ():
    assert not set(DATASETS) & set(DETECTION_SETS)


def test_good_voc_is_usable_and_counted(ask, rng, tmp_path):
    code, lines = ask("voc", annotated.voc(tmp_path, rng))
    assert code == 0 and not told(lines, "error")
    assert lines[1].startswith("train:   3 images, 4 objects, 20 classes of 0 (")
    assert any("1 train object marked as difficult" in x for x in told(lines, "fine"))
    assert "3 images in train, where 16,551 were published" in told(lines, "warning")[0]


def test_every_fault_of_voc_has_its_line(ask, rng, tmp_path):
    root = annotated.voc(tmp_path, rng) / "VOC2007"
    (root / "JPEGImages/000002.jpg").unlink()
    (root / "Annotations/000003.xml").unlink()
    objects = [("wolf", (1, 1, 5, 5), 0), ("dog", (9, 1, 5, 5), 0)]
    objects += [("dog", (6, 1, 5, 5), 0), ("dog", (-3, 1, 5, 5), 0)]
    (root / "Annotations/000001.xml").write_text(annotated.xml(objects))
    pictures.write(
        tmp_path / "VOC2012/JPEGImages/2008_000001.jpg", pictures.noise(rng, 20, 32)
    )
    code, lines = ask("voc", tmp_path)
    errors = told(lines, "error")
    assert code == 2
    for words in (
        "lists 000002, but has no JPEGImages/000002.jpg; get the archive",
        "lists 000003, but has no Annotations/000003.xml; get the archive",
        "'wolf' is none of the classes of VOC; rename or remove it",
        "the box (8, 0, 5, 5) is not within the image of 32x24",
        "2008_000001.jpg has 32x20 pixels, its annotation says 32x24",
    ):
        assert sum(words in line for line in errors) == 1, words
    warnings = "\n".join(told(lines, "warning"))
    assert "1 object with an empty box: dropped in training" in warnings
    assert "1 box over the edge of the image: clipped to it" in warnings


def test_every_fault_of_coco_has_its_line(ask, rng, tmp_path):
    own, other = annotated.good(), annotated.good()
    own["images"].append({"id": 9, "file_name": "9.jpg", "height": 24, "width": 32})
    own["annotations"] += [
        annotated.annotation(10, 3, segmentation=[[1, 2, 3, 4]]),
        annotated.annotation(11, 99),
        annotated.annotation(12, 3, 5),
        annotated.annotation(13, 3, bbox=[50, 5, 4, 4]),
    ]
    other["categories"][1]["name"] = "pear"
    annotated.coco(tmp_path, rng, own, other)
    (tmp_path / "train2017/9.jpg").unlink()
    pictures.write(tmp_path / "train2017/extra.jpg", pictures.noise(rng, 24, 32))
    code, lines = ask("coco", tmp_path)
    errors = told(lines, "error")
    assert code == 2 and len(errors) == 5
    for words in (
        "lists 9.jpg, which is not in",
        "annotation 11 is of image 99, which is not listed; correct or remove it",
        "annotation 12 has the category 5, which is not listed",
        "the box (50, 5, 54, 9) is not within the image of 32x24",
        "class 'apple' of the training annotations is not in the test ones",
    ):
        assert sum(words in line for line in errors) == 1, words
    warnings = told(lines, "warning")
    assert any("1 outline of fewer than three corners" in x for x in warnings)
    unused = next(x for x in warnings if "1 image that no annotation lists" in x)
    assert "extra.jpg" in unused
    assert any("1 train object a crowd" in x for x in told(lines, "fine"))


def test_a_file_that_is_missing_or_broken_is_one_line(ask, rng, tmp_path):
    annotated.coco(tmp_path, rng)
    (tmp_path / "annotations/instances_val2017.json").write_text("{")
    code, lines = ask("coco", tmp_path)
    assert code == 2 and len(told(lines, "error")) == 1
    assert "val2017.json: cannot be read" in told(lines, "error")[0]


def test_of_very_many_errors_the_first_are_told(ask, rng, tmp_path):
    own = annotated.good()
    own["annotations"] += [annotated.annotation(i, 99) for i in range(150)]
    code, lines = ask("coco", annotated.coco(tmp_path, rng, own))
    assert code == 2 and len(told(lines, "error")) == MOST + 1
    assert "50 more of this kind in train" in told(lines, "error")[-1]


def test_drawn_shapes_need_no_files(ask):
    code, lines = ask("shapes")
    assert code == 0 and lines[0] == "layout:  drawn when asked for; needs no files"
    assert lines[1].startswith("train:   400 images, ") and "3 classes of" in lines[1]
    assert lines[-1] == "usable: 0 errors, 0 warnings"
