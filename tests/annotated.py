"""Tiny annotated sets for detection, written as files: Pascal VOC's and COCO's form."""

import json

import numpy as np
import pictures

# file, class, box as VOC writes it (from 1, last pixel included), difficult
VOC = {
    "VOC2007": {
        "trainval": {
            "000001": [("dog", (3, 4, 20, 18), 0), ("cat", (10, 2, 30, 24), 1)],
            "000002": [("person", (1, 1, 32, 24), 0)],
        },
        "test": {"000003": [("sheep", (5, 5, 9, 9), 0)]},
    },
    "VOC2012": {"trainval": {"2008_000001": [("car", (2.5, 1, 12, 12), 0)]}},
}
WIDTH, HEIGHT = 32, 24


def voc(root, rng, years=VOC):
    """`VOC2007/` and `VOC2012/` below `root`."""
    for year, parts in years.items():
        for part, images in parts.items():
            lists = root / year / "ImageSets" / "Main"
            lists.mkdir(parents=True, exist_ok=True)
            rows = [f"{name} 1\n" if part == "test" else f"{name}\n" for name in images]
            (lists / f"{part}.txt").write_text("".join(rows))
            for name, objects in images.items():
                place = root / year / "JPEGImages" / f"{name}.jpg"
                pictures.write(place, pictures.smooth(rng, HEIGHT, WIDTH))
                folder = root / year / "Annotations"
                folder.mkdir(exist_ok=True)
                (folder / f"{name}.xml").write_text(xml(objects))
    return root


def xml(objects):
    """An annotation of VOC; the last object has a part with a box of its own."""
    text = "<annotation><size><width>32</width><height>24</height></size>"
    for name, box, difficult in objects:
        corners = zip(("xmin", "ymin", "xmax", "ymax"), box)
        inner = "".join(f"<{key}>{value}</{key}>" for key, value in corners)
        text += (
            f"<object><name>{name}</name><difficult>{difficult}</difficult>"
            f"<bndbox>{inner}</bndbox><part><name>head</name><bndbox><xmin>1</xmin>"
            "</bndbox></part></object>"
        )
    return text + "</annotation>"


SQUARE = [4, 5, 14, 5, 14, 15, 4, 15]
CROWD = {"size": [HEIGHT, WIDTH], "counts": [24, 240, 504]}


def annotation(number, image, category=7, **more):
    """One of COCO's, a square of 10 pixels unless `more` says otherwise."""
    plain = {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [4, 5, 10, 10],
        "area": 100,
        "iscrowd": 0,
        "segmentation": [SQUARE],
    }
    return plain | more


def content(annotations, images=(12, 3)):
    """What a file of annotations holds; categories 7 and 2, not in order."""
    return {
        "images": [
            {"id": i, "file_name": f"{i:06}.jpg", "height": HEIGHT, "width": WIDTH}
            for i in images
        ],
        "annotations": annotations,
        "categories": [{"id": 7, "name": "kite"}, {"id": 2, "name": "apple"}],
    }


def good():
    """Two images: a kite and a crowd in 12; an apple of two outlines in 3."""
    pair = [SQUARE, [20, 2, 26, 2, 23, 8]]
    crowd = annotation(3, 12, 2, iscrowd=1, segmentation=CROWD, bbox=[1, 0, 10, 24])
    return content(
        [
            annotation(1, 12),
            annotation(2, 3, 2, segmentation=pair, bbox=[4, 2, 22, 13]),
            crowd,
        ]
    )


def coco(root, rng, train=None, test=None):
    """`annotations/`, `train2017/` and `val2017/` below `root`."""
    for part, own in (("train2017", train or good()), ("val2017", test or good())):
        place = root / "annotations" / f"instances_{part}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(own))
        for image in own["images"]:
            pixels = pictures.smooth(rng, HEIGHT, WIDTH)
            pictures.write(root / part / image["file_name"], pixels)
    return root


def rectangle(x1, y1, x2, y2):
    """float32 `[4, 2]` corners."""
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], np.float32)
