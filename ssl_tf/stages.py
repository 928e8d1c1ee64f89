"""What a run needs first: a baseline's confusions, pseudo-labels, weights to start."""

import inspect
import re
import sys
import time
from pathlib import Path

import numpy as np

from ssl_tf import config, opening, runs, schema
from ssl_tf.backbones import BACKBONES
from ssl_tf.data import fingerprint, guided
from ssl_tf.errors import BadInput
from ssl_tf.layers.tokens import resized
from ssl_tf.ops import distribute
from ssl_tf.sections import Guided

CLUSTERS = "clusters.npy"
# Arguments of backbones that change neither names nor shapes of weights.
UNSEEN = ("heads", "scale", "stem")


def start(method, init, backbone):
    """Gives a built method the weights of another run, and freezes as asked.

    Tables of positions are resized where the images have another size; what a method
    only remembers of its run (`Method.remembers`) starts anew.

    Args:
        method: `Method`.
        init: `sections.Init`.
        backbone: the partial call that made the method's, `experiment.Parts.backbone`.

    Raises:
        BadInput: no such run or weights, or another backbone.
    """
    same_settings(backbone, init.run)
    file = f"{init.run}/{init.weights}.weights.h5"
    part, more = (method, False) if init.parts == "all" else (method.backbone, True)
    runs.load_weights(part, file, more, fit, method.remembers)
    method.still = init.still or init.freeze
    if init.freeze:
        method.backbone.trainable = False


def suits(parts, opened, quiet=False):
    """Compares the images of a run with those of the run that its weights are from.

    A backbone may go on to other images, which is said; a whole method whose outputs
    stand for classes may not.

    Args:
        parts: `experiment.Parts` with `init`.
        opened: `opening.Opened` or `scenery.Scenery`.
        quiet: print nothing.

    Raises:
        BadInput: `init.parts` is all, and the classes are others.
    """
    run = parts.init.run
    runs.stored(run)  # is one
    facts = runs.facts(run)
    kept, ours = fingerprint.known(facts), list(opened.train.classes)
    theirs = named_classes(facts)
    if parts.init.parts == "all" and tells_classes(parts.method):
        names = [fingerprint.composed(name) for name in ours]
        if theirs and names != [fingerprint.composed(name) for name in theirs]:
            raise BadInput(
                f"init.run: {run} tells other classes apart: "
                f"{fingerprint.told(theirs, ours)}; take init.parts: backbone."
            )
    other = kept and fingerprint.difference(kept, opened.fingerprint)
    if other and not quiet:
        print(
            f"init.run: {run} was trained on other data, here are {other}.",
            file=sys.stderr,
        )


def named_classes(facts):
    """The classes in a run's `data.json`; `None` if these are mere numbers.

    A converted run counts the classes of a data set that it has not met.
    """
    names = list(facts.get("classes") or ())
    numbers = [str(label) for label in range(len(names))]
    return None if names == numbers and not facts.get("images") else names


def tells_classes(method):
    """Whether outputs of a method stand for classes: a partial call of one."""
    of = lambda name, usual: getattr(method.func, name, usual)
    probe = bool(method.keywords.get("probe"))
    return of("labelled", True) or of("scenes", False) or probe


def same_settings(backbone, run):
    """Raises BadInput if a run's backbone differs in what its weights do not show."""
    named = runs.stored(run)["backbone"]
    theirs = schema.bind(BACKBONES, named, f"{run}: backbone", ("image_shape",))
    ours, theirs = settings(backbone), settings(theirs)
    for key in UNSEEN:
        if key in ours and ours[key] != theirs.get(key, ours[key]):
            raise BadInput(
                f"init.run: {run} was trained with backbone.{key} = {theirs[key]}, "
                f"this config has {ours[key]}; its weights need theirs."
            )


def fit(key, value, shape):
    """A weight of another run, a table of positions resized."""
    return resized(value, shape) if key == "position/table" else value


def settings(call):
    """`{argument: value}` of a partial call, defaults included."""
    defaults = inspect.signature(call.func).parameters.items()
    return {name: value.default for name, value in defaults} | call.keywords


def needed_config(spec, why):
    """`(path, variant)` of the config in `needs`; BadInput `why` if there is none."""
    needs = spec.get("needs") or {}
    if "config" not in needs:
        raise BadInput(why)
    variant = needs.get("variant")
    path = config.home() / "configs" / f"{needs['config']}.yaml"
    return path, None if variant is None else str(variant)


def same_data(spec, parts, folder, found):
    """Compares the images of a run with those of the run that it needs first.

    Args:
        spec: the run's config.
        parts: `experiment.Parts` of it.
        folder: the run folder.
        found: fingerprint of the images.

    Raises:
        BadInput: that run is there, and is of other data.
    """
    order, first = parts.data.order, None
    ways = "choose another --runs, or remove the folder"
    if "config" not in (spec.get("needs") or {}):
        return
    if opening.derived(parts.method):
        first = baseline_place(folder, baseline_spec(spec))
        ways = f"choose another --name, {ways.removeprefix('choose ')}"
    elif isinstance(order, Guided) and order.labels is None:
        *_, first = needed(spec, folder, "")
    if first is not None and runs.begun(first):
        ways = f"{label(folder)} needs one of its own data, {ways}"
        fingerprint.check(first, runs.facts(first), found, ways)


def label(folder):
    return "/".join(Path(folder).parts[-3:])


def needed(spec, folder, why):
    """`(path, variant, run folder)` of the config in `needs`; see `needed_config`."""
    path, variant = needed_config(spec, why)
    method = config.read_yaml(path)["method"]["name"]
    seed = spec["train"].get("seed", 0)
    place = runs.folder(folder.parents[2], method, path.stem, variant, seed)
    return path, variant, place


def clusters(spec, order, folder, images, root, quiet, train):
    """Pseudo-labels `[size]` int32 of a guided run's training images.

    The autoencoder that the config `needs` is trained if it is not there, its features
    are clustered, and the clusters kept in the run folder as `clusters.npy`. With
    `order.permute` they are returned permuted; the file holds them as they were found.

    Args:
        spec: the run's config.
        order: `sections.Guided`.
        folder: the run folder.
        images: `Source` of the training images.
        root: where the images are.
        quiet: print warnings only.
        train: `trainer.train`.

    Raises:
        BadInput: named labels that are missing, damaged, or of another number or other
            images.
    """
    own, size = folder / CLUSTERS, images.size

    def dealt(labels):
        if not order.permute:
            return labels
        return guided.permuted(labels, spec["train"].get("seed", 0))

    if order.labels is not None:
        same_images(order.labels, images)
        return dealt(read_labels(order.labels, size))
    if size < order.clusters:
        raise BadInput(
            f"data.order.clusters: is {order.clusters}; there are only {size} training "
            "images. Take fewer clusters."
        )
    if distribute.worker()[0] > 0:  # the chief makes them
        while not own.exists():
            time.sleep(1)
    if not own.exists():
        made = cluster(spec, order, folder, root, quiet, train)
        with runs.atomic(own) as out:
            np.save(out, made)
    return dealt(read_labels(own, size))


def kept_apart(name, order, found, label):
    """What a guided order does with the images of its first epoch, for `data.json`.

    Args:
        name: of the order.
        order: `epoch -> int64 [steps, B]`.
        found: `[N]` pseudo-labels.
        label: `[N]` classes; pairs of them are left out if one is negative.
    """
    rows = order(0)
    facts = {"name": name, "clusters": int(found.max()) + 1, "images": int(rows.size)}
    facts["same_cluster"] = float(np.mean(guided.pair_rates(rows, found)))
    if (label >= 0).all():
        facts["same_class"] = float(np.mean(guided.pair_rates(rows, label)))
    return facts


def cluster(spec, order, folder, root, quiet, train):
    """k-means on the features of the autoencoder, which is trained first if need be."""
    from ssl_tf import evaluator

    path, variant, place = needed(
        spec,
        folder,
        "data.order: pseudo-labels come from an autoencoder; name its config in "
        "`needs: {config: autoencoder/<arch>_<dataset>}`, or a file in "
        "data.order.labels.",
    )
    first = config.load(path, variant)
    images = {k: v for k, v in spec["data"].items() if k not in ("order", "norm")}
    first["train"]["seed"] = spec["train"].get("seed", 0)
    kept = {k: v for k, v in images.items() if k != "validation"}
    first["data"] = first["data"] | kept
    train(first, place, root=root, quiet=quiet, origin=runs.origin(path, variant))
    if not quiet:
        print(f"{folder}: {order.clusters} clusters of {place}", file=sys.stderr)
    values = evaluator.evaluate(
        place,
        "pseudo_labels",
        root=root,
        changes={"clusters": order.clusters, "restarts": order.restarts},
        data={"validation": 0.0, **images},
    )
    return values["cluster"]


def same_images(path, images):
    """Refuses pseudo-labels that a run's evaluation made of other images.

    It noted which those were beside the file; of other files nothing is known.
    """
    path = Path(path)
    files = lambda record: f"{record['evaluation']}_cluster"
    for record in runs.results(path.parent)[::-1]:
        if re.sub(r"[^A-Za-z0-9]+", "_", files(record)) == path.stem:
            made = (record.get("images") or {}).get("train")
            if made and made != fingerprint.key(fingerprint.part(images)):
                raise BadInput(
                    f"data.order.labels: {path} was made of other training images, or "
                    "of these in another order or number; make it again with `python "
                    "-m ssl_tf.evaluate AUTOENCODER_RUN pseudo_labels`."
                )
            return


def read_labels(path, size):
    """int32 `[size]` from a `.npy`."""
    try:
        labels = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise BadInput(
            f"data.order.labels: {path} does not exist; make it with `python -m "
            "ssl_tf.evaluate AUTOENCODER_RUN pseudo_labels`, or leave labels out."
        ) from None
    except (OSError, ValueError, EOFError) as error:
        why = " ".join(str(error).split())[:100]
        raise BadInput(f"{path}: is no array of labels ({why}).") from None
    if labels.shape != (size,) or labels.dtype.kind not in "iu":
        raise BadInput(
            f"{path}: holds {labels.dtype} {list(labels.shape)}; one whole number for "
            f"each of the {size} training images is needed."
        )
    return labels.astype(np.int32)


def baseline_confusion(spec, folder, root, quiet, train):
    """Confusions of the supervised run a config `needs`, trained if it is not there.

    They are counted on the baseline's held-out training images, as probabilities.
    """
    from ssl_tf import evaluator

    first = baseline_spec(spec)
    place = baseline_place(folder, first)
    if distribute.worker()[0] > 0:  # the chief trains it
        while not runs.finished(place):
            time.sleep(1)
    elif not runs.finished(place):
        train(first, place, root=root, quiet=quiet)
    soft = {"soft": True}
    values = evaluator.evaluate(
        place, "confusion", root=root, split="validation", changes=soft
    )
    return values["matrix"]


def baseline_place(folder, first):
    """The run folder of a baseline with the config `first`: the run's own name."""
    return (
        folder.parents[2] / first["method"]["name"] / folder.parent.name / folder.name
    )


def baseline_spec(spec):
    """The config named in `needs`, with the trunk, data and budget of this one."""
    path, variant = needed_config(
        spec,
        "method.branches: groups of {classes_per_group: n} come from a baseline; "
        "name its config in `needs: {config: supervised/<arch>_<dataset>}`.",
    )
    first = config.load(path, variant)
    budget = {k: v for k, v in spec["train"].items() if k != "best"}
    first |= {
        "backbone": spec["backbone"],
        "data": first["data"] | spec["data"],
        "train": first["train"] | budget,
    }
    if not first["data"].get("validation"):
        raise BadInput(
            "data.validation: groups come from a baseline's confusions on images it "
            "was not trained on; set it, e.g. to 0.1."
        )
    return first
