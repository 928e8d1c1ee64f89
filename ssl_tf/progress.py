"""What a training run tells: a bar on a terminal, a line an epoch elsewhere."""

import sys
import time

import numpy as np

from ssl_tf import config
from ssl_tf.data.skipped import told as left_out
from ssl_tf.ops import distribute

SAID = set()  # lines on the images that this process has printed


class Progress:
    """Context manager around the epochs of one run.

    Args:
        name: str, shown in front.
        epochs: int.
        steps_per_epoch: int.
        quiet: print nothing but warnings.
    """

    def __init__(self, name, epochs, steps_per_epoch, quiet=False):
        self.name = name
        self.epochs = epochs
        self.steps = steps_per_epoch
        self.quiet = quiet
        self.bar = None
        self.started = None
        self.first = None

    def __enter__(self):
        self.started = time.monotonic()
        if sys.stderr.isatty() and not self.quiet:
            self.bar = make_bar()
            self.task = self.bar.add_task(
                self.name, total=self.epochs * self.steps, info=""
            )
            self.bar.start()
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def epoch(self, epoch, step):
        self.first = epoch if self.first is None else self.first
        if self.bar is not None:
            title = f"{self.name} epoch {epoch + 1}/{self.epochs}"
            done = epoch * self.steps + step
            self.bar.update(self.task, description=title, completed=done)

    def advance(self, count, terms, clock, batch_size):
        if self.bar is None:
            return
        step = self.bar.tasks[0].completed + count
        within = step % self.steps or self.steps
        speed = within * batch_size / max(clock["seconds"], 1e-9)
        wait = 100 * clock["waiting"] / max(clock["seconds"], 1e-9)
        info = f"{speed:,.0f} img/s  wait {wait:.0f}%  {told(terms)}"
        self.bar.update(self.task, completed=step, info=info)

    def close_epoch(self, row):
        if self.quiet or self.bar is not None:
            return
        left = (time.monotonic() - self.started) / (row["epoch"] - self.first)
        left *= self.epochs - row["epoch"]
        skipped = ("epoch", "step", "learning_rate", "seconds", "images_per_second")
        skipped += ("waiting", "l2")
        terms = {k: v for k, v in row.items() if k not in skipped and "branch" not in k}
        print(
            f"{self.name} epoch {row['epoch']}/{self.epochs} "
            f"{row['images_per_second']:,.0f} img/s, {row['seconds']:.0f} s, "
            f"about {left:.0f} s left: {told(terms)}",
            file=sys.stderr,
            flush=True,
        )

    def resumed(self, step, steps_per_epoch):
        if not self.quiet:
            epoch, within = divmod(step, steps_per_epoch)
            self.warn(
                f"{self.name}: resumed in epoch {epoch + 1} at its step {within}."
            )

    def warn(self, text):
        print(text, file=sys.stderr, flush=True)


def told(terms):
    return " ".join(f"{name} {value:.3f}" for name, value in terms.items())


def make_bar():
    """A rich progress bar on stderr, with ETA and room for `info`."""
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=24),
        progress.TaskProgressColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("ETA"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[info]}"),
        console=Console(stderr=True),
    )


def header(folder, spec, parts, opened, loop, steps, apart=None):
    """Prints what is about to run: images, updates, devices, deviations."""
    train, model = parts.train, loop.method
    held = f", {opened.validation.size} held out" if opened.validation else ""
    lines = [
        f"run       {folder}",
        f"images    {opened.train.size} of {opened.train.name}{held}, "
        f"{opened.test.size} test, {len(opened.train.classes)} "
        f"{'attributes' if opened.train.attributes else 'classes'}",
        f"model     {model.backbone.name}, {model.count_params():,} parameters",
        f"updates   {train.epochs} epochs of {steps}, batch {train.batch_size} on "
        f"{loop.strategy.num_replicas_in_sync} {distribute.kind()}, {train.precision}, "
        f"XLA {'on' if loop.compiled else 'off'}",
    ]
    lines[2:2] = remarks(opened)
    if train.accumulate > 1:
        lines.append(
            "note      batch norm sees parts of "
            f"{train.batch_size // train.accumulate} images (train.accumulate)"
        )
    if apart:
        line = f"order     {apart['name']}, {apart['clusters']} clusters: "
        line += (
            f"{100 * apart['same_cluster']:.2f} % of a batch's pairs share a cluster"
        )
        if "same_class" in apart:
            line += f", {100 * apart['same_class']:.2f} % a class"
        lines.append(line)
    for row in ledger(spec["method"]["name"]) if spec.get("paper") else []:
        switch = "" if row["switch"] == "none" else f" ({row['switch']})"
        lines.append(f"deviates  {row['what']}: {row['ours']}{switch}")
    print("\n".join(lines), file=sys.stderr, flush=True)
    SAID.update(lines)


def remarks(opened, classes=True):
    """Lines on images that are not used and, with `classes`, on empty classes."""
    splits = {"training": opened.train, "test": opened.test}
    left = left_out(*(getattr(source, "skipped", None) for source in splits.values()))
    lines = [f"left out  {left}"] if left else []
    for name, source in splits.items():
        if source.attributes or not classes:
            continue
        objects = getattr(source, "objects", None)
        labels = [source.label] if objects is None else [own.label for own in objects]
        there = {label for own in labels for label in np.unique(own).tolist()}
        lost = [c for i, c in enumerate(source.classes) if i not in there]
        if lost:
            some = ", ".join(map(repr, lost[:3])) + (", ..." if len(lost) > 3 else "")
            word = "class" if len(lost) == 1 else f"{len(lost)} classes:"
            lines.append(f"note      no {name} image of {word} {some}")
    return lines


def tell(lines):
    """Prints those lines that this process has not printed yet."""
    for line in (line for line in lines if line not in SAID):
        print(line, file=sys.stderr, flush=True)
    SAID.update(lines)


def ledger(method):
    """Rows of `configs/ledger/<method>.yaml`: how paper, code and we differ.

    A file that holds a name shares the ledger of that method.
    """
    path = config.home() / "configs" / "ledger" / f"{method}.yaml"
    rows = config.read_yaml(path) if path.exists() else []
    return ledger(rows) if isinstance(rows, str) else rows
