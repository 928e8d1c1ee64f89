"""Small image files and CIFAR batches for tests."""

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image


def noise(rng, height=12, width=12):
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def smooth(rng, height, width):
    """Like a photograph: neighbouring pixels are alike."""
    coarse = noise(rng, height // 8 + 2, width // 8 + 2)
    return np.asarray(
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    )


def write(path, pixels, **more):
    """An array or PIL image as a file, format by suffix; returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **more)
    return path


def damaged(path, rng):
    """A JPEG whose second half is missing."""
    write(path, smooth(rng, 64, 64), format="JPEG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def tree(root, rng, counts, size=12, suffix=".png"):
    """`root/<class>/<i><suffix>` of noise; `counts` is `{class: images}`."""
    for name, count in counts.items():
        (Path(root) / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            write(Path(root) / name / f"{i}{suffix}", noise(rng, size, size))
    return Path(root)


# `{place below the root, "__" for "/": images}` and what `folder` says about it.
BROKEN_FOLDERS = [
    ({}, "holds no image"),
    ({"a": 3, "b": 0}, "b: holds no image; add some .* or remove the folder"),
    ({"a": 3, "b__c": 2}, "move the images of .*b/c up"),
    ({"a": 3}, "has one class, 'a'"),
    ({"a": 3, "b": 1}, "leaves none of class 'b', which has 1"),
    ({"train__a": 2, "train__b": 2, "test": 3}, "has 3 images and no class folders"),
    ({"train__a": 2, "train__b": 2, "test__a": 1, "test__c": 1}, "no such class"),
    ({"test__a": 2, "test__b": 2}, "has test/ but no train/"),
]


def layout(root, rng, parts):
    """Makes one of `BROKEN_FOLDERS`."""
    for place, count in parts.items():
        tree(Path(root) / place.replace("__", "/"), rng, {"": count})


def cifar_files(classes, rng, each=4):
    """`{file name: bytes}` of python batches, `each` images in every one.

    Pickled with protocol 2, keys as bytes, as the published files are read today.
    """
    names = [f"class{i}" for i in range(classes)]

    def batch(key):
        data = rng.integers(0, 256, (each, 3072), np.uint8)
        label = rng.integers(0, classes, each).tolist()
        values = {b"data": data, key: label}
        if classes == 100:
            values[b"coarse_labels"] = [place % 20 for place in label]
        return pickle.dumps(values, protocol=2)

    if classes == 10:
        files = {f"data_batch_{i}": batch(b"labels") for i in range(1, 6)}
        files["test_batch"] = batch(b"labels")
        files["batches.meta"] = pickle.dumps({b"label_names": names}, protocol=2)
        return files
    meta = {b"fine_label_names": names, b"coarse_label_names": names[:20]}
    return {
        "train": batch(b"fine_labels"),
        "test": batch(b"fine_labels"),
        "meta": pickle.dumps(meta, protocol=2),
    }


def unpack(files, folder):
    """Writes `{name: bytes}` into a folder; returns it."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (Path(folder) / name).write_bytes(data)
    return Path(folder)


def archive(files, path, inner):
    """Writes `{name: bytes}` as `inner/<name>` into a tar.gz; returns its path."""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{inner}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return Path(path)


def celeba(root, rng, counts=(24, 8, 8), attributes=5):
    """CelebA's files with random attributes, images of 26 x 22 pixels.

    Args:
        root: folder to write to.
        counts: images of train, validation and test, mixed among each other.
        attributes: int.

    Returns:
        `(label int [N, A] of 0 and 1, part [N] of 0, 1, 2)`, in the order of the files.
    """
    root, total = Path(root), sum(counts)
    part = rng.permutation(np.repeat([0, 1, 2], counts))
    label = rng.integers(0, 2, (total, attributes))
    names = [f"{i:06}.jpg" for i in range(1, total + 1)]
    for name in names:
        write(root / "img_align_celeba" / name, smooth(rng, 26, 22))
    row = lambda values: " ".join(f"{value:2}" for value in 2 * values - 1)
    rows = [f"{name} {row(values)}" for name, values in zip(names, label)]
    columns = " ".join(f"Trait_{i}" for i in range(attributes))
    text = "\n".join([str(total), f"{columns} ", *rows])
    (root / "list_attr_celeba.txt").write_text(f"{text}\n")
    lines = "".join(f"{name} {k}\n" for name, k in zip(names, part))
    (root / "list_eval_partition.txt").write_text(lines)
    return label, part
