"""Drawn shapes with exact boxes and outlines: detection that needs no download."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ssl_tf import runs
from ssl_tf.data.coco import PARTS, written
from ssl_tf.data.instances import Instances, Objects
from ssl_tf.schema import Count, Whole

CLASSES = ("box", "disc", "triangle")
SPLITS = {"train": 0, "test": 1}
CORNERS = 24  # of a disc's outline
CONTRAST = 80  # grey levels at least, of one channel, between object and ground
TRIES = 50  # places looked for before an object is left out
COARSE = 8  # pixels, of the ground's blotches


def shapes(
    split,
    root=None,
    train: Count = 400,
    test: Count = 100,
    height: Count = 96,
    width: Count = 128,
    smallest: Count = 16,
    largest: Count = 56,
    most: Count = 4,
    seed: Whole = 0,
):
    """Boxes, discs and triangles on a blotchy ground, outlines known.

    An image is a function of the seed, the split and its place. Objects do not
    overlap, so that an outline is what can be seen; one that finds no room is left
    out, but for the first.

    Args:
        split: "train" or "test".
        root: not used.
        train: training images.
        test: test images.
        height: pixels.
        width: pixels.
        smallest: the shortest side of an object, in pixels.
        largest: the longest, at most `height` and `width`.
        most: objects in an image; at least 1 is there.
        seed: int.
    """
    count = train if split == "train" else test
    largest = min(largest, height, width)
    drawn = [
        image(
            np.random.default_rng([seed, SPLITS[split], place]),
            (height, width),
            (min(smallest, largest), largest),
            most,
        )
        for place in range(count)
    ]
    return Instances(
        "shapes",
        split,
        np.stack([pixels for pixels, _ in drawn]),
        np.tile(np.array([[height, width]], np.int32), [count, 1]),
        tuple(objects for _, objects in drawn),
        CLASSES,
        tuple(range(1, count + 1)),
        tuple(range(1, len(CLASSES) + 1)),
    )


def image(draw, size, sides, most):
    """`(uint8 [H, W, 3], Objects)`.

    Args:
        draw: `np.random.Generator`.
        size: height and width.
        sides: the shortest and the longest of an object.
        most: objects.
    """
    pixels = ground(draw, size)
    boxes, label, polygons = [], [], []
    for _ in range(draw.integers(1, most + 1)):
        kind = int(draw.integers(len(CLASSES)))
        box = free(draw, size, sides, boxes, square=CLASSES[kind] == "disc")
        if box is None:
            continue
        polygon = outline(draw, CLASSES[kind], box)
        paint(draw, pixels, polygon)
        boxes.append(np.concatenate([polygon.min(axis=0), polygon.max(axis=0)]))
        label.append(kind)
        polygons.append((polygon,))
    pixels += draw.normal(0, 8, pixels.shape)
    none = np.zeros(len(label), bool)
    own = Objects(np.stack(boxes), np.array(label, np.int32), none, none, (*polygons,))
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8), own


def ground(draw, size):
    """float64 `[H, W, 3]`: a slope between two colours, and blotches."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    turn = draw.uniform(0, 2 * np.pi)
    slope = np.cos(turn) * x / width + np.sin(turn) * y / height
    slope = (slope - slope.min()) / np.ptp(slope)
    first, second = draw.uniform(40, 216, (2, 3))
    blotches = draw.normal(0, 12, (height // COARSE + 1, width // COARSE + 1, 3))
    blotches = blotches.repeat(COARSE, axis=0).repeat(COARSE, axis=1)
    return first + slope[..., None] * (second - first) + blotches[:height, :width]


def free(draw, size, sides, taken, square):
    """A box x1, y1, x2, y2 of whole pixels beside the others, or `None`."""
    height, width = size
    for _ in range(TRIES):
        w, h = draw.integers(sides[0], sides[1] + 1, 2)
        h = w if square else h
        left, top = draw.integers(0, width - w + 1), draw.integers(0, height - h + 1)
        box = np.array([left, top, left + w, top + h])
        if not any(
            (box[:2] < other[2:]).all() and (other[:2] < box[2:]).all()
            for other in taken
        ):
            return box
    return None


def outline(draw, kind, box):
    """float32 `[k, 2]`, corners clockwise as seen; its box is `box`."""
    x1, y1, x2, y2 = box
    if kind == "box":
        corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
    elif kind == "triangle":
        corners = [(draw.uniform(x1, x2), y1), (x2, y2), (x1, y2)]
    else:
        turns = np.arange(CORNERS) * (2 * np.pi / CORNERS)
        around = np.stack([np.cos(turns), np.sin(turns)], axis=1)
        corners = (box[:2] + box[2:]) / 2 + around * (x2 - x1) / 2
    return np.array(corners, np.float32)


def paint(draw, pixels, polygon):
    """Fills the pixels whose centres are within a convex outline, with one colour."""
    inside = within(polygon, pixels.shape[:2])
    behind = pixels[inside].mean(axis=0)
    colour = draw.uniform(0, 255, 3)
    while np.abs(colour - behind).max() < CONTRAST:
        colour = draw.uniform(0, 255, 3)
    pixels[inside] = colour


def within(polygon, size):
    """bool `[H, W]`: which pixels have their centre in a convex, clockwise outline."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    found = np.ones(size, bool)
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0)):
        found &= (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1) >= 0
    return found


def write(instances, root):
    """Writes a split in COCO's form below `root`, for the reader of `coco`.

    The annotations come last, so that a folder with them is whole.
    """
    part = PARTS[instances.split]
    content = written(instances)
    for row, pixels in zip(content["images"], instances.images):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        with runs.atomic(Path(root) / part / row["file_name"]) as out:
            out.write(buffer.getvalue())
    path = Path(root) / "annotations" / f"instances_{part}.json"
    runs.write_json(path, content)
