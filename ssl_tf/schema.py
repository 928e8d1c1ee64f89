"""A signature is a schema: checks plain values against a callable's annotations."""

import dataclasses
import functools
import importlib
import inspect
import re
import types
import typing
from typing import Annotated, NamedTuple

from ssl_tf.errors import BadInput, have


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
        except re.error:
            return False
        return True

    def __str__(self):
        return "a regular expression"


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """The value is a section whose `name` is looked up in `entries`.

    It becomes a `functools.partial` that still needs the arguments in `context`.
    """

    entries: dict
    context: tuple = ()


Pattern = Annotated[str, Regex()]
Count = Annotated[int, Range(low=1)]
Whole = Annotated[int, Range(low=0)]
Positive = Annotated[float, Range(above=0)]
NonNegative = Annotated[float, Range(low=0)]
Share = Annotated[float, Range(0, 1)]
Fraction = Annotated[float, Range(low=0, below=1)]


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
    if name in table:
        return table[name]
    if isinstance(name, str) and "." in name:
        module, _, attribute = name.rpartition(".")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise BadInput(f"{where}: cannot import {name!r} ({error}).") from None
    raise BadInput(f"{where}: unknown name {name!r}. Have: {have(table)}.")


def arguments(function, values, where, context=()):
    """`functools.partial(function, **values)` after checking every value."""
    signature = parameters(function)
    for key, value in values.items():
        if key not in signature or key in context:
            allowed = have(set(signature) - set(context))
            raise BadInput(f"{where}: unknown key {key!r}. Have: {allowed}.")
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
        if value not in choices:
            raise BadInput(f"{where}: is {value!r}. Have: {have(choices)}.")
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
    if isinstance(limits[0], Table):
        return bind(limits[0].entries, value, where, limits[0].context)
    value = checked(kind, value, where)
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
    if not isinstance(value, (list, tuple)):
        raise wrong(where, value, "a list")
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


KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def plain(kind, value, where):
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in (int, float) and isinstance(value, bool):
        raise wrong(where, value, KINDS[kind])
    if not isinstance(value, kind):
        if kind in (int, float) and looks_numeric(value):
            mended = format(float(value), "e").rstrip("0")
            raise BadInput(
                f"{where}: {value!r} is text in YAML; write 1.0e-4, not 1e-4."
                if "e" in value.lower()
                else f"{where}: {value!r} is text; write {mended} without quotes."
            )
        raise wrong(where, value, KINDS.get(kind, getattr(kind, "__name__", kind)))
    if kind is float and value != value:
        raise wrong(where, value, "a number")
    return value


def looks_numeric(value):
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)


def wrong(where, value, wanted):
    return BadInput(f"{where}: is {value!r}; must be {wanted}.")
