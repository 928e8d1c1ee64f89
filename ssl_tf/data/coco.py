"""COCO: photographs with boxes and outlines of objects; any set of its form."""

import json
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from ssl_tf.data import faults, files, instances
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
    id. Ids may be numbers or texts; those of annotations are not needed, nor are
    `iscrowd`, `area`, `segmentation` and the images' sizes. Crowds are there, and
    marked. Outlines of fewer than three corners are dropped, masks become outlines.

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
    images, listed = photographs(content, path, folder, told)
    rows, raw = {number: [] for number in images}, []
    for place, item in enumerate(content["annotations"]):
        where = f"{path}: annotation {place + 1}"
        try:
            where = f"{path}: annotation {item.get('id', place + 1)}"
            number = key(item["image_id"])
            size = images[number][1] if number in images else None
            found = row(item, number, label, listed, size, where, told)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            lack = f"has no {error}" if isinstance(error, KeyError) else f"{error}"
            told.error(
                f"{where} is not in COCO's form ({lack})", "correct or remove it"
            )
            continue
        if found is not None and number in images:
            rows[number].append(found)
            raw.append((item["bbox"], size, found))
    if raw and (wrong := conventions(raw)) is not None:
        told.error(f"{path}: {wrong[0]}", wrong[1])
    ids = sorted(images, key=lambda number: (isinstance(number, str), number))
    names, sizes = zip(*(images[i] for i in ids)) if ids else ((), ())
    return Instances(
        "coco",
        split,
        np.array(names, str),
        np.array(sizes, np.int32).reshape(-1, 2),
        tuple(
            faults.objects(rows[i], size, f"{path}: {name}", told)
            for i, size, name in zip(ids, sizes, names)
        ),
        classes,
        tuple(ids),
        numbers,
    )


def key(value):
    """An id as it is compared: 7, 7.0, "7" and "007" are one.

    Raises:
        ValueError: it is no number and no text.
    """
    if isinstance(value, str) and value.strip():
        text = value.strip()
        return int(text) if text.isascii() and text.isdigit() else text
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is int:
        return value
    raise ValueError(f"an id is {value!r}")


def photographs(content, path, folder, told):
    """`({id: (file, (height, width))}, ids that are listed)`.

    An entry that is there twice is one. Sizes that are not given are the files'. Images
    that are not there are told.
    """
    find, images, listed, used = finder(folder), {}, {}, {}
    for image in content["images"]:
        number, name = key(image["id"]), str(image["file_name"])
        if number in listed:
            if listed[number] != name:
                text = f"{path}: image id {number} is {listed[number]} and {name}"
                told.error(text, "give each image an id of its own")
            continue
        listed[number] = name
        file = find(name)
        if file is None:
            mend = "get the images again, or take it off the list"
            told.error(f"{path}: lists {name}, which is not in {folder}", mend)
        elif file in used:
            text = f"{path}: images {used[file]} and {number} are one file, {name}"
            told.error(text, "keep one entry, with the annotations of both")
        else:
            used[file] = number
            size = tuple(int(float(image.get(x) or 0)) for x in ("height", "width"))
            images[number] = file, size if min(size) > 0 else files.size(file)[0]
    for name in files.images_in(folder):
        if name not in used:
            told.note("unused", name)
    return images, listed


def finder(folder):
    """`name in the annotations -> path`, or `None`.

    A name may have another system's separators, URL's escapes, or folders that are not
    there; then the one file of that name below `folder` is it.
    """
    there, below = {Path(name).name for name in files.images_in(folder)}, {}

    def find(name):
        plain = name.replace("\\", "/")
        for one in (name, plain, unquote(plain)):
            if one in there or (folder / one).is_file():
                return str(folder / one)
        if not below:
            for file in folder.rglob("*"):
                below.setdefault(like(file.name), []).append(file)
        last = [plain.split("?")[0], unquote(plain.split("?")[0])]
        for one in last:
            found = below.get(like(one.rpartition("/")[2]), ())
            if len(found) == 1 and found[0].is_file():
                return str(found[0])
        return None

    like = lambda name: unicodedata.normalize("NFC", name).casefold()
    return find


def categories(content, path):
    """`(ids ascending, their names)`."""
    found, rows = {}, content["categories"]
    for item in rows:
        number, name = key(item["id"]), str(item["name"])
        if found.setdefault(number, name) != name:
            raise BadInput(f"{path}: lists the same category twice; get it again.")
    if not found:
        raise BadInput(f"{path}: lists no category; get it again.")
    names = list(found.values())
    for name in names:
        if names.count(name) > 1:
            raise BadInput(
                f"{path}: two categories are called {name!r}; merge or rename them."
            )
    numbers = sorted(found, key=lambda number: (isinstance(number, str), number))
    return tuple(numbers), tuple(found[number] for number in numbers)


def row(item, image, label, images, size, where, told):
    """One annotation as `faults.objects` wants it; `None` where it is left out.

    Args:
        item: dict.
        image: the image's id.
        label: `{id of a category: label}`.
        images: ids of the images that are listed.
        size: height and width of the image, `None` where that is missing.
        where: text that names the annotation.
        told: `Faults`.
    """
    box = tuple(map(float, item["bbox"]))
    if len(box) != 4:
        raise ValueError(f"a box of {len(box)} numbers")
    crowd, shape = float(item.get("iscrowd") or 0) != 0, item.get("segmentation")
    mend = "correct or remove it"
    if image not in images:
        told.error(f"{where} is of image {item['image_id']}, which is not listed", mend)
        return None
    category = key(item["category_id"])
    if category not in label:
        text = f"{where} has the category {item['category_id']}, which is not listed"
        told.error(text, mend)
        return None
    if size is None:
        return None
    polygons = () if crowd else outlines(shape or (), size, where, told)
    if not crowd and not polygons:
        told.note("bare", where)
    area = float(item.get("area") or np.nan)
    area = area if 0 < area < np.inf else np.nan
    x, y, width, height = box
    box = (x, y, x + width, y + height)
    return box, label[category], False, crowd, polygons, area, shape if crowd else None


def outlines(shape, size, where, told):
    """Tuple of float32 `[k, 2]` from a `segmentation`: outlines, masks, or both."""
    if isinstance(shape, dict):
        shape = [shape]
    found = []
    for part in (x for x in shape if isinstance(x, dict)):
        corners = instances.around(decoded(part, size))
        found += [corners] if len(corners) else []
    plain = [x for x in shape if not isinstance(x, dict)]
    return (*found, *faults.outlines(plain, where, told))


def decoded(mask, size):
    """bool `[H, W]` of a run-length mask, compressed or not.

    Raises:
        ValueError: it is not of an image of that size.
        BadInput: it is compressed, and pycocotools is missing.
    """
    runs = mask["counts"]
    if isinstance(runs, list):
        runs = np.array(runs, np.int64)
        flat = np.repeat(np.arange(len(runs)) % 2 > 0, runs)
        shape = tuple(map(int, mask["size"]))
        if shape != tuple(size) or flat.size != shape[0] * shape[1]:
            raise ValueError(f"its run-length mask is not one of {size[1]}x{size[0]}")
        return flat.reshape(shape[::-1]).T
    try:
        from pycocotools import mask as tool
    except ImportError:
        raise BadInput(
            "coco: compressed masks need pycocotools; pip install 'ssl_tf[detect]', or "
            "write outlines."
        ) from None
    if tuple(mask["size"]) != tuple(size):
        raise ValueError(f"its run-length mask is not one of {size[1]}x{size[0]}")
    return tool.decode({"size": list(size), "counts": runs}).astype(bool)


def conventions(raw):
    """`faults.convention` of all `(bbox, size, row)` of a file."""
    around = np.full((len(raw), 4), np.nan)
    for place, (*_, found) in enumerate(raw):
        if found[4]:
            corners = np.concatenate(found[4])
            around[place] = *corners.min(axis=0), *corners.max(axis=0)
    boxes = np.array([box for box, *_ in raw], np.float64)
    sizes = np.array([size for _, size, _ in raw])
    return faults.convention(boxes, sizes, np.array([x[2][5] for x in raw]), around)


def written(split):
    """`Instances` as the content of an annotation file, ids counted from 1."""
    number, annotations = dict(enumerate(split.numbers)), []
    for image, own in zip(split.ids, split.objects):
        for box, label, _, crowd, polygons in zip(*own[:5]):
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
            for image, (height, width) in zip(split.ids, split.sizes)
        ],
        "annotations": annotations,
        "categories": [
            {"id": i, "name": name} for i, name in zip(split.numbers, split.classes)
        ],
    }


def area(polygon):
    """Of one outline `[k, 2]`, in square pixels."""
    x, y = np.asarray(polygon, np.float64).T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
