"""Bytes of image files to pixels, inside the input pipeline."""

import concurrent.futures
import contextlib
import io

import numpy as np
import tensorflow as tf

from ssl_tf.data import files
from ssl_tf.errors import BadInput

PNG = b"\x89PNG"
# What TensorFlow raises when a file cannot be opened or decoded.
FAILURES = (
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
    tf.errors.UnknownError,
)


def decode(data):
    """uint8 `[h, w, 3]` from the bytes of an image file.

    JPEG and PNG by TensorFlow, with the inverse transform that PIL uses; all else by
    PIL. What the file is called does not matter.
    """
    data = tf.convert_to_tensor(data, tf.string)
    return tf.cond(tf.io.is_jpeg(data), lambda: jpeg(data), lambda: other(data))


def decode_box(data, box):
    """uint8 of a box only; of a JPEG no more than that is decoded.

    Args:
        data: bytes of an image file.
        box: `(height, width) -> [4]` int32, top, left, height, width.
    """

    def from_jpeg():
        height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(data))
        window = box(height, width)
        return tf.io.decode_and_crop_jpeg(
            data, window, 3, dct_method="INTEGER_ACCURATE"
        )

    from_other = lambda: part(other(data), box)
    image = tf.cond(tf.io.is_jpeg(data), from_jpeg, from_other)
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
        once: decode all of it, once: for many boxes three to five times faster, and at
            a box's edge with the colours of a JPEG that PIL shows there.
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
    return np.asarray(files.pixels(io.BytesIO(data)))


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
