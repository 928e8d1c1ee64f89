"""ImageNet's two layouts and its subsets; Tiny ImageNet's one."""

import numpy as np
import pictures
import pytest
from scipy.io import savemat

from ssl_tf.data.imagenet import imagenet
from ssl_tf.data.skipped import told
from ssl_tf.data.tiny_imagenet import tiny_imagenet
from ssl_tf.errors import BadInput

WNIDS = ["n01440764", "n01443537", "n02071294"]
TRUTH = [3, 1, 2, 1]  # ILSVRC ids, as in meta.mat below
IDS = {1: WNIDS[1], 2: WNIDS[0], 3: WNIDS[2]}


@pytest.fixture
def labelled(rng, tmp_path):
    """`train/<wnid>/` and `val/<wnid>/`."""
    pictures.tree(tmp_path / "train", rng, dict.fromkeys(WNIDS, 2), suffix=".JPEG")
    pictures.tree(tmp_path / "val", rng, dict.fromkeys(WNIDS, 1), suffix=".JPEG")
    return tmp_path


@pytest.fixture
def flat(rng, tmp_path):
    """`train/<wnid>/`, a flat `val/` and the devkit."""
    pictures.tree(tmp_path / "train", rng, dict.fromkeys(WNIDS, 2), suffix=".JPEG")
    for i in range(len(TRUTH)):
        path = tmp_path / "val" / f"ILSVRC2012_val_{i + 1:08}.JPEG"
        pictures.write(path, pictures.noise(rng))
    devkit = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    devkit.mkdir(parents=True)
    truth = "".join(f"{number}\n" for number in TRUTH)
    (devkit / "ILSVRC2012_validation_ground_truth.txt").write_text(truth)
    table = np.zeros(3, [("ILSVRC2012_ID", "f8"), ("WNID", "O")])
    table["ILSVRC2012_ID"], table["WNID"] = list(IDS), list(IDS.values())
    savemat(devkit / "meta.mat", {"synsets": table})
    return tmp_path


def names(source):
    return [path.rpartition("/")[2] for path in source.images]


def test_labels_follow_the_sorted_wnids(labelled):
    train, test = imagenet("train", labelled), imagenet("test", labelled)
    assert train.classes == test.classes == tuple(WNIDS)
    assert train.files and train.label.tolist() == [0, 0, 1, 1, 2, 2]
    assert test.label.tolist() == [0, 1, 2]
    assert all(f"/train/{WNIDS[y]}/" in p for p, y in zip(train.images, train.label))


def test_a_flat_val_gets_its_labels_from_the_devkit(flat):
    test = imagenet("test", flat)
    assert test.label.tolist() == [WNIDS.index(IDS[number]) for number in TRUTH]
    assert names(test) == [f"ILSVRC2012_val_0000000{i}.JPEG" for i in (1, 2, 3, 4)]


def test_some_images_of_a_flat_val_keep_their_labels(flat):
    (flat / "val" / "ILSVRC2012_val_00000002.JPEG").unlink()
    test = imagenet("test", flat)
    assert test.label.tolist() == [WNIDS.index(IDS[TRUTH[i]]) for i in (0, 2, 3)]


@pytest.mark.parametrize("where", ["labelled", "flat"])
def test_a_class_file_takes_a_subset_in_sorted_order(request, where):
    root = request.getfixturevalue(where)
    chosen = root / "classes.txt"
    chosen.write_text(f"# two\n{WNIDS[2]}  whale\n\n{WNIDS[0]}\n{WNIDS[2]}\n")
    train = imagenet("train", root, str(chosen))
    test = imagenet("test", root, str(chosen))
    assert train.classes == test.classes == (WNIDS[0], WNIDS[2])
    assert train.label.tolist() == [0, 0, 1, 1]
    assert test.label.tolist() == ([0, 1] if where == "labelled" else [1, 0])


@pytest.mark.parametrize(
    "text, message",
    [
        (f"{WNIDS[0]}\n", "fewer than two"),
        (f"{WNIDS[0]}\nn99999999\n", "no training folder for 'n99999999'"),
        (None, "No such file"),
    ],
)
def test_a_class_file_that_does_not_fit_says_why(labelled, text, message):
    path = labelled / "classes.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadInput, match=message):
        imagenet("train", labelled, str(path))


def left(source):
    """What a split leaves out, without the command that lists it."""
    return told(source.skipped).partition(";")[0]


def test_imagenet_says_what_it_leaves_out(labelled, rng):
    pictures.tree(labelled / "train", rng, {"": 1, f"{WNIDS[0]}/more": 2})
    pictures.tree(labelled / "val", rng, {"n99999999": 3}, suffix=".JPEG")
    (labelled / "val" / WNIDS[1] / "gone.JPEG").symlink_to("/nowhere")
    train, test = imagenet("train", labelled), imagenet("test", labelled)
    assert (train.size, test.size) == (6, 3)
    assert left(train).startswith("3 not used: ")
    assert "1 image beside the class folders" in left(train)
    assert "2 images in nested folders" in left(train)
    assert left(test).startswith("4 not used: ") and "1 dead link" in left(test)
    assert "3 images of classes without training images" in left(test)
    assert "doctor data imagenet --datadir" in told(test.skipped)
    asked = labelled / "two.txt"
    asked.write_text("\ufeff" + "\n".join(WNIDS[:2]))
    assert "of classes" not in left(imagenet("test", labelled, str(asked)))


def test_a_flat_val_says_which_images_have_no_training_class(flat, rng):
    for path in (flat / "train" / WNIDS[1]).iterdir():
        path.unlink()
    (flat / "train" / WNIDS[1]).rmdir()
    test = imagenet("test", flat)
    assert test.label.tolist() == [1, 0]  # the first and the third of four
    assert left(test) == "2 not used: 2 images of classes without training images"


def test_tiny_imagenet_says_what_it_leaves_out(tiny, rng):
    root = tiny / "tiny-imagenet-200"
    pictures.write(root / "val/images/new.JPEG", pictures.noise(rng))
    (root / "train" / WNIDS[0] / "images/gone.JPEG").symlink_to("/nowhere")
    (root / "train" / WNIDS[0] / "boxes.txt").write_text("x")
    train, test = (tiny_imagenet(split, tiny, first=3) for split in ("train", "test"))
    assert (train.size, test.size) == (6, 4)
    assert left(train) == "1 not used: 1 dead link"
    assert left(test) == "1 not used: 1 image that no list names"


def remove(root, name):
    next(root.rglob(name)).unlink()


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda root: remove(root, "meta.mat"), "val: is flat; imagenet needs"),
        (
            lambda root: next(root.rglob("meta.mat")).write_bytes(b"x"),
            "is no devkit meta.mat",
        ),
        (
            lambda root: next(root.rglob("*truth.txt")).write_text("1\n77\n"),
            "names no class",
        ),
        (
            lambda root: next(root.rglob("*truth.txt")).write_text("1\n2\n"),
            "2 lines for 4 images",
        ),
    ],
)
def test_a_devkit_that_does_not_fit_says_why(flat, damage, message):
    damage(flat)
    with pytest.raises(BadInput, match=message):
        imagenet("test", flat)


def test_packed_training_classes_are_noticed(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "val").mkdir()
    (tmp_path / "train" / f"{WNIDS[0]}.tar").write_bytes(b"")
    with pytest.raises(BadInput, match="unpack each <wnid>.tar"):
        imagenet("train", tmp_path)


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_missing_split_is_named(rng, tmp_path, part):
    other = {"train": "val", "val": "train"}[part]
    pictures.tree(tmp_path / other, rng, {"a": 1, "b": 1})
    with pytest.raises(BadInput, match=f"has no {part}/"):
        imagenet("train", tmp_path)


@pytest.fixture
def tiny(rng, tmp_path):
    """Tiny ImageNet's layout with three classes, not in sorted order."""
    root = tmp_path / "tiny-imagenet-200"
    order = [WNIDS[1], WNIDS[2], WNIDS[0]]
    for wnid in order:
        pictures.tree(root / "train" / wnid, rng, {"images": 2}, 64, ".JPEG")
    pictures.tree(root / "val", rng, {"images": 4}, 64, ".JPEG")
    rows = [f"{i}.JPEG\t{order[i % 3]}\t0\t0\t9\t9\n" for i in (0, 1, 2, 3)]
    (root / "val" / "val_annotations.txt").write_text("".join(rows))
    (root / "wnids.txt").write_text("\n".join(order) + "\n")
    return tmp_path


def test_tiny_imagenet_follows_wnids_txt(tiny):
    train = tiny_imagenet("train", tiny, first=3)
    test = tiny_imagenet("test", tiny / "tiny-imagenet-200", first=3)
    assert train.classes == (WNIDS[1], WNIDS[2], WNIDS[0])
    assert train.label.tolist() == [0, 0, 1, 1, 2, 2]
    assert test.label.tolist() == [0, 1, 2, 0]
    assert train.images.shape == (6, 64, 64, 3)
    assert tiny_imagenet("train", tiny, size=32, first=2).images.shape == (4, 32, 32, 3)


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda root: remove(root, "wnids.txt"), "wnids.txt: is missing"),
        (lambda root: remove(root, "val_annotations.txt"), "annotations.txt: is miss"),
        (lambda root: remove(root / "val", "2.JPEG"), "2.JPEG: is missing"),
        (
            lambda root: next(root.rglob("wnids.txt")).write_text(WNIDS[0]),
            "wnids.txt has 1 lines",
        ),
    ],
)
def test_a_broken_tiny_imagenet_says_why(tiny, damage, message):
    damage(tiny / "tiny-imagenet-200")
    with pytest.raises(BadInput, match=message):
        tiny_imagenet("test", tiny, first=3)
