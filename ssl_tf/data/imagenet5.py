"""G-SimCLR's five classes of ImageNet: from its repository, a folder or an archive."""

import concurrent.futures
import io
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from ssl_tf.data import archives, cifar, files
from ssl_tf.data.skipped import Kind, Skipped
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput, have
from ssl_tf.schema import Count

CLASSES = ("airplane", "car", "cat", "dog", "elephant")
COUNTS = {"train": 1250, "test": 250}
INNER = ("", "imagenet5", "imagenet-5-categories", "imagenet-5-categories-master")
NO_SPLIT = Kind("image{s} in neither train/ nor test/", "move them into one of these")
HINT = (
    "imagenet5 needs train/ and test/ in there, with images called <class>_*.jpg, or "
    "an archive of both; or leave --datadir out to download it"
)


class Archive(NamedTuple):
    """What `weights.download` fetches; its checksum is pinned the first time."""

    file: str
    urls: tuple
    size: int | None = None
    sha256: str | None = None
    manual: None = None
    member: None = None


REPOSITORY = "https://github.com/thunderInfy/imagenet-5-categories/archive"
# The state with the flat layout, else whatever is newest.
DOWNLOAD = Archive(
    "imagenet-5-categories.zip",
    (
        f"{REPOSITORY}/f69f244a8a74eeaefae39f7a4ab8400f8da97835.zip",
        f"{REPOSITORY}/refs/heads/master.zip",
    ),
)


def imagenet5(split, root=None, size: Count | None = 224):
    """1,250 training and 250 test photographs of 5 classes, in order of class and name.

    Args:
        split: "train" or "test".
        root: `None` downloads once from the public repository (93 MB); or a folder with
            `train/` and `test/`, where `<class>_` begins each file name (or folders of
            classes, within or without), or a tar or zip file of that.
        size: side in pixels all images are squashed to, aspect not kept; `None` leaves
            the files as they are, to be cut while training, and needs a folder.

    Raises:
        BadInput: nothing of that is there, or it is damaged.

    Source:
        G-SimCLR, arXiv:2009.12007; github.com/thunderInfy/imagenet-5-categories. Its
        code lists the files in the order of the disk; ours are sorted.
    """
    kind, place = find(root)
    if kind == "nothing":
        place = download()
    if kind == "folder":
        skipped = Skipped("imagenet5", root)
        names, label = listed(walked(place, skipped), split, place)
        paths = images = np.array([str(place / name) for name in names])
        if size is not None:
            images = filled(lambda i: files.read(paths[i]), label, size)
        return Source("imagenet5", split, images, label, CLASSES, paths, skipped)
    if size is None:
        raise BadInput(f"{place}: data.size null needs files; unpack the archive.")
    with archives.opened(place) as (names, content):
        names, label = listed(names, split, place)
        read = lambda i: decoded(content(names[i]), f"{place}: {names[i]}")
        return Source("imagenet5", split, filled(read, label, size), label, CLASSES)


def find(root):
    """Where the images are, without a download.

    Returns:
        `("folder", path)` of one with `train/` and `test/`, `("archive", path)`, or
        `("nothing", path)` where the download would be put, if `root` is `None`.

    Raises:
        BadInput: `root` holds nothing of it.
    """
    if root is None:
        path = cached()
        return ("archive" if path.exists() else "nothing"), path
    root = Path(root)
    if not root.exists():
        raise BadInput(f"--datadir {root}: does not exist; {HINT}.")
    if root.is_file():
        return "archive", root
    for base in (root / inner for inner in INNER):
        if all((base / part).is_dir() for part in COUNTS):
            return "folder", base
        if all((base / name / "train").is_dir() for name in CLASSES):
            return "folder", base
    if (root / DOWNLOAD.file).is_file():
        return "archive", root / DOWNLOAD.file
    raise BadInput(f"--datadir {root}: {HINT}.")


def cached():
    """Where the download is kept, beside those of Keras."""
    return cifar.caches()[0] / "imagenet5" / DOWNLOAD.file


def download():
    """The path of the archive, fetched if it is not there; it must be whole."""
    from ssl_tf.weights import download as downloads

    path = downloads.fetch(DOWNLOAD, cached().parent)
    with archives.opened(path) as (names, _):
        for split, count in COUNTS.items():
            there = len(listed(names, split, path)[0])
            if there != count:
                raise BadInput(
                    f"{path}: holds {there} {split} images, not {count}; remove it, or "
                    "give --datadir."
                )
    return path


def walked(base, skipped=None):
    """Names of the images below `base/train`, `base/test` and `base/<class>`.

    `Skipped` is told of what else lies there, images of no split included.
    """
    skipped = Skipped() if skipped is None else skipped
    found = []
    for part in (part for part in (*COUNTS, *CLASSES) if (base / part).is_dir()):
        found += files.named_in_utf8(files.below(base / part, skipped))
    names = [Path(path).relative_to(base).as_posix() for path in found]
    lost = [
        path for path, name in zip(found, names) if not {*COUNTS} & {*name.split("/")}
    ]
    skipped.note(NO_SPLIT, *lost)
    return names


def listed(names, split, where):
    """Names of one split in order of class and file name, and their labels.

    Args:
        names: paths with `/`, relative to the data set or to the archive.
        split: "train" or "test", a folder on the way to each of its images.
        where: path, for messages.

    Returns:
        `(names [N], label int32 [N])`.

    Raises:
        BadInput: a name without a class, or no image, or none of some class.
    """
    rows = []
    for name in names:
        *folders, file = PurePosixPath(name).parts
        if split in folders:
            rows.append((class_of(folders, file, f"{where}/{name}"), file, name))
    lost = [c for i, c in enumerate(CLASSES) if i not in {row[0] for row in rows}]
    if lost:
        what = f"image of class {lost[0]!r}" if rows else "image"
        raise BadInput(f"{where}: has no {split} {what}; {HINT}.")
    rows.sort()
    return [row[2] for row in rows], np.array([row[0] for row in rows], np.int32)


def class_of(folders, file, where):
    """Number of the class that a folder or the start of a file's name tells."""
    told = [part for part in (*folders, file.partition("_")[0]) if part in CLASSES]
    if not told:
        raise BadInput(
            f"{where}: begins with no class and an underscore; rename or remove it. "
            f"Have: {have(CLASSES)}."
        )
    return CLASSES.index(told[-1])


def decoded(data, what):
    """uint8 `[h, w, 3]` from the bytes of an image; BadInput if it is damaged."""
    try:
        return np.asarray(files.pixels(io.BytesIO(data)))
    except Exception as error:  # noqa: BLE001 - a damaged file may fail in any way
        why = " ".join(str(error).split())[:100]
        raise BadInput(f"{what}: is no readable image ({why}); get it again.") from None


def filled(read, label, size):
    """uint8 `[N, size, size, 3]` of `read(0)` to `read(N - 1)`, on all cores."""
    images = np.empty((len(label), size, size, 3), np.uint8)

    def fill(place):
        images[place] = squash(read(place), size)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        try:
            list(pool.map(fill, range(len(label))))
        except BadInput:
            pool.shutdown(cancel_futures=True)
            raise
    return images


def squash(image, size):
    """uint8 `[size, size, 3]`, bilinear between pixel centres, without antialiasing.

    Args:
        image: uint8 `[h, w, 3]`.
        size: int.

    Source:
        G-SimCLR's code: TensorFlow's and OpenCV's plain resize, the latter rounded to
        8 bits as here; an antialiased one would differ by .004 to .031 on average.
    """
    (low, high, part), (left, right, share) = (axis(n, size) for n in image.shape[:2])
    rows = image[low] + part[:, None, None] * (image[high] - image[low].astype("f4"))
    x = rows[:, left] + share[:, None] * (rows[:, right] - rows[:, left])
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def axis(length, size):
    """`(pixel before, pixel after, weight of the latter)`, each `[size]`."""
    place = (np.arange(size) + 0.5) * (length / size) - 0.5
    place = np.clip(place, 0, length - 1)
    first = np.floor(place).astype(np.int64)
    weight = (place - first).astype(np.float32)
    return first, np.minimum(first + 1, length - 1), weight
