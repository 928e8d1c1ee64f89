"""Fills a method from a checkpoint, whatever wrote it: all weights, or none."""

import itertools
import re
import sys
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from ssl_tf.errors import BadInput, have
from ssl_tf.weights import files, keras_files, simsiam, tables, trunks, wiring
from ssl_tf.weights.port import Plan, assign, planned, port

# Parts of names that wrappers add, anywhere, when PyTorch spreads or compiles a model.
WRAPPERS = {
    *("module", "_orig_mod", "_forward_module"),
    *("_fsdp_wrapped_module", "_checkpoint_wrapped_module"),
}
# What the slow copy of a network is called beside the one that is trained.
SLOW = r"(?:(?:^|[_.])(?:ema|momentum|target|swa|shadow|averaged?)|_[km])(?:[_.]|$)"


class Fit(NamedTuple):
    """One way to read the names of a file.

    Attributes:
        prefix: that was taken off names.
        plan: `port.Plan`.
        model: `keras.Model` it fills: a method, or its backbone.
        left: names that are no part of it.
        others: prefixes of further networks in the file that fit.
    """

    prefix: str
    plan: Plan
    model: Any
    left: list
    others: tuple = ()


def fill(method, file, form, key=None, part=None, prefix=None):
    """Ports the arrays of a file; says how many there were and what was proven.

    Args:
        method: `Method`, built.
        file: path of the checkpoint.
        form: see `files.read`.
        key: see `files.read`.
        part: "backbone" takes that alone, see `trunks.backbone_rules`; `None` all.
        prefix: beginning of the names that are taken; `None` finds it.

    Returns:
        `(method, or its backbone if that alone was filled, {"arrays": those in the
        file, "weights": those filled, "layers_with_equal_wiring": int})`; "prefix" and
        "left_out", a number of arrays, are there if any was.

    Raises:
        BadInput: all that does not fit, in one line; or several prefixes do.
    """
    try:
        if form == "keras_h5" and part is None:
            layers = keras_files.keras_layers(file)
            names = tables.keras_names(method, layers)
            compared = wiring.check(method, layers, names)
            arrays = keras_files.flat(layers)
            sources = port(method, arrays, tables.keras_rules(names))
            told = {"weights": len(sources), "layers_with_equal_wiring": compared}
            return method, {"arrays": len(arrays), **told}
        rules = rules_of(method, form, part)
        arrays = files.read(file, form, key)
        found = best(method, arrays, rules, part, prefix)
    except BadInput as error:
        text = str(error).removeprefix(f"{file}: ")
        raise BadInput(f"{file}: {text}") from None
    if found.model is not method:
        without_head(method, file, part)
    assign(found.model, found.plan)
    report(file, form, key, found)
    told = {"arrays": len(arrays), "weights": len(found.plan.sources)}
    told |= {"prefix": found.prefix} if found.prefix else {}
    told |= {"left_out": len(found.left)} if found.left else {}
    return found.model, told | {"layers_with_equal_wiring": 0}


def rules_of(method, form, part):
    """The rules for names that PyTorch or we gave."""
    if part is not None:
        return backbone_alone(method, form)
    return tables.torch_rules(method) if form == "torch" else tables.own_rules(method)


def best(method, arrays, rules, part, prefix=None):
    """The `Fit` of a file's arrays by the one prefix that makes all of them fit.

    Names are tried as they are; if the rules know less than half of the weights by
    them, without each beginning that enough of them share. Of two networks in a file
    the one is taken that is not named as the slow copy.

    Raises:
        BadInput: none fits, or several do, or the slow copy alone.
    """
    arrays = unwrapped(arrays)
    tried, fits, known = [], {}, False
    for begin, names, left in readings(method, arrays, prefix):
        if begin and known:
            break
        if begin in fits:
            continue
        found = fitted(method, names, rules, part, begin, left)
        tried.append(found)
        if not (found.plan.wrong or any(same(found, x) for x in fits.values())):
            fits[begin] = found
        known |= not begin and 2 * len(found.plan.values) >= len(found.model.weights)
    fast = [begin for begin in fits if not re.search(SLOW, begin)]
    if len(fast) > 1:
        raise BadInput(
            f"holds {len(fits)} networks that fit, by the beginnings of their names "
            f"{have(fits)}; choose with --prefix."
        )
    if fast or (fits and prefix is not None):
        found = fits.pop((fast or list(fits))[0])
        return found._replace(others=tuple(fits))
    least = min((x for x in tried if x.plan.wrong), key=lambda x: x.plan.wrong)
    taken = f"without {least.prefix!r} before names, " if least.prefix else ""
    slow = f" --prefix {have(fits)} fits, a slow copy by its name." if fits else ""
    raise BadInput(f"{taken}{least.plan.told()}{slow or other_classes(least)}")


def unwrapped(arrays):
    """The arrays under names without `WRAPPERS`, or as they are if two would clash."""
    bare = {unwrapped_name(name): array for name, array in arrays.items()}
    return bare if len(bare) == len(arrays) else arrays


def unwrapped_name(name):
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def begun(arrays, prefix):
    """The arrays of a file whose names begin with `prefix`; all, if it is `None`."""
    arrays = unwrapped(arrays)
    begin = "" if prefix is None else beginning(arrays, prefix)
    return {n: array for n, array in arrays.items() if n.startswith(begin)}


def beginning(arrays, prefix):
    """A prefix as `unwrapped` names have it, a dot at its end; "" for a wrapper's."""
    given = prefix.rstrip(".")
    if not any(name.startswith(f"{given}.") for name in arrays):
        given = unwrapped_name(given)
    return f"{given}." if given else ""


def readings(method, arrays, given=None):
    """Yields `(prefix, {name without it: array}, names left out)` to be tried.

    First come names as they are, with and without slow copies. Then, prefix by prefix,
    names that do not begin so lose what they share with it, or are left out.

    Raises:
        BadInput: no name begins as given.
    """
    least = len(method.backbone.weights) / 2
    counts = Counter(
        "".join(f"{part}." for part in parts[:depth])
        for parts in (name.split(".") for name in arrays)
        for depth in range(1, len(parts))
    )
    begins = [begin for begin, count in counts.items() if count >= least]
    if given is None:
        slow = tuple(begin for begin in begins if re.search(SLOW, begin))
        copies = {n: x for n, x in arrays.items() if slow and n.startswith(slow)}
        yield "", arrays, []
        if copies:
            yield "", {n: arrays[n] for n in arrays if n not in copies}, list(copies)
    else:
        given = beginning(arrays, given)
        begins = [given]
        if not counts[given] and given:
            first = have(begin for begin in counts if begin.count(".") == 1)
            raise BadInput(f"--prefix {given}: no name begins so. Have: {first}.")
    for begin in sorted(begins, key=lambda begin: begin.count(".")):
        inside = {n: x for n, x in arrays.items() if n.startswith(begin)}
        rest = {n: x for n, x in arrays.items() if n not in inside}
        bare = {shortened(name, begin): x for name, x in arrays.items()}
        if rest and len(bare) == len(arrays):
            yield begin, bare, []
        yield begin, {shortened(n, begin): x for n, x in inside.items()}, list(rest)


def shortened(name, begin):
    """`name` without the leading parts it shares with `begin`."""
    parts = name.split(".")
    pairs = itertools.takewhile(
        lambda x: x[0] == x[1], zip(parts[:-1], begin.split("."))
    )
    return ".".join(parts[len(list(pairs)) :])


def fitted(method, arrays, rules, part, begin, left):
    """The `Fit` of arrays under names that may or may not be those of the rules."""
    model = method
    try:
        if simsiam.handles(method):
            arrays = simsiam.distinct(arrays)
        elif part or trunks.headless(method, arrays, simsiam.SUPERVISED):
            model = method.backbone
        plan = planned(model, arrays, rules)
    except BadInput as error:
        plan = Plan({}, {}, [], [str(error)], [])
    return Fit(begin, plan, model, [*left, *plan.dropped])


def report(file, form, key, found):
    """Says on stderr what of a file was taken, what was not, and how to get that."""
    lines = []
    if found.prefix:
        lines.append(f"names taken without {found.prefix!r}")
    if found.others:
        lines.append(f"{have(found.others)} fits, too; --prefix takes it")
    main, *copies = files.copies(file) if form == "torch" and key is None else ("",)
    if copies:
        lines.append(f"took {main!r}; --key takes {have(copies)}, of the same names")
    if found.left:
        groups = Counter(name.partition(".")[0] for name in found.left)
        listed = ", ".join(f"{name} ({n})" for name, n in groups.most_common(8))
        lines.append(f"arrays of the file that are not used: {listed}")
    for line in lines:
        print(f"{file}: {line}", file=sys.stderr)


def same(one, other):
    """Whether two `Fit`s fill a model with the same numbers."""
    if one.plan.values.keys() != other.plan.values.keys():
        return False
    pairs = zip(*(sorted(fit.plan.values.items()) for fit in (one, other)))
    return all(np.array_equal(a, b) for (_, a), (_, b) in pairs)


def other_classes(found):
    """What to do where nothing but the classifier is of another size."""
    ours = [text for text in found.plan.misfits if "head/" in text and " is [" in text]
    if found.model.name != "supervised" or not ours or len(found.plan.empty) > 2:
        return ""
    return (
        " The file is of other classes: take --part backbone, or set those of the "
        "config by data.classes."
    )


def backbone_alone(method, form):
    """The rules of `fill` for a backbone.

    Raises:
        BadInput: it has no table, or what stands behind it is no classifier.
    """
    if method.name != "supervised":
        raise BadInput(
            f"--part backbone: goes with --to supervised, not {method.name}; its run "
            "then starts others by `init`."
        )
    if form == "keras_h5" or not trunks.handles(method.backbone):
        raise BadInput(
            f"--part backbone: no name table for {method.backbone.name} in {form}."
        )
    return trunks.backbone_rules(method.backbone)


def without_head(method, file, part=None):
    """The backbone of a classifier that gets no weights but zeros, said on stderr."""
    found = "its backbone is taken" if part else "holds a backbone"
    print(
        f"{file}: {found} without a classifier; the run's is zero, start "
        "others from it by `init`",
        file=sys.stderr,
    )
    for variable in method.head.weights:
        variable.assign(np.zeros(variable.shape))
