"""Figures of papers, drawn from runs and tables: loss curves, sizes."""

from ssl_tf import figures

SIZED = "linear_scatsimclr.accuracy"


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
