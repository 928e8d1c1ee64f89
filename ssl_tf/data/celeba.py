"""CelebA: photographs of faces with forty attributes, in its official files."""

import itertools
from pathlib import Path

import numpy as np

from ssl_tf.data import files
from ssl_tf.data.skipped import Skipped
from ssl_tf.data.source import Source
from ssl_tf.errors import BadInput
from ssl_tf.schema import Count

FOLDER = "img_align_celeba"
ATTRIBUTES = "list_attr_celeba.txt"
PARTITION = "list_eval_partition.txt"
PARTS = {"train": "0", "validation": "1", "test": "2"}
COUNTS = {"train": 162_770, "validation": 19_867, "test": 19_962}
HINT = (
    f"{FOLDER}/ with the unpacked images, {ATTRIBUTES} and {PARTITION}; get "
    f"{FOLDER}.zip and the two files from "
    "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, or give the folder in which "
    "TensorFlow Datasets has prepared celeb_a/"
)


def celeba(split, root=None, size: Count = 224):
    """162,770 training, 19,867 validation and 19,962 test faces, 40 binary attributes.

    The label is `[N, 40]` of 0 and 1, the names of the attributes are the file's. The
    ablation study evaluates on random training crops (`data.held_out: views`); ours are
    central.

    Args:
        split: "train", "validation" (`data.validation: official`) or "test".
        root: folder with `img_align_celeba/`, `list_attr_celeba.txt` and
            `list_eval_partition.txt`, or with `celeba/` that holds them; or one in
            which TensorFlow Datasets has prepared `celeb_a/`, from which `celeba/` is
            then unpacked, once.
        size: side in pixels of views that have none of their own.

    Raises:
        BadInput: something of that is missing, damaged or contradicts the rest.

    Source:
        Liu, Luo, Wang, Tang: Deep Learning Face Attributes in the Wild, ICCV 2015; the
        use of the splits by Papastratis, arXiv:2112.02297.
    """
    skipped = Skipped("celeba", root)
    paths, label, names = find(split, root, skipped)
    return Source("celeba", split, paths, label, names, skipped=skipped)


def find(split, root, skipped=None):
    """`(paths [N], label int32 [N, A], names of the attributes)` of one split.

    `Skipped` is told of what else lies among the images.
    """
    base = place(root)
    names, rows = attribute_rows(base / ATTRIBUTES)
    of = partition(base / PARTITION)
    compare(rows, of, f"{base / ATTRIBUTES}: has no row of", f"which {PARTITION} lists")
    compare(of, rows, f"{base / PARTITION}: has no line of", f"which {ATTRIBUTES} has")
    images = files.images_in(base / FOLDER, skipped)
    there = {Path(path).name: path for path in images}
    compare(there, of, f"{base / FOLDER}: lacks", f"which {PARTITION} lists")
    compare(of, there, f"{base / PARTITION}: has no line of", f"an image of {FOLDER}")
    mine = [name for name, part in of.items() if part == PARTS[split]]
    if not mine:
        raise BadInput(
            f"{base / PARTITION}: puts no image into {split} ({PARTS[split]}); get it "
            "again."
        )
    label = values(mine, rows, len(names), base / ATTRIBUTES)
    return np.array([there[name] for name in mine]), label, names


def place(root):
    """The folder of the files: `root`, or `celeba` in it, unpacked if need be."""
    from ssl_tf.data import celeba_tfds  # it knows the names above

    root = files.existing(root, "celeba", HINT)
    inner = root / "celeba"
    if not inner.exists() and not (root / FOLDER).is_dir():
        version = celeba_tfds.prepared(root)
        if version is not None:
            celeba_tfds.unpack(version, inner)
    base = inner if inner.is_dir() and not (root / FOLDER).is_dir() else root
    if not (base / FOLDER).is_dir():
        packed = (base / f"{FOLDER}.zip").is_file()
        mend = f"unpack {FOLDER}.zip there" if packed else f"celeba needs {HINT}"
        raise BadInput(f"--datadir {root}: has no {FOLDER}/; {mend}.")
    return base


def attribute_rows(path):
    """`(names of the attributes, {image: its row as text})`, in the file's order.

    The first line counts the rows, the second names the columns.
    """
    count, names, *rows = lines(path, least=3)
    rows = [row.partition(" ")[::2] for row in rows]
    if not count.isdecimal() or int(count) != len(rows):
        raise BadInput(
            f"{path}: has {len(rows)} rows of images, its first line says "
            f"{count[:20]!r}; get it again."
        )
    return tuple(names.split()), unique(rows, path)


def partition(path):
    """`{image: "0", "1" or "2"}`, in the file's order."""
    rows = [row.split(maxsplit=1) for row in lines(path, least=1)]
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or row[1] not in PARTS.values():
            raise BadInput(
                f"{path}: line {number} is {' '.join(row)[:40]!r}; must be an image "
                "and 0, 1 or 2."
            )
    return unique(rows, path)


def lines(path, least):
    """Stripped lines of a text file without the empty ones, `least` or more."""
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise BadInput(f"{path}: is missing; celeba needs {HINT}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); get it again.") from None
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if len(found) < least:
        raise BadInput(f"{path}: breaks off after {len(found)} lines; get it again.")
    return found


def unique(rows, path):
    """`dict(rows)`; BadInput if a key stands twice."""
    found = dict(rows)
    if len(found) < len(rows):
        names = sorted(name for name, _ in rows)
        twice = next(a for a, b in itertools.pairwise(names) if a == b)
        raise BadInput(f"{path}: lists {twice} twice; get it again.")
    return found


def compare(have, wanted, where, why):
    """BadInput if `have` lacks something of `wanted`."""
    lost = [name for name in wanted if name not in have]
    if lost:
        more = f" and {len(lost) - 1:,} more" if len(lost) > 1 else ""
        raise BadInput(f"{where} {lost[0]}{more}, {why}; get both again.")


def values(names, rows, width, path):
    """int32 `[N, width]` of 0 and 1 from rows of "-1" and "1".

    Args:
        names: of the images.
        rows: `{image: text}`.
        width: int, attributes.
        path: of the file, for messages.
    """
    words = [rows[name].split() for name in names]
    for name, row in zip(names, words):
        if len(row) != width or not {"-1", "1"}.issuperset(row):
            wrong = next((word for word in row if word not in ("-1", "1")), None)
            what = f"holds {wrong[:20]!r}" if wrong else f"has {len(row)} values"
            raise BadInput(
                f"{path}: the row of {name} {what}; must be {width} of -1 or 1. Get "
                "the file again."
            )
    return (np.array(words) == "1").astype(np.int32)
