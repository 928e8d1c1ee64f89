"""A signature is a schema: checks plain values against a callable's annotations."""

import dataclasses
import functools
import importlib
import inspect
import math
import re
import types
import typing
from typing import Annotated, NamedTuple

from ssl_tf import config
from ssl_tf.errors import BadInput, have, unknown


class Range(NamedTuple):
    """Closed interval, `None` where it is open-ended; `above` excludes its end."""

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None

    def holds(self, value):
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self):
        signs = zip(self, (">=", "<=", ">", "<"))
        return " and ".join(f"{sign} {end}" for end, sign in signs if end is not None)


class Regex(NamedTuple):
    """The value is a regular expression that compiles."""

    def holds(self, value):
        try:
            re.compile(value)
        except (re.error, OverflowError, RecursionError):
            return False
        return True

    def __str__(self):
        return "a regular expression"


class Rising(NamedTuple):
    """The value is a sequence whose items do not fall: (low, high)."""

    def holds(self, value):
        return list(value) == sorted(value)

    def __str__(self):
        return "from low to high"


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """The value is a section whose `name` is looked up in `entries`.

    It becomes a `functools.partial` that still needs the arguments in `context`.
    """

    entries: dict
    context: tuple = ()


class MayBeEmpty(NamedTuple):
    """A list that may have no items; others must have one."""


Pattern = Annotated[str, Regex()]
Count = Annotated[int, Range(low=1)]
Whole = Annotated[int, Range(low=0)]
Positive = Annotated[float, Range(above=0)]
NonNegative = Annotated[float, Range(low=0)]
Share = Annotated[float, Range(0, 1)]
Fraction = Annotated[float, Range(low=0, below=1)]
Portion = Annotated[float, Range(above=0, high=1)]


def build(table, section, where, **context):
    """Calls what `section` names with the rest of the section as its arguments."""
    return bind(table, section, where, context)(**context)


def bind(table, section, where, context=()):
    """Checks a section against the callable it names; calls nothing heavy.

    Args:
        table: `{name: callable}`. A name with a dot is imported instead.
        section: `{"name": str, argument: value, ...}`.
        where: str, the section's place in the config, for messages.
        context: names of the arguments that are supplied at the call.

    Returns:
        `functools.partial` that still needs the arguments in `context`.

    Raises:
        BadInput: unknown name or key, missing argument, wrong type or range.
    """
    if not isinstance(section, dict):
        raise BadInput(f"{where}: is {section!r}; write a section with a name.")
    if "name" not in section:
        raise BadInput(f"{where}: has no name. Have: {have(table)}.")
    function = find(table, section["name"], f"{where}.name")
    values = {key: value for key, value in section.items() if key != "name"}
    return arguments(function, values, where, context)


def find(table, name, where):
    """The callable called `name` in `table`, or an imported `package.module.name`."""
    if isinstance(name, str) and name in table:
        return table[name]
    if isinstance(name, str) and "." in name:
        module, _, attribute = name.rpartition(".")
        try:
            found = getattr(importlib.import_module(module), attribute)
            if callable(found):
                parameters(found)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - may fail in any way
            why = f"{type(error).__name__}: {error}"
            raise BadInput(
                f"{where}: cannot import {name!r} from here or PYTHONPATH ({why})."
            ) from None
        if not callable(found):
            raise BadInput(f"{where}: {name!r} is no function or class.")
        return found
    raise BadInput(unknown(f"{where}: unknown name", name, table))


def arguments(function, values, where, context=()):
    """`functools.partial(function, **values)` after checking every value."""
    signature = parameters(function)
    for key, value in values.items():
        if key not in signature or key in context:
            allowed = signature.keys() - set(context)
            raise BadInput(unknown(f"{where}: unknown key", key, allowed))
        values = values | {key: checked(signature[key][0], value, f"{where}.{key}")}
    for key, (_, required) in signature.items():
        if required and key not in values and key not in context:
            raise BadInput(f"{where}: needs a value for {key!r}.")
    return functools.partial(function, **values)


@functools.cache
def parameters(function):
    """`{name: (annotation, required)}` of a callable, annotations resolved."""
    target = function.__init__ if inspect.isclass(function) else function
    if hasattr(function, "_fields"):
        target = function.__new__
        hints = typing.get_type_hints(function, include_extras=True)
    else:
        hints = typing.get_type_hints(target, include_extras=True)
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        required = parameter.default is parameter.empty
        found[name] = (hints.get(name, typing.Any), required)
    return found


def checked(annotation, value, where):
    """`value` if it fits `annotation` (sections become objects), else BadInput."""
    origin = typing.get_origin(annotation)
    if annotation is typing.Any:
        return value
    if origin is Annotated:
        return narrowed(annotation, value, where)
    if origin in (typing.Union, types.UnionType):
        return one_of(typing.get_args(annotation), value, where)
    if origin is typing.Literal:
        choices = typing.get_args(annotation)
        if not any(type(c) is type(value) and c == value for c in choices):
            raise BadInput(unknown(f"{where}: is", value, choices))
        return value
    if origin in (list, tuple):
        return sequence(annotation, value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise wrong(where, value, "a mapping")
        of_key, of_value = typing.get_args(annotation)
        return {
            checked(of_key, key, where): checked(of_value, item, f"{where}.{key}")
            for key, item in value.items()
        }
    if hasattr(annotation, "_fields"):
        if isinstance(value, annotation):
            return value
        if not isinstance(value, dict):
            raise wrong(where, value, "a section")
        return arguments(annotation, value, where)()
    return plain(annotation, value, where)


def narrowed(annotation, value, where):
    kind, *limits = typing.get_args(annotation)
    if isinstance(limits[0], MayBeEmpty):
        return [] if value == [] else checked(kind, value, where)
    if isinstance(limits[0], Table):
        return bind(limits[0].entries, value, where, limits[0].context)
    fits = lambda value: all(limit.holds(value) for limit in limits)
    simple = kind in KINDS
    value = plain(kind, value, where, fits) if simple else checked(kind, value, where)
    for limit in limits:
        if not limit.holds(value):
            raise BadInput(f"{where}: is {value!r}; must be {limit}.")
    return value


def one_of(choices, value, where):
    if value is None and type(None) in choices:
        return None
    choices = [choice for choice in choices if choice is not type(None)]
    first = None
    for choice in choices:
        try:
            return checked(choice, value, where)
        except BadInput as error:
            # The choice of the value's own kind explains best what is wrong.
            first = error if first is None or isinstance(value, kind(choice)) else first
    raise first


def kind(annotation):
    """The plain types whose values an annotation is about."""
    if typing.get_origin(annotation) is Annotated:
        return kind(typing.get_args(annotation)[0])
    plain = typing.get_origin(annotation) or annotation
    if plain is float:
        return (int, float)
    if hasattr(plain, "_fields"):
        return dict
    return plain if isinstance(plain, type) else ()


def sequence(annotation, value, where):
    if not isinstance(value, (list, tuple)) or not value:
        raise wrong(where, value, "a list of one item or more")
    of = typing.get_args(annotation)
    if typing.get_origin(annotation) is tuple and of[-1] is not Ellipsis:
        if len(value) != len(of):
            raise wrong(where, value, f"{len(of)} values")
        pairs = zip(of, value)
    else:
        pairs = ((of[0], item) for item in value)
    items = [
        checked(kind, item, f"{where}.{i}") for i, (kind, item) in enumerate(pairs)
    ]
    return items if typing.get_origin(annotation) is list else tuple(items)


KINDS = {
    int: "a whole number",
    float: "a number that float32 holds",
    bool: "true or false",
    str: "text, not empty",
}


def plain(kind, value, where, fits=lambda value: True):
    """`value` if it is of a plain kind; an int also where a float is wanted.

    Args:
        kind: type.
        value: any.
        where: str, for messages.
        fits: what else must hold of the value, so that a hint names one that passes.
    """
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is float and whole:
        value = float(value) if abs(value) < HUGE else math.inf
    if kind is int and whole and abs(value) >= LARGEST:
        raise wrong(where, value, "less than 2**32")
    good = whole if kind is int else isinstance(value, kind)
    if kind is float and good:
        good = value == 0 or 1 / HUGE < abs(value) < HUGE
    if good and value != "":
        return value
    wanted = KINDS.get(kind, getattr(kind, "__name__", kind))
    if kind is str and isinstance(value, (bool, int, float)):
        wanted += " (put it in quotes if it is)"
    meant = numeric(kind, value) if kind in (int, float) else None
    if meant is not None and fits(meant):
        wanted += f": write {meant}" + " without quotes" * isinstance(value, str)
    raise wrong(where, value, wanted)


LARGEST = 2**32  # seeds of NumPy are smaller
HUGE = 1e37


def numeric(kind, value):
    """The number of a `kind` that a text or a float stands for, or `None`."""
    if isinstance(value, str):
        value = config.number_of(value.strip().replace("_", ""))
    if not isinstance(value, (int, float)) or not abs(value) < LARGEST:
        return None
    return kind(value) if kind is float or value == int(value) else None


def wrong(where, value, wanted):
    return BadInput(f"{where}: is {value!r}; must be {wanted}.")
