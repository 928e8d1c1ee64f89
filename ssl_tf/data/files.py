"""Image files: finding, checking and reading them, without TensorFlow."""

import concurrent.futures
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ssl_tf.errors import BadInput

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp")
SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def images_in(folder):
    """Sorted paths of the image files directly in `folder`; hidden ones are skipped.

    Raises:
        BadInput: a name that is no UTF-8, which TensorFlow cannot open.
    """
    found = sorted(
        entry.path
        for entry in visible(folder)
        if entry.name.lower().endswith(SUFFIXES) and entry.is_file()
    )
    for path in found:
        if not readable_name(path):
            raise BadInput(f"{path!a}: the name is not UTF-8; rename it.")
    return found


def readable_name(path):
    """Whether the path can be written in UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def class_folders(root):
    """Sorted names of the folders in `root`; hidden ones are skipped."""
    return sorted(entry.name for entry in visible(root) if entry.is_dir())


def visible(folder):
    """The entries of a folder that are not hidden; BadInput if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise BadInput(f"{folder}: cannot be listed ({error.strerror}).") from None


def tree(root, classes=None, inner=""):
    """Files and labels of `root/<class>[/<inner>]/*`.

    Args:
        root: folder.
        classes: names in label order; `None` takes the sorted folder names.
        inner: str, a folder between class and files.

    Returns:
        `(paths [N], label [N], classes)`.

    Raises:
        BadInput: no class folder, a missing one, or one without an image.
    """
    found = class_folders(root)
    classes = tuple(found if classes is None else classes)
    missing = [name for name in classes if name not in found]
    if not classes or missing:
        lack = f"class folder {missing[0]!r}" if missing else "class folders"
        raise BadInput(f"{root}: has no {lack}; expected {root}/<class>/<image>.")
    paths, label = [], []
    for place, name in enumerate(classes):
        folder = Path(root) / name / inner
        files = images_in(folder) if folder.is_dir() else []
        if not files:
            raise BadInput(f"{folder}: holds no image; {deeper(folder)}.")
        paths += files
        label += [place] * len(files)
    return np.array(paths), np.array(label, np.int32), classes


def deeper(folder):
    """What to do about a class folder without images in it."""
    below = (p for p in Path(folder).rglob("*") if p.name.lower().endswith(SUFFIXES))
    found = next(below, None)
    if found is not None:
        return f"move the images of {found.parent} up into it"
    kinds = ", ".join(suffix[1:] for suffix in SUFFIXES)
    return f"add some ({kinds}) or remove the folder"


def pixels(file, upright=False):
    """uint8 RGB image in PIL's form from a path or binary file.

    Grey, CMYK, palette and 16-bit images become RGB; of an animation the first frame
    is taken; an alpha channel is dropped; a note of the camera's rotation is ignored.
    So does TensorFlow's decoder, which reads JPEG and PNG while training.

    Args:
        file: path or binary file.
        upright: follow the camera's note instead.
    """
    with warnings.catch_warnings(), Image.open(file) as image:
        warnings.simplefilter("ignore")  # palettes with transparency, very large images
        if image.mode in SIXTEEN_BITS:
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image = ImageOps.exif_transpose(image) if upright else image
        return image.convert("RGB")


def read(path, size=None, upright=False):
    """One image as uint8 `[H, W, 3]`; see `pixels`.

    Args:
        path: file.
        size: `None`, or the side of a central square it is scaled and cut to.
        upright: see `pixels`.

    Raises:
        BadInput: it is not a readable image.
    """
    try:
        image = pixels(path, upright)
    except Exception as error:  # noqa: BLE001 - a damaged file may fail in any way
        why = " ".join(str(error).replace(repr(str(path)), "it").split())[:100]
        raise BadInput(
            f"{path}: is no readable image ({why}); replace or remove it. "
            "`python -m ssl_tf.doctor data` lists all such files."
        ) from None
    if size is not None and image.size != (size, size):
        image = centre(image, size)
    return np.asarray(image)


def centre(image, size):
    """PIL image scaled to a shorter side of `size`, then its central square.

    Source:
        torchvision's Resize (longer side rounded down) and CenterCrop (half a pixel to
        the even side).
    """
    width, height = image.size
    short = min(width, height)
    new = (width * size // short, height * size // short)
    image = image.resize(new, Image.Resampling.BILINEAR)
    left, top = round((new[0] - size) / 2), round((new[1] - size) / 2)
    return image.crop((left, top, left + size, top + size))


def read_all(paths, size):
    """uint8 `[N, size, size, 3]` of many files, decoded on all cores."""
    images = np.empty((len(paths), size, size, 3), np.uint8)

    def fill(place):
        images[place] = read(paths[place], size)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        jobs = pool.map(fill, range(len(paths)))
        try:
            for _ in jobs:
                pass
        except BadInput:
            pool.shutdown(cancel_futures=True)
            raise
    return images


def existing(root, name, hint):
    """`Path(root)`; BadInput if it was not given or is no folder.

    Args:
        root: path or `None`.
        name: the data set, for the message.
        hint: what should be there and how to get it.
    """
    if root is None:
        raise BadInput(f"{name}: needs --datadir DIR with {hint}.")
    if not Path(root).is_dir():
        what = "is a file" if Path(root).exists() else "does not exist"
        raise BadInput(f"--datadir {root}: {what}; {name} needs {hint}.")
    return Path(root)
