"""Images that stay in their files: rows are read when they are asked for."""

import numpy as np


class Stacked:
    """uint8 images of several mapped files, one after the other, as if one array.

    What `Source.images` may be where all of them would fill the memory. Slices and
    arrays of positions give another such view; `np.asarray` reads it.

    Args:
        parts: list of arrays `[n, 3, W, H]`: planes, column after column.
        places: `[N]` positions in all of them, or `None` for each in turn.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, parts, places=None):
        self.parts = parts
        self.starts = np.cumsum([0, *map(len, parts)])
        self.places = np.arange(self.starts[-1]) if places is None else places

    def __len__(self):
        return len(self.places)

    @property
    def shape(self):
        _, channels, width, height = self.parts[0].shape
        return (len(self), height, width, channels)

    def __getitem__(self, key):
        if isinstance(key, (int, np.integer)):
            return self.take(np.array([key]))[0]
        return Stacked(self.parts, self.places[key])

    def __array__(self, dtype=None, copy=None):
        rows = self.take(np.arange(len(self)))
        return rows if dtype is None else rows.astype(dtype, copy=False)

    def take(self, index):
        """uint8 `[n, H, W, 3]` of positions `[n]`."""
        places = self.places[index]
        images = np.empty((len(places), *self.shape[1:]), np.uint8)
        owner = np.searchsorted(self.starts, places, side="right") - 1
        for k in np.unique(owner):
            mine = np.flatnonzero(owner == k)
            rows = self.parts[k][places[mine] - self.starts[k]]
            images[mine] = rows.transpose(0, 3, 2, 1)
        return images


def in_chunks(images, size=4096):
    """Yields the images of an array or `Stacked` as arrays of at most `size` rows."""
    for start in range(0, len(images), size):
        yield np.asarray(images[start : start + size])
