"""Crops and resizing with PIL's antialiased filters, for single images and batches."""

import functools
import math

import tensorflow as tf

from ssl_tf.ops import draws

ATTEMPTS = 10
# sin(t) / t by powers of t^2, highest first, for |t| <= pi, within 1e-11. A polynomial,
# since the last bit of TensorFlow's sine hangs on an element's place in the tensor.
SINC = (
    *(-6.610565753e-13, 1.589662737e-10, -2.503870263e-08, 2.755670337e-06),
    *(-0.0001984125444, 0.008333333144, -0.1666666666, 1.0),
)
KERNELS = {"bilinear": "triangle", "bicubic": "keyscubic", "lanczos": "lanczos3"}


def random_boxes(seeds, height, width, scale, ratio=(3 / 4, 4 / 3)):
    """Boxes of random area and aspect ratio, as torchvision's RandomResizedCrop.

    Ten draws an image; the first that fits is taken. Where none fits (areas above 1
    never do), the largest central box whose ratio is allowed.

    Args:
        seeds: `[B]` uint64.
        height: `[B]` int32, pixels.
        width: `[B]` int32, pixels.
        scale: (low, high) share of the image's area.
        ratio: (low, high) width over height, drawn uniformly in the logarithm.

    Returns:
        `[B, 4]` int32: top, left, height, width.

    Source:
        Szegedy et al., arXiv:1409.4842; torchvision's documented behaviour.
    """
    a, b, c, d = draws.split(seeds, 4)
    low, high = (tf.math.log(tf.cast(r, tf.float32)) for r in ratio)
    h, w = tf.cast(height[:, None], tf.float32), tf.cast(width[:, None], tf.float32)
    area = h * w * draws.uniform(a, ATTEMPTS, *scale)
    # In 64 bits: the last of 32 hangs on an element's place in the tensor.
    aspect = tf.exp(tf.cast(draws.uniform(b, ATTEMPTS, low, high), tf.float64))
    aspect = tf.cast(aspect, tf.float32)
    across = tf.cast(tf.round(tf.sqrt(area * aspect)), tf.int32)
    down = tf.cast(tf.round(tf.sqrt(area / aspect)), tf.int32)
    fits = (across <= width[:, None]) & (down <= height[:, None])
    fits &= (across > 0) & (down > 0)
    first = tf.argmax(tf.cast(fits, tf.int32), axis=1, output_type=tf.int32)
    pick = lambda x: tf.gather(x, first, axis=1, batch_dims=1)
    central_down, central_across = central(height, width, ratio)
    found = tf.reduce_any(fits, axis=1)
    down = tf.where(found, pick(down), central_down)
    across = tf.where(found, pick(across), central_across)
    place = lambda seed, room: tf.cast(
        draws.uniform(seed)[:, 0] * tf.cast(room + 1, tf.float32), tf.int32
    )
    top, left = place(c, height - down), place(d, width - across)
    top = tf.where(found, top, (height - down) // 2)
    left = tf.where(found, left, (width - across) // 2)
    return tf.stack([top, left, down, across], axis=1)


def central(height, width, ratio):
    """Height and width of the largest box within the allowed aspect ratios."""
    h, w = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    down = tf.where(w / h < ratio[0], tf.round(w / ratio[0]), h)
    across = tf.where(w / h > ratio[1], tf.round(h * ratio[1]), w)
    return tf.cast(down, tf.int32), tf.cast(across, tf.int32)


def resize_boxes(images, boxes, size, method="bilinear"):
    """Cuts one box out of each image and resizes it: two batched matrix products.

    Args:
        images: `[B, H, W, C]` float32.
        boxes: `[B, 4]` int32, top, left, height, width; or float32.
        size: int, side of the result in pixels.
        method: "bilinear", "bicubic" or "lanczos"; antialiased when shrinking.

    Returns:
        `[B, size, size, C]` float32, in the range of `images` but for the overshoot
        of bicubic and Lanczos.
    """
    boxes = tf.cast(boxes, tf.float32)
    channels = images.shape[-1]
    down = weights(boxes[:, 0], boxes[:, 2], images.shape[1], size, method)
    across = weights(boxes[:, 1], boxes[:, 3], images.shape[2], size, method)
    rows = tf.reshape(images, [-1, images.shape[1], images.shape[2] * channels])
    rows = tf.matmul(down, rows)  # [B, size, W * C]
    rows = tf.reshape(rows, [-1, size, images.shape[2], channels])
    return tf.einsum("bsw,bhwc->bhsc", across, rows)


def cut_planes(images, boxes, size, method="bilinear", rounding=False, flip=None):
    """`resize_boxes` that gives planes, may mirror them, and may round as PIL.

    Args:
        images: `[B, H, W, 3]` uint8, or float32 in [0, 255].
        boxes: `[B, 4]` int32, top, left, height, width.
        size: int, side of the result in pixels.
        method: as of `resize_boxes`.
        rounding: to whole levels in [0, 255], across and then down.
        flip: `[B]` bool, which results to mirror, or `None`.

    Returns:
        `[B, 3, size, size]` float32, levels if `rounding`, else in [0, 1].
    """
    height, width = images.shape[1:3]
    boxes = tf.cast(boxes, tf.float32)
    down = weights(boxes[:, 0], boxes[:, 2], height, size, method)
    across = weights(boxes[:, 1], boxes[:, 3], width, size, method, flip)
    if not rounding:
        down *= 1 / 255
    return through(images, down, across, method, rounding)


def whole(images, size, method):
    """`cut_planes` of the whole images, rounded."""
    height, width = images.shape[1:3]
    matrix = lambda side: weights(
        tf.zeros([1]), tf.fill([1], float(side)), side, size, method
    )
    return through(images, matrix(height), matrix(width), method, True)


def through(images, down, across, method, rounding):
    """`[B, 3, size, size]` from images and matrices `[B or 1, size, H or W]`."""
    height, width = images.shape[1:3]
    size = down.shape[1]
    rows = tf.cast(tf.transpose(images, [0, 3, 1, 2]), tf.float32)
    rows = tf.reshape(rows, [-1, 3 * height, width])
    rows = tf.matmul(rows, across, transpose_b=True)
    rows = bounded(rows, 255.0) if rounding else rows
    cut = tf.matmul(down[:, None], tf.reshape(rows, [-1, 3, height, size]))
    if rounding:
        return bounded(cut, 255.0)
    return cut if method == "bilinear" else tf.clip_by_value(cut, 0.0, 1.0)


def bounded(x, top):
    """Rounded, half up, and cut to [0, top]."""
    return tf.clip_by_value(tf.floor(x + 0.5), 0.0, top)


def weights(start, length, pixels, size, method, flip=None):
    """`[B, size, pixels]`: how much of each source pixel goes into each new one.

    Where `flip` `[B]` says so, the new ones count from the other end.
    """
    scale = (length / size)[:, None, None]
    stretch = tf.maximum(scale, 1.0)
    place = tf.range(size, dtype=tf.float32)[None, :, None] + 0.5
    if flip is not None:
        place = tf.where(flip[:, None, None], size - place, place)
    centre = start[:, None, None] + place * scale
    source = tf.range(pixels, dtype=tf.float32)[None, None, :]
    inside = (source >= tf.round(start)[:, None, None]) & (
        source < tf.round(start + length)[:, None, None]
    )
    row = kernel((source + 0.5 - centre) / stretch, method) * tf.cast(
        inside, tf.float32
    )
    return row / tf.reduce_sum(row, axis=2, keepdims=True)


def kernel(x, method):
    """PIL's resampling kernels: triangle, cubic with a = -1/2, Lanczos with 3 lobes."""
    x = tf.abs(x)
    if method == "bilinear":
        return tf.maximum(1 - x, 0.0)
    if method == "bicubic":
        near = (1.5 * x - 2.5) * x * x + 1
        far = ((-0.5 * x + 2.5) * x - 4) * x + 2
        return tf.where(x < 1, near, tf.where(x < 2, far, 0.0))
    # With t = pi x / 3: sinc(3 t) sinc(t) = s^2 (1 - 4/3 t^2 s^2), where s = sinc(t).
    square = tf.minimum((math.pi / 3 * x) ** 2, math.pi**2)
    sinc = functools.reduce(lambda sum, c: sum * square + c, SINC[1:], SINC[0])
    sinc *= sinc
    return sinc * (1 - 4 / 3 * square * sinc)


def resize_one(image, size, method="bilinear", rounding=False):
    """One image `[h, w, 3]` brought to a square, with antialiasing.

    Args:
        image: uint8, or float32 in [0, 255].
        size: int, pixels.
        method: "bilinear", "bicubic" or "lanczos".
        rounding: to whole levels in [0, 255], across and then down, as PIL.

    Returns:
        `[size, size, 3]` float32, in [0, 255] but for the overshoot of the filter,
        not rounded unless `rounding`.
    """
    scale = size / tf.cast(tf.shape(image)[:2], tf.float32)
    if not rounding:
        return resample(image, scale, tf.zeros([2]), size, method)
    turned = tf.transpose(image, [1, 0, 2])
    rows = bounded(axis(turned, scale[1], 0.0, size, method), 255.0)
    return tf.transpose(
        bounded(axis(rows, scale[0], 0.0, size, method), 255.0), [1, 0, 2]
    )


def fit_one(image, size, resize=None, fit="centre"):
    """One whole image made a square.

    Args:
        image: `[h, w, 3]` uint8.
        size: int, pixels.
        resize: for "centre": see `centre_one`; `None` is `size`.
        fit: "centre" scales the shorter side and cuts out the middle, "squash"
            scales both sides to `size`, "interpolate" does so without antialiasing
            (TensorFlow's default; G-SimCLR).

    Returns:
        `[size, size, 3]` float32 in [0, 255], of whole levels but for "interpolate".
    """
    if fit == "interpolate":
        return tf.image.resize(tf.cast(image, tf.float32), [size, size])
    if fit == "squash":
        return tf.round(resize_one(image, size))
    return tf.cast(centre_one(image, resize or size, size), tf.float32)


def centre_one(image, resize, size):
    """Shorter side to `resize` pixels, then the central `size` x `size`.

    Args:
        image: `[h, w, 3]` uint8.
        resize: int, pixels.
        size: int, pixels, at most `resize`.

    Returns:
        `[size, size, 3]` uint8.

    Source:
        torchvision's Resize (longer side rounded down) and CenterCrop (half a pixel to
        the even side), PIL's bilinear filter.
    """
    shape = tf.shape(image)[:2]
    new = shape * resize // tf.reduce_min(shape)
    offset = tf.round(tf.cast(new - size, tf.float32) / 2)  # half to even, as Python
    scale = tf.cast(new, tf.float32) / tf.cast(shape, tf.float32)
    return tf.cast(tf.round(resample(image, scale, offset, size)), tf.uint8)


def resample(image, scale, offset, size, method="bilinear"):
    """The window `[size, size, 3]` float32 of an image that is scaled, then cut.

    Args:
        image: `[h, w, 3]`.
        scale: `[2]` float32, new over old height and width.
        offset: `[2]` float32, top and left of the window in the scaled image.
        size: int, pixels.
        method: see `resize_one`.
    """
    image = axis(image, scale[0], offset[0], size, method)
    return axis(image, scale[1], offset[1], size, method)


def axis(image, scale, offset, size, method):
    """Resamples the first axis and exchanges it with the second.

    Twice in a row it does both: half the time of one call for both axes, because the
    op is fast only where the numbers beside each other share their weights.
    """
    length, width, channels = tf.unstack(tf.shape(image))
    lines = tf.reshape(image, [1, length, 1, width * channels])
    lines = tf.raw_ops.ScaleAndTranslate(
        images=lines,
        size=[size, 1],
        scale=tf.stack([scale, 1.0]),
        translation=tf.stack([-offset, 0.0]),
        kernel_type=KERNELS[method],
        antialias=True,
    )
    lines = tf.reshape(lines, [size, width, image.shape[2]])
    return tf.transpose(lines, [1, 0, 2])
