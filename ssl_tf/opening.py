"""What a config leaves open until the data is there: images and groupings."""

import functools
from typing import Any, NamedTuple

import numpy as np

from ssl_tf import experiment
from ssl_tf.data import FACTS, fingerprint, groupings, lists, orders, pipeline
from ssl_tf.data import source as sources
from ssl_tf.data.instances import Instances
from ssl_tf.errors import BadInput
from ssl_tf.methods.ssal import Derived

CONSTANT = 1e-6  # deviation, of [0, 1], up to which a channel says nothing


class Opened(NamedTuple):
    """The images of a run.

    Attributes:
        train: training images.
        validation: held-out ones, or `None`.
        test: test images.
        normal: `pipeline.Normal`.
        size: side of what the backbone sees.
        resize: shorter side before the central crop of evaluation, or `None`.
        fit: how a whole image becomes a square.
        shown: `(recipe, seed)` by which held-out images are shown; `(None, 0)` shows
            them plain.
        fingerprint: of the data set as it was read, see `data.fingerprint`.
    """

    train: Any
    validation: Any
    test: Any
    normal: Any
    size: int
    resize: int | None
    fit: str = "centre"
    shown: tuple = (None, 0)
    fingerprint: dict | None = None

    def plain(self, split):
        """`pipeline.Images` of "train", "validation" or "test", unaugmented.

        But for held-out images where the config has `data.held_out: views`.
        """
        source = getattr(self, split)
        if source is None:
            raise BadInput(f"--split {split}: this run held none out.")
        look = (self.normal, self.size, self.resize, self.fit)
        shown = self.shown if split != "train" else (None, 0)
        return pipeline.Images(source, *look, *shown)

    def order(self, kind, recipes, batch_size, seed, clusters=None):
        """The order a config names, see `orders.ordered`."""
        size = self.train.size
        return orders.ordered(kind, recipes, size, batch_size, seed, clusters)

    def batches(self, recipes, order, seed, part, start):
        """Training batches, see `pipeline.views`."""
        return pipeline.views(
            self.train,
            recipes,
            order,
            self.normal,
            seed=seed,
            size=self.size,
            fit=self.fit,
            part=part,
            start=start,
        )


def open_data(parts, root, labelled=None, classes=None):
    """Reads the images of a config; see `Opened`. All splits count the same classes.

    Args:
        parts: `experiment.Parts`.
        root: where the images are, or `None`.
        labelled: refuse images without a class; `None`: if the method needs classes.
        classes: names that labels count, of a network's outputs; `None`: those of the
            training images.

    Raises:
        BadInput: they are not there or damaged, or lack classes the method needs, or
            have others than the network or the training images.
    """
    given = lambda name: sources.whole(parts.dataset(split=name, root=root))
    train, test = given("train"), given("test")
    whole = fingerprint.fingerprint(train, test)
    train = chosen(train, parts.data, classes)
    read = lambda source: chosen(source, parts.data, classes or train.classes)
    test = read(test)
    if labelled is None:
        labelled = getattr(parts.method.func, "labelled", True)
    if labelled:
        check_labels(train, getattr(parts.method.func, "attributes", False))
    if train.attributes and parts.method.keywords.get("probe"):
        raise BadInput(
            f"method.probe: tells classes apart; {train.name} has attributes. Set it "
            "to false."
        )
    statistics, data = train, parts.data
    draw = parts.train.seed if data.draw == "seed" else data.draw
    if data.per_class is not None:
        train = sources.balanced(train, data.per_class, draw)
    if data.limit is not None:
        train = sources.limited(train, data.limit, draw)
    if data.share is not None:
        own = draw if data.share_draw is None else data.share_draw
        train = lists.share_of(train, data.share, own)
    train, validation = held_out(parts, train, test, lambda name: read(given(name)))
    if train.size < parts.train.batch_size:
        raise BadInput(
            f"train.batch_size: is {parts.train.batch_size}; there are only "
            f"{train.size} training images. Set it to {train.size} or less."
        )
    size = experiment.view_size(parts, train)
    if size is None:
        if experiment.name_of(parts) in experiment.SETS:
            raise BadInput(f"data.size: set it; images of {train.name} differ in size.")
        raise BadInput(
            f"views.0.size: set it; {train.name} gives files, whose size is not known."
        )
    look, shown = (size, data.resize, data.fit), shown_by(parts)
    normal = normalisation(data.norm, statistics, *look)
    return Opened(train, validation, test, normal, *look, shown, whole)


def shown_by(parts):
    """`(recipe, seed)` of held-out images, see `Opened`."""
    if parts.data.held_out == "plain":
        return None, 0
    experiment.one_view(parts)
    return parts.recipes[0], pipeline.HELD_OUT + parts.train.seed


def held_out(parts, train, test, read):
    """`(training images, held-out ones or None)` as `data.validation` says.

    Args:
        parts: `experiment.Parts`.
        train: training images.
        test: test images.
        read: split -> `Source`.
    """
    kind = parts.data.validation
    if kind == "official":
        facts = FACTS.get(experiment.name_of(parts))
        if facts is None or not facts.validation:
            raise BadInput(
                f"data.validation: {train.name} has no held-out split of its own; take "
                "a share, e.g. 0.1."
            )
        return train, read("validation")
    if kind == "test":
        return train, test._replace(split="validation")
    if kind == "authors":
        return sources.hold_out_fifth(train)
    return sources.hold_out(train, kind) if kind else (train, None)


def check_labels(source, attributes=False):
    """Raises BadInput if an image has not what the method learns from.

    Args:
        source: `Source`.
        attributes: whether that is attributes, or one class.
    """
    if source.attributes != attributes:
        kinds = ("classes", "attributes")
        raise BadInput(
            f"{source.name}: has {kinds[source.attributes]}; this method learns "
            f"{kinds[attributes]}. Classes go with `supervised`, attributes with "
            "`multilabel`."
        )
    if (source.label < 0).any():
        raise BadInput(
            f"{source.name}: {np.count_nonzero(source.label < 0):,} of its "
            f"{source.size:,} training images have no class, which this method needs; "
            "take its labelled images (stl10: data.pool=train) or folders of classes."
        )


def chosen(source, data, classes=None):
    """The classes of `data.classes`, and labels that count `classes` if given.

    Where both are the same, a class may be missing: a run of some classes is judged
    on data that have a few of them.
    """
    if classes and list(classes) == data.classes:
        return sources.aligned(source, classes, drop=True)
    if data.classes is not None:
        source = sources.first_classes(source, data.classes)
    return sources.aligned(source, classes) if classes else source


def normalisation(norm, source, size=None, resize=None, fit="centre"):
    """`pipeline.Normal` of a config's `data.norm`.

    Args:
        norm: of `sections.Data`.
        source: `Source` of the training images; `Instances`, whose pixels count as
            they are annotated; or `None` where the constants are given.
        size: how evaluation shows the images, see `pipeline.Images`.
        resize: likewise.
        fit: likewise.

    Raises:
        BadInput: "saturated" of images that are not an array of that size; a channel
            that is constant.
    """
    if norm == "unit":
        return pipeline.Normal()
    images = pipeline.Images(source, pipeline.Normal(), size, resize, fit)
    if isinstance(norm, experiment.Explicit):
        found = norm
    elif isinstance(source, Instances):
        found = sources.moments_of(map(source.pixels, range(source.size)))
    elif norm == "mean_std":
        found = images.moments()
    elif images.fitted:
        raise BadInput(
            f"data.norm: {norm!r} adds up an array of images as they are; those of "
            f"{source.name} are read from files or scaled. Write mean_std."
        )
    else:
        found = sources.saturated_moments(source.images)
    mean, deviation = (tuple(map(float, x)) for x in found)
    if not min(deviation) > CONSTANT:
        raise BadInput(
            f"data.norm: the deviation of a channel is {min(deviation):.3g}; it is "
            "divided by. Write {mean: [r, g, b], deviation: [r, g, b]} with others."
        )
    return pipeline.Normal(mean, deviation)


def derived(method):
    """Positions of the branches whose groups a baseline's confusions decide."""
    branches = method.keywords.get("branches", [])
    return [i for i, b in enumerate(branches) if isinstance(b.groups, Derived)]


def group_counts(method, classes):
    """`{position of a branch: groups}` of the derived ones, duplicates dropped."""
    counts = {}
    for i in derived(method):
        per_group = method.keywords["branches"][i].groups.classes_per_group
        count = max(2, classes // per_group)
        if count not in counts.values():
            counts[i] = count
    return counts


def settle_groups(method, names, confusion=None):
    """The method with every grouping as a list of ints.

    Args:
        method: partial call of a method.
        names: class names in label order, or `None` if not known yet.
        confusion: () -> `[C, C]` of a baseline, asked only for derived groups.

    Raises:
        BadInput: a grouping does not fit the classes, or there are fewer than 4.
    """
    branches = method.keywords.get("branches")
    if branches is None:
        return method
    counts = {}
    if derived(method):
        if len(names) < 4:
            raise BadInput(
                f"ssal: groups need at least 4 classes; there are {len(names)}."
            )
        counts, table = group_counts(method, len(names)), confusion()
    settled = []
    for i, b in enumerate(branches):
        groups = b.groups
        if isinstance(groups, str):
            groups = groupings.load(groups, names)
        elif isinstance(groups, Derived):
            if i not in counts:
                continue
            groups = groupings.generate(table, counts[i]).tolist()
        settled.append(b._replace(groups=groups))
    return method_with(method, branches=settled)


def method_with(method, **changes):
    """A partial call with some of its arguments replaced."""
    return functools.partial(method.func, **(method.keywords | changes))
