"""Features of a method over splits: computed once, kept as `.npy` files, mapped."""

import contextlib
import functools
import hashlib
import os
import re
from pathlib import Path

import keras
import numpy as np

from ssl_tf import runs
from ssl_tf.data.mapped import Stacked
from ssl_tf.errors import BadInput, have
from ssl_tf.evaluation import features

FOLDER = "features"
CHUNK = 4096  # images looked at together
KINDS = {"float32": np.float32, "float16": np.float16}


class Store:
    """Features of one method, in one set of weights.

    Args:
        method: `Method` with its weights loaded.
        folder: where the files go, `<run>/features`; `None` keeps nothing on disk.
        weights: the file the weights are from; its contents are part of each key, so
            that features of other weights are never read.
        kind: "float32" or "float16": of the files. Half halves the disk; values
            above 65,504 are refused.
        batch_size: int, images a forward pass.
    """

    def __init__(
        self, method, folder=None, weights=None, kind="float32", batch_size=256
    ):
        self.method = method
        self.folder = None if folder is None else Path(folder)
        self.weights = None if weights is None else Path(weights)
        self.kind = kind
        self.batch_size = batch_size
        self.kept, self.offered = {}, {}

    def __call__(self, images, level="features"):
        """`[N, F]` float array of a split; see `many`."""
        return self.many(images, [level])[0]

    def many(self, images, levels):
        """Features of several levels, what is missing in one pass over the images.

        Args:
            images: `pipeline.Images`.
            levels: names of `method.representations`, or "pixels".

        Returns:
            list of `[N, F]` arrays, read-only maps of files where there is a folder.

        Raises:
            BadInput: the method has no such level (those it has are listed), or the
                features are none, see `features.Gate`.
        """
        self.check(levels, images.size)
        names = self.names(images, levels)
        missing = [level for level in names if not self.held(names[level], images)]
        if missing:
            self.compute(images, {level: names[level] for level in missing})
        return [self.kept[names[level]] for level in levels]

    def check(self, levels, size):
        known = list(self.shapes(size))
        for level in levels:
            if level not in known:
                raise BadInput(
                    f"level: {self.method.name} has no {level!r}. Have: {have(known)}."
                )

    def shapes(self, size):
        """`{level: [1, F]}` of what there is for images of `size` pixels."""
        if size not in self.offered:
            self.offered[size] = self.traced(size)
        return self.offered[size]

    def traced(self, size):
        import tensorflow as tf

        one = tf.TensorSpec([1, size, size, 3], tf.float32)
        function = tf.function(self.representations, autograph=False)
        outputs = function.get_concrete_function(one).structured_outputs
        return {name: list(x.shape) for name, x in outputs.items()}

    def representations(self, images):
        """The method's, and "pixels": the images as the model is shown them, flat."""
        width = images.shape[1] * images.shape[2] * images.shape[3]
        pixels = keras.ops.reshape(images, (-1, width))
        return self.method.representations(images) | {"pixels": pixels}

    def names(self, images, levels):
        """`{level: file name}`: what it is of, and a digest of all it depends on."""
        stem = "memory" if self.weights is None else self.weights.name.split(".")[0]
        shown, found = likeness(images), {}
        for level in levels:
            about = (images.source.name, images.source.split, stem, level)
            head = "_".join(re.sub(r"\W+", "-", str(part)) for part in about)
            found[level] = f"{head}_{hashed(self.digest, shown, level, self.kind)}.npy"
        return found

    @functools.cached_property
    def digest(self):
        """sha256 of the weights' file."""
        if self.weights is None:
            return ""
        with open(self.weights, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def held(self, name, images):
        """Whether the features are in memory or in a readable file; maps the file."""
        if name in self.kept:
            return True
        if self.folder is None or not (self.folder / name).exists():
            return False
        try:
            rows = np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return False  # damaged: it is computed again
        if rows.ndim != 2 or len(rows) != images.source.size:
            return False
        self.kept[name] = features.checked(rows)
        return True

    def derived(self, images, level, what, about, compute):
        """An array made of features, as long in use as they are, and kept like them.

        Args:
            images: `pipeline.Images`.
            level: of `method.representations`.
            what: a word for it.
            about: str, everything else that it depends on.
            compute: `[N, F] features -> array`, called if it is not there yet.
        """
        self.check([level], images.size)
        head, _, key = self.names(images, [level])[level].rpartition("_")
        name = f"{head}_{what}-{hashed(about)}_{key}"
        if name in self.kept:
            return self.kept[name]
        path = None
        if self.folder is not None and self.weights is not None:
            path = self.folder / name
            with contextlib.suppress(OSError, ValueError, EOFError):  # none, or damaged
                self.kept[name] = np.load(path, allow_pickle=False)
                return self.kept[name]
        self.kept[name] = compute(self(images, level))
        if path is not None:
            with runs.atomic(path) as out:
                np.save(out, self.kept[name])
            forget_others(path)
        return self.kept[name]

    def compute(self, images, names):
        """Fills `kept` with the levels of `{level: file name}`."""
        levels = list(names)

        def function(x):
            found = self.representations(x)
            return [found[level] for level in levels]

        what = ["logits" if x.startswith("logits") else "features" for x in levels]
        rows = features.batches(function, images, self.batch_size, what)
        if self.folder is None or self.weights is None:
            columns = zip(*rows)
            found = [np.concatenate(column) for column in columns]
            self.kept |= {names[level]: x for level, x in zip(levels, found)}
            return
        paths = [self.folder / names[level] for level in levels]
        maps = write(paths, rows, images.source.size, KINDS[self.kind])
        for level, path, rows in zip(levels, paths, maps):
            forget_others(path)
            self.kept[names[level]] = rows


def write(paths, rows, count, kind):
    """Streams columns into `.npy` files, all or none, and maps them.

    They are mapped before they get their names, for then another process that keeps
    features of other images may remove them.

    Args:
        paths: one a column.
        rows: yields lists of `[b, F]` float32 arrays, one a column.
        count: int, rows in all.
        kind: NumPy type.

    Returns:
        the arrays `[count, F]`, read-only maps.
    """
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(runs.atomic(path)) for path in paths]
        for step, columns in enumerate(rows):
            for file, path, values in zip(files, paths, columns):
                if step == 0:
                    header(file, (count, values.shape[1]), kind)
                file.write(narrowed(values, kind, path).tobytes())
        return [mapped(file, path) for file, path in zip(files, paths)]


def mapped(file, path):
    """The array of a `.npy` file that is open for writing, read-only."""
    try:
        file.flush()
        return np.load(file.name, mmap_mode="r", allow_pickle=False)
    except ValueError:
        raise BadInput(f"{path}: cannot be read back; check the disk.") from None


def header(file, shape, kind):
    """The head of a `.npy` file in C order."""
    descr = np.lib.format.dtype_to_descr(np.dtype(kind))
    facts = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, facts)


def narrowed(values, kind, path):
    """Values in the file's type.

    Raises:
        BadInput: some are too large for it.
    """
    if kind == np.float16 and np.abs(values).max(initial=0) > np.finfo(kind).max:
        raise BadInput(f"{path.name}: features exceed float16; keep them as float32.")
    return np.ascontiguousarray(values, kind)


def forget_others(path):
    """Removes files of the same split and level whose weights or images are gone."""
    head = path.name.rpartition("_")[0]
    for other in path.parent.glob("*.npy"):
        if other != path and other.name.rpartition("_")[0] == head:
            with contextlib.suppress(OSError):
                other.unlink()


def likeness(images):
    """Digest of what a model is shown: images, normalisation, size, cut."""
    source = images.source
    # All that is not pixels; a recipe is its run's, and the seed is beside it.
    look = images._replace(source=source.images.shape, recipe=images.recipe is not None)
    if images.fitted and source.images.shape[1:3] == (images.size,) * 2:
        look = look._replace(fit="zoomed")  # earlier versions showed these whole
    if source.files:
        return hashed(repr(look), *map(stamp, source.images))
    if isinstance(source.images, Stacked):  # too large to be read for this
        files = (stamp(part.filename) for part in source.images.parts)
        return hashed(repr(look), np.ascontiguousarray(source.images.places), *files)
    parts = (source.images[i : i + CHUNK] for i in range(0, source.size, CHUNK))
    return hashed(repr(look), *(hashed(np.ascontiguousarray(x).data) for x in parts))


def stamp(path):
    """Path, length and time of a file; a missing one is found when it is read."""
    path = path.decode() if isinstance(path, bytes) else str(path)
    with contextlib.suppress(OSError):
        facts = os.stat(path)
        return f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}"
    return path


def hashed(*parts):
    """Hex digest of texts and buffers."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()
