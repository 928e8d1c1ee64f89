"""CelebA as TensorFlow Datasets prepares it becomes its official files."""

import io
import sys

import numpy as np
import pictures
import pytest
from PIL import Image

from ssl_tf.data import celeba_tfds
from ssl_tf.data.celeba import celeba
from ssl_tf.errors import BadInput

COUNTS = {"train": 7, "validation": 3, "test": 4}
NAMES = ("Young", "5_o_Clock_Shadow", "Bald")


def encoded(rng, kind="JPEG"):
    out = io.BytesIO()
    Image.fromarray(pictures.smooth(rng, 26, 22)).save(out, kind)
    return out.getvalue()


def prepare(folder, counts=COUNTS, kind="JPEG", names=NAMES):
    """A `celeb_a/2.1.0/` in `folder`, made by TensorFlow Datasets itself.

    Returns:
        `{bytes of an image: (split, {attribute: bool})}`.
    """
    tfds = pytest.importorskip("tensorflow_datasets")
    rng = np.random.default_rng(0)
    given = {
        encoded(rng, kind): (split, {n: bool(rng.integers(2)) for n in names})
        for split, count in counts.items()
        for _ in range(count)
    }
    features = {
        "image": tfds.features.Image(shape=(26, 22, 3), encoding_format=kind.lower()),
        "landmarks": {"nose_x": np.int64},
        "attributes": {name: np.bool_ for name in names},
    }

    def examples(split):
        for number, (data, (own, attributes)) in enumerate(given.items()):
            if own == split:
                rest = {"landmarks": {"nose_x": number}, "attributes": attributes}
                yield f"{number:06}.jpg", {"image": io.BytesIO(data), **rest}

    tfds.dataset_builders.store_as_tfds_dataset(
        "celeb_a",
        "2.1.0",
        tfds.features.FeaturesDict(features),
        {split: examples(split) for split in counts},
        data_dir=folder,
        download_config=tfds.download.DownloadConfig(try_download_gcs=False),
    )
    return given


def inside(folder):
    """Names in a folder, but for what TensorFlow Datasets makes beside its own."""
    return {path.name for path in folder.iterdir()} - {"downloads"}


def test_images_and_attributes_are_those_that_were_prepared(tmp_path, capsys):
    given = prepare(tmp_path)
    for split, count in COUNTS.items():
        source = celeba(split, tmp_path)
        assert source.size == count and source.classes == tuple(sorted(NAMES))
        for path, label in zip(source.images, source.label, strict=True):
            with open(path, "rb") as file:
                own, attributes = given.pop(file.read())
            assert own == split
            assert label.tolist() == [attributes[name] for name in source.classes]
    assert not given
    assert capsys.readouterr().err.count("unpacking 14 images") == 1
    assert inside(tmp_path) == {"celeb_a", "celeba"}


def test_what_is_no_such_data_set_is_one_line_and_leaves_nothing(tmp_path):
    prepare(tmp_path / "few", {"train": 2, "test": 2})
    prepare(tmp_path / "png", kind="PNG")
    prepare(tmp_path / "damaged")
    for path in (tmp_path / "damaged").rglob("*validation.tfrecord*"):
        path.write_bytes(path.read_bytes()[:-5])
    for name, told in (
        ("few", "has not image and attributes in train, validation and test"),
        ("png", "image 1 of train is no JPEG"),
        ("damaged", r"cannot be read \(.*\); prepare it again"),
    ):
        with pytest.raises(BadInput, match=told) as error:
            celeba("train", tmp_path / name)
        assert "\n" not in str(error.value)
        assert inside(tmp_path / name) == {"celeb_a"}


@pytest.fixture
def described(tmp_path):
    """A folder with two prepared versions, of which only the descriptions are there."""
    for version in ("2.1.0", "2.10.0", "incomplete.AB12_3.0.0"):
        (tmp_path / "celeb_a" / version).mkdir(parents=True)
        (tmp_path / "celeb_a" / version / "dataset_info.json").write_text("{}")
    return tmp_path


def test_the_newest_complete_version_is_taken(described, tmp_path_factory):
    assert celeba_tfds.prepared(described) == described / "celeb_a" / "2.10.0"
    assert celeba_tfds.prepared(tmp_path_factory.mktemp("empty")) is None


def refused(root):
    with pytest.raises(BadInput) as error:
        celeba("train", root)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_the_package_the_way_out_is_one_line(described, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    told = refused(described)
    assert (
        "2.10.0: is unpacked with TensorFlow Datasets, which is not here; pip" in told
    )
    assert not (described / "celeba").exists()


def test_other_folders_of_tensorflow_datasets_are_one_line(described):
    for inner in ("celeb_a", "celeb_a/2.1.0"):
        told = refused(described / inner)
        assert told.endswith(f"give the folder that holds celeb_a/, {described}.")
    for path in described.glob("celeb_a/2*/dataset_info.json"):
        path.unlink()
    assert "no version that TensorFlow Datasets has prepared" in refused(described)


def test_official_files_beside_a_prepared_folder_are_taken(described, rng):
    pictures.celeba(described / "celeba", rng, (3, 2, 2))
    assert celeba("train", described).size == 3
