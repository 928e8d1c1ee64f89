"""CelebA as TensorFlow Datasets prepares it, unpacked once into the official files."""

import os
import shutil
import sys
from pathlib import Path

from ssl_tf import runs
from ssl_tf.data.celeba import ATTRIBUTES, FOLDER, PARTITION, PARTS
from ssl_tf.errors import BadInput

NAME = "celeb_a"  # the data set in TensorFlow Datasets
INFO = "dataset_info.json"  # in the folder of a version that is complete
JPEG = b"\xff\xd8"


def prepared(root):
    """The newest version in `root/celeb_a/<version>/`; `None` without such a folder.

    Raises:
        BadInput: no version there is complete, or `root` is one of these folders.
    """
    root = Path(root)
    if root.name == NAME or (root / INFO).is_file():
        above = root.parent if root.name == NAME else root.parent.parent
        raise BadInput(
            f"--datadir {root}: give the folder that holds {NAME}/, {above}."
        )
    if not (root / NAME).is_dir():
        return None
    folders = [path.parent for path in (root / NAME).glob(f"*/{INFO}")]
    versions = {tuple(found): f for f in folders if (found := numbers(f.name))}
    if not versions:
        raise BadInput(
            f"{root / NAME}: holds no version that TensorFlow Datasets has prepared to "
            f"its end; repeat `tfds build {NAME}`."
        )
    return versions[max(versions)]


def numbers(version):
    """`"2.10.0"` -> `[2, 10, 0]`, `[]` for other names."""
    parts = version.split(".")
    return [int(part) for part in parts] if all(p.isdecimal() for p in parts) else []


def unpack(version, target):
    """Writes the folder `target` as CelebA is published, whole or not at all.

    Images keep their bytes, attributes come in the official, alphabetical order. File
    names count the images as they come, train, validation, test: TensorFlow Datasets
    does not keep the published numbers.

    Args:
        version: folder, from `prepared`.
        target: folder that is not there yet.

    Raises:
        BadInput: tensorflow-datasets is not installed, the folder holds something else
            or is damaged, or `target` cannot be written.
    """
    target = Path(target)
    builder, names = opened(version)
    count = sum(builder.info.splits[split].num_examples for split in PARTS)
    print(f"{version}: unpacking {count:,} images to {target}", file=sys.stderr)
    temporary = target.with_name(f".{target.name}.{runs.unique()}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        (temporary / FOLDER).mkdir(parents=True)
        write(builder, names, temporary, version)
        os.sync()  # all is on the disk before it gets its name
        if not target.exists():  # another process may have been faster
            os.rename(temporary, target)
    except OSError as error:
        raise runs.unwritable(target, error) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def opened(version):
    """`(builder, sorted names of the attributes)` of a prepared folder."""
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise BadInput(
            f"{version}: is unpacked with TensorFlow Datasets, which is not here; pip "
            f"install tensorflow-datasets, or give {FOLDER}/ and its lists."
        ) from None
    try:
        builder = tfds.builder_from_directory(str(version))
    except Exception as error:  # noqa: BLE001 - whatever a damaged description raises
        raise damaged(version, error) from None
    features, splits = builder.info.features, builder.info.splits
    kinds = {key: features[key] for key in getattr(features, "keys", list)()}
    names = sorted(getattr(kinds.get("attributes"), "keys", list)())
    if "image" not in kinds or not names or not PARTS.keys() <= splits.keys():
        raise BadInput(
            f"{version}: has not image and attributes in train, validation and test; "
            f"{NAME} of TensorFlow Datasets has."
        )
    return builder, names


def write(builder, names, folder, version):
    """Images and the two lists; BadInput if an image is no JPEG."""
    rows, parts, number = [], [], 0
    for split, place in PARTS.items():
        for example in examples(builder, split, version):
            number += 1
            if not example["image"].startswith(JPEG):
                raise BadInput(f"{version}: image {number} of {split} is no JPEG.")
            name = f"{number:06}.jpg"
            (folder / FOLDER / name).write_bytes(example["image"])
            signs = (1 if example["attributes"][key] else -1 for key in names)
            rows.append(f"{name} {' '.join(f'{sign:2}' for sign in signs)}\n")
            parts.append(f"{name} {place}\n")
    head = f"{number}\n{' '.join(names)}\n"
    (folder / ATTRIBUTES).write_text(head + "".join(rows), encoding="utf-8")
    (folder / PARTITION).write_text("".join(parts), encoding="utf-8")


def examples(builder, split, version):
    """`{"image": bytes of the file, "attributes": {name: bool}}`, in file order."""
    import tensorflow_datasets as tfds

    wanted = {"image": True, "attributes": True}
    skip = {"image": tfds.decode.SkipDecoding()}
    options = {
        "decoders": tfds.decode.PartialDecoding(wanted, skip),
        "read_config": tfds.ReadConfig(interleave_cycle_length=1),
    }
    try:
        yield from tfds.as_numpy(builder.as_dataset(split=split, **options))
    except Exception as error:  # noqa: BLE001 - TensorFlow's and TFDS's own kinds
        raise damaged(version, error) from None


def damaged(version, error):
    why = " ".join(str(error).split())[:100] or type(error).__name__
    return BadInput(f"{version}: cannot be read ({why}); prepare it again.")
