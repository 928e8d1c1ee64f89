"""The scan before unpickling: sane pickles pass, whatever their protocol."""

import io
import pickle

import pytest

from ssl_tf.errors import BadInput
from ssl_tf.ops import pickles, unpickle

SANE = [
    {"a": [1, 2.5, None, True, "text", (), (1,), (1, 2), (1, 2, 3, 4)]},
    [list(range(3000)), {str(i): {"x": (i, [i])} for i in range(3000)}],
    [2**100, -(2**40), -1, 0.1, "\u00e4\u4e2d", "x" * 100_000],
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", SANE, ids=["small", "wide", "long"])
def test_plain_values_load_as_they_were(value, protocol):
    file = io.BytesIO(pickle.dumps(value, protocol) + b"what follows")
    assert unpickle.load(file, {}) == value
    assert file.read() == b"what follows"


def test_objects_shared_and_recursive_are_no_bombs():
    shared = [1]
    value = [shared] * 1000
    assert unpickle.load(io.BytesIO(pickle.dumps(value, 2)), {}) == value
    loop = []
    loop.append(loop)
    again = unpickle.load(io.BytesIO(pickle.dumps(loop, 2)), {})
    assert again[0] is again


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_depth_is_counted_as_objects_are_nested(protocol):
    value = ()
    for _ in range(pickles.DEPTH - 2):
        value = (value,)
    text = pickle.dumps(value, protocol)
    assert unpickle.load(io.BytesIO(text), {}) == value
    for _ in range(3):
        value = [value]
    with pytest.raises(BadInput, match="nested more than 100 deep"):
        unpickle.load(io.BytesIO(pickle.dumps(value, protocol)), {})


def test_a_cut_pickle_is_told_in_one_line():
    text = pickle.dumps({"a": 1}, 2)
    for end in range(len(text)):
        with pytest.raises(BadInput, match="^it: is no readable pickle") as caught:
            unpickle.load(io.BytesIO(text[:end]), {}, what="it")
        assert "\n" not in str(caught.value)
