"""From a config to the objects it names. Alone sees all tables."""

import functools
import re
from typing import Any, NamedTuple

from ssl_tf import config, schema
from ssl_tf import data as sets
from ssl_tf.augment.recipes import RECIPES
from ssl_tf.augment.scene import Scene, scene
from ssl_tf.backbones import BACKBONES
from ssl_tf.data import (
    DATASETS,
    DETECTION_FACTS,
    DETECTION_SETS,
    FACTS,
    groupings,
)
from ssl_tf.errors import BadInput, have
from ssl_tf.evaluation import EVALUATIONS, SUPPLIED
from ssl_tf.methods import METHODS
from ssl_tf.optim import OPTIMIZERS
from ssl_tf.schema import Count
from ssl_tf.sections import Data, Explicit, Guided, Init, Rate, Train

__all__ = ["Data", "Explicit", "Guided", "Init", "Parts", "Rate", "Train", "check"]


SETS = DATASETS | DETECTION_SETS
FACTS = FACTS | DETECTION_FACTS
VIEWS = RECIPES | {"scene": scene}

# Of a data section: what the model sees of an image.
SHOWN = ("norm", "resize", "fit", "held_out")


SMALL = 64  # pixels a side up to which a stem does not halve, and patches are of 4

# Methods, and families of backbones, that go with what their configs name alone.
DETECTOR = "a detector is built on the stages of the ResNet that its config names."
BOUND = {
    "autoencoder": "encoder and decoder are made for each other.",
    "faster_rcnn": DETECTOR,
    "mask_rcnn": DETECTOR,
    "scatsimclr": "scattering and head are set for one network and size of images.",
    "ssal": "its branches tap layers that its config names for one backbone.",
}

CONTEXT = ("backbone", "classes", "images", "batch")  # what a method may ask for


class Needs(NamedTuple):
    """The run that must be there first: its config below `configs/`, and variant."""

    config: str | None = None
    variant: str | None = None


class Parts(NamedTuple):
    """A checked config: what still misses data or a backbone is a partial call."""

    method: Any
    backbone: Any
    dataset: Any
    data: Data
    recipes: list
    optimizer: Any
    rate: Rate
    train: Train
    evaluations: dict
    init: Init | None = None


def check(spec):
    """Binds every section to what it names; opens no data and builds no model.

    Args:
        spec: dict of sections, from `config.load`.

    Returns:
        `Parts`.

    Raises:
        BadInput: the first unknown name or key, wrong type or value out of range.
    """
    data, named = split(spec["data"], Data, "data")
    rate, optimizer = split(spec["optimizer"], Rate, "optimizer")
    train = schema.checked(Train, spec["train"], "train")
    if not isinstance(spec["views"], list) or not spec["views"]:
        raise BadInput("views: must be a list of sections with a name.")
    recipes = []
    for i, section in enumerate(spec["views"]):
        section = dict(section) if isinstance(section, dict) else section
        count = section.pop("count", 1) if isinstance(section, dict) else 1
        count = schema.checked(Count, count, f"views.{i}.count")
        recipes += [schema.build(VIEWS, section, f"views.{i}")] * count
    evaluations = {
        name: evaluation(name, section or {}, spec["data"])
        for name, section in (spec.get("evaluations") or {}).items()
    }
    parts = Parts(
        method=schema.bind(METHODS, spec["method"], "method", CONTEXT),
        backbone=schema.bind(BACKBONES, spec["backbone"], "backbone", ("image_shape",)),
        dataset=dataset(named, "data"),
        data=data,
        recipes=recipes,
        optimizer=schema.bind(OPTIMIZERS, optimizer, "optimizer"),
        rate=rate,
        train=train,
        evaluations=evaluations,
        init=schema.checked(Init | None, spec.get("init"), "init"),
    )
    relations(parts)
    check_paper(spec.get("paper"))
    schema.checked(Needs | None, spec.get("needs"), "needs")
    return parts


def composed(spec, path, arch):
    """A config with another architecture than it was written for, `paper` dropped.

    The backbone is that of a config for the same data set, if there is one; else it
    keeps what it has in common with its like (`resnet18` and `resnet50`), and its stem
    and patches are those for the size of the images. A penalty on convolutions by their
    names becomes one on all kernels where the names are others.

    Args:
        spec: sections, from `config.load`, a variant applied.
        path: file of the config.
        arch: str, as in the name of a config, or of `BACKBONES`.

    Returns:
        sections.

    Raises:
        BadInput: what the method needs of a network is not defined for this one.
    """
    method, data = path.parent.name, spec["data"]["name"]
    start = f"--method {method} --arch {arch} --dataset {data}"
    if method in BOUND:
        beside = have(a for _, a, d, _ in config.settings(method) if d == data)
        raise BadInput(f"{start}: {BOUND[method]} Have: {beside}; or write a --config.")
    given, found = spec["backbone"], config.backbones(arch)
    if given != config.read_yaml(path)["backbone"]:
        raise BadInput(f"{start}: this --variant has a backbone of its own.")
    if not found and arch not in BACKBONES:
        raise BadInput(f"--arch {arch}: unknown. Have: {have(architectures())}.")
    section = next((section for _, d, section in found if d == data), None)
    if section is None:
        name = arch if arch in BACKBONES else found[0][2]["name"]
        section = {"name": name} | suited(spec, given, name)
    if family(section["name"]) in BOUND:
        raise BadInput(f"{start}: {BOUND[family(section['name'])]}")
    optimizer = dict(spec["optimizer"])
    foreign = family(given["name"]) != family(section["name"])
    if foreign and any("conv" in pattern for pattern in l2_of(optimizer)):
        optimizer["l2"] = {"/kernel": max(optimizer["l2"].values())}
    rest = {name: part for name, part in spec.items() if name != "paper"}
    return rest | {"backbone": section, "optimizer": optimizer}


def l2_of(optimizer):
    """Patterns of names of weights that an `optimizer` section penalises."""
    l2 = optimizer.get("l2")
    return list(l2) if isinstance(l2, dict) else []


def family(name):
    """The module of a backbone; those of one take the same arguments."""
    return BACKBONES[name].__module__.rpartition(".")[2]


def architectures():
    """Architectures that go with any method and data set that has a config."""
    methods = [method for method in config.methods() if method not in BOUND]
    written = {arch for method in methods for _, arch, _, _ in config.settings(method)}
    return sorted(written | {name for name in BACKBONES if family(name) not in BOUND})


def suited(spec, given, name):
    """Arguments of a backbone: those of its like, and those for the size of images.

    Args:
        spec: sections.
        given: backbone section of the config.
        name: of `BACKBONES`.
    """
    takes, like = schema.parameters(BACKBONES[name]), family(given["name"])
    kept = [k for k in given if k in takes and k not in ("name", "scale")]
    found = {k: given[k] for k in kept} if like == family(name) else {}
    facts = FACTS.get(spec["data"]["name"])
    sizes = [view.get("size") for view in spec["views"]]
    sizes += [spec["data"].get("size"), facts and facts.size]
    size = next((size for size in sizes if size), None)
    small = size <= SMALL if size else str(given.get("stem")).startswith("small")
    if "stem" in takes and small:
        found = {"stem": "small"} | found
    if "patch" in takes and "stride" not in takes and size:
        found = {"patch": 4 if small else 16} | found
    return found


def evaluation(name, section, data):
    """An evaluation with its arguments; its own `data` changes the run's.

    Args:
        name: of `EVALUATIONS`.
        section: `{argument: value}`; `data` holds what differs from `data`.
        data: the config's section.
    """
    where = f"evaluations.{name}"
    if not isinstance(section, dict):
        raise BadInput(f"{where}: is {section!r}; write a section.")
    rest = {k: v for k, v in section.items() if k != "data"}
    if "data" in section:
        changed = section["data"]
        if not isinstance(changed, dict):
            raise BadInput(f"{where}.data: is {changed!r}; write a section.")
        _, named = split(altered(data, changed), Data, f"{where}.data")
        dataset(named, f"{where}.data")
    found = schema.find(EVALUATIONS, name, "evaluations")
    return schema.arguments(found, rest, where, SUPPLIED)


def dataset(section, where):
    """`(split, root) -> Source` that a section names, of the tables or a user's own.

    Raises:
        BadInput: see `schema.bind`; and `data.source.own`, when it is called.
    """
    call = schema.bind(SETS, section, where, ("split", "root"))
    return functools.partial(sets.checked(call.func, section["name"]), **call.keywords)


def altered(data, changes):
    """A `data` section with changes; another data set is only shown as this was."""
    if changes.get("name", data.get("name")) == data.get("name"):
        return data | changes
    return {k: data[k] for k in SHOWN if k in data} | changes


def split(section, common, where):
    """`(common part as its NamedTuple, the rest as a section)`."""
    if not isinstance(section, dict):
        raise BadInput(f"{where}: is {section!r}; write a section with a name.")
    mine = {k: v for k, v in section.items() if k in common._fields}
    rest = {k: v for k, v in section.items() if k not in common._fields}
    return schema.checked(common, mine, where), rest


def relations(parts):
    """What must hold between values of different sections."""
    train, data = parts.train, parts.data
    if train.batch_size % train.accumulate:
        raise BadInput(
            f"train.accumulate: is {train.accumulate}; must divide the batch of "
            f"{train.batch_size}."
        )
    if train.best is not None and not data.validation:
        raise BadInput(
            "train.best: needs held-out images; set data.validation, e.g. to 0.1."
        )
    if train.patience is not None and (train.best is None or not train.evaluate_every):
        raise BadInput(
            "train.patience: waits for a better train.best at each evaluation; set "
            "train.best, e.g. to loss, and train.evaluate_every."
        )
    together(parts)
    annotated(parts)
    if data.held_out == "views":
        one_view(parts)
    for i, b in enumerate(parts.method.keywords.get("branches", [])):
        if isinstance(b.groups, str):
            groups, classes = groupings.load(b.groups, None), class_count(parts)
            if classes is not None and len(groups) != classes:
                raise BadInput(
                    f"method.branches.{i}.groups: {b.groups} groups {len(groups)} "
                    f"classes, the data has {classes}."
                )


def together(parts):
    """What methods that compare images need of views and batches."""
    method = parts.method.func
    needed = getattr(method, "views", 1) + bool(parts.method.keywords.get("pretext"))
    more = getattr(method, "more_views", False)
    found = len(parts.recipes)
    if needed > 1 and (found < needed if more else found != needed):
        raise BadInput(
            f"views: there are {found}; this method takes {needed}"
            f"{' or more' if more else ''} of an image (`count: 2` makes two of one "
            "recipe; a pretext task adds its own)."
        )
    least = 1 if getattr(method, "views", 1) == 1 else 2
    if parts.train.batch_size // parts.train.accumulate < least:
        raise BadInput(
            f"train.batch_size: is {parts.train.batch_size}; this method compares or "
            "normalises the images of a batch, set 2 or more (a part)."
        )


def annotated(parts):
    """Detectors take annotated images, and a view of their own."""
    detector = getattr(parts.method.func, "scenes", False)
    name = name_of(parts)
    if detector and name not in DETECTION_SETS:
        names = ", ".join(DETECTION_SETS)
        raise BadInput(f"data.name: is {name}; this method learns boxes: {names}.")
    shown = [isinstance(recipe, Scene) for recipe in parts.recipes]
    if any(shown) != detector or len(shown) > 1 and detector:
        raise BadInput(
            "views: a detector takes one view, `scene`; others take no such."
        )
    if detector and (parts.train.knn or parts.train.recompute):
        raise BadInput("train.knn and train.recompute: leave them out for a detector.")


def one_view(parts):
    """BadInput unless held-out images can be shown as training shows its own."""
    if len(parts.recipes) > 1 or parts.recipes[0].images > 1:
        raise BadInput(
            "data.held_out: views needs a single view of one image; this config has "
            "several. Set it to plain."
        )


def check_paper(paper):
    """Paper targets are `{evaluation: {metric: number}}` and texts."""
    for name, value in (paper or {}).items():
        if isinstance(value, dict):
            for metric, number in value.items():
                if not isinstance(number, (int, float, type(None))):
                    raise BadInput(f"paper.{name}.{metric}: is {number!r}, no number.")
        elif not isinstance(value, (str, int, float)):
            raise BadInput(f"paper.{name}: is {value!r}; write numbers or text.")


def view_size(parts, source=None):
    """Side of the square the backbone sees, in pixels, or `None` if unknown yet.

    That is the first view's; further ones may be small crops.
    """
    first = parts.recipes[0]
    if isinstance(first, Scene):
        return first.test
    if first.size is not None:
        return first.size
    own, known = parts.dataset.keywords.get("size"), name_of(parts) in SETS
    if own is not None and (known or source is None or source.files):
        return own
    if source is not None and (source.side or not source.files):
        return source.side or source.images.shape[1]
    facts = FACTS.get(name_of(parts))
    return facts.size if facts else None


def work(recipes, size):
    """Images of `size` pixels that all views of one image are worth, by area."""
    share = lambda recipe: ((recipe.size or size) / size) ** 2
    return sum(recipe.images * share(recipe) for recipe in recipes)


def name_of(parts):
    """The data set's name in the tables, or the dotted one of a user's own."""
    called = parts.dataset.func
    return next((n for n, f in SETS.items() if f is called), None) or called.named


def class_count(parts):
    """Number of classes if it is known without the data, else `None`."""
    if parts.data.classes is not None:
        return len(parts.data.classes)
    given = parts.dataset.keywords
    if given.get("classes_file") or name_of(parts) not in SETS:
        return None
    if "first" in given:
        return given["first"]
    if isinstance(given.get("classes"), int):
        return given["classes"]
    facts = FACTS.get(name_of(parts))
    return facts.classes if facts else None


def build(parts, method, classes, size, images=None):
    """The method on its backbone; under a strategy's scope to train on it.

    Args:
        parts: `Parts`.
        method: `parts.method`, groups settled.
        classes: int.
        size: int, side of the images in pixels.
        images: int, training images, or `None` if they are not known.

    Raises:
        BadInput: Keras or TensorFlow cannot build it, e.g. on so small an image.
    """
    import tensorflow as tf

    try:
        return built(parts, method, classes, size, images)
    except (ValueError, ArithmeticError, MemoryError, tf.errors.OpError) as error:
        if isinstance(error, BadInput):
            raise
        why = re.sub(r"\x1b\[[0-9;]*m", "", " ".join(str(error).split()))
        raise BadInput(
            f"backbone {parts.backbone.func.__name__} with method "
            f"{method.func.__name__} cannot be built for images of {size} x {size} "
            f"pixels and {classes} classes; change one of them ({why[:200]})."
        ) from None


def built(parts, method, classes, size, images):
    backbone = parts.backbone(image_shape=(size, size, 3))
    needs = schema.parameters(method.func)
    values = (backbone, classes, images, parts.train.batch_size)
    context = dict(zip(CONTEXT, values))
    made = method(**{k: v for k, v in context.items() if k in needs})
    if parts.train.recompute:
        made.recompute(parts.train.recompute)
    return made


def peak(parts):
    """Peak learning rate for the config's batch."""
    rate, batch = parts.rate, parts.train.batch_size
    return rate.learning_rate * (batch / rate.per if rate.per else 1.0)


def updates(parts, images):
    """Updates of an epoch of so many images."""
    count, filled = parts.train.batch_size, parts.data.order == "filled"
    return -(-images // count) if filled else images // count
