"""COCO: photographs with boxes and outlines of objects; any set of its form."""

import json
from pathlib import Path

import numpy as np

from ssl_tf.data import faults, files
from ssl_tf.data.instances import Instances
from ssl_tf.errors import BadInput

PARTS = {"train": "train2017", "test": "val2017"}
COUNTS = {"train": 118_287, "test": 5_000}
HINT = (
    "annotations/instances_train2017.json and ..._val2017.json, train2017/ and "
    "val2017/; get annotations_trainval2017.zip, train2017.zip and val2017.zip from "
    "https://cocodataset.org/#download and unpack them into one folder"
)


def coco(split, root=None):
    """118,287 training images of 2017 and its 5,000 for validation, 80 classes.

    Or a set of your own in the same files; classes are what they list, by ascending
    id. Crowds are there, and marked; their masks are left to the evaluation, which
    reads the file itself. Outlines of fewer than three corners are dropped, and so is
    an object all of whose outlines are.

    Args:
        split: "train" or "test" (`val2017`).
        root: folder with `annotations/`, `train2017/` and `val2017/`, or with `coco/`
            that has them.

    Raises:
        BadInput: something is missing, cannot be read, or does not fit the rest.

    Source:
        Lin et al., Microsoft COCO: Common Objects in Context, arXiv:1405.0312.
    """
    return find(split, root, faults.Faults())


def find(split, root, told):
    """`coco`, telling `Faults`."""
    base = place(root)
    path = base / "annotations" / f"instances_{PARTS[split]}.json"
    folder = base / PARTS[split]
    content = loaded(path)
    try:
        return read(split, content, path, folder, told)
    except BadInput:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        lack = f"has no {error}" if isinstance(error, KeyError) else f"{error}"
        raise BadInput(
            f"{path}: is not in COCO's form ({lack}); get it again."
        ) from None


def place(root):
    """The folder that holds `annotations/`."""
    root = files.existing(root, "coco", HINT)
    inner = root / "coco"
    return inner if inner.is_dir() and not (root / "annotations").is_dir() else root


def loaded(path):
    """Content of a JSON file; `images`, `annotations` and `categories` are lists."""
    try:
        content = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise BadInput(f"{path}: is missing; coco needs {HINT}.") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); get it again.") from None
    for name in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            raise BadInput(f"{path}: has no list {name!r}; get it again.")
    return content


def read(split, content, path, folder, told):
    """`Instances` from the content of the file at `path`."""
    numbers, classes = categories(content, path)
    label = {number: i for i, number in enumerate(numbers)}
    there = {Path(name).name for name in files.images_in(folder)}
    images = {}
    for image in content["images"]:
        name, mend = image["file_name"], "get the images again, or take it off the list"
        if name in there or (folder / name).is_file():
            images[image["id"]] = image
        else:
            told.error(f"{path}: lists {name}, which is not in {folder}", mend)
    for name in sorted(there - {image["file_name"] for image in content["images"]}):
        told.note("unused", str(folder / name))
    rows = {number: [] for number in images}
    listed = {image["id"] for image in content["images"]}
    for item in content["annotations"]:
        found = row(item, label, listed, path, told)
        if found is not None and item["image_id"] in images:
            rows[item["image_id"]].append(found)
    ids = sorted(images)
    sizes = [(int(images[i]["height"]), int(images[i]["width"])) for i in ids]
    names = [images[i]["file_name"] for i in ids]
    return Instances(
        "coco",
        split,
        np.array([str(folder / name) for name in names], str),
        np.array(sizes, np.int32).reshape(-1, 2),
        tuple(
            faults.objects(rows[i], size, f"{path}: {name}", told)
            for i, size, name in zip(ids, sizes, names)
        ),
        classes,
        tuple(ids),
        numbers,
        str(path),
    )


def categories(content, path):
    """`(ids ascending, their names)`."""
    found = {item["id"]: str(item["name"]) for item in content["categories"]}
    if not found or len(found) < len(content["categories"]):
        what = "lists the same category twice" if found else "lists no category"
        raise BadInput(f"{path}: {what}; get it again.")
    numbers = tuple(sorted(found))
    return numbers, tuple(found[number] for number in numbers)


def row(item, label, images, path, told):
    """One annotation as `faults.objects` wants it; `None` where it is left out.

    Args:
        item: dict.
        label: `{id of a category: label}`.
        images: ids of the images that are listed.
        path: of the file, for messages.
        told: `Faults`.
    """
    where = f"{path}: annotation {item.get('id')}"
    x, y, width, height = map(float, item["bbox"])
    crowd, shape = bool(item.get("iscrowd", 0)), item.get("segmentation") or ()
    mend = "correct or remove it"
    if item["image_id"] not in images:
        told.error(f"{where} is of image {item['image_id']}, which is not listed", mend)
        return None
    if item["category_id"] not in label:
        text = f"{where} has the category {item['category_id']}, which is not listed"
        told.error(text, mend)
        return None
    if isinstance(shape, dict) and not crowd:
        text = f"{where} has a run-length mask and is no crowd"
        told.error(text, "give it outlines, or set iscrowd")
        return None
    polygons = () if crowd else faults.outlines(shape, where, told)
    if shape and not crowd and not polygons:
        return None
    box = (x, y, x + width, y + height)
    return box, label[item["category_id"]], False, crowd, polygons


def written(instances):
    """`Instances` as the content of an annotation file, ids counted from 1."""
    number, annotations = dict(enumerate(instances.numbers)), []
    for image, own in zip(instances.ids, instances.objects):
        for box, label, _, crowd, polygons in zip(*own):
            x1, y1, x2, y2 = map(float, box)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": number[int(label)],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": float(sum(map(area, polygons)) or (x2 - x1) * (y2 - y1)),
                    "iscrowd": int(crowd),
                    "segmentation": [p.ravel().tolist() for p in polygons],
                }
            )
    return {
        "images": [
            {
                "id": image,
                "file_name": f"{image:06}.png" if isinstance(image, int) else image,
                "height": int(height),
                "width": int(width),
            }
            for image, (height, width) in zip(instances.ids, instances.sizes)
        ],
        "annotations": annotations,
        "categories": [
            {"id": i, "name": name}
            for i, name in zip(instances.numbers, instances.classes)
        ],
    }


def area(polygon):
    """Of one outline `[k, 2]`, in square pixels."""
    x, y = np.asarray(polygon, np.float64).T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
