"""A data set looked at and told about, line by line: for `doctor`."""

import os
import sys

from ssl_tf import schema
from ssl_tf.data import (
    DATASETS,
    DETECTION_SETS,
    checked,
    examine,
    layout,
    layout_objects,
    layout_papers,
)
from ssl_tf.data.layout import Finding

QUICK = 500  # images looked at in each split


def laid_out(name, root, *, classes_file, first, test_share, labels):
    """`Layout` of a data set; see the arguments of the function that reads it."""
    function = schema.find(DATASETS | DETECTION_SETS, name, "data set")
    if name in DETECTION_SETS:
        return layout_objects.of_objects(name, root)
    if name == "folder":
        return layout.of_folder(root, labels, test_share)
    if name == "imagenet":
        return layout.of_imagenet(root, classes_file)
    if name == "tiny_imagenet":
        return layout.of_tiny_imagenet(root, first)
    if name == "imagenet5":
        return layout_papers.of_imagenet5(root)
    if name == "celeba":
        return layout_papers.of_celeba(root)
    if name == "stl10":
        return layout_papers.of_stl10(root)
    if name in ("cifar10", "cifar100", "cifar20"):
        return layout.of_cifar(root, int(name.removeprefix("cifar")))
    made = "comes with its library or is made up; needs no files"
    text = made if name in DATASETS else f"what {name} gives"
    return layout.of_source(checked(function, name), text, root)


def report(found, quick=False):
    """Prints what there is and what to do about it.

    Args:
        found: `Layout`.
        quick: look at a sample of the images only.

    Returns:
        exit code: 0 if the data can be used, 2 if training would fail.
    """
    print(f"layout:  {found.text}")
    for split, classes in found.splits.items():
        print(f"{split + ':':8} {found.texts.get(split) or counted(classes)}")
    told = [*found.findings, *examine.left_out(found.skipped)]
    files = {
        split: [path for paths in classes.values() for path in paths if path]
        for split, classes in found.splits.items()
    }
    if any(files.values()):
        told += look(found, files, quick)
    return verdict(told, sum(map(len, files.values())))


def counted(classes):
    """`1,250 images, 5 classes of 240 (cat) to 260 (dog)`."""
    total = sum(map(len, classes.values()))
    if set(classes) <= {""}:
        return f"{total:,} images without classes"
    least = min(classes, key=lambda name: len(classes[name]))
    most = max(classes, key=lambda name: len(classes[name]))
    low, high = len(classes[least]), len(classes[most])
    each = f"{low}" if low == high else f"{low} ({least}) to {high} ({most})"
    word = "class" if len(classes) == 1 else "classes"
    return f"{total:,} images, {len(classes):,} {word} of {each}"


def look(found, files, quick):
    """Findings about the images themselves; prints their sizes."""
    paths = [
        path
        for split in files.values()
        for path in (examine.sample(split, QUICK) if quick else split)
    ]
    facts = examine.examine_all(paths, progress(len(paths)))
    print(f"sizes:   {examine.sizes(facts)}")
    told = examine.findings(facts, layout_objects.SKIPPED if found.sizes else ())
    told += layout_objects.differing(facts, found.sizes)
    if quick:
        text = f"quick: {len(paths):,} of {sum(map(len, files.values())):,} images seen"
        return [*told, Finding("fine", f"{text}, duplicates not looked for")]
    return told + examine.duplicates(found.splits)


def progress(total):
    """A function that shows how many files are done, on a terminal; else `None`."""
    if not sys.stderr.isatty():
        return None
    end = lambda done: "\r" if done + 500 < total else "\r\033[K"
    return lambda done: print(
        f"{done:,} of {total:,} images", end=end(done), file=sys.stderr, flush=True
    )


def verdict(told, files):
    """Prints the findings and the summary; returns the exit code."""
    for level in ("fine", "warning", "error"):
        for finding in (f for f in told if f.level == level):
            mend = f"; {finding.mend}" if finding.mend else ""
            print(f"{level + ':':8} {finding.text}{examples(finding)}{mend}.")
    errors = sum(finding.level == "error" for finding in told)
    warnings = sum(finding.level == "warning" for finding in told)
    count = lambda n, word: f"{n:,} {word}{'' if n == 1 else 's'}"
    summary = f"{count(errors, 'error')}, {count(warnings, 'warning')}"
    if files:
        summary += f", {count(files, 'file')}"
    print(f"not usable yet: {summary}" if errors else f"usable: {summary}")
    return 2 if errors else 0


def examples(finding):
    """` (a.jpg, b.jpg, c.jpg and 9 more)`; names that are no UTF-8 as they can be."""
    if not finding.paths:
        return ""
    names = [os.fsencode(p).decode("utf-8", "replace") for p in finding.paths]
    more = len(names) - finding.most
    more = f" and {more:,} more" if more > 0 else ""
    return f" ({', '.join(names[: finding.most])}{more})"
