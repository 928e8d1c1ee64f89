"""Signatures as schema: what fits, what is refused, and how the refusal reads."""

from typing import Annotated, Literal, NamedTuple

import pytest

from ssl_tf import schema
from ssl_tf.errors import BadInput
from ssl_tf.schema import Count, Positive, Range, Rising, Share, Table


class Point(NamedTuple):
    x: float
    y: Count = 1


def thing(size: Count, rate: Positive = 0.1, kind: Literal["a", "b"] = "a", extra=None):
    return size, rate, kind, extra


TABLE = {"thing": thing}


def nested(
    points: list[Point],
    inner: Annotated[dict, Table(TABLE)],
    pair: tuple[float, float] = (0.0, 1.0),
    shares: dict[str, Share] | Share | None = None,
    path: str = "x",
    area: Annotated[tuple[float, float], Rising()] = (0.0, 1.0),
):
    return points, inner(), pair, shares


def test_sections_become_calls_and_records():
    section = {
        "name": "nested",
        "points": [{"x": 1}, {"x": 2.5, "y": 3}],
        "inner": {"name": "thing", "size": 4},
        "pair": [1, 2],
        "shares": {"a": 0.5},
    }
    points, inner, pair, shares = schema.build({"nested": nested}, section, "s")
    assert points == [Point(1.0), Point(2.5, 3)]
    assert inner == (4, 0.1, "a", None)
    assert pair == (1.0, 2.0) and shares == {"a": 0.5}
    assert isinstance(points[0].x, float)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "thin", "size": 1}, "s.name: unknown name 'thin'. Have: thing."),
        ({"size": 1}, "s: has no name. Have: thing."),
        ({"name": "thing", "sise": 1}, "s: unknown key 'sise'."),
        ({"name": "thing"}, "s: needs a value for 'size'."),
        ({"name": "thing", "size": 0}, "s.size: is 0; must be >= 1."),
        ({"name": "thing", "size": 1.5}, "s.size: is 1.5; must be a whole number."),
        ({"name": "thing", "size": True}, "must be a whole number"),
        ({"name": "thing", "size": 1, "rate": 0}, "s.rate: is 0.0; must be > 0."),
        ({"name": "thing", "size": 1, "rate": "1e-4"}, "write 0.0001 without quotes."),
        ({"name": "thing", "size": "12"}, "write 12 without quotes."),
        ({"name": "thing", "size": "08"}, "write 8 without quotes."),
        (
            {"name": "thing", "size": 1e2},
            "is 100.0; must be a whole number: write 100.",
        ),
        ({"name": "thing", "size": "-5"}, "is '-5'; must be a whole number."),
        ({"name": "thing", "size": "1:30"}, "is '1:30'; must be a whole number."),
        ({"name": "thing", "size": 2**64}, "must be less than 2**32"),
        (
            {"name": "thing", "size": 1, "rate": float("nan")},
            "a number that float32 holds",
        ),
        (
            {"name": "thing", "size": 1, "rate": float("inf")},
            "a number that float32 holds",
        ),
        ({"name": "thing", "size": 1, "rate": 10**400}, "a number that float32 holds"),
        ({"name": "thing", "size": 1, "rate": 1e-300}, "a number that float32 holds"),
        ({"name": "thing", "size": 1, "rate": 1e300}, "a number that float32 holds"),
        ({"name": ["thing"], "size": 1}, "unknown name ['thing']"),
        ({"name": ".thing"}, "cannot import '.thing'"),
        ({"name": "os.sep"}, "'os.sep' is no function or class."),
        ({"name": "thing", "size": 1, "kind": "c"}, "s.kind: is 'c'. Have: a, b."),
        ("thing", "write a section with a name"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(section, message):
    with pytest.raises(BadInput) as error:
        schema.bind(TABLE, section, "s")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": [{"x": 1}, {"z": 2}]}, "s.points.1: unknown key 'z'"),
        ({"points": {"x": 1}}, "s.points: is {'x': 1}; must be a list of one item or"),
        ({"points": []}, "s.points: is []; must be a list of one item or more."),
        ({"path": ""}, "s.path: is ''; must be text, not empty."),
        ({"path": 10}, "must be text, not empty (put it in quotes if it is)."),
        ({"area": [1.0, 0.5]}, "s.area: is (1.0, 0.5); must be from low to high."),
        ({"inner": {"name": "thing", "size": -1}}, "s.inner.size: is -1"),
        ({"pair": [1, 2, 3]}, "s.pair: is [1, 2, 3]; must be 2 values."),
        ({"shares": {"a": 1.5}}, "s.shares.a: is 1.5; must be >= 0 and <= 1."),
        ({"shares": 2}, "s.shares: is 2.0; must be >= 0 and <= 1."),
    ],
)
def test_mistakes_deep_inside_name_their_place(changes, message):
    section = {
        "name": "nested",
        "points": [{"x": 1}],
        "inner": {"name": "thing", "size": 1},
    } | changes
    with pytest.raises(BadInput) as error:
        schema.bind({"nested": nested}, section, "s")
    assert message in str(error.value)


def test_a_dotted_name_is_imported():
    section = {"name": "fractions.Fraction", "numerator": 3}
    assert schema.build({}, section, "s") == 3
    with pytest.raises(BadInput, match="cannot import"):
        schema.bind({}, {"name": "no_such_module.thing"}, "s")


def test_what_is_supplied_at_the_call_is_neither_asked_for_nor_allowed():
    partial = schema.bind(TABLE, {"name": "thing"}, "s", ("size",))
    assert partial(size=2) == (2, 0.1, "a", None)
    with pytest.raises(BadInput, match="unknown key 'size'"):
        schema.bind(TABLE, {"name": "thing", "size": 2}, "s", ("size",))


def test_ranges_read_as_conditions():
    assert str(Range(0, 1)) == ">= 0 and <= 1"
    assert str(Range(above=0, below=2)) == "> 0 and < 2"
