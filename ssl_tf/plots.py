"""Figures of papers, drawn from runs and tables: loss curves, sizes."""

from ssl_tf import figures

SIZED = "linear_scatsimclr.accuracy"

# Cosine similarity of SimSiam's views over epochs as the study's figure shows it, read
# off to +-0.01 (spec 3.5); which data set it is of is not said.
EPOCHS = (2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
STUDY = {
    "ResNet-18": (53, 65, 71, 77, 79, 80, 81, 82, 83, 84, 85, 86),
    "EfficientNet-B0": (51, 66, 76, 79, 80, 81, 82, 83, 84, 85, 86, 87),
    "PiT": (48, 64, 72, 78, 80, 81, 83, 85, 86, 87, 87, 87),
    "ViT": (34, 52, 61, 65, 70, 75, 77, 78, 78, 78, 79, 80),
}


def contrast(folders, path):
    """NT-Xent over epochs of SimCLR and of G-SimCLR's orders on the same data.

    Mean of the seeds, band of one deviation; one panel for each data set that both
    have runs of.

    Args:
        folders: run folders with a `history.csv`.
        path: of the PNG.

    Returns:
        the path, or `None` if there are not both.
    """
    panels = {}
    for name, seeds in figures.by_setting(folders).items():
        method, _, setting = name.partition("/")
        if method in ("simclr", "gsimclr"):
            panels.setdefault(data_of(setting), {})[name] = seeds
    panels = {
        data: own
        for data, own in panels.items()
        if len({name.partition("/")[0] for name in own}) == 2
    }
    if not panels:
        return None
    figure, axes = figures.canvas(5 * len(panels), 3.6, columns=len(panels))
    for axis, (data, own) in zip(axes, sorted(panels.items())):
        for colour, (name, seeds) in zip(figures.COLOURS, sorted(own.items())):
            figures.band(axis, seeds, "loss", colour, name)
        axis.set_title(f"NT-Xent, {data}", fontsize=10)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    return figures.save(figure, path)


def similarity(folders, path):
    """Cosine similarity of SimSiam's views, minus the loss, ours and the study's.

    Args:
        folders: run folders with a `history.csv`.
        path: of the PNG.

    Returns:
        the path, or `None` without a run of SimSiam.
    """
    own = {
        name: seeds
        for name, seeds in figures.by_setting(folders).items()
        if name.startswith("simsiam/")
    }
    if not own:
        return None
    figure, (axis,) = figures.canvas(6.5, 4.2, columns=1)
    for colour, (name, values) in zip(figures.COLOURS, STUDY.items()):
        shares = [value / 100 for value in values]
        label = f"{name}, study"
        axis.plot(EPOCHS, shares, "--", color=colour, label=label, linewidth=1)
    for i, (name, seeds) in enumerate(sorted(own.items())):
        colour = figures.COLOURS[i % len(figures.COLOURS)]
        figures.band(axis, seeds, "loss", colour, name, sign=-1)
    axis.set_title("Cosine similarity", fontsize=10)
    axis.set_xlabel("epoch")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7)
    return figures.save(figure, path)


def data_of(setting):
    """The data set in a setting's name: its last word that is not of a variant."""
    words = setting.split("_")
    return next(
        (w for w in reversed(words) if w[-1].isdigit() or w == "digits"), words[-1]
    )


def sizes(tables, path):
    """Linear accuracy against parameters, the papers' numbers and ours.

    Args:
        tables: `[(title, rows)]` of `report.tables`.
        path: of the PNG.

    Returns:
        the path, or `None` where no row has both.
    """
    lines = [
        row.line
        for _, rows in tables
        for row in rows
        if row.line.metric == SIZED and row.line.parameters
    ]
    if not any(line.paper or line.values for line in lines):
        return None
    panels = sorted({data_of(line.setting.name) for line in lines})
    figure, axes = figures.canvas(5 * len(panels), 3.6, columns=len(panels))
    for axis, data in zip(axes, panels):
        for line in lines:
            if data_of(line.setting.name) == data:
                draw(axis, line)
        axis.set_title(f"{data}: linear evaluation, %", fontsize=10)
        axis.set_xlabel("parameters, millions")
        axis.grid(alpha=0.3)
        handles = dict(zip(*reversed(axis.get_legend_handles_labels())))
        axis.legend(handles.values(), handles.keys(), fontsize=7)
    return figures.save(figure, path)


def draw(axis, line):
    """One line of a table as an open (paper) and a full (ours) point."""
    million = line.parameters / 1e6
    architecture = line.setting.name.partition("_")[0]
    text = architecture + (f" {line.setting.variant}" if line.setting.variant else "")
    place = lambda share: (million, 100 * share)
    network = "ScatSimCLR" if architecture.startswith("scat") else "ResNet"
    colour = figures.COLOURS[0 if network == "ScatSimCLR" else 1]
    if line.paper is not None:
        axis.scatter(
            *place(line.paper),
            edgecolors=colour,
            facecolors="none",
            label=f"{network}, paper",
        )
        axis.annotate(text, place(line.paper), fontsize=6, alpha=0.7)
    if line.values:
        mean = sum(line.values) / len(line.values)
        axis.scatter(*place(mean), color=colour, label=f"{network}, ours")
        axis.annotate(text, place(mean), fontsize=6)


def curves_beside(published, ours, path):
    """Published accuracies on CIFAR-10 and ours, over epochs and over arithmetic.

    Args:
        published: list of dicts of `configs/anchors.yaml`.
        ours: `[(label, method, measure, epochs, PFLOP, values)]`, values as shares.
        path: of the PNG.

    Returns:
        the path.
    """
    figure, axes = figures.canvas(12, 4.6, columns=2)
    colours = dict(zip(("simclr", "simsiam", "self_classifier"), figures.COLOURS))
    shapes = {"linear": "o", "knn": "s"}
    for axis, of_work in zip(axes, (False, True)):
        for one in published:
            total = one["gflop"] * one["images"] / 1e6  # PFLOP an epoch
            places = [e * total if of_work else e for e in one["values"]]
            axis.plot(
                places,
                list(one["values"].values()),
                linestyle="--",
                marker=shapes[one["measure"]],
                markerfacecolor="none",
                color=colours[one["method"]],
                label=f"{one['label']}, width {one['width']}, {one['images']:,} images",
            )
        for label, method, measure, epochs, work, values in ours:
            place = work if of_work else epochs
            axis.scatter(
                [place] * len(values),
                [100 * value for value in values],
                marker=shapes[measure],
                color=colours[method],
                label=label,
            )
        axis.set_xscale("log")
        axis.set_xlabel("pre-training, PFLOP" if of_work else "epochs")
        axis.set_title("CIFAR-10, test accuracy, %", fontsize=10)
        axis.grid(alpha=0.3)
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        fontsize=7,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=2,
    )
    return figures.save(figure, path)
