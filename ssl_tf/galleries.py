"""Pictures of images and features: grids and maps, from what evaluations left.

An evaluation leaves arrays, `<what>_tiles.npy`, `<what>_grids.npy` or
`<what>_points.npy`, with others beside them; here they become `figures/<what>.png`.
"""

import functools
from pathlib import Path

import numpy as np

from ssl_tf import figures, runs

GREEN, RED = "#2e8b57", "#d1495b"
FRAMES = {1: GREEN, 0: RED, -1: "#000000"}  # by mark; no image has another
MANY = 20  # classes above which a legend is left out
ACROSS = 5  # clusters of a gallery beside each other


def draw(folder):
    """Draws what a run's evaluations left and was not drawn since.

    Args:
        folder: a run folder.

    Returns:
        sorted paths of all PNGs in its `figures/`.
    """
    folder = Path(folder)
    if wanted(folder) and runs.writable(folder):
        with runs.alone(folder):  # no array is replaced meanwhile
            for what, paint, target in wanted(folder):
                beside = functools.partial(array, folder, what)
                figures.save(paint(beside, f"{titled(folder)}: {what}"), target)
    return sorted((folder / "figures").glob("*.png"))


def wanted(folder):
    """`[(what, function that draws it, path of the PNG)]` of what is to be drawn."""
    kinds = {"tiles": tiles, "grids": grids, "points": points, "rates": rates}
    found = []
    for kind, paint in kinds.items():
        for file in sorted(folder.glob(f"*_{kind}.npy")):
            what = file.name.removesuffix(f"_{kind}.npy")
            target = folder / "figures" / f"{what}.png"
            if not target.exists() or target.stat().st_mtime < file.stat().st_mtime:
                found.append((what, paint, target))
    return found


def titled(folder):
    return "/".join(Path(folder).parts[-3:])


def array(folder, what, key):
    """`<what>_<key>.npy`, or `None`."""
    file = folder / f"{what}_{key}.npy"
    return np.load(file, allow_pickle=False) if file.exists() else None


def tiles(beside, title):
    """A grid of images, a row each; where labels are known, neighbours get a frame.

    Args:
        beside: `key -> array or None`; takes "tiles" uint8 `[n, m, H, W, 3]`, the
            first column the original, and "labels" `[n, m]`, "classes", "similarity";
            or "headings" `[m]`, where columns have one.
        title: str.

    Returns:
        the figure.
    """
    images, label = beside("tiles"), beside("labels")
    names, similarity = beside("classes"), beside("similarity")
    headings = beside("headings")
    rows, columns, height, width = images.shape[:4]
    cell = max(0.95, min(9.5 / columns, width / 140))
    figure, axes = grid(rows, columns, cell, height / width)
    for place in np.ndindex(rows, columns):
        axis, (row, column) = axes[place], place
        axis.imshow(images[place], interpolation="nearest")
        axis.set_xticks([])
        axis.set_yticks([])
        if headings is None:
            frame(axis, None if label is None else label[row], column)
        else:
            axis.set_frame_on(False)
            axis.set_title("" if row else str(headings[column]), fontsize=8, pad=2)
        if label is not None and names is not None and label[place] >= 0:
            text = str(names[label[place]])[:14]
            if similarity is not None and column:
                text += f" {similarity[row, column - 1]:.2f}"
            axis.set_title(text, fontsize=5, pad=2)
    figure.suptitle(title, fontsize=8)
    return figure


def grids(beside, title):
    """A square of framed images for each cluster: green is right, red is wrong.

    Args:
        beside: `key -> array or None`; takes "grids" uint8 `[n, m, S, S, 3]`, "marks"
            `[n, m]` (1 right, 0 wrong, -1 not known, -2 no image), "titles" `[n]`.
        title: str.

    Returns:
        the figure.
    """
    images, marks, titles = (beside(key) for key in ("grids", "marks", "titles"))
    columns = min(ACROSS, len(images))
    figure, axes = grid(-(-len(images) // columns), columns, 2.1)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, own, mark, text in zip(axes.flat, images, marks, titles):
        axis.imshow(square(own, mark), interpolation="nearest")
        axis.set_title(str(text)[:34], fontsize=7, pad=3)
    figure.suptitle(title, fontsize=8)
    return figure


def square(images, marks):
    """uint8 `[h, w, 3]`: images beside and below each other, each in its frame.

    Args:
        images: uint8 `[m, S, S, 3]`.
        marks: see `grids`.
    """
    side = images.shape[1]
    edge = max(1, side // 40)
    cell = side + 4 * edge  # the frame, and white around it
    across = int(np.ceil(np.sqrt(len(images))))
    sheet = np.full((-(-len(images) // across) * cell, across * cell, 3), 255, np.uint8)
    for place, (image, mark) in enumerate(zip(images, marks)):
        if mark not in FRAMES:
            continue
        row, column = (edge + cell * at for at in divmod(place, across))
        width = side + 2 * edge
        colour = [int(FRAMES[mark][i : i + 2], 16) for i in (1, 3, 5)]
        sheet[row : row + width, column : column + width] = colour
        top, left = row + edge, column + edge
        sheet[top : top + side, left : left + side] = image
    return sheet


def grid(rows, columns, cell, tall=1.0):
    """`(figure, axes [rows, columns])`; each is `cell` by `tall * cell` inches."""
    size = (cell * columns + 0.2, (tall * cell + 0.1) * rows + 0.4)
    return figures.grid(rows, columns, size, layout="constrained")


def frame(axis, label, column):
    """Black around the original; green or red, as the class is or is not its own."""
    colour = "black" if column == 0 else None
    if column and label is not None and label[0] >= 0 and label[column] >= 0:
        colour = GREEN if label[column] == label[0] else RED
    for spine in axis.spines.values():
        spine.set_visible(colour is not None)
        spine.set_color(colour or "black")
        spine.set_linewidth(1.6)


def points(beside, title):
    """A scatter plot of points in the plane, coloured by class.

    Args:
        beside: `key -> array or None`; takes "points" `[n, 2]`, "labels" `[n]` (-1 is
            grey) and "classes".
        title: str.

    Returns:
        the figure.
    """
    from matplotlib import colormaps

    place, label, names = beside("points"), beside("labels"), beside("classes")
    figure, (axis,) = figures.canvas(5.6, 4.6)
    shown = np.unique(label)
    colours = colormaps["tab10" if len(shown) <= 10 else "turbo"]
    for i, one in enumerate(shown):
        mine = place[label == one]
        at = i if len(shown) <= 10 else i / (len(shown) - 1)
        colour = "#999999" if one < 0 else colours(at)
        name = "no label" if one < 0 or names is None else str(names[one])
        axis.scatter(*mine.T, s=5, color=colour, label=name, linewidths=0)
    if len(shown) <= MANY:
        axis.legend(fontsize=6, markerscale=2, bbox_to_anchor=(1, 1), loc="upper left")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_title(title, fontsize=9)
    return figure


def rates(beside, title):
    """Pairs of one cluster or class in the batches of each order, and batch by batch.

    Args:
        beside: `key -> array or None`; takes "orders" names `[n]`, "rates" `[n, 2]` of
            clusters and classes, "by_batch" `[n, steps]`, of clusters.
        title: str.

    Returns:
        the figure.
    """
    orders, heights, lines = beside("orders"), beside("rates"), beside("by_batch")
    figure, (left, right) = figures.canvas(10, 3.6, columns=2)
    for i, kind in enumerate(("cluster", "class")):
        places = np.arange(len(orders)) + 0.4 * (i - 0.5)
        colour = figures.COLOURS[i]
        left.bar(places, heights[:, i], 0.38, color=colour, label=f"same {kind}")
    left.set_xticks(range(len(orders)), map(str, orders))
    left.set_ylim(0, 1.35 * np.nanmax(heights))
    left.set_ylabel("share of the pairs in a batch")
    for colour, name, line in zip(figures.COLOURS, orders, lines):
        right.plot(line, color=colour, label=str(name), linewidth=1.2)
    right.xaxis.get_major_locator().set_params(integer=True)
    right.set_xlabel("batch of the epoch")
    right.set_ylabel("same-cluster pairs")
    for axis in (left, right):
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    figure.suptitle(title, fontsize=9)
    return figure
