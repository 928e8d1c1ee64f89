"""Image files: finding, checking and reading them."""

import concurrent.futures
import os
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ssl_tf.errors import BadInput

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")
DECODED_BY_TF = (".jpg", ".jpeg", ".png", ".bmp", ".gif")


def images_in(folder):
    """Sorted paths of the image files directly in `folder`; hidden ones are skipped."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.path
            for entry in entries
            if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".")
        )


def class_folders(root):
    """Sorted names of the folders in `root`; hidden ones are skipped."""
    return sorted(
        path.name
        for path in Path(root).iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )


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
        files = images_in(Path(root) / name / inner)
        if not files:
            raise BadInput(
                f"{Path(root) / name / inner}: holds no image; "
                "add some or remove the folder."
            )
        paths += files
        label += [place] * len(files)
    return np.array(paths), np.array(label, np.int32), classes


def read(path, size=None):
    """One image as uint8 `[H, W, 3]`; grey and CMYK become RGB.

    Args:
        path: file.
        size: `None`, or the side of a central square it is scaled and cut to.

    Raises:
        BadInput: it is not a readable image.
    """
    try:
        with Image.open(path) as image:
            image = image.convert("RGB")
            if size is not None and image.size != (size, size):
                image = centre(image, size)
            return np.asarray(image)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        why = " ".join(str(error).split())[:100]
        raise BadInput(
            f"{path}: is no readable image ({why}); replace or remove it. "
            "`python -m ssl_tf.doctor data` lists all such files."
        ) from None


def centre(image, size):
    """PIL image scaled to a shorter side of `size`, then its central square."""
    width, height = image.size
    short = min(width, height)
    new = (round(width * size / short), round(height * size / short))
    image = image.resize(new, Image.Resampling.BILINEAR)
    left, top = (new[0] - size) // 2, (new[1] - size) // 2
    return image.crop((left, top, left + size, top + size))


def read_all(paths, size):
    """uint8 `[N, size, size, 3]` of many files, decoded on all cores."""
    images = np.empty((len(paths), size, size, 3), np.uint8)

    def fill(place):
        images[place] = read(paths[place], size)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        for _ in pool.map(fill, range(len(paths))):
            pass
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
        raise BadInput(f"--datadir {root}: is not a folder; {name} needs {hint}.")
    return Path(root)
