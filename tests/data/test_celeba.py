"""CelebA's files: what is read, and what is said where they contradict each other."""

import numpy as np
import pictures
import pytest
import small
from PIL import Image

from ssl_tf import config, doctor, experiment, opening
from ssl_tf.augment.recipes import crop_flip
from ssl_tf.data import orders, pipeline
from ssl_tf.data import source as sources
from ssl_tf.data.celeba import celeba
from ssl_tf.data.skipped import told
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import knn, neighbours
from ssl_tf.evaluation.online import Online
from ssl_tf.evaluation.store import Store

SPLITS = ("train", "validation", "test")
COUNTS = (24, 8, 6)


@pytest.fixture
def root(rng, tmp_path):
    pictures.celeba(tmp_path, rng, COUNTS)
    return tmp_path


@pytest.mark.parametrize("inner", ["", "celeba"])
def test_splits_and_labels_are_those_of_the_lists(rng, tmp_path, inner):
    label, part = pictures.celeba(tmp_path / inner, rng, COUNTS)
    for k, split in enumerate(SPLITS):
        source = celeba(split, tmp_path)
        assert source.size == COUNTS[k] and source.split == split and source.files
        assert source.attributes and source.label.dtype == np.int32
        assert source.classes == tuple(f"Trait_{i}" for i in range(5))
        np.testing.assert_array_equal(source.label, label[part == k])
        numbers = [int(path[-10:-4]) - 1 for path in source.images]
        np.testing.assert_array_equal(numbers, np.flatnonzero(part == k))


def test_a_row_of_the_file_reads_as_its_signs(root):
    rows = (root / "list_attr_celeba.txt").read_text().splitlines()
    assert rows[0] == "38" and rows[1] == "Trait_0 Trait_1 Trait_2 Trait_3 Trait_4 "
    source = celeba("test", root)
    own = next(row for row in rows if row.startswith(source.images[0][-10:]))
    signs = [word == "1" for word in own.split()[1:]]
    assert source.label[0].tolist() == signs


def edit(path, change):
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))


ATTRIBUTES, PARTITION = "list_attr_celeba.txt", "list_eval_partition.txt"
FAULTS = [
    (ATTRIBUTES, lambda x: x[:-1], "has 37 rows of images, its first line says '38'"),
    (ATTRIBUTES, lambda x: ["37\n", *x[1:-1]], "has no row of 000038.jpg, which"),
    (ATTRIBUTES, lambda x: ["35\n", *x[1:-3]], "000036.jpg and 2 more, which list_"),
    (ATTRIBUTES, lambda x: [*x[:-1], x[-2]], "lists 000037.jpg twice"),
    (ATTRIBUTES, lambda x: x[:1], "breaks off after 1 lines"),
    (PARTITION, lambda x: x[:-1], "has no line of 000038.jpg, which list_attr"),
    (PARTITION, lambda x: [*x[:-1], "000038.jpg 3\n"], "line 38 is '000038.jpg 3'"),
    (PARTITION, lambda x: [*x[:-1], "000038.jpg\n"], "must be an image and 0, 1 or 2"),
    (PARTITION, lambda x: [f"{row[:10]} 1\n" for row in x], "no image into train"),
    (PARTITION, lambda x: ["\x80"], "cannot be read"),
]


@pytest.mark.parametrize("name, change, told", FAULTS)
def test_lists_that_contradict_each_other_are_one_line(root, name, change, told):
    edit(root / name, change)
    with pytest.raises(BadInput, match=told) as error:
        celeba("train", root)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda row: row.replace(" 1", " 0"), "holds '0'; must be 5 of -1 or 1"),
        (lambda row: row.rsplit(" ", 1)[0].rstrip() + "\n", "has 4 values; must be 5"),
        (lambda row: row.rstrip() + " 1\n", "has 6 values; must be 5"),
    ],
)
def test_a_wrong_row_names_its_image(rng, tmp_path, change, told):
    pictures.celeba(tmp_path, rng, (2, 2, 2))
    path = tmp_path / ATTRIBUTES
    rows = path.read_text().splitlines(keepends=True)
    assert all(" 1" in row for row in rows[2:])
    edit(path, lambda rows: [*rows[:2], *map(change, rows[2:])])
    with pytest.raises(BadInput, match=rf"the row of 00000\d.jpg {told}") as error:
        celeba("train", tmp_path)
    assert "\n" not in str(error.value)


def test_missing_and_unlisted_images_are_one_line(root, rng, tmp_path):
    folder = root / "img_align_celeba"
    (folder / "000003.jpg").rename(folder / "x.jpg")
    with pytest.raises(BadInput, match="img_align_celeba: lacks 000003.jpg, which"):
        celeba("train", root)
    pictures.write(folder / "000003.jpg", pictures.noise(rng))
    with pytest.raises(BadInput, match="no line of x.jpg, an image of img_align"):
        celeba("train", root)


def test_what_to_get_is_said_where_nothing_is(tmp_path):
    with pytest.raises(BadInput, match="celeba: needs --datadir DIR .*mmlab.ie.cuhk"):
        celeba("train")
    with pytest.raises(BadInput, match="has no img_align_celeba/; celeba needs"):
        celeba("train", tmp_path)
    (tmp_path / "img_align_celeba.zip").touch()
    with pytest.raises(BadInput, match="; unpack img_align_celeba.zip there"):
        celeba("train", tmp_path)
    (tmp_path / "img_align_celeba").mkdir()
    with pytest.raises(BadInput, match="list_attr_celeba.txt: is missing; celeba"):
        celeba("train", tmp_path)


def test_batches_hold_the_attributes_of_their_images(root):
    source = celeba("train", root)
    order = orders.shuffled(source.size, 8, 0)
    batches = pipeline.views(
        source, [crop_flip(size=16)], order, pipeline.Normal(), seed=0, size=16
    )
    for batch in batches.take(3):
        assert batch["label"].shape == (8, 5) and batch["views"][0].shape[1] == 16
        np.testing.assert_array_equal(batch["label"], source.label[batch["index"]])


def test_evaluation_sees_the_central_square_of_the_shorter_side(root):
    source = celeba("test", root)
    batch = next(iter(pipeline.Images(source, pipeline.Normal(), 22).batches(6)))
    pixels = np.asarray(Image.open(source.images[0]))
    assert pixels.shape == (26, 22, 3)
    ours = np.asarray(batch["views"][0][0]) * 255
    assert np.abs(ours - pixels[2:24]).max() <= 1  # decoders differ by one level
    np.testing.assert_array_equal(batch["label"], source.label)


def test_draws_do_without_balance_and_names_choose_columns(root):
    source = celeba("train", root)
    rest, held = sources.hold_out(source, 0.25)
    assert (rest.size, held.size) == (18, 6) and held.label.shape == (6, 5)
    assert not set(rest.images) & set(held.images)
    assert sources.labelled_share(source, 0.5).label.shape == (12, 5)
    few = sources.first_classes(source, ["Trait_3", "Trait_0"])
    assert few.classes == ("Trait_3", "Trait_0") and few.size == 24
    np.testing.assert_array_equal(few.label, source.label[:, [3, 0]])
    with pytest.raises(BadInput, match="has attributes, no classes; use data.share"):
        sources.balanced(source, 2)


def opened(root, *overrides, method=None):
    path = config.find("multilabel", "resnet18", "celeba")
    changes = ["train.batch_size=4", "train.best=null", "views.0.size=16", *overrides]
    spec = config.load(path, None, changes)
    spec["method"] = method or spec["method"]
    return opening.open_data(experiment.check(spec), root)


def test_the_official_split_is_held_out_or_any_other(root):
    sizes = lambda found: [found.train.size, found.validation.size, found.test.size]
    official = opened(root)
    assert sizes(official) == [*COUNTS] and official.validation.split == "validation"
    own = celeba("validation", root)
    np.testing.assert_array_equal(official.validation.images, own.images)
    assert sizes(opened(root, "data.validation=0.25")) == [18, 6, 6]
    assert sizes(opened(root, "data.validation=test")) == [24, 6, 6]
    assert sizes(opened(root, "data.validation=authors")) == [20, 4, 6]
    assert opened(root, "data.validation=0").validation is None
    digits = ["data={name: digits, validation: official}"]
    with pytest.raises(BadInput, match="digits has no held-out split of its own"):
        opened(None, *digits, method={"name": "supervised"})


def test_methods_get_the_labels_they_learn_or_a_line(root):
    with pytest.raises(BadInput, match="has attributes; this method learns classes"):
        opened(root, method={"name": "supervised"})
    digits = ["data={name: digits}"]
    with pytest.raises(BadInput, match="digits: has classes; this method learns attr"):
        opened(None, *digits)
    pairs = ["views=[{name: crop_flip, size: 16, count: 2}]"]
    with pytest.raises(BadInput, match="method.probe: tells classes apart; celeba"):
        opened(root, *pairs, method={"name": "simclr", "probe": True})
    assert opened(root, *pairs, method={"name": "simclr"}).train.size == 24


def test_a_method_without_labels_takes_images_with_attributes():
    method = small.simclr(probe=False)
    batch = small.batches(method=method)[0]
    plain = method.objective(batch, training=False)
    batch["label"] = np.zeros((8, 5), np.int32)
    for name, values in method.objective(batch, training=False).items():
        np.testing.assert_array_equal(values, plain[name])


def test_evaluations_of_classes_refuse_attributes_and_others_leave_them_out(root):
    train, test = (opened(root).plain(split) for split in ("train", "test"))
    method = small.multilabel()
    with pytest.raises(BadInput, match="knn: tells classes apart; celeba has attrib"):
        knn(method, train, test, Store(method), k=[1])
    found = neighbours(method, train, test, Store(method), images=2, k=3)
    assert (found["labels"] == -1).all() and "same_class" not in found
    assert set(Online(method, train, test)()) == {"effective_rank", "spread"}


def test_what_lies_among_the_faces_is_said(root):
    place = root / "img_align_celeba"
    (place / "gone.jpg").symlink_to("/nowhere")
    (place / "scan.tif").write_bytes(b"x")
    line = told(celeba("test", root).skipped)
    assert line.startswith("2 not used: ") and "1 dead link" in line
    assert "1 image in a format that is not read (.tif)" in line


def test_doctor_counts_the_splits_and_tells_what_is_missing(root, capsys):
    assert doctor.main(["data", "celeba", "--datadir", str(root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    for split, count in zip(SPLITS, COUNTS):
        assert any(x.startswith(f"{split}:") and f" {count} images" in x for x in lines)
    assert any("fine:    5 attributes, of " in line for line in lines)
    assert sum("were published" in line for line in lines) == 3
    assert lines[-1].endswith("3 warnings, 38 files")
    (root / "img_align_celeba" / "000001.jpg").unlink()
    assert doctor.main(["data", "celeba", "--datadir", str(root)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert sum("lacks 000001.jpg" in line for line in lines) == 1
    assert sum(line.startswith("error:") for line in lines) == 1
