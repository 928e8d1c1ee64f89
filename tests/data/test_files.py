"""Image files of every kind, as PIL reads them and as TensorFlow does."""

import numpy as np
import pictures
import pytest
import tensorflow as tf
from PIL import Image

from ssl_tf.data import decode, files
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput

KINDS = {
    "grey.jpg": lambda x: x.convert("L"),
    "cmyk.jpg": lambda x: x.convert("CMYK"),
    "rgb.PNG": lambda x: x,
    "palette.png": lambda x: x.convert("P"),
    "alpha.png": lambda x: Image.merge("RGBA", (*x.split(), x.split()[0])),
    "grey_alpha.png": lambda x: x.convert("LA"),
    "one_bit.png": lambda x: x.convert("1"),
    "sixteen.png": lambda x: Image.fromarray(np.asarray(x)[..., 0] * np.uint16(257)),
    "rgb.bmp": lambda x: x,
    "palette.bmp": lambda x: x.convert("P"),
    "one_bit.bmp": lambda x: x.convert("1"),
    "palette.gif": lambda x: x.convert("P"),
    "rgb.webp": lambda x: x,
    "photo.jfif": lambda x: x,
}


@pytest.fixture(params=KINDS)
def kind(request, rng, tmp_path):
    """An image file of one kind; the name may have letters beyond ASCII."""
    image = Image.fromarray(pictures.smooth(rng, 30, 40))
    path = tmp_path / f"bäume {request.param}"
    form = "JPEG" if path.suffix in (".jpg", ".jfif") else None
    return pictures.write(path, KINDS[request.param](image), format=form)


def test_pil_and_tensorflow_see_the_same_pixels(kind):
    ours = files.read(kind)
    theirs = decode.decode(tf.io.read_file(str(kind))).numpy()
    assert ours.shape == theirs.shape == (30, 40, 3)
    assert ours.dtype == theirs.dtype == np.uint8
    assert np.abs(ours.astype(int) - theirs).max() <= 2


def test_a_box_is_cut_out_of_every_kind(kind):
    window = tf.constant([5, 7, 20, 16])
    data = tf.io.read_file(str(kind))
    box = decode.decode_box(data, lambda height, width: window)
    whole = decode.decode(data)
    np.testing.assert_array_equal(box, whole[5:25, 7:23])


def test_sixteen_bits_keep_their_grey_levels(rng, tmp_path):
    levels = rng.integers(0, 2**16, (9, 9), np.uint16)
    path = pictures.write(tmp_path / "a.png", levels)
    np.testing.assert_array_equal(files.read(path)[..., 1], levels >> 8)


def test_of_an_animation_the_first_frame_is_read(rng, tmp_path):
    frames = [Image.fromarray(np.full((8, 8, 3), v, np.uint8)) for v in (10, 200)]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert np.unique(files.read(path)).tolist() == [10]
    assert np.unique(decode.decode(path.read_bytes())).tolist() == [10]


def test_the_suffix_does_not_matter_to_the_decoder(rng, tmp_path):
    path = pictures.write(tmp_path / "a.jpg", pictures.noise(rng), format="WEBP")
    np.testing.assert_array_equal(
        decode.decode(path.read_bytes()), files.read(tmp_path / "a.jpg")
    )


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"text", b"\x89PNG\r\n"])
def test_what_is_no_image_is_named_in_one_line(tmp_path, content):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="is no readable image") as error:
        files.read(path)
    text = str(error.value)
    assert text.startswith(str(path)) and "\n" not in text and text.endswith(".")


def test_one_bad_file_among_many_is_the_one_named(rng, tmp_path):
    for i in range(20):
        pictures.write(tmp_path / f"{i:02}.jpg", pictures.noise(rng))
    pictures.damaged(tmp_path / "13.jpg", rng)
    paths = files.images_in(tmp_path)
    with pytest.raises(BadInput, match="13.jpg: is no readable image"):
        decode.scaled(paths, 8)


def test_hidden_files_folders_and_other_suffixes_are_skipped(rng, tmp_path):
    for name in ("b.JPG", "a.Png", "c.jpeg"):
        pictures.write(tmp_path / name, pictures.noise(rng))
    for name in ("._b.jpg", "notes.txt", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.jpg").mkdir()
    found = files.images_in(tmp_path)
    assert [path.rpartition("/")[2] for path in found] == ["a.Png", "b.JPG", "c.jpeg"]


def test_a_name_that_is_no_utf8_is_refused(rng, tmp_path):
    path = tmp_path.joinpath("a\udcff.jpg")
    try:
        pictures.write(path, pictures.noise(rng))
    except OSError:
        pytest.skip("this file system refuses such names itself")
    with pytest.raises(BadInput, match="not UTF-8; rename it"):
        files.images_in(tmp_path)


def test_the_culprit_of_a_failed_batch_is_found(rng, tmp_path):
    for i in range(6):
        pictures.write(tmp_path / f"{i}.jpg", pictures.noise(rng))
    source = Source("x", "train", np.array(files.images_in(tmp_path)), np.zeros(6), ())
    assert decode.culprit(source, range(6)) is None
    pictures.damaged(tmp_path / "4.jpg", rng)
    assert decode.culprit(source, [[0, 1], [2, 3]]) is None
    assert "4.jpg: is no readable image" in str(decode.culprit(source, [[2, 4]]))
    (tmp_path / "1.jpg").unlink()
    assert "1.jpg" in str(decode.culprit(source, range(6)))


def test_an_array_has_no_culprit():
    source = Source("x", "train", np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2), ())
    assert decode.culprit(source, [0]) is None
