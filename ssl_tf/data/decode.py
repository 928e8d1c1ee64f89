"""Bytes of image files to pixels, inside the input pipeline."""

import concurrent.futures
import contextlib
import io

import numpy as np
import tensorflow as tf

from ssl_tf.augment import crop
from ssl_tf.data import files
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput

PNG = b"\x89PNG"
CMYK = 4  # components of a JPEG; TensorFlow reads its marker otherwise than PIL
CHUNK = 256  # files read together
MARGIN = 2  # pixels around a box from which a JPEG's colours are interpolated
# What TensorFlow raises when a file cannot be opened or decoded.
FAILURES = (
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
    tf.errors.UnknownError,
)


def decode(data):
    """uint8 `[h, w, 3]` from the bytes of an image file.

    What PIL gives (`files.pixels`), bit by bit: JPEG and PNG by TensorFlow, with the
    inverse transform that PIL uses; JPEG in CMYK and all else by PIL itself. What the
    file is called does not matter.
    """
    data = tf.convert_to_tensor(data, tf.string)
    return tf.cond(plain_jpeg(data), lambda: jpeg(data), lambda: other(data))


def plain_jpeg(data):
    """Whether these are the bytes of a JPEG in grey or colour, not in CMYK."""
    components = lambda: tf.io.extract_jpeg_shape(data)[2]
    return tf.cond(tf.io.is_jpeg(data), lambda: components() < CMYK, lambda: False)


def decode_box(data, box):
    """uint8 of a box only, as `decode` gives it; of a JPEG little more is decoded.

    Args:
        data: bytes of an image file.
        box: `(height, width) -> [4]` int32, top, left, height, width.
    """
    data = tf.convert_to_tensor(data, tf.string)

    def from_jpeg():
        shape = tf.io.extract_jpeg_shape(data)[:2]
        corner, sides = tf.split(box(shape[0], shape[1]), 2)
        first = tf.maximum(corner - MARGIN, 0)
        last = tf.minimum(corner + sides + MARGIN, shape)
        window = tf.concat([first, last - first], 0)
        image = tf.io.decode_and_crop_jpeg(
            data, window, 3, dct_method="INTEGER_ACCURATE"
        )
        (top, left), (height, width) = tf.unstack(corner - first), tf.unstack(sides)
        return image[top : top + height, left : left + width]

    from_other = lambda: part(other(data), box)
    image = tf.cond(plain_jpeg(data), from_jpeg, from_other)
    return tf.ensure_shape(image, [None, None, 3])


def part(image, box):
    """`[h', w', 3]`, a box of a decoded image; see `decode_box`."""
    height, width, _ = tf.unstack(tf.shape(image))
    top, left, height, width = tf.unstack(box(height, width))
    return image[top : top + height, left : left + width]


def opened(data, once):
    """`(() -> the image, box -> its part)` of an encoded image; see `decode_box`.

    Args:
        data: bytes of an image file.
        once: decode all of it, once: for many boxes three to five times faster.
    """
    if not once:
        return lambda: decode(data), lambda box: decode_box(data, box)
    image = decode(data)
    return lambda: image, lambda box: part(image, box)


def jpeg(data):
    image = tf.io.decode_jpeg(data, 3, dct_method="INTEGER_ACCURATE")
    return tf.ensure_shape(image, [None, None, 3])


def other(data):
    png = lambda: tf.io.decode_png(data, 3)
    rest = lambda: tf.numpy_function(by_pil, [data], tf.uint8, stateful=False)
    image = tf.cond(tf.strings.substr(data, 0, len(PNG)) == PNG, png, rest)
    return tf.ensure_shape(image, [None, None, 3])


def by_pil(data):
    data = data if isinstance(data, bytes) else data.item()  # outside of a graph
    try:
        return np.asarray(files.pixels(io.BytesIO(data)))
    except Exception as error:  # noqa: BLE001 - a damaged file may fail in any way
        raise ValueError(str(error)) from None  # of `FAILURES`, whatever it was


def squares(paths, side):
    """uint8 `[N, side, side, 3]` of files of that very size; `None` if one has another.

    Args:
        paths: `[N]` files.
        side: int, pixels.

    Raises:
        BadInput: one is no readable image.
    """

    def read(path):
        image = decode(tf.io.read_file(path))
        same = tf.reduce_all(tf.shape(image)[:2] == side)
        shape = [side, side, 3]
        image = tf.cond(same, lambda: image, lambda: tf.zeros(shape, tf.uint8))
        return tf.ensure_shape(image, shape), same

    images = np.empty((len(paths), side, side, 3), np.uint8)
    for places, (rows, same) in mapped(read, paths):
        if not same.all():
            return None
        images[places] = rows
    return images


def scaled(paths, size):
    """uint8 `[N, size, size, 3]` of files, each scaled and cut to its central square.

    Args:
        paths: `[N]` files.
        size: int, pixels.

    Raises:
        BadInput: one is no readable image.
    """
    images = np.empty((len(paths), size, size, 3), np.uint8)
    read = lambda path: crop.centre_one(decode(tf.io.read_file(path)), size, size)
    for places, rows in mapped(read, paths):
        images[places] = rows
    return images


def mapped(read, paths):
    """Yields `(slice of places, rows of `read` of these files)`, on all cores."""
    source = Source("files", "train", np.asarray(paths), np.zeros(len(paths)), ())
    with tf.device("CPU:0"):
        rows = tf.data.Dataset.from_tensor_slices(source.images)
        rows = rows.map(read, tf.data.AUTOTUNE, deterministic=True).batch(CHUNK)
        rows = rows.prefetch(1).as_numpy_iterator()
    for start in range(0, len(paths), CHUNK):
        places = slice(start, start + CHUNK)
        with blamed(source, lambda: range(source.size)[places]):  # noqa: B023
            batch = next(rows)
        yield places, batch


@contextlib.contextmanager
def blamed(source, places):
    """While batches are read: a file that fails is named.

    Args:
        source: `Source` the batches are read from.
        places: `() -> ints`, asked only then; see `culprit`.

    Raises:
        BadInput: TensorFlow could not read one of the files.
    """
    try:
        yield
    except FAILURES as error:
        raise culprit(source, places()) or error from None


def culprit(source, places):
    """What to tell the user when TensorFlow could not read a batch.

    Args:
        source: `Source` that was read.
        places: ints of any shape, positions in it to look at.

    Returns:
        `BadInput` that names the first of these files that cannot be read, or `None`
        if all can (the error had another cause).
    """
    if not source.files:
        return None
    paths = [str(source.images[place]) for place in np.unique(places)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = (error for error in pool.map(trouble, paths) if error is not None)
        error = next(found, None)
        pool.shutdown(cancel_futures=True)
    return error


def trouble(path):
    """`BadInput` if a file cannot be read by PIL, then by TensorFlow; else `None`."""
    try:
        files.read(path)
        with tf.device("CPU:0"):
            decode(tf.io.read_file(path))
    except BadInput as error:
        return error
    except FAILURES:
        return BadInput(
            f"{path}: PIL reads this image, TensorFlow does not; open it and save it "
            "again as JPEG or PNG."
        )
    return None
