"""Pascal VOC's folders: what is read, and what is said where something is wrong."""

import annotated
import numpy as np
import pictures
import pytest
from PIL import Image

from ssl_tf.data.instances import for_training
from ssl_tf.data.voc import CLASSES, voc
from ssl_tf.errors import BadInput


@pytest.fixture
def root(rng, tmp_path):
    return annotated.voc(tmp_path, rng)


@pytest.mark.parametrize("inner", ["", "VOCdevkit"])
def test_training_joins_two_years_and_the_test_is_of_2007(rng, tmp_path, inner):
    annotated.voc(tmp_path / inner, rng)
    train, test = voc("train", tmp_path), voc("test", tmp_path)
    assert train.ids == ("000001", "000002", "2008_000001") and test.ids == ("000003",)
    assert train.classes == test.classes == CLASSES and len(CLASSES) == 20
    assert voc("train", tmp_path, train="trainval12").ids == ("2008_000001",)
    assert train.sizes.tolist() == [[24, 32]] * 3
    assert train.pixels(2).shape == (24, 32, 3)


def test_only_the_first_corner_moves_by_one_pixel(root):
    own = voc("train", root).objects
    assert own[0].boxes.tolist() == [[2, 3, 20, 18], [9, 1, 30, 24]]
    assert own[1].boxes.tolist() == [[0, 0, 32, 24]]  # the whole image
    assert own[2].boxes.tolist() == [[1.5, 0, 12, 12]]
    assert [CLASSES[i] for i in own[0].label] == ["dog", "cat"]


def test_difficult_objects_are_marked_and_stay_in_training(root):
    train = voc("train", root)
    assert train.objects[0].difficult.tolist() == [False, True]
    assert for_training(train).objects[0].count == 2


FAULTS = [
    ("Annotations/000001.xml", None, "has no Annotations/000001.xml; get the archive"),
    ("JPEGImages/000002.jpg", None, "has no JPEGImages/000002.jpg; get the archive"),
    (
        "ImageSets/Main/trainval.txt",
        None,
        "trainval.txt: is missing; voc needs VOC2007",
    ),
    ("ImageSets/Main/trainval.txt", "\n", "trainval.txt: lists no image"),
    ("Annotations/000001.xml", "<annotation>", "000001.xml: cannot be used"),
    ("Annotations/000001.xml", "<annotation/>", "size/height is '', no number"),
    (
        "Annotations/000001.xml",
        annotated.xml([("wolf", (1, 1, 5, 5), 0)]),
        "'wolf' is none of the classes of VOC; rename",
    ),
    (
        "Annotations/000001.xml",
        annotated.xml([("dog", (40, 1, 50, 5), 0)]),
        r"the box \(39, 0, 50, 5\) is not within the image of 32x24 pixels",
    ),
    (
        "Annotations/000001.xml",
        annotated.xml([("dog", (9, 1, 5, 5), 0)]),
        r"the box \(8, 0, 5, 5\) is not within",
    ),
    (
        "Annotations/000001.xml",
        annotated.xml([("dog", ("nan", 1, 5, 5), 0)]),
        r"the box \(nan, 0, 5, 5\) is not within",
    ),
]


@pytest.mark.parametrize("name, text, message", FAULTS)
def test_what_is_wrong_is_said_in_one_line(root, name, text, message):
    path = root / "VOC2007" / name
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(BadInput, match=message) as error:
        voc("train", root)
    assert "\n" not in str(error.value) and str(root) in str(error.value)


def test_a_missing_year_names_what_to_get(root):
    (root / "VOC2012").rename(root / "VOC12")
    with pytest.raises(BadInput, match="VOC2012: is missing; voc needs"):
        voc("train", root)
    assert voc("train", root, train="trainval07").size == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_they_grow(root, encoding):
    bomb = "".join(
        f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(9)
    )  # a0 would be written a thousand million times
    text = f'<!DOCTYPE x [<!ENTITY a0 "lol">{bomb}]><annotation>&a9;</annotation>'
    (root / "VOC2007/Annotations/000001.xml").write_bytes(text.encode(encoding))
    with pytest.raises(BadInput, match="it has a DOCTYPE"):
        voc("train", root)


def test_an_image_of_another_size_is_named(root):
    source = voc("train", root)
    turned = source._replace(sizes=source.sizes[:, ::-1])
    with pytest.raises(BadInput, match="has 32x24 pixels, its annotation says 24x32"):
        turned.pixels(0)
    assert source.pixels(0).dtype == np.uint8


def test_an_image_stored_sideways_is_turned_upright(root, rng):
    upright = pictures.smooth(rng, 24, 32)
    image = Image.fromarray(np.rot90(upright))
    note = image.getexif()
    note[0x0112] = 6  # to be turned clockwise
    place = root / "VOC2007/JPEGImages/000001.jpg"
    image.save(place, exif=note, quality=95)
    found = voc("train", root).pixels(0)
    assert found.shape == (24, 32, 3)
    assert np.abs(found.astype(int) - upright).mean() < 8


BOX = (1, 1, 5, 5)


def change(root, name, text):
    (root / "VOC2007" / name).write_bytes(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff000001\n000002\n",
        "000001\r\n000002\r\n",
        "000001  1 \n000002 -1\n\n",
        "000001.jpg\n000002.JPG\n",
        "000001\n000002\n000001\n",
    ],
)
def test_lists_are_read_as_editors_and_tools_leave_them(root, text):
    change(root, "ImageSets/Main/trainval.txt", text)
    assert voc("train", root, train="trainval07").ids == ("000001", "000002")


def test_names_of_classes_and_flags_are_read_in_any_case(root):
    text = annotated.xml([(" Dog ", BOX, "True"), ("TVmonitor", BOX, 1)])
    change(root, "Annotations/000001.xml", text)
    own = voc("train", root).objects[0]
    assert [CLASSES[i] for i in own.label] == ["dog", "tvmonitor"]
    assert own.difficult.all()


def test_what_tools_leave_out_is_found_elsewhere(root):
    text = annotated.xml([("dog", (2, 2, 5.5, 5), 0)])
    text = text.replace("<difficult>0</difficult>", "")
    start, end = text.index("<size>"), text.index("</size>") + len("</size>")
    for size in ("", "<size/>", "<size><width>0</width><height>0</height></size>"):
        change(root, "Annotations/000001.xml", text[:start] + size + text[end:])
        train = voc("train", root)
        assert train.sizes[0].tolist() == [24, 32]
        assert train.objects[0].boxes.tolist() == [[1, 1, 5.5, 5]]
        assert not train.objects[0].difficult.any()


@pytest.mark.parametrize("ending", [".JPG", ".jpeg", ".png"])
def test_images_may_end_as_cameras_write_them(root, rng, ending):
    folder = root / "VOC2007/JPEGImages"
    (folder / "000001.jpg").unlink()
    pictures.write(folder / f"000001{ending}", pictures.smooth(rng, 24, 32))
    assert voc("train", root).pixels(0).shape == (24, 32, 3)


def test_shares_of_an_image_are_no_pixels(root):
    for name in ("000001", "000002"):
        text = annotated.xml([("dog", (0.1, 0.2, 0.5, 0.9), 0)])
        change(root, f"Annotations/{name}.xml", text)
    with pytest.raises(BadInput, match="boxes are shares of the image .0 to 1., not"):
        voc("train", root, train="trainval07")
