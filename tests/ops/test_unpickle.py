"""Pickles are read; nothing they name is run."""

import collections
import io
import os
import pickle

import pytest

from ssl_tf.errors import BadInput
from ssl_tf.ops import unpickle


def load(value, known=(), **more):
    data = value if isinstance(value, bytes) else pickle.dumps(value, protocol=2)
    return unpickle.load(io.BytesIO(data), dict(known), **more)


class Command:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_plain_values_come_back():
    value = {"a": [1, 2.5, None, True], "b": ("x", {"y": 2**70})}
    assert load(value) == value
    assert load(pickle.dumps(b"\x00\xff", protocol=4)) == b"\x00\xff"


def test_what_a_pickle_names_is_not_run(tmp_path):
    found = load({"x": Command(tmp_path / "touched"), "y": 1})
    assert found["y"] == 1 and not (tmp_path / "touched").exists()
    assert isinstance(found["x"], unpickle.Inert)
    assert found["x"].path.endswith(".system")
    assert found["x"].args == (f"touch {tmp_path / 'touched'}",)


def test_only_known_names_are_called():
    ordered = collections.OrderedDict(a=1)
    known = {"collections.OrderedDict": dict}
    assert load(ordered, known) == {"a": 1}
    stand_in = load(ordered)
    assert stand_in.path == "collections.OrderedDict" and stand_in.items == {"a": 1}


def test_a_foreign_object_keeps_its_state():
    found = load(pickle.dumps(BadInput("x", 3), protocol=2))
    assert found.args == ("x", 3)
    command = unpickle.inert("a.b")()
    command.__setstate__({"w": 1})
    command.append(4), command.extend([5, 6])
    assert command.state == {"w": 1} and command.items == {0: 4, 1: 5, 2: 6}


def test_persistent_ids_go_to_who_asked_for_them():
    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", 7) if value == "weights" else None

    file = io.BytesIO()
    Pickler(file, protocol=2).dump(["weights", 1])
    assert load(file.getvalue(), persistent=lambda key: key[1]) == [7, 1]
    with pytest.raises(BadInput, match="persistent ids are not expected"):
        load(file.getvalue())


@pytest.mark.parametrize("data", [b"", b"text", pickle.dumps([1, 2])[:-2], b"\x80\xff"])
def test_what_is_no_pickle_is_named_in_one_line(data):
    with pytest.raises(BadInput, match="file.bin: is no readable pickle") as error:
        load(data, what="file.bin")
    assert "\n" not in str(error.value)


def test_python_2_strings_keep_their_bytes():
    data = b"\x80\x02U\x02\xff\x01."  # a short byte string of Python 2
    assert load(data).encode("latin1") == b"\xff\x01"
