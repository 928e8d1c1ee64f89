"""Every image of a data set looked at, without TensorFlow: for `doctor`."""

import collections
import concurrent.futures
import hashlib
import os
from typing import NamedTuple

from PIL import Image

from ssl_tf.data import files
from ssl_tf.data.layout import Finding, many
from ssl_tf.data.skipped import BARE, OTHER, counted
from ssl_tf.errors import BadInput

MOST = 100  # files named of those that are left out for one reason
SMALL = 16  # pixels; a shorter side below is worth a word
LONG = 4  # times as long as wide, likewise
ROTATION = 0x0112  # Exif: how the camera was held
END = b"IEND\xae\x42\x60\x82"  # of a PNG
SUFFIX = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".webp": "WEBP",
}


class Facts(NamedTuple):
    """What one file is.

    Attributes:
        path: the file.
        size: (width, height) in pixels; `None` if it cannot be read.
        traits: names of what makes it less than an RGB photograph.
        format: PIL's name of what the content is, "MPO" counted as "JPEG".
        error: why it cannot be read, or "".
        mend: what to do about that.
    """

    path: str
    size: tuple | None = None
    traits: tuple = ()
    format: str = ""
    error: str = ""
    mend: str = "replace, save anew or remove it"


def examine(path):
    """`Facts` of one file, decoded completely."""
    try:
        with Image.open(path) as image:
            size, kind = image.size, image.format
            found = tuple(traits(image))
        files.read(path)
        if kind == "PNG":
            check_png(path)
    except Exception as error:  # noqa: BLE001 - a damaged file may fail in any way
        if isinstance(error, PermissionError):
            mend = "give yourself the right to read it, or remove it"
            return Facts(path, error=error.strerror, mend=mend)
        what = content(path)
        if what in INSTEAD:
            mend = f"{INSTEAD[what]}, or remove it"
            return Facts(path, error=f"it is {what}", mend=mend)
        if isinstance(error, BadInput):
            inner = str(error).partition("(")[2].rpartition(");")[0]
            return Facts(path, error=inner)
        why = " ".join(str(error).replace(repr(str(path)), "it").split())[:100]
        return Facts(path, error=why)
    return Facts(path, size, found, "JPEG" if kind == "MPO" else kind)


# What files begin with; HEIC and AVIF name themselves after four bytes.
BEGINNINGS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"%PDF": "a PDF document",
    b"PK\3\4": "a zip archive",
    b"version https://git-lfs": "a pointer of Git LFS",
}
# What stands in the place of an image, and what to do about it.
INSTEAD = {
    "empty": "get it again",
    "an HTML page": "download it again: the server sent a page instead",
    "a pointer of Git LFS": "run `git lfs pull`",
    "HEIC or AVIF": "convert it to JPEG or PNG",
    "text": "get it again",
    "a PDF document": "get the image out of it",
    "a zip archive": "unpack it",
}


def content(path):
    """What a file is by its first bytes: a format, a key of `INSTEAD`, or ""."""
    if not os.path.isfile(path):
        return ""
    try:
        with open(path, "rb") as file:
            head = file.read(256)
    except OSError:
        return ""
    for beginning, what in BEGINNINGS.items():
        if head.startswith(beginning):
            return what
    if not head:
        return "empty"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return "HEIC or AVIF"
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith((b"<!doctype", b"<html")):
        return "an HTML page"
    text = all(32 <= byte < 127 or byte in b"\t\n\r" for byte in head)
    return "text" if text else ""


def left_out(skipped):
    """`[Finding]` about what training leaves out; images among it by their content."""
    found = []
    for kind, paths in skipped.paths.items() if skipped else ():
        paths = tuple(dict.fromkeys(paths))
        images = ()
        if kind in (BARE, OTHER):
            images = tuple(p for p in paths if content(p) in SUFFIX.values())
            paths = tuple(p for p in paths if p not in set(images))
        if images:
            text = f"{many(images)} without the suffix of one, not used"
            mend = "rename them to .jpg, .png, ... as their content is"
            found.append(Finding("warning", text, mend, images, MOST))
        if paths:
            text = f"{counted(kind, paths)}, not used"
            found.append(Finding(kind.level, text, kind.mend, paths, MOST))
    return found


def check_png(path):
    """Raises an error for a PNG that PIL reads and TensorFlow does not.

    Such have wrong checksums, or lack the last chunk or its end.
    """
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 4096))
        if END not in file.read():
            raise ValueError("its end is missing; TensorFlow needs it")
    with Image.open(path) as image:
        image.verify()


def traits(image):
    """What `pixels` will change about a PIL image, and what to know of its shape."""
    if image.mode in ("1", "L", "LA"):
        yield "grey"
    if image.mode == "CMYK":
        yield "CMYK"
    if image.mode in files.SIXTEEN_BITS:
        yield "16-bit"
    if image.mode in ("P", "PA"):
        yield "palette"
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        yield "alpha"
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        yield "animated"
    if image.getexif().get(ROTATION, 1) != 1:
        yield "rotated"
    if min(image.size) < SMALL:
        yield "small"
    if max(image.size) > LONG * min(image.size):
        yield "long"


def examine_all(paths, tell=None):
    """`[Facts]` in the order of `paths`, on all cores.

    Args:
        paths: list.
        tell: called with the number of files done, now and then; or `None`.
    """
    done = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for facts in pool.map(examine, paths, chunksize=1):
            done.append(facts)
            if tell is not None and len(done) % 500 == 0:
                tell(len(done))
    return done


def sample(paths, count):
    """About `count` of them, evenly spaced; all if there are no more."""
    return paths[:: max(1, len(paths) // count)]


LEVELS = {
    "grey": ("fine", "in grey: three equal channels", ""),
    "CMYK": ("fine", "in CMYK: converted to RGB", ""),
    "16-bit": ("fine", "of 16 bits: scaled to 8", ""),
    "palette": ("fine", "with a palette: converted to RGB", ""),
    "alpha": ("fine", "with an alpha channel: dropped, hidden colours show", ""),
    "animated": ("fine", "in motion: the first frame is used", ""),
    "rotated": (
        "warning",
        "stored sideways or upside down: the camera's note is ignored",
        "rotate the pixels if it matters, e.g. `mogrify -auto-orient`",
    ),
    "small": (
        "warning",
        f"with a side shorter than {SMALL} pixels: much enlarged",
        "remove what is no image of interest",
    ),
    "long": (
        "warning",
        f"more than {LONG} times as long as wide: evaluation sees the centre only",
        "cut them into pieces, or remove them",
    ),
}


def findings(facts, skipped=()):
    """`[Finding]` about a list of `Facts`, but for the traits in `skipped`."""
    found = []
    for one in (f for f in facts if f.error):
        text = f"{one.path} cannot be read: {one.error}"
        found.append(Finding("error", text, one.mend))
    for trait, (level, text, mend) in LEVELS.items():
        paths = tuple(f.path for f in facts if trait in f.traits)
        if paths and trait not in skipped:
            found.append(Finding(level, f"{many(paths)} {text}", mend, paths))
    wrong = tuple(f.path for f in facts if f.format and misnamed(f))
    if wrong:
        text = f"{many(wrong, 'file')} whose suffix is not the format: content counts"
        found.append(Finding("fine", text, "", wrong))
    slow = tuple(f.path for f in facts if f.format not in ("", "JPEG", "PNG"))
    if slow:
        text = f"{many(slow, 'file')} neither JPEG nor PNG: decoded by PIL, slower"
        mend = "convert them to JPEG or PNG if reading limits the speed"
        found.append(Finding("fine", text, mend, slow))
    return found


def misnamed(facts):
    suffix = os.path.splitext(facts.path)[1].lower()
    return SUFFIX.get(suffix) != facts.format


def sizes(facts):
    """One line on the sizes: the three most common, the smallest and the largest."""
    known = [f.size for f in facts if f.size]
    if not known:
        return "none known"
    common = collections.Counter(known).most_common(3)
    write = lambda size: f"{size[0]}x{size[1]}"
    text = ", ".join(f"{write(s)} ({n / len(known):.0%})" for s, n in common)
    if len(set(known)) == 1:
        return write(known[0])
    area = lambda size: size[0] * size[1]
    return f"{text}; {write(min(known, key=area))} to {write(max(known, key=area))}"


def duplicates(splits):
    """`[Finding]` about files with the same bytes.

    Args:
        splits: `{split: {class: [paths]}}`.
    """
    lengths = collections.defaultdict(list)
    for split, classes in splits.items():
        for name, paths in classes.items():
            for path in paths:
                lengths[os.path.getsize(path)].append((split, name, path))
    same = collections.defaultdict(list)
    for group in lengths.values():
        if len(group) > 1:
            for item in group:
                same[digest(item[2]) or item].append(item)
    groups = [group for group in same.values() if len(group) > 1]
    across = [g for g in groups if len({split for split, _, _ in g}) > 1]
    mixed = [g for g in groups if len({name for _, name, _ in g}) > 1]
    rest = [g for g in groups if g not in across and g not in mixed]
    kinds = (
        (across, "in train and in test: results will look too good"),
        (mixed, "in several classes: their labels contradict each other"),
        (rest, "there more than once"),
    )
    return [
        Finding(
            "warning",
            f"{many(which)} {text}",
            "remove all but one of each",
            tuple(path for group in which for _, _, path in group),
        )
        for which, text in kinds
        if which
    ]


def digest(path):
    """Digest of a file's bytes; `None` if it cannot be opened."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return None
