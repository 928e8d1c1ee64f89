"""One evaluation of one run: rebuilds it from its folder, runs, keeps the result."""

import csv
import inspect
import re
import sys
from pathlib import Path

import keras
import numpy as np

from ssl_tf import (
    config,
    experiment,
    opening,
    progress,
    runs,
    scenery,
    schema,
    stages,
)
from ssl_tf.augment.recipe import Recipe
from ssl_tf.data import fingerprint, groupings, pipeline
from ssl_tf.errors import BadInput, have
from ssl_tf.evaluation import EVALUATIONS, SUPPLIED, features, store
from ssl_tf.ops import environment


class Run:
    """A finished run, rebuilt.

    Args:
        folder: the run folder.
        weights: "last", "best" or the name of another `.weights.h5` in it; "random"
            leaves the model as its seed makes it, what training is compared with.

    Attributes:
        spec: its config.
        facts: its `data.json`.
        file: its weights; `None` for random ones.
        method: the trained `Method`.
    """

    def __init__(self, folder, weights="last"):
        environment.keras_defaults()
        self.folder = Path(folder)
        self.spec = runs.stored(folder)
        self.parts = experiment.check(self.spec)
        self.file = self.folder / f"{weights}.weights.h5"
        if weights == RANDOM:
            self.file = None
            keras.utils.set_random_seed(self.parts.train.seed)
        elif not self.file.exists():
            raise BadInput(
                f"{self.file}: no such weights; train the run to its end first."
            )
        self.facts = runs.facts(folder)
        if "size" not in self.facts:
            raise BadInput(f"{self.folder}: has no data.json of a finished run.")
        method = self.parts.method
        branches = method.keywords.get("branches")
        if branches is not None:
            kept = opening.group_counts(method, len(self.facts["classes"]))
            own = [
                b
                for i, b in enumerate(branches)
                if i not in opening.derived(method) or i in kept
            ]
            settled = [b._replace(groups=g) for b, g in zip(own, self.facts["groups"])]
            method = opening.method_with(method, branches=settled)
        self.method = experiment.build(
            self.parts,
            method,
            len(self.facts["classes"]),
            self.facts["size"],
            self.facts.get("images", {}).get("train"),
        )
        if self.tells:
            self.method.class_names = stages.named_classes(self.facts)
        if self.file is not None:
            runs.load_weights(self.method, self.file)

    def normal(self):
        """The `pipeline.Normal` the run was trained with.

        Raises:
            BadInput: a converted run that has not met its data yet.
        """
        if self.facts["mean"] is None:
            raise BadInput(
                f"{self.folder}: its normalisation is computed from the training "
                "images; run one evaluation with --datadir first."
            )
        return pipeline.Normal(self.facts["mean"], self.facts["deviation"])

    def shown(self, source):
        """`pipeline.Images` of a `Source`: plain, as the run's evaluations are."""
        data = self.parts.data
        look = (self.facts["size"], data.resize, data.fit)
        return pipeline.Images(source, self.normal(), *look)

    def settle(self, opened):
        """Notes the normalisation a converted run gets from its training images."""
        if self.facts["mean"] is not None:
            return
        mean, deviation = map(list, opened.normal)
        own = {"mean": mean, "deviation": deviation}
        self.facts |= own
        if not runs.writable(self.folder):
            return
        with runs.alone(self.folder):
            found = runs.facts(self.folder)
            if found.get("mean") is None:
                runs.write_json(self.folder / "data.json", found | own)

    def opened(self, root, dataset=None, changes=None, labelled=None, meets=False):
        """The images of an evaluation, shown to the model as the run's own are.

        Args:
            root: where they are, or `None`.
            dataset: name of another data set, with classes of its own; `None` takes
                the run's.
            changes: arguments that differ from those of the run's `data` section.
            labelled: see `opening.open_data`.
            meets: labels are compared with the method's outputs: they count its
                classes, matched by name.

        Returns:
            `opening.Opened`, in the run's size and normalisation.

        Raises:
            BadInput: `meets`, and the images are of classes that the method has not.
        """
        classes = self.method.class_names if meets else None
        if self.facts["mean"] is None and not (dataset or changes):
            opened = scenery.opened(self.parts, root, classes=classes)
            self.counted(opened, meets)
            self.settle(opened)
            return opened
        mean, deviation = self.normal()
        other = {} if dataset is None else {"name": dataset}
        section = experiment.altered(self.spec["data"], other | (changes or {}))
        section["norm"] = {"mean": list(mean), "deviation": list(deviation)}
        data, named = experiment.split(section, experiment.Data, "data")
        size = self.facts["size"]
        parts = self.parts._replace(
            data=data,
            dataset=experiment.dataset(named, "data"),
            recipes=[sized(recipe, size) for recipe in self.parts.recipes],
            train=self.parts.train._replace(batch_size=1),
        )
        opened = scenery.opened(parts, root, labelled, classes)._replace(size=size)
        self.counted(opened, meets)
        return opened

    @property
    def tells(self):
        """Whether outputs of the method stand for classes."""
        return stages.tells_classes(self.parts.method)

    def counted(self, opened, meets):
        """Refuses another number of classes, where these have no names."""
        count, wanted = len(opened.test.classes), len(self.facts["classes"])
        if meets and self.method.class_names is None and count != wanted:
            raise BadInput(
                f"{opened.test.name}: has {count:,} classes; this run tells {wanted:,} "
                "apart, whose names are not known."
            )

    def other(self, found, changes=None):
        """How images differ from those of the run, in words; `None` if they are its.

        A run without a fingerprint is known by its classes only, which is said. Where
        `changes` read other images of the data set, nothing is compared.

        Args:
            found: their fingerprint.
            changes: see `opened`.
        """
        mine, changes = self.spec["data"], changes or {}
        changed = {k for k in changes if k not in mine or mine[k] != changes[k]}
        if changed - set(experiment.Data._fields):
            return None
        kept = fingerprint.known(self.facts)
        if kept is not None:
            return fingerprint.difference(kept, found)
        print(fingerprint.unknown(self.folder), file=sys.stderr)
        names = stages.named_classes(self.facts)
        ours = [fingerprint.composed(name) for name in names or ()]
        theirs = found["train"]["classes"]
        if not ours or not theirs or self.spec["data"].get("classes"):
            return None
        return None if ours == theirs else fingerprint.told(ours, theirs)


def sized(recipe, size):
    """A recipe whose views have the run's size; a scene's differ anyway."""
    if not isinstance(recipe, Recipe):
        return recipe
    return recipe._replace(size=recipe.size or size)


def evaluate(folder, name, **options):
    """The values of `named`."""
    return named(folder, name, **options)[1]


def named(
    folder,
    name,
    *,
    root=None,
    split="test",
    weights="last",
    changes=None,
    dataset=None,
    data=None,
    keep="float32",
):
    """Runs one evaluation of a finished run.

    Images that are not the run's are judged all the same, by class name where its
    outputs stand for classes; the result then is called `<evaluation>@<6 digits>`, of
    their fingerprint. One line says so. In a folder that is read-only nothing is kept.

    Numbers go to `results.jsonl`, arrays to `<evaluation>_<name>.npy`, features that
    later evaluations need again to `features/`.

    Args:
        folder: the run folder.
        name: of `EVALUATIONS`.
        root: where the images are, or `None`.
        split: "test" or "validation".
        weights: see `Run`.
        changes: arguments that differ from the config's `evaluations` section.
        dataset: name of another data set to evaluate on, or `None`.
        data: arguments that differ from those of the run's `data` section, and of the
            `data` in the evaluation's own.
        keep: "float32", "float16" or "none": how features are kept on disk.

    Returns:
        `(what the result is called, see label, {name: number or array})`.

    Raises:
        BadInput: not a finished run, unknown evaluation or argument, or images of
            classes that the run does not tell apart.
    """
    spec = runs.stored(folder)
    found = schema.find(EVALUATIONS, name, "evaluation")
    given = dict((spec.get("evaluations") or {}).get(name) or {})
    own = given.pop("data", None) or {}
    named = (data or {}).get("name")
    dataset = dataset or (named if named != spec["data"]["name"] else None)
    data = ({} if dataset else own) | (data or {})
    function = schema.arguments(found, given | (changes or {}), name, SUPPLIED)
    wanted = schema.parameters(found)
    elsewhere = {"store", "recipes", "tune"}
    if dataset is not None and not wanted.keys() & elsewhere:
        of = lambda function: schema.parameters(function).keys()
        free = [n for n, f in EVALUATIONS.items() if of(f) & elsewhere]
        raise BadInput(
            f"--dataset {dataset}: {name} needs the run's own classes; on other data "
            f"sets there are {have(free)}."
        )
    done = Run(folder, weights)
    mine = spec["data"]["name"]
    own = dataset in (None, mine) and data.get("name", mine) == mine
    meets = not wanted.keys() & elsewhere and done.tells
    if "tune" in wanted:  # it opens its own images and is judged on the test images
        split = "test"
        if weights == RANDOM:
            raise BadInput(
                f"--weights random: {name} has `--set scratch=true` for that."
            )
    called = label(name, found, given, changes or {}, dataset, weights)
    opened = None
    if "test" in wanted:
        labelled = False if "store" in wanted else None
        opened = done.opened(root, dataset, data, labelled, meets)
        progress.tell(progress.remarks(opened, classes=False))
        called = apart(done, called, opened.fingerprint, own, data, meets)
    keeps = runs.writable(done.folder)
    place = done.folder / store.FOLDER if keeps and keep != "none" else None
    context = {"method": done.method, "recipes": done.parts.recipes}
    if "test" in wanted:
        context |= {"train": opened.plain("train"), "test": opened.plain(split)}
    if "store" in wanted:
        kind = "float32" if keep == "none" else keep
        context["store"] = store.Store(done.method, place, done.file, kind)
    if "tune" in wanted:
        from ssl_tf.tuning import Tune

        other = {} if dataset is None else {"name": dataset}
        context["tune"] = Tune(done, stem(called), other | data, root, weights)
    values = function(**{k: v for k, v in context.items() if k in wanted})
    features.finite([v for v in values.values() if isinstance(v, float)], "numbers")
    if "tune" in wanted and context["tune"].found:
        called = apart(done, called, context["tune"].found, own, data, meets)
    record = {
        "evaluation": called,
        "split": split,
        "weights": weights,
        "arguments": given | (changes or {}),
        "values": {k: v for k, v in values.items() if not isinstance(v, np.ndarray)},
        "config": config.digest(spec),
    }
    record |= {"data": data} if data else {}
    record |= {"features": keep} if keep == "float16" else {}
    record |= runs.identity(folder) | seen(opened, split)
    if keeps:
        runs.append_result(folder, record)
        keep_arrays(done, called, values)
    else:
        print(f"{folder}: is read-only; the result is not kept.", file=sys.stderr)
    return called, values


def apart(done, called, found, own, data, meets):
    """What a result is called; of images that are not the run's otherwise, and said.

    Args:
        done: `Run`.
        called: see `label`.
        found: fingerprint of the images.
        own: whether they are of the run's data set, of which `called` says nothing.
        data: what differs from the run's `data` section.
        meets: see `Run.opened`.
    """
    other = done.other(found, data) if own else None
    if other is None:
        return called
    called = called if "@" in called else f"{called}@{fingerprint.key(found)[:6]}"
    how = ", matched by class name," if meets else ""
    print(
        f"{done.folder}: was trained on other data, here are {other}; the result{how} "
        f"is kept as {called}.",
        file=sys.stderr,
    )
    return called


def seen(opened, split):
    """`{"images": {"train", "test": 12 hex digits of the images that were used}}`."""
    if opened is None:
        return {}
    used = {"train": opened.train, "test": getattr(opened, split)}
    key = lambda source: fingerprint.key(fingerprint.part(source))
    return {"images": {name: key(source) for name, source in used.items()}}


RANDOM = "random"  # the name of weights that were never trained

# Arguments that make another result of the same evaluation.
TELLING = ("level", "head", "task", "kmeans", "scratch")


def label(name, function, given, changes, dataset, weights="last"):
    """What a result is called: `linear`, `linear:p2`, `finetune:scratch`, `knn@stl10`.

    Results of the same name replace each other in tables and pictures, so another
    level, head or task than the config's, random weights, or another data set stand in
    the name.
    """
    for key in TELLING:
        if key not in changes:
            continue
        usual = inspect.signature(function).parameters[key].default
        if listed(changes[key]) != listed(given.get(key, usual)):
            name = f"{name}:{telling(key, changes[key])}"
    name = f"{name}:{RANDOM}" if weights == RANDOM else name
    return name if dataset is None else f"{name}@{dataset}"


def telling(key, value):
    """How the value of an argument stands in a result's name."""
    if isinstance(value, dict):
        return "_".join([key, *(f"{k}{v}" for k, v in value.items())])
    if key == "scratch":
        return key if value else "pretrained"
    return f"head{value}" if key == "head" else "+".join(map(str, listed(value)))


def listed(names):
    return list(names) if isinstance(names, (list, tuple)) else [names]


def stem(called):
    """A result's name as files have it: letters, digits and underscores."""
    return re.sub(r"[^A-Za-z0-9]+", "_", called)


def array_file(folder, called, key):
    """Where an array of a result goes; that of another split replaces it."""
    return Path(folder) / f"{stem(called)}_{key}.npy"


def keep_arrays(done, called, values):
    """Writes arrays as `.npy`; groups also as grouping files, tables also as CSV.

    Those of one result go together: other processes wait, also with their pictures.
    """
    arrays = {k: v for k, v in values.items() if isinstance(v, np.ndarray)}
    if not arrays:
        return
    with runs.alone(done.folder):
        for key, value in arrays.items():
            keep_array(done, called, key, value)


def keep_array(done, called, key, value):
    """Writes one array, see `keep_arrays`."""
    path = array_file(done.folder, called, key)
    with runs.atomic(path) as out:
        np.save(out, value)
    if value.dtype.names:
        with runs.atomic(path.with_suffix(".csv"), "w") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerows([value.dtype.names, *value.tolist()])
    if key.startswith("groups_"):
        source = f"{'/'.join(done.folder.parts[-3:])}, evaluation {called}"
        groupings.save(path.with_suffix(".yaml"), value, done.facts["classes"], source)
