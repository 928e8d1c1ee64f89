"""What `doctor` finds, what it says to do, and its exit code."""

import io
import subprocess
import sys
import tarfile

import commands
import numpy as np
import pictures
import pytest
from PIL import Image

from ssl_tf import doctor
from ssl_tf.data import checkup, examine
from ssl_tf.errors import BadInput


@pytest.fixture
def ask(capsys):
    """`(exit code, lines printed)` of `doctor data` in this process."""

    def ask(*arguments):
        code = doctor.main(["data", *map(str, arguments)])
        return code, capsys.readouterr().out.splitlines()

    return ask


@pytest.fixture
def good(rng, tmp_path):
    """A folder without fault: two classes, train and test."""
    root = tmp_path / "data"
    pictures.tree(root / "train", rng, {"cat": 5, "dog": 3}, size=20, suffix=".jpg")
    pictures.tree(root / "test", rng, {"cat": 2, "dog": 2}, size=20, suffix=".jpg")
    return root


def told(lines, level):
    return [line for line in lines if line.startswith(level + ":")]


def test_a_good_folder_is_usable(ask, good):
    code, lines = ask("folder", "--datadir", good)
    assert code == 0
    assert "train:   8 images, 2 classes of 3 (dog) to 5 (cat)" in lines
    assert "test:    4 images, 2 classes of 2" in lines
    assert "sizes:   20x20" in lines
    assert lines[-1] == "usable: 0 errors, 0 warnings, 12 files"


def test_it_answers_without_tensorflow(good):
    code = (
        "import sys; from ssl_tf import doctor; "
        f"code = doctor.main(['data', 'folder', '--datadir', {str(good)!r}]); "
        "assert not {'tensorflow', 'keras'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=commands.ROOT)
    assert done.returncode == 0


def test_the_command_exits_with_2_and_one_line_for_bad_input(tmp_path):
    code, out, error = commands.run(
        "doctor", "data", "folder", "--datadir", tmp_path / "gone"
    )
    assert code == 2 and not out
    assert "does not exist" in error and len(error.splitlines()) == 1
    code, _, error = commands.run("doctor", "data", "cats")
    assert code == 2 and "Have: celeba, cifar10, cifar100, cifar20, coco" in error


def test_every_unreadable_file_is_named(ask, good, rng):
    pictures.damaged(good / "train/cat/1.jpg", rng)
    (good / "test/dog/0.jpg").write_bytes(b"")
    whole = pictures.write(good / "train/dog/x.png", pictures.noise(rng)).read_bytes()
    (good / "train/dog/x.png").write_bytes(whole[:-12])
    code, lines = ask("folder", "--datadir", good)
    errors = told(lines, "error")
    assert code == 2 and len(errors) == 3
    for name, why in (
        ("cat/1.jpg", "truncated"),
        ("dog/0.jpg", "it is empty"),
        ("dog/x.png", "its end is missing"),
    ):
        assert sum(name in e and why in e and "remove it" in e for e in errors) == 1
    assert lines[-1].startswith("not usable yet: 3 errors")


def test_what_is_converted_is_listed_as_fine(ask, good, rng):
    image = Image.fromarray(pictures.smooth(rng, 30, 30))
    place = good / "train/cat"
    pictures.write(place / "grey.jpg", image.convert("L"))
    pictures.write(place / "cmyk.jpg", image.convert("CMYK"))
    pictures.write(place / "alpha.png", image.convert("RGBA"))
    pictures.write(place / "deep.png", Image.new("I;16", (30, 30), 9))
    pictures.write(place / "palette.png", image.convert("P"))
    pictures.write(place / "moves.gif", image, save_all=True, append_images=[image])
    pictures.write(place / "really_a.jpg", image, format="WEBP")
    code, lines = ask("folder", "--datadir", good)
    fine = told(lines, "fine")
    assert code == 0
    for words in (
        "1 image in grey",
        "1 image in CMYK",
        "1 image of 16 bits",
        "1 image with an alpha",
        "1 file whose suffix is not the format",
        "2 files neither JPEG nor PNG",
    ):
        assert sum(words in line for line in fine) == 1, words
    assert any(
        "2 images with a palette" in line and "moves.gif" in line for line in fine
    )


def test_odd_images_are_worth_a_warning(ask, good, rng):
    place = good / "train/cat"
    pictures.write(place / "small.png", pictures.noise(rng, 9, 9))
    pictures.write(place / "long.png", pictures.noise(rng, 20, 200))
    turned = Image.fromarray(pictures.noise(rng, 30, 30))
    note = turned.getexif()
    note[examine.ROTATION] = 6
    pictures.write(place / "turned.jpg", turned, exif=note)
    code, lines = ask("folder", "--datadir", good)
    warnings = "\n".join(told(lines, "warning"))
    assert code == 0 and lines[-1].startswith("usable: 0 errors, 3 warnings")
    for name in ("small.png", "long.png", "turned.jpg"):
        assert name in warnings


def test_the_same_image_in_train_and_test_or_in_two_classes_is_noticed(ask, good):
    def copy(source, target):
        (good / target).write_bytes((good / source).read_bytes())

    copy("train/cat/0.jpg", "test/cat/copy.jpg")
    copy("train/cat/1.jpg", "train/dog/copy.jpg")
    copy("train/dog/0.jpg", "train/dog/again.jpg")
    code, lines = ask("folder", "--datadir", good)
    warnings = told(lines, "warning")
    assert code == 0 and len(warnings) == 3
    assert "in train and in test" in warnings[0] and "cat/copy.jpg" in warnings[0]
    assert "in several classes" in warnings[1] and "dog/copy.jpg" in warnings[1]
    assert "more than once" in warnings[2] and "again.jpg" in warnings[2]


def test_what_lies_beside_the_images_is_noticed(ask, good, rng):
    pictures.write(good / "train/loose.jpg", pictures.noise(rng))
    pictures.write(good / "train/cat/deeper/1.jpg", pictures.noise(rng))
    pictures.write(good / "train/cat/scan.tiff", pictures.noise(rng))
    (good / "train/dog/notes.txt").write_text("x")
    (good / "train/dog/bare").write_bytes((good / "train/dog/0.jpg").read_bytes())
    (good / "train/dog/gone.jpg").symlink_to("/nowhere/gone.jpg")
    code, lines = ask("folder", "--datadir", good)
    warnings = "\n".join(told(lines, "warning"))
    assert code == 0
    for words in (
        f"1 image beside the class folders, not used ({good}/train/loose.jpg); move",
        f"1 image in nested folders, not used ({good}/train/cat/deeper/1.jpg); move",
        f"format that is not read (.tiff), not used ({good}/train/cat/scan.tiff); conv",
        f"1 image without the suffix of one, not used ({good}/train/dog/bare); rename",
        f"1 dead link, not used ({good}/train/dog/gone.jpg); point",
    ):
        assert words in warnings
    fine = told(lines, "fine")
    assert any("1 other file (.txt), not used" in line for line in fine)


def test_what_stands_in_the_place_of_an_image_gets_fitting_advice(ask, good):
    for name, data, advice in (
        ("page.jpg", b"\n<!DOCTYPE html><html>404", "an HTML page; download it again"),
        (
            "lfs.jpg",
            b"version https://git-lfs.github.com/spec/v1",
            "run `git lfs pull`",
        ),
        ("phone.jpg", b"\0\0\0\x18ftypheic" + bytes(40), "HEIC or AVIF; convert it"),
        ("note.jpg", b"to do\n", "it is text; get it again"),
    ):
        (good / "train/cat" / name).write_bytes(data)
        errors = told(ask("folder", "--datadir", good)[1], "error")
        assert len(errors) == 1 and name in errors[0] and advice in errors[0]
        (good / "train/cat" / name).unlink()


def test_classes_that_do_not_match_are_errors(ask, good, rng):
    (good / "train/empty").mkdir()
    pictures.tree(good / "test", rng, {"bird": 1})
    pictures.tree(good / "train", rng, {"fox": 1})
    code, lines = ask("folder", "--datadir", good)
    errors = told(lines, "error")
    assert code == 2 and len(errors) == 2
    assert "no image in class 'empty'; add some" in errors[0]
    assert "has class 'bird' without training images" in errors[1]
    lost = "has no image of 2 classes ('empty', 'fox') of the training images"
    assert lost in "\n".join(told(lines, "warning"))


@pytest.mark.parametrize("parts, message", pictures.BROKEN_FOLDERS)
def test_it_refuses_what_training_refuses(rng, tmp_path, parts, message):
    pictures.layout(tmp_path, rng, parts)
    try:
        code = doctor.main(["data", "folder", "--datadir", str(tmp_path)])
    except BadInput:
        code = 2
    assert code == 2


def test_a_single_tree_tells_that_part_is_held_out(ask, rng, tmp_path):
    pictures.tree(tmp_path, rng, {"a": 5, "b": 1}, size=20)
    code, lines = ask("folder", "--datadir", tmp_path)
    assert code == 2 and "20% of each class are held out" in told(lines, "fine")[0]
    assert "one image only in class 'b'" in told(lines, "error")[0]
    assert ask("folder", "--datadir", tmp_path, "--test-share", 0)[0] == 0
    with pytest.raises(BadInput, match="--test-share: is 1.5"):
        ask("folder", "--datadir", tmp_path, "--test-share", 1.5)


def test_a_flat_folder_is_usable_only_without_labels(ask, rng, tmp_path):
    pictures.tree(tmp_path, rng, {"": 5}, size=20)
    code, lines = ask("folder", "--datadir", tmp_path)
    assert code == 2 and "has no class folders" in told(lines, "error")[0]
    code, lines = ask("folder", "--datadir", tmp_path, "--no-labels")
    assert code == 0 and "train:   5 images without classes" in lines


def test_quick_looks_at_a_sample_and_says_so(ask, good, monkeypatch):
    monkeypatch.setattr(checkup, "QUICK", 2)
    code, lines = ask("folder", "--datadir", good, "--quick")
    assert code == 0 and "4 of 12 images seen" in told(lines, "fine")[0]


def test_imagenet_and_its_missing_split(ask, rng, tmp_path):
    pictures.tree(tmp_path / "train", rng, {"n1": 2, "n2": 2}, 20, ".JPEG")
    code, lines = ask("imagenet", "--datadir", tmp_path)
    assert code == 2 and "has no val" in told(lines, "error")[0]
    pictures.tree(tmp_path / "val", rng, {"n1": 1, "n2": 1, "n3": 1}, 20, ".JPEG")
    code, lines = ask("imagenet", "--datadir", tmp_path)
    assert code == 0 and "class 'n3' without training" in told(lines, "warning")[0]


def test_tiny_imagenet_says_which_file_is_missing(ask, tmp_path):
    code, lines = ask("tiny_imagenet", "--datadir", tmp_path)
    assert code == 2 and len(told(lines, "error")) == 1
    assert "wnids.txt: is missing" in told(lines, "error")[0]


def test_cifar_batches_are_counted_and_damage_is_an_error(ask, rng, tmp_path):
    files = pictures.cifar_files(10, rng)
    pictures.unpack(files, tmp_path)
    code, lines = ask("cifar10", "--datadir", tmp_path)
    assert code == 0 and lines[1].startswith("train:   20 images, 10 classes")
    (tmp_path / "data_batch_2").write_bytes(files["data_batch_2"][:50])
    code, lines = ask("cifar10", "--datadir", tmp_path)
    assert code == 2 and "data_batch_2" in told(lines, "error")[0]


def test_what_needs_no_files_is_always_usable(ask):
    code, lines = ask("digits")
    assert code == 0 and "train:   1,297 images, 10 classes" in lines[1]


def five(root, rng, train=2):
    for split, count in (("train", train), ("test", 1)):
        for name in ("airplane", "car", "cat", "dog", "elephant"):
            for i in range(count):
                place = root / split / f"{name}_{i}.png"
                pictures.write(place, pictures.noise(rng, 20, 20))
    return root


def test_five_classes_are_counted_in_a_folder_and_in_an_archive(ask, rng, tmp_path):
    root = five(tmp_path / "x", rng)
    code, lines = ask("imagenet5", "--datadir", root)
    assert code == 0 and lines[1] == "train:   10 images, 5 classes of 2"
    warnings = told(lines, "warning")
    assert "10 images in train, where 1,250 were published" in warnings[0]
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(root, "x")
        data = io.BytesIO(b"no image")
        member = tarfile.TarInfo("x/train/dog_7.jpg")
        member.size = len(data.getvalue())
        archive.addfile(member, data)
    code, lines = ask("imagenet5", "--datadir", path)
    assert (
        code == 2
        and lines[1] == "train:   11 images, 5 classes of 2 (airplane) to 3 (dog)"
    )
    assert "dog_7.jpg: is no readable image" in told(lines, "error")[0]
    path.write_bytes(path.read_bytes()[:5000])
    assert ask("imagenet5", "--datadir", path)[0] == 2


def test_five_classes_without_one_are_an_error(ask, rng, tmp_path):
    root = five(tmp_path, rng)
    (root / "test" / "cat_0.png").unlink()
    code, lines = ask("imagenet5", "--datadir", root)
    assert code == 2 and "no test image of class 'cat'" in told(lines, "error")[0]


def test_stl10_is_counted_without_reading_its_images(ask, tmp_path):
    sizes = {"train": 20, "test": 10, "unlabeled": 3}
    for part, count in sizes.items():
        np.zeros(count * 3 * 96 * 96, np.uint8).tofile(tmp_path / f"{part}_X.bin")
        label = np.arange(count, dtype=np.uint8) % 10 + 1
        label.tofile(tmp_path / f"{part}_y.bin")
    code, lines = ask("stl10", "--datadir", tmp_path)
    assert code == 0 and "train:   20 images, 10 classes of 2" in lines
    assert "unlabeled: 3 images without classes" in lines
    warnings = "\n".join(told(lines, "warning"))
    assert "20 images in train, where 5,000 were published" in warnings
    assert "no folds" in warnings
    (tmp_path / "unlabeled_X.bin").unlink()
    code, lines = ask("stl10", "--datadir", tmp_path)
    assert code == 0 and "leave data.pool at train" in told(lines, "warning")[-2]
    (tmp_path / "test_y.bin").write_bytes(b"\1")
    code, lines = ask("stl10", "--datadir", tmp_path)
    assert (
        code == 2 and "1 labels for 10 images; get it again" in told(lines, "error")[0]
    )


def test_the_coarse_classes_of_cifar_are_counted(ask, rng, tmp_path):
    pictures.unpack(pictures.cifar_files(100, rng, each=40), tmp_path)
    code, lines = ask("cifar20", "--datadir", tmp_path)
    assert code == 0 and lines[1].startswith("train:   40 images, 20 classes of")
