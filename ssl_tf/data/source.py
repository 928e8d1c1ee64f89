"""Source: the images of one split, their labels and what the classes are called."""

import functools
import inspect
import os
import traceback
import unicodedata
from typing import NamedTuple

import numpy as np

from ssl_tf.data import fingerprint, mapped
from ssl_tf.data.skipped import Skipped
from ssl_tf.errors import BadInput


class Source(NamedTuple):
    """Random access to one split.

    Attributes:
        name: str, the data set.
        split: "train", "test" or "validation".
        images: uint8 `[N, H, W, 3]`, an array, `mapped.Stacked` or
            `drawn.Drawn`; or `[N]` paths of files.
        label: int32 `[N]`; -1 where there is none. Or `[N, A]` of 0 and 1: attributes,
            any number of which an image may have.
        classes: names, position = label, or column of the attributes.
        paths: `[N]` files that images in memory are from, or `None`.
        skipped: `Skipped`, what lies beside the images of the split, or `None`.
        side: pixels of views that have no size of their own; `None`: as the images.
    """

    name: str
    split: str
    images: np.ndarray
    label: np.ndarray
    classes: tuple
    paths: np.ndarray | None = None
    skipped: Skipped | None = None
    side: int | None = None

    @property
    def size(self):
        return len(self.label)

    @property
    def attributes(self):
        """Whether images have attributes instead of one class each."""
        return self.label.ndim == 2

    @property
    def class_label(self):
        """int32 `[N]`: the class of each image; -1 where it has none, or attributes."""
        return np.full(self.size, -1, np.int32) if self.attributes else self.label

    @property
    def files(self):
        """Whether `images` are paths."""
        return self.images.ndim == 1

    @property
    def names(self):
        """`[N]` texts: the file of each image; its place where there is none."""
        paths = self.images if self.files else self.paths
        if paths is None:
            return [str(place) for place in range(self.size)]
        return [os.fsdecode(path) for path in paths]


def whole(found):
    """`Source` of what a reader gives: of annotated images, without their objects."""
    if isinstance(found, Source):
        return found
    label = np.full(found.size, -1, np.int32)
    return Source(found.name, found.split, found.images, label, ())


def own(function, name):
    """A user's `(split, root=None, ...) -> Source`, with what it gives checked.

    Args:
        function: callable that a config names by `data.name`.
        name: that dotted name; every `Source` is called so.

    Returns:
        callable with the same signature. It raises BadInput where the function fails,
        gives no `Source`, or one of another shape, type or number of labels than
        described there, or other classes than for another split.
    """
    if not {"split", "root"} <= inspect.signature(function).parameters.keys():
        raise BadInput(f"data.name: {name} is no function of (split, root=None).")
    classes = {}

    @functools.wraps(function)
    def call(split, root=None, **options):
        where = f"data.name: {name}(split={split!r}, root={root!r})"
        try:
            found = function(split=split, root=root, **options)
        except BadInput:
            raise
        except Exception as error:  # noqa: BLE001 - may fail in any way
            line = traceback.extract_tb(error.__traceback__)[-1]
            raise BadInput(
                f"{where} raised {type(error).__name__}: {error} "
                f"({line.filename}, line {line.lineno})."
            ) from error
        try:
            found = regular(found)._replace(name=name, split=split)
        except BadInput as error:
            raise BadInput(f"{where} {error}") from None
        first = classes.setdefault("", (split, found.classes))
        if first[1] != found.classes:
            raise BadInput(
                f"{where} gives the classes {', '.join(found.classes[:5])} ...; for "
                f"{first[0]} they are {', '.join(first[1][:5])} ...: all splits need "
                "the same, in one order."
            )
        return found

    call.named = name
    return call


def regular(found):
    """A `Source` with its arrays as described there.

    Raises:
        BadInput: what is wrong, as the end of a sentence about who gave it.
    """
    if not isinstance(found, Source):
        raise BadInput(f"gives {type(found).__name__}; give a ssl_tf.data.Source.")
    images, classes = found.images, tuple(map(str, found.classes))
    images = np.asarray(images) if isinstance(images, (list, tuple)) else images
    shape, kind = getattr(images, "shape", ()), getattr(images, "dtype", None)
    if len(shape) == 1:
        if not all(isinstance(path, (str, bytes, os.PathLike)) for path in images):
            raise BadInput("gives [N] images that are no paths of files.")
        images = np.array([os.fsdecode(path) for path in images])
    elif len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3 or kind != np.uint8:
        raise BadInput(
            f"gives images of shape {list(shape)}, {kind}; give uint8 [N, S, S, 3], "
            "RGB from 0 to 255, or [N] paths of files."
        )
    label = np.asarray(found.label)
    if len(images) == 0 or label.ndim not in (1, 2) or len(label) != len(images):
        raise BadInput(
            f"gives {len(images)} images and labels of shape {list(label.shape)}; "
            "give one label, or one row of attributes, an image."
        )
    if label.dtype.kind not in "iub":
        raise BadInput(f"gives labels of {label.dtype}; give whole numbers.")
    if len(set(classes)) < len(classes):
        raise BadInput("names a class twice.")
    least, most = (-1, len(classes) - 1) if label.ndim == 1 else (0, 1)
    if label.ndim == 2 and label.shape[1] != len(classes):
        raise BadInput(f"gives {label.shape[1]} attributes, {len(classes)} names.")
    if label.size and not least <= label.min() <= label.max() <= most:
        raise BadInput(
            f"gives labels from {label.min()} to {label.max()}; with {len(classes)} "
            f"names in classes they must be from {least} to {most}"
            f"{', -1 where there is none' if least else ''}."
        )
    paths = None if found.paths is None else np.asarray(found.paths)
    if paths is not None and paths.shape != (len(images),):
        raise BadInput(f"gives paths of shape {list(paths.shape)}, not one an image.")
    label = label.astype(np.int32)
    return found._replace(images=images, label=label, classes=classes, paths=paths)


def subset(source, places, split=None):
    """The images at `places`, in that order; their index is the new position."""
    return source._replace(
        images=source.images[places],
        label=source.label[places],
        paths=None if source.paths is None else source.paths[places],
        split=split or source.split,
    )


def balanced(source, per_class, seed=0):
    """The same number of images from each class, by a seeded draw, in split order.

    Raises:
        BadInput: a class has fewer images, or there are no classes, or attributes.
    """
    if source.attributes or not source.classes:
        what = (
            "attributes, no classes; use data.share or"
            if source.attributes
            else ("no classes; use")
        )
        raise BadInput(f"data.per_class: {source.name} has {what} data.limit.")
    draw = np.random.Generator(np.random.Philox(seed))
    chosen = []
    for label, name in enumerate(source.classes):
        places = np.flatnonzero(source.label == label)
        if len(places) < per_class:
            raise BadInput(
                f"data.per_class: is {per_class}; class {name!r} of {source.name} has "
                f"{len(places)} {source.split} images."
            )
        chosen.append(draw.choice(places, per_class, replace=False))
    return subset(source, np.sort(np.concatenate(chosen)))


def limited(source, count, seed=0):
    """No more than `count` images, in split order.

    Where the images lie class after class, as those of folders do, a seeded draw from
    each class, in proportion to its size and at least one; where images of files have
    no classes, a seeded draw. Where the classes are mixed already (CIFAR, STL-10), the
    first `count`.

    Raises:
        BadInput: fewer images than classes to draw from.
    """
    if count >= source.size:
        return source
    if mixed(source):
        return subset(source, slice(count))
    kinds, sizes = np.unique(source.class_label, return_counts=True)
    if count < len(kinds):
        raise BadInput(
            f"data.limit: is {count}; {source.name} has {len(kinds)} classes and each "
            f"needs an image. Take {len(kinds)} or more, or name some classes in "
            "data.classes."
        )
    draw = np.random.Generator(np.random.Philox(seed))
    chosen = [
        draw.choice(np.flatnonzero(source.class_label == label), own, replace=False)
        for label, own in zip(kinds, proportional(sizes, count))
    ]
    return subset(source, np.sort(np.concatenate(chosen)))


def mixed(source):
    """Whether the first images of a source are of its classes as they come.

    They are not if each class's images lie together; images without classes count as
    mixed unless they are files, whose order is that of their names.
    """
    label = source.class_label
    kinds, runs = len(np.unique(label)), 1 + np.count_nonzero(np.diff(label))
    named = source.files or source.paths is not None
    return source.attributes or runs > kinds or kinds == 1 and not named


def proportional(sizes, count):
    """int `[C]` in proportion to `sizes` `[C]`, at least 1 each, `count` in all."""
    exact = sizes * (count / sizes.sum())
    own = np.maximum(np.floor(exact), 1).astype(int)
    while own.sum() < count:
        own[np.argmax(exact - own)] += 1
    while own.sum() > count:
        own[np.argmin(np.where(own > 1, exact - own, np.inf))] -= 1
    return own


def labelled_share(source, share, seed=0):
    """The labelled images that fine-tuning with few labels may see, class by class.

    Images with attributes are drawn as if they were of one class.

    Args:
        source: `Source`; images without a label are left out.
        share: float in (0, 1], of each class, at least one image of it; or "authors"
            for `authors_tenth`.
        seed: int, of the draw; the authors' is their own.

    Raises:
        BadInput: no image has a label.
    """
    kinds = np.zeros(source.size, int) if source.attributes else source.label
    if not (kinds >= 0).any():
        raise BadInput(
            f"data.share: {source.name} has no labelled {source.split} images to draw."
        )
    if share == "authors":
        again = source.name == "imagenet5"
        return subset(source, authors_tenth(source.size, again))
    draw = np.random.Generator(np.random.Philox(seed))
    chosen = []
    for label in np.unique(kinds[kinds >= 0]):
        places = np.flatnonzero(kinds == label)
        count = max(1, round(share * len(places)))
        chosen.append(draw.choice(places, count, replace=False))
    return subset(source, np.sort(np.concatenate(chosen)))


def authors_tenth(size, again=False):
    """int64 positions of the tenth of `size` images that G-SimCLR fine-tunes on.

    Not drawn class by class. On the ImageNet subset they were drawn with repetition
    (`again`: 117 images, some twice) from a list in the order of the disk, which cannot
    be known; here they are positions in the sorted one.

    Source:
        G-SimCLR, arXiv:2009.12007, by its code: NumPy's old generator, seed 666.
    """
    draw = np.random.RandomState(666)
    return draw.choice(size, size // 10, replace=again).astype(np.int64)


def hold_out(source, share, seed=0):
    """Splits a source class by class.

    Args:
        source: `Source`; one with attributes is split as if it had one class.
        share: float in (0, 1), of each class, at least one image of it.
        seed: int.

    Returns:
        `(rest, held out)`; the latter's split is "validation".

    Raises:
        BadInput: a class would lose all its images.
    """
    draw = np.random.Generator(np.random.Philox(seed))
    held, kinds = np.zeros(source.size, bool), source.class_label
    for label in np.unique(kinds):
        places = np.flatnonzero(kinds == label)
        count = max(1, round(share * len(places)))
        if count == len(places):
            name = f"class {source.classes[label]!r}" if label >= 0 else "the folder"
            raise BadInput(
                f"{source.name}: holding out {share} of the images leaves none of "
                f"{name}, which has {count}; add some or hold out less."
            )
        held[draw.choice(places, count, replace=False)] = True
    rest, out = np.flatnonzero(~held), np.flatnonzero(held)
    return subset(source, rest), subset(source, out, "validation")


def hold_out_fifth(source):
    """`(rest, held out)` as the ablation study splits CIFAR-10, not class by class.

    The positions in order are shuffled by NumPy's old generator, seed 123; the first
    fifth, 10,000 of CIFAR's 50,000, is held out. Both parts stay in the drawn order.

    Source:
        Papastratis, arXiv:2112.02297, by its code.
    """
    places = np.arange(source.size)
    np.random.RandomState(123).shuffle(places)
    count = source.size // 5
    held = subset(source, places[:count], "validation")
    return subset(source, places[count:]), held


def first_classes(source, names):
    """Only the images of the named classes, labels renumbered in the order of `names`.

    Images without a label are left out. All images, where these are names of
    attributes.

    Raises:
        BadInput: a name that is not a class, or twice; no image has a label.
    """
    names = tuple(unicodedata.normalize("NFC", name) for name in names)
    unknown = [name for name in names if name not in source.classes]
    if unknown:
        raise BadInput(f"data.classes: {source.name} has no class {unknown[0]!r}.")
    if len(set(names)) < len(names):
        raise BadInput("data.classes: a name stands twice.")
    if source.attributes:
        columns = [source.classes.index(name) for name in names]
        return source._replace(label=source.label[:, columns], classes=names)
    new = fingerprint.columns(names, source.classes, source.name, drop=True)
    return renumbered(source, new, names, drop=True)


def renumbered(source, new, names, drop=False):
    """Labels of other numbers.

    Args:
        source: `Source` of classes.
        new: int32 `[C]`, the number each class gets; -1: its images are left out.
        names: what the new numbers are called.
        drop: leave images without a class out, too.

    Raises:
        BadInput: no image is left.
    """
    label = np.where(source.label >= 0, new[source.label], -1).astype(np.int32)
    kept = (label >= 0) | ((source.label < 0) & (not drop))
    if not kept.any():
        raise BadInput(
            f"{source.name}: none of its {source.split} images is of the classes "
            f"{fingerprint.listed(names)}."
        )
    source = source._replace(label=label, classes=names)
    return source if kept.all() else subset(source, np.flatnonzero(kept))


def aligned(source, names, drop=False):
    """The source with labels that count `names`, those of a network's outputs.

    Args:
        source: `Source`; without classes it stays as it is.
        names: of the classes, or attributes, in order.
        drop: leave images of other classes out instead of refusing them.

    Raises:
        BadInput: it has a class that is not among them; or lacks an attribute.
    """
    names = tuple(names)
    if not source.classes or source.classes == names:
        return source
    new = fingerprint.columns(names, source.classes, source.name, drop)
    if not source.attributes:
        return renumbered(source, new, names, drop)
    if len(names) != np.count_nonzero(new >= 0):
        raise BadInput(
            f"{source.name}: lacks some of the {len(names)} attributes that this run "
            "tells apart."
        )
    label = np.empty((source.size, len(names)), source.label.dtype)
    label[:, new[new >= 0]] = source.label[:, new >= 0]
    return source._replace(label=label, classes=names)


def moments(images):
    """Per-channel mean and standard deviation of uint8 images, exact, in [0, 1].

    Returns:
        `(mean [3], deviation [3])` float64.
    """
    return moments_of(mapped.in_chunks(images))


def moments_of(chunks):
    """`moments` of arrays `[..., 3]` one after the other, of any shapes."""
    values, counts = np.arange(256), np.zeros((3, 256), np.int64)
    for some in chunks:
        for channel in range(3):
            counts[channel] += np.bincount(some[..., channel].ravel(), minlength=256)
    mean, deviation = [], []
    for row in counts:
        first = (row * values).sum() / row.sum()
        mean.append(first / 255)
        spread = (row * (values - first) ** 2).sum() / row.sum()
        deviation.append(np.sqrt(spread) / 255)
    return np.array(mean), np.array(deviation)


def saturated_moments(images):
    """The same as float32 sums that stop growing give them, in [0, 1].

    NumPy adds the rows of (50000, 32, 32, 3) one after the other in float32; a sum
    stops at 2^32. For CIFAR-100 the "mean" becomes 2^32 / 51,200,000 = 83.88608 in
    every channel, and the deviation is taken around it.

    Source:
        SSAL, Keras code, mean-std normalisation; its checkpoints need these numbers.
    """
    x = np.asarray(images).astype(np.float32)
    axes = (0, 1, 2)
    return np.average(x, axes) / 255, np.std(x, axes) / 255
