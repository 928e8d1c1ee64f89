"""The engine of every import: all weights filled, or every misfit listed."""

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ssl_tf.errors import BadInput

LISTED = 8
WRAPPED = r"(?:module\.)*"  # before the names of a model that PyTorch spread over GPUs


class Rule(NamedTuple):
    r"""What becomes of the arrays whose whole name matches.

    Attributes:
        pattern: regular expression.
        to: our weight, as a format string over the groups: `"stage{1}_conv{2}/kernel"`.
            `{1:+1}` counts from one what the file counts from zero. `""` drops the
            array on purpose; a function gets the groups and returns the weight, or
            `None` where the rule does not hold after all.
        transform: array -> array, or `None`. Its BadInput is one more misfit, so that
            an array may be checked before it is dropped.
    """

    pattern: str
    to: str | Callable
    transform: Callable | None = None


def conv(kernel):
    """PyTorch's `[O, I, H, W]` as Keras' `[H, W, I, O]`."""
    return turned(kernel, (2, 3, 1, 0))


def dense(kernel):
    """PyTorch's `[O, I]` as Keras' `[I, O]`."""
    return turned(kernel, (1, 0))


def turned(kernel, axes):
    if np.ndim(kernel) != len(axes):
        raise BadInput(f"shape {list(np.shape(kernel))} is not of {len(axes)} axes")
    return np.transpose(kernel, axes)


def norm(pattern, to):
    """The four arrays of a PyTorch batch norm."""
    ours = ("gamma", "beta", "moving_mean", "moving_variance")
    theirs = ("weight", "bias", "running_mean", "running_var")
    return [Rule(rf"{pattern}\.{a}", f"{to}/{b}") for a, b in zip(theirs, ours)]


def linear(pattern, to):
    """Kernel and bias of a PyTorch linear layer."""
    kernel = Rule(rf"{pattern}\.weight", f"{to}/kernel", dense)
    return [kernel, Rule(rf"{pattern}\.bias", f"{to}/bias")]


class Number(int):
    """Digits of a name; formats with an offset: `{1:+1}`."""

    def __format__(self, offset):
        return str(int(self) + int(offset or 0))


class Plan(NamedTuple):
    """What `port` would do.

    Attributes:
        values: `{our weight: what it becomes}`.
        sources: `{our weight: name in the file}`.
        dropped: names that a rule drops, but for counters of batches.
        misfits: texts about arrays that do not fit.
        empty: our weights that get nothing.
    """

    values: dict
    sources: dict
    dropped: list
    misfits: list
    empty: list

    @property
    def wrong(self):
        """Number of misfits on either side."""
        return len(self.misfits) + len(self.empty)

    def told(self):
        """The misfits in one line, the first eight of either side."""
        empty = [f"nothing for {path}" for path in self.empty]
        listed = "; ".join(self.misfits[:LISTED] + empty[:LISTED])
        more = max(len(self.misfits) - LISTED, 0) + max(len(empty) - LISTED, 0)
        tail = f"; and {more} more" if more else ""
        told = "1 misfit" if self.wrong == 1 else f"{self.wrong} misfits"
        return f"{told}, nothing imported: {listed}{tail}."


def planned(model, arrays, rules):
    """The `Plan` of filling a model; see `port`."""
    ours = addresses(model)
    values, sources, dropped, misfits = {}, {}, [], []
    for name, array in arrays.items():
        try:
            end, value = target(name, array, rules)
            if end:
                fit(end, value, ours, sources)
                path = ours[end].path
                values[path], sources[path] = value, name
            elif not name.endswith("num_batches_tracked"):
                dropped.append(name)
        except BadInput as error:
            misfits.append(f"{name}: {error}")
    empty = [v.path for v in model.weights if v.path not in values]
    return Plan(values, sources, dropped, misfits, empty)


def port(model, arrays, rules):
    """Fills every weight of a model from foreign arrays, or changes nothing.

    Args:
        model: `keras.Model`, built.
        arrays: `{name: array}`, from `files.read`.
        rules: list of `Rule`; for each name the first that matches holds.

    Returns:
        `{our weight: name in the file}`.

    Raises:
        BadInput: names without a rule, targets that do not exist or are filled twice,
            shapes that differ, numbers that are not finite, weights left empty. All
            are counted, and the first eight of either side listed.
    """
    plan = planned(model, arrays, rules)
    if plan.wrong:
        raise BadInput(plan.told())
    assign(model, plan)
    return plan.sources


def assign(model, plan):
    """Gives a model the values of a `Plan` without misfits."""
    ours = addresses(model)
    for path, value in plan.values.items():
        ours[path].assign(np.asarray(value).astype(ours[path].dtype))


def addresses(model):
    """`{path or unique end of a path: variable}` of a model's weights."""
    ends = lambda path: [path[i:] for i in starts(path)]
    counts = Counter(end for v in model.weights for end in ends(v.path))
    found = {v.path: v for v in model.weights}
    for variable in model.weights:
        unique = [end for end in ends(variable.path) if counts[end] == 1]
        found |= dict.fromkeys(unique, variable)
    return found


def starts(path):
    return [match.end() for match in re.finditer("/", path)]


def target(name, array, rules):
    """`(our weight or "", what it becomes)` by the first rule that holds."""
    for rule in rules:
        match = re.fullmatch(rule.pattern, name, re.ASCII)
        if match is None:
            continue
        path = rule.to(*match.groups()) if callable(rule.to) else put(rule.to, match)
        if path is not None:
            value = array if rule.transform is None else rule.transform(array)
            return path, value
    if np.ndim(array) == 0:  # a number alone, such as the best accuracy so far
        return "", array
    raise BadInput("no rule")


def put(to, match):
    """A format string over the groups of a match, digits as `Number`s."""
    groups = [Number(g) if (g or "").isdigit() else g for g in match.groups()]
    return to.format(match[0], *groups)


def fit(end, value, ours, sources):
    """Raises BadInput unless `value` may become the weight that `end` names."""
    if end not in ours:
        raise BadInput(f"no weight {end}")
    path, shape, wanted = ours[end].path, list(value.shape), list(ours[end].shape)
    if path in sources:
        raise BadInput(f"{path} is filled by {sources[path]} already")
    if shape != wanted:
        raise BadInput(f"is {shape}, {path} is {wanted}")
    if value.dtype.kind in "ciub":  # quantised, or something else of the same shape
        raise BadInput(f"is {value.dtype}, {path} holds floating-point numbers")
    with np.errstate(over="ignore"):
        if not np.isfinite(value.astype(np.float32, copy=False)).all():
            raise BadInput(f"holds numbers that are not finite, for {path}")
