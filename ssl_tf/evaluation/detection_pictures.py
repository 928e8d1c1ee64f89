"""Images with the objects that are there, beside the same with those found."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ssl_tf.evaluation.coco_ap import decoded

COLOURS = ("#d1495b", "#2e8b57", "#00798c", "#edae49", "#7b2d8b", "#30638e")
SIDE = 320  # pixels, the longest of a picture
TINT = 110  # of 255, how much a mask covers
HEADINGS = ("there", "found")
PAIRS = 2  # beside each other


def pictures(source, found, count, sure):
    """Pictures of the first images of a split, two images a row.

    Args:
        source: `Instances`.
        found: `Found`.
        count: images.
        sure: score from which a detection is drawn.

    Returns:
        `{"tiles": uint8 [rows, 4, H, W, 3], "headings": str [4]}`: what is there and
        what was found, of one image and of the next; white where none is left.
    """
    pairs = [pair(source, found, place, sure) for place in range(count)]
    tall, wide = (max(one.shape[i] for both in pairs for one in both) for i in (0, 1))
    rows = -(-count // PAIRS)
    tiles = np.full((rows * PAIRS, len(HEADINGS), tall, wide, 3), 255, np.uint8)
    for place, both in enumerate(pairs):
        for turn, one in enumerate(both):
            tiles[place, turn, : one.shape[0], : one.shape[1]] = one
    tiles = tiles.reshape(rows, PAIRS * len(HEADINGS), tall, wide, 3)
    return {"tiles": tiles, "headings": np.array(HEADINGS * PAIRS)}


def pair(source, found, place, sure):
    """Two uint8 `[h, w, 3]`: an image with its objects, and with those found."""
    pixels = source.pixels(place)
    scale = SIDE / max(pixels.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[1::-1])
    sheet = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
    own = source.objects[place]
    texts = [source.classes[label] for label in own.label]
    filled = [outlined(polygons, size, scale) for polygons in own.polygons]
    there = drawn(sheet.copy(), scale, own.boxes, own.label, texts, filled)
    mine = np.flatnonzero((found.image == place) & (found.score >= sure))
    label = found.label[mine]
    texts = [f"{source.classes[k]} {s:.2f}" for k, s in zip(label, found.score[mine])]
    filled = [] if found.masks is None else [pasted(found.masks[i], size) for i in mine]
    return there, drawn(sheet, scale, found.boxes[mine], label, texts, filled)


def outlined(polygons, size, scale):
    """An image of mode L, `size` wide and high: `TINT` within the outlines."""
    plane = Image.new("L", size)
    for polygon in polygons:
        corners = [tuple(corner) for corner in (polygon * scale).tolist()]
        ImageDraw.Draw(plane).polygon(corners, fill=TINT)
    return plane


def pasted(mask, size):
    """The same of a run-length mask of an image that is shown with `size`."""
    plane = Image.fromarray(decoded(mask) * np.uint8(TINT))
    return plane.resize(size, Image.Resampling.NEAREST)


def drawn(sheet, scale, boxes, labels, texts, filled):
    """uint8 `[h, w, 3]`: a sheet with masks, where there are any, boxes and texts."""
    colours = [COLOURS[label % len(COLOURS)] for label in labels]
    for plane, colour in zip(filled, colours):
        sheet.paste(colour, (0, 0, *sheet.size), plane)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for box, colour, text in zip(boxes, colours, texts):
        corners = [float(x) * scale for x in box]
        pen.rectangle(corners, outline=colour, width=2)
        ground = pen.textbbox(corners[:2], text, font)
        pen.rectangle(ground, fill=colour)
        pen.text(corners[:2], text, "white", font)
    return np.asarray(sheet)
