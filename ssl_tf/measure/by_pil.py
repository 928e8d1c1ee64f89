"""SimCLR's view on PIL images, one at a time, in processes: how PyTorch programs do it.

What torchvision's transforms do on PIL images, without torchvision.
"""

import collections
import contextlib
import io
import math
import multiprocessing
import os
import random

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

SCALE, RATIO, SIGMA = (0.08, 1.0), (3 / 4, 4 / 3), (0.1, 2.0)
MEAN, DEVIATION = np.float32(0.5), np.float32(0.25)


def view(image, size, draw):
    """Float32 `[size, size, 3]`, normalised, of a PIL image."""
    image = image.resize((size, size), Image.Resampling.BILINEAR, box(image, draw))
    if draw.random() < 0.5:
        image = ImageOps.mirror(image)
    if draw.random() < 0.8:
        changes = [*CHANGES]
        draw.shuffle(changes)
        for change in changes:
            image = change(image, draw)
    if draw.random() < 0.2:
        image = image.convert("L").convert("RGB")
    if size > 32 and draw.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(draw.uniform(*SIGMA)))
    pixels = np.asarray(image).astype(np.float32) * np.float32(1 / 255)
    return (pixels - MEAN) / DEVIATION


def box(image, draw):
    """Left, top, right, bottom of a random area and aspect; the whole after ten."""
    width, height = image.size
    for _ in range(10):
        area = width * height * draw.uniform(*SCALE)
        aspect = math.exp(draw.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = draw.randint(0, width - w), draw.randint(0, height - h)
            return left, top, left + w, top + h
    return 0, 0, width, height


def enhanced(kind):
    return lambda image, draw: kind(image).enhance(draw.uniform(0.2, 1.8))


def hue(image, draw):
    h, s, v = image.convert("HSV").split()
    step = int(255 * draw.uniform(-0.2, 0.2)) % 256
    h = h.point([(level + step) % 256 for level in range(256)])
    return Image.merge("HSV", (h, s, v)).convert("RGB")


CHANGES = (
    enhanced(ImageEnhance.Brightness),
    enhanced(ImageEnhance.Contrast),
    enhanced(ImageEnhance.Color),
    hue,
)


def batch(given):
    """`[2, B, size, size, 3]`: two views of images: paths, or uint8 arrays.

    Args:
        given: (list of them, size, seed).
    """
    images, size, seed = given
    draw = random.Random(seed)
    opened = [open_image(image) for image in images]
    return np.stack([[view(image, size, draw) for image in opened] for _ in range(2)])


def open_image(image):
    if isinstance(image, np.ndarray):
        return Image.fromarray(image)
    with open(image, "rb") as file:
        return Image.open(io.BytesIO(file.read())).convert("RGB")


@contextlib.contextmanager
def batches(images, size, batch_size):
    """Within it, an endless generator of batches from a process a core."""
    workers = os.cpu_count()
    with multiprocessing.get_context("spawn").Pool(workers) as pool:

        def endless():
            waiting, seed = collections.deque(), 0
            while True:
                while len(waiting) < 2 * workers:
                    places = np.arange(seed, seed + 1) * batch_size
                    places = (places + np.arange(batch_size)) % len(images)
                    given = [images[place] for place in places], size, seed
                    waiting.append(pool.apply_async(batch, [given]))
                    seed += 1
                yield waiting.popleft().get()

        yield endless()
