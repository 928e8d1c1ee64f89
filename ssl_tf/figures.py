"""Pictures of runs: learning curves, confusion matrices."""

from pathlib import Path

import numpy as np

from ssl_tf import runs

COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#edae49", "#6a4c93", "#5c5c5c")


def canvas(width=7.0, height=3.6, columns=1):
    """`(figure, axes)` that need no display."""
    figure, axes = grid(1, columns, (width, height))
    return figure, axes[0]


def grid(rows, columns, size, **more):
    """`(figure, axes [rows, columns])` of `size` inches, in Matplotlib's own style.

    No display is needed; a `matplotlibrc` changes nothing, and `$` is a character.
    """
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcdefaults()
    matplotlib.rcParams["text.parse_math"] = False
    figure = Figure(figsize=size, **more)
    return figure, figure.subplots(rows, columns, squeeze=False)


def save(figure, path):
    """Writes a PNG, atomically."""
    with runs.atomic(path) as out:
        figure.savefig(out, format="png", dpi=110, bbox_inches="tight")
    return Path(path)


def by_setting(folders):
    """`{"method/name": [history rows of a seed, ...]}` of run folders."""
    found = {}
    for folder in folders:
        rows = runs.history(folder)
        if rows:
            found.setdefault("/".join(folder.parts[-3:-1]), []).append(rows)
    return found


def curves(folders, path):
    """Loss and test accuracy over epochs: mean of the seeds, band of one deviation.

    Args:
        folders: run folders with a `history.csv`.
        path: of the PNG.

    Returns:
        the path, or `None` if there is nothing to draw.
    """
    histories = by_setting(folders)
    if not histories:
        return None
    figure, (left, right) = canvas(10, 3.6, columns=2)
    for colour, (name, seeds) in zip(COLOURS * 9, histories.items()):
        band(left, seeds, "loss", colour, name)
        for term, style in (("accuracy", "-"), ("joint_accuracy", "--")):
            for split in ("test", "validation"):
                shown = f"{name} {term.replace('_', ' ')}"
                band(right, seeds, f"{split}_{term}", colour, shown, style)
    for axis, title in ((left, "training loss"), (right, "accuracy, held-out images")):
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        if axis.lines:
            axis.legend(fontsize=7)
    return save(figure, path)


def band(axis, seeds, column, colour, name, style="-", sign=1):
    """One line with its band; nothing where no seed has the column."""
    have = [[r for r in rows if r.get(column)] for rows in seeds]
    have = [rows for rows in have if rows]
    if not have:
        return
    length = min(map(len, have))
    epochs = [int(row["epoch"]) for row in have[0][:length]]
    values = [[sign * float(r[column]) for r in rows[:length]] for rows in have]
    values = np.array(values)
    mean = values.mean(axis=0)
    axis.plot(epochs, mean, style, color=colour, label=name, linewidth=1.4)
    if len(values) > 1:
        spread = values.std(axis=0, ddof=1)
        axis.fill_between(
            epochs, mean - spread, mean + spread, color=colour, alpha=0.15
        )


def confusion(folder, path):
    """The confusion matrix a run's evaluation left, rows normalised.

    Returns:
        the path, or `None` if the run has none.
    """
    file = Path(folder) / "confusion_matrix.npy"
    if not file.exists():
        return None
    table = np.load(file, allow_pickle=False)
    classes = runs.facts(folder)["classes"]
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1e-12)
    figure, (axis,) = canvas(4.6, 4.0)
    image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    axis.set_title("/".join(Path(folder).parts[-3:]), fontsize=9)
    if len(classes) <= 20:
        axis.set_xticks(range(len(classes)), classes, rotation=90, fontsize=7)
        axis.set_yticks(range(len(classes)), classes, fontsize=7)
        for row, column in np.argwhere(table > 0):
            colour = "white" if share[row, column] > 0.5 else "black"
            text = f"{table[row, column]:.0f}"
            axis.text(column, row, text, ha="center", va="center", color=colour, size=6)
    figure.colorbar(image, ax=axis, shrink=0.8)
    return save(figure, path)
