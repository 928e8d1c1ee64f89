"""From a config to the objects it names. Alone sees all tables."""

from typing import Annotated, Any, Literal, NamedTuple

from ssl_tf import schema
from ssl_tf.augment.recipes import RECIPES
from ssl_tf.backbones import BACKBONES
from ssl_tf.data import DATASETS, FACTS, groupings
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import EVALUATIONS, SUPPLIED
from ssl_tf.methods import METHODS
from ssl_tf.optim import OPTIMIZERS
from ssl_tf.schedules import CONTEXT, SCHEDULES
from ssl_tf.schema import Count, Fraction, NonNegative, Positive, Whole

Triple = tuple[float, float, float]


class Explicit(NamedTuple):
    """Constants of the normalisation, per channel, for images in [0, 1]."""

    mean: Triple
    deviation: Triple


class Data(NamedTuple):
    """What every data set takes beside its own arguments.

    Attributes:
        validation: share of the training images held out, class by class.
        limit: use only the first so many training images.
        per_class: use so many training images of each class, a fixed draw.
        classes: use only these classes, in this order.
        norm: "unit" leaves [0, 1], "mean_std" subtracts and divides per channel,
            "saturated" does it with SSAL's float32 sums; or the constants.
        resize: shorter side, in pixels, before the central crop of evaluation.
        order: "shuffled"; "authors" replays SSAL's NumPy order and draws.
    """

    validation: Fraction = 0.0
    limit: Count | None = None
    per_class: Count | None = None
    classes: list[str] | None = None
    norm: Literal["unit", "mean_std", "saturated"] | Explicit = "unit"
    resize: Count | None = None
    order: Literal["shuffled", "authors"] = "shuffled"


class Train(NamedTuple):
    """How long and in which portions.

    Attributes:
        batch_size: images an update, over all replicas.
        epochs: passes over the training images.
        seed: of weights, order, views and masks.
        accumulate: parts a replica's batch is computed in; batch norm then sees each
            part alone.
        recompute: keep only every n-th block's activations; 0 keeps all.
        xla: compile with XLA; "auto" does on GPU and TPU.
        precision: Keras dtype policy.
        evaluate_every: epochs between evaluations; 0 only after the last.
        best: term whose best value on the held-out images is kept, or none.
        keep_every: epochs between kept weights; 0 keeps only the last.
        save_minutes: between states within an epoch.
        deterministic: the same bits every time, on the same devices.
    """

    batch_size: Count
    epochs: Count
    seed: Whole = 0
    accumulate: Count = 1
    recompute: Whole = 0
    xla: bool | Literal["auto"] = "auto"
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    evaluate_every: Whole = 1
    best: str | None = None
    keep_every: Whole = 0
    save_minutes: NonNegative = 5.0
    deterministic: bool = True


Schedule = Annotated[dict, schema.Table(SCHEDULES, CONTEXT)]


class Rate(NamedTuple):
    """The learning rate.

    Attributes:
        learning_rate: peak.
        per: images the peak holds for; it grows with the batch. `None`: any batch.
        schedule: section of `SCHEDULES`.
    """

    learning_rate: Positive
    per: Count | None = None
    schedule: Schedule | None = None


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


def check(spec):
    """Binds every section to what it names; opens no data and builds no model.

    Args:
        spec: dict of sections, from `config.load`.

    Returns:
        `Parts`.

    Raises:
        BadInput: the first unknown name or key, wrong type or value out of range.
    """
    data, dataset = split(spec["data"], Data, "data")
    rate, optimizer = split(spec["optimizer"], Rate, "optimizer")
    train = schema.checked(Train, spec["train"], "train")
    if not isinstance(spec["views"], list) or not spec["views"]:
        raise BadInput("views: must be a list of sections with a name.")
    recipes = []
    for i, section in enumerate(spec["views"]):
        section = dict(section) if isinstance(section, dict) else section
        count = section.pop("count", 1) if isinstance(section, dict) else 1
        count = schema.checked(Count, count, f"views.{i}.count")
        recipes += [schema.build(RECIPES, section, f"views.{i}")] * count
    evaluations = {
        name: evaluation(name, section or {}, spec["data"])
        for name, section in (spec.get("evaluations") or {}).items()
    }
    method_context = ("backbone", "classes")
    parts = Parts(
        method=schema.bind(METHODS, spec["method"], "method", method_context),
        backbone=schema.bind(BACKBONES, spec["backbone"], "backbone", ("image_shape",)),
        dataset=schema.bind(DATASETS, dataset, "data", ("split", "root")),
        data=data,
        recipes=recipes,
        optimizer=schema.bind(OPTIMIZERS, optimizer, "optimizer"),
        rate=rate,
        train=train,
        evaluations=evaluations,
    )
    relations(parts)
    check_paper(spec.get("paper"))
    return parts


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
        _, named = split(data | changed, Data, f"{where}.data")
        schema.bind(DATASETS, named, f"{where}.data", ("split", "root"))
    found = schema.find(EVALUATIONS, name, "evaluations")
    return schema.arguments(found, rest, where, SUPPLIED)


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
    for i, b in enumerate(parts.method.keywords.get("branches", [])):
        if isinstance(b.groups, str):
            groups, classes = groupings.load(b.groups, None), class_count(parts)
            if classes is not None and len(groups) != classes:
                raise BadInput(
                    f"method.branches.{i}.groups: {b.groups} groups {len(groups)} "
                    f"classes, the data has {classes}."
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
    """Side of the square the backbone sees, in pixels, or `None` if unknown yet."""
    for recipe in parts.recipes:
        if recipe.size is not None:
            return recipe.size
    own = parts.dataset.keywords.get("size")
    if own is not None:
        return own
    if source is not None and not source.files:
        return source.images.shape[1]
    facts = FACTS.get(name_of(parts))
    return facts.size if facts else None


def name_of(parts):
    """The data set's name in the tables, from the callable it was bound to."""
    return next(n for n, f in DATASETS.items() if f is parts.dataset.func)


def class_count(parts):
    """Number of classes if it is known without the data, else `None`."""
    if parts.data.classes is not None:
        return len(parts.data.classes)
    given = parts.dataset.keywords
    if given.get("classes_file"):
        return None
    if "first" in given:
        return given["first"]
    if isinstance(given.get("classes"), int):
        return given["classes"]
    facts = FACTS.get(name_of(parts))
    return facts.classes if facts else None


def build(parts, method, classes, size):
    """The method on its backbone; under a strategy's scope to train on it.

    Args:
        parts: `Parts`.
        method: `parts.method`, groups settled.
        classes: int.
        size: int, side of the images in pixels.
    """
    backbone = parts.backbone(image_shape=(size, size, 3))
    needs = schema.parameters(method.func)
    context = {"backbone": backbone, "classes": classes}
    built = method(**{k: v for k, v in context.items() if k in needs})
    if parts.train.recompute:
        built.recompute(parts.train.recompute)
    return built


def peak(parts):
    """Peak learning rate for the config's batch."""
    rate, batch = parts.rate, parts.train.batch_size
    return rate.learning_rate * (batch / rate.per if rate.per else 1.0)
