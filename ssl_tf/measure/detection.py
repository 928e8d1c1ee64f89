"""ROIAlign and non-maximum suppression against NumPy, and torchvision where it is."""

from ssl_tf import cli
from ssl_tf.measure import timing

CELLS, CHANNELS, REGIONS = (50, 66), 256, 128  # of an image of 800 x 1056 pixels
BOXES, KEEP, OVERLAP = 6_000, 1_000, 0.7  # proposals in evaluation
SIZE, SCALE = 14, 1 / 16


def measure(options):
    """Times of each program in turn, and how many times ours they take."""
    torchvision()  # before TensorFlow: the other way round some builds crash
    cli.import_tensorflow()
    values = {
        "regions": f"{REGIONS} of {CELLS[0]}x{CELLS[1]} cells, {CHANNELS} channels",
        "boxes": f"{BOXES:,}, the best {KEEP:,} of overlap up to {OVERLAP}",
    }
    for name, programs in (("ROIAlign", aligning()), ("NMS", suppressing())):
        times = timing.in_turn(programs, options.rounds)
        for program, found in times.items():
            middle = 1e3 * timing.median(found)
            ratio = timing.compared(found, times["ours"], 6)
            values[f"{name}, {program}"] = f"{middle:9.1f} ms, {ratio}"
    return values


def random_boxes(count, seed):
    """float32 `[count, 4]` within the image, sides of 16 to 400 pixels."""
    import numpy as np

    draw = np.random.default_rng(seed)
    height, width = (16 * cells for cells in CELLS)
    sides = draw.uniform(16, 400, (count, 2))
    low = draw.uniform(0, 1, (count, 2)) * np.maximum([width, height] - sides, 0)
    high = np.minimum(low + sides, [width, height])
    return np.concatenate([low, high], axis=1).astype(np.float32)


def aligning():
    """`{program: call}` that cut the same regions out of the same features."""
    import numpy as np
    import tensorflow as tf

    from ssl_tf.detection.roi_align import roi_align

    draw = np.random.default_rng(0)
    features = draw.normal(size=(1, *CELLS, CHANNELS)).astype(np.float32)
    boxes = random_boxes(REGIONS, 1)
    ours = tf.function(lambda x, y: roi_align(x, y, SIZE, SCALE))
    given = tf.constant(features), tf.constant(boxes[None])
    programs = {
        "ours": lambda: ours(*given).numpy(),
        "NumPy": lambda: aligned(features[0], boxes),
    }
    torch, vision = torchvision()
    if vision:
        x = torch.from_numpy(features.transpose(0, 3, 1, 2).copy())
        rows = torch.from_numpy(np.pad(boxes, [(0, 0), (1, 0)]))
        more = {"spatial_scale": SCALE, "sampling_ratio": 0, "aligned": True}
        programs["torchvision"] = lambda: vision.roi_align(
            x, rows, SIZE, **more
        ).numpy()
    return programs


def aligned(features, boxes):
    """ROIAlign region by region in NumPy: gathers four neighbours of each sample."""
    import numpy as np

    return np.stack([aligned_one(features, box) for box in boxes])


def aligned_one(features, box):
    import numpy as np

    low, high = box[:2] * SCALE - 0.5, box[2:] * SCALE - 0.5
    axes = []
    for start, end, cells in zip(low[::-1], high[::-1], features.shape[:2]):
        width = (end - start) / SIZE
        count = int(np.ceil(width))
        turn = (np.arange(SIZE * count) + 0.5) / count
        place = np.clip(start + turn * width, 0, cells - 1)
        first = np.minimum(place.astype(int), cells - 2)
        axes.append((first, place - first, count))
    (y, v, down), (x, u, across) = axes
    v, u = v[:, None, None], u[None, :, None]
    corner = lambda i, j: features[(y + i)[:, None], (x + j)[None]]
    upper = corner(0, 0) * (1 - u) + corner(0, 1) * u
    lower = corner(1, 0) * (1 - u) + corner(1, 1) * u
    samples = upper * (1 - v) + lower * v
    return samples.reshape(SIZE, down, SIZE, across, -1).mean(axis=(1, 3))


def suppressing():
    """`{program: call}` that thin out the same boxes."""
    import numpy as np
    import tensorflow as tf

    from ssl_tf.detection.nms import non_maximum_suppression

    boxes = random_boxes(BOXES, 2)
    scores = np.random.default_rng(3).normal(size=BOXES).astype(np.float32)
    valid = np.ones((1, BOXES), bool)
    ours = tf.function(lambda *x: non_maximum_suppression(*x, OVERLAP, KEEP))
    given = [tf.constant(x) for x in (boxes[None], scores[None], valid)]
    swapped = tf.constant(boxes[:, [1, 0, 3, 2]])
    image = tf.function(tf.image.non_max_suppression)
    programs = {
        "ours": lambda: ours(*given)[0].numpy()[0],
        "NumPy": lambda: suppressed(boxes, scores),
        "tf.image": lambda: image(swapped, given[1][0], KEEP, OVERLAP).numpy(),
    }
    torch, vision = torchvision()
    if vision:
        rows, values = torch.from_numpy(boxes), torch.from_numpy(scores)
        programs["torchvision"] = lambda: vision.nms(rows, values, OVERLAP)[
            :KEEP
        ].numpy()
    return programs


def suppressed(boxes, scores):
    """Places of the boxes that greedy suppression keeps, box by box in NumPy."""
    import numpy as np

    left, kept = np.argsort(-scores, kind="stable"), []
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    while len(left) and len(kept) < KEEP:
        best, left = left[0], left[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[left, :2])
        high = np.minimum(boxes[best, 2:], boxes[left, 2:])
        common = np.maximum(high - low, 0).prod(axis=1)
        left = left[common <= OVERLAP * (areas[best] + areas[left] - common)]
    return np.array(kept)


def torchvision():
    """`(torch, torchvision.ops)`, or two times `None`."""
    try:
        import torch
        from torchvision import ops
    except (ImportError, RuntimeError):
        return None, None
    return torch, ops
