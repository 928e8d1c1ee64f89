"""Image files: finding, checking and reading them, without TensorFlow."""

import itertools
import os
import unicodedata
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ssl_tf.data.skipped import (
    AGAIN,
    BARE,
    BESIDE,
    CLOSED,
    DEAD,
    FORMAT,
    HIDDEN,
    NESTED,
    OTHER,
    Skipped,
    counted,
)
from ssl_tf.errors import BadInput

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp")
# Suffixes of images that are not read.
NOT_READ = (
    *(".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".svg"),
    *(".ico", ".psd", ".tga", ".ppm", ".pgm", ".pbm", ".pnm", ".dib", ".eps", ".exr"),
    *(".hdr", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".jpe"),
    *(".jpf", ".jpx", ".apng", ".dcm"),
)
# What operating systems and network drives leave in folders.
SYSTEM = (
    *("__macosx", "@eadir", "#recycle", "@recycle", "$recycle.bin", "lost+found"),
    *("system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini"),
)
IMAGE, FOLDER = "image", "folder"
SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def images_in(folder, skipped=None):
    """Sorted paths of the image files directly in `folder`; hidden ones are skipped.

    Only names are read, and the targets of links; no file is opened.

    Args:
        folder: path.
        skipped: `Skipped`, told of everything else that lies there, images in folders
            within included; `None`: nobody is told.

    Raises:
        BadInput: a name that is no UTF-8, which TensorFlow cannot open.
    """
    found = []
    for entry in scan(folder):
        kind = kind_of(entry)
        if kind is IMAGE:
            found.append(entry.path)
        elif skipped is not None:
            leave_out(entry, kind, skipped)
    return named_in_utf8(found)


def named_in_utf8(paths):
    """The paths; BadInput if TensorFlow could not open one by its name."""
    for path in paths:
        if not readable_name(path):
            raise BadInput(f"{path!a}: the name is not UTF-8; rename it.")
    return paths


def leave_out(entry, kind, skipped, inner=NESTED):
    """Notes an entry that is not used: a file, or the images below a folder.

    Args:
        entry: `os.DirEntry`.
        kind: of `kind_of`.
        skipped: `Skipped`.
        inner: `Kind` of the images in a visible folder; `None`: they do not matter.
    """
    if kind is not FOLDER:
        if kind is not None:
            skipped.note(kind, entry.path)
    elif hidden(entry.name):
        skipped.note(HIDDEN, *below(entry.path, Skipped()))
    elif inner is not None:
        skipped.note(inner, *below(entry.path, skipped))


def below(folder, skipped, depth=99):
    """Paths of the images in a folder and in the folders within; loops of links end.

    Args:
        folder: path.
        skipped: `Skipped`, told of what else lies there.
        depth: levels of folders that are listed.
    """
    if not depth:
        return []
    if not skipped.see(folder):
        skipped.note(AGAIN, folder)
        return []
    try:
        entries = scan(folder)
    except BadInput:
        skipped.note(CLOSED, folder)
        return []
    found = []
    for entry in entries:
        kind = kind_of(entry)
        if kind is IMAGE:
            found.append(entry.path)
        elif kind is FOLDER and not hidden(entry.name):
            found += below(entry.path, skipped, depth - 1)
        else:
            leave_out(entry, kind, skipped)
    return found


def readable_name(path):
    """Whether the path can be written in UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def scan(folder):
    """The entries of a folder by name; BadInput if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise BadInput(f"{folder}: cannot be listed ({error.strerror}).") from None


def visible(folder):
    """The entries of a folder that are not hidden; BadInput if it cannot be listed."""
    return [entry for entry in scan(folder) if not hidden(entry.name)]


def hidden(name):
    """Whether a file or folder is not for users, by its name."""
    return name.startswith(".") or name.casefold() in SYSTEM


def kind_of(entry):
    """`IMAGE`, `FOLDER`, the `Kind` of a file that is left out, or `None` for others.

    By name and type; links are followed. Hidden files that are no images, and dead
    links that are hidden, are `None`.
    """
    try:
        if entry.is_dir():
            return FOLDER
        file = entry.is_file()
    except OSError:  # a loop of links
        file = False
    name = entry.name.lower()
    image = name.endswith(SUFFIXES)
    if hidden(name):
        return HIDDEN if image and file else None
    if not file:
        return DEAD if entry.is_symlink() else OTHER
    if image:
        return IMAGE
    suffix = os.path.splitext(name)[1]
    if not suffix:
        return BARE
    return FORMAT if suffix in NOT_READ else OTHER


def class_name(folder):
    """The class that a folder's name stands for: NFC, without spaces around it.

    File systems store accents in one form or the other: a copy made on macOS and one
    made on Linux have the same classes.
    """
    return unicodedata.normalize("NFC", folder).strip() or folder


def class_folders(root):
    """Sorted names of the classes whose folders are in `root`; hidden ones are skipped.

    See `class_name`.
    """
    folders = (e.name for e in visible(root) if kind_of(e) is FOLDER)
    return sorted({class_name(name) for name in folders})


def class_of(name, classes):
    """The one of `classes` that a folder is of: case counts only where it must."""
    if name in classes:
        return name
    alike = [own for own in classes if own.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None


def by_class(root, classes=None, inner="", skipped=None, rest=None):
    """`{class: sorted paths of its images}` of `root/<class>[/<inner>]/*`.

    Folders whose names stand for the same class are one; see `class_name`.

    Args:
        root: folder.
        classes: names in label order; `None` takes the sorted names of the folders.
        inner: str, a folder between class and files.
        skipped: `Skipped`, told of what else lies there; `None`: nobody is told.
        rest: `Kind` of the images in folders of other classes; `None`: they are not
            asked for.
    """
    folders, known = {}, None if classes is None else dict.fromkeys(classes)
    for entry in scan(root):
        kind = kind_of(entry)
        if kind is FOLDER and not hidden(entry.name):
            name = class_name(entry.name)
            name = name if known is None else class_of(name, known)
            if name is not None:
                folders.setdefault(name, []).append(entry.path)
                continue
        if skipped is None or kind in (BARE, OTHER):
            continue
        leave_out(entry, BESIDE if kind is IMAGE else kind, skipped, rest)
    for folder in (root, *itertools.chain(*folders.values())) if skipped else ():
        skipped.see(folder)
    found = {}
    for name in sorted(folders) if classes is None else classes:
        for folder in folders.get(name, ()):
            place = os.path.join(folder, inner) if inner else folder
            if inner and skipped is not None:
                skipped.note(BESIDE, *images_in(folder))
            lost = inner and not os.path.isdir(place)
            own = [] if lost else images_in(place, skipped)
            found[name] = sorted(found.get(name, []) + own)
    return found


def tree(root, classes=None, inner="", skipped=None, rest=None, partial=False):
    """Files and labels of `root/<class>[/<inner>]/*`.

    Args:
        root: folder.
        classes, inner, skipped, rest: see `by_class`.
        partial: whether some of `classes` may be missing or have no image.

    Returns:
        `(paths [N], label [N], classes)`.

    Raises:
        BadInput: no class folder, a missing one, or one without an image.
    """
    found = by_class(root, classes, inner, skipped, rest)
    classes = tuple(found if classes is None else classes)
    missing = [name for name in classes if name not in found]
    if not found or missing and not partial:
        lack = f"class folder {missing[0]!r}" if missing else "class folders"
        raise BadInput(f"{root}: has no {lack}; expected {root}/<class>/<image>.")
    empty = [name for name in found if not found[name]]
    if empty and not partial or len(empty) == len(found):
        folder = Path(root) / empty[0] / inner
        raise BadInput(f"{folder}: holds no image; {deeper(folder)}.")
    paths = [path for name in classes for path in found.get(name, ())]
    counts = [len(found.get(name, ())) for name in classes]
    label = np.repeat(np.arange(len(classes), dtype=np.int32), counts)
    return np.array(paths), label, classes


def deeper(folder):
    """What to do about a class folder without images in it."""
    skipped = Skipped()
    found = below(folder, skipped)
    if found:
        return f"move the images of {os.path.dirname(found[0])} up into it"
    for kind in (DEAD, FORMAT, BARE, CLOSED):
        if kind in skipped.paths:
            return f"it has {counted(kind, skipped.paths[kind])}: {kind.mend}"
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


def size(path):
    """`[(height, width)]` of an image: upright, then as stored where that differs.

    Raises:
        BadInput: it is not a readable image.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) > 4
    except Exception as error:  # noqa: BLE001 - a damaged file may fail in any way
        why = type(error).__name__
        raise BadInput(f"{path}: is no readable image ({why}); replace it.") from None
    return [(width, height), (height, width)] if turned else [(height, width)]


def read(path, upright=False):
    """One image as uint8 `[H, W, 3]`; see `pixels`.

    Args:
        path: file.
        upright: see `pixels`.

    Raises:
        BadInput: it is not a readable image.
    """
    try:
        return np.asarray(pixels(path, upright))
    except Exception as error:  # noqa: BLE001 - a damaged file may fail in any way
        why = " ".join(str(error).replace(repr(str(path)), "it").split())[:100]
        raise BadInput(
            f"{path}: is no readable image ({why}); replace or remove it. "
            "`python -m ssl_tf.doctor data` lists all such files."
        ) from None


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
