"""Several views in one tensor: all images in one view, then in the next, and so on.

A method may send V views of its B images through a network at once, V B rows in this
order. A context says how many images there are, so that what looks at groups of images
inside, as `layers.norm.BatchNorm` does, knows which rows are views of the same image.
"""

import contextlib
import contextvars

from ssl_tf.errors import BadInput

COUNT = contextvars.ContextVar("images", default=None)


@contextlib.contextmanager
def rows_of(images):
    """Within it, the rows of tensors are views of so many images.

    Args:
        images: int, of this replica's batch; `None`, if unknown, changes nothing.
    """
    if images is None:
        yield
        return
    token = COUNT.set(images)
    try:
        yield
    finally:
        COUNT.reset(token)


def views(rows):
    """How many views of an image so many rows are; 1 outside of `rows_of`.

    Raises:
        BadInput: no whole number, or rows are not known when the graph is made.
    """
    images = COUNT.get() or rows
    if rows is None or rows % images:
        raise BadInput(
            f"groups of images: there are {rows} rows of {images} images; they must be "
            "whole views, one after the other, and known beforehand."
        )
    return rows // images
