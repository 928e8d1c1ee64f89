"""PyTorch checkpoints: what PyTorch wrote reads back, what attackers wrote does not."""

import argparse
import io
import pickle
import random
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from torch_containers import (
    group,
    named,
    ordered,
    plain,
    storage,
    tensor,
    whole,
    write_legacy,
    write_zip,
)

from ssl_tf.errors import BadInput
from ssl_tf.ops import unpickle
from ssl_tf.weights import files, torch_tensors

GOLDEN = Path(__file__).parents[1] / "golden" / "torch"
ROW = np.arange(12, dtype=np.float32)


def one_line(path, key=None):
    """The message of the BadInput that reading raises."""
    with pytest.raises(BadInput) as caught:
        files.read(path, "torch", key)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["zip", "legacy", "bare"])
def test_what_pytorch_saved_reads_back_bit_by_bit(name):
    expected = np.load(GOLDEN / "expected.npz")
    found = files.read(GOLDEN / f"{name}.pth", "torch")
    # `bare` and `legacy` were written without the type that needs a newer PyTorch.
    names = [n for n in expected.files if n in found or n != "uint16"]
    assert list(found) == names
    for key in names:
        array = found[key].astype(np.float32) if key == "bfloat16" else found[key]
        assert array.dtype == expected[key].dtype
        np.testing.assert_array_equal(array, expected[key])


def test_bfloat16_stays_bfloat16():
    assert files.read(GOLDEN / "zip.pth", "torch")["bfloat16"].dtype.name == "bfloat16"


def test_tensors_that_share_a_storage_share_memory():
    found = files.read(GOLDEN / "zip.pth", "torch")
    assert np.shares_memory(found["tied_a"], found["tied_all"])


def test_any_entry_can_be_asked_for():
    found = files.read(GOLDEN / "legacy.pth", "torch", "optimizer_state")
    shapes = {name: x.shape for name, x in found.items()}
    assert shapes == {
        "state.0.momentum_buffer": (3, 2),
        "state.1.momentum_buffer": (3,),
    }
    assert "Have: epoch, model_state" in one_line(GOLDEN / "zip.pth", "weights")


def test_foreign_objects_matter_only_where_they_are_asked_for():
    # The scheduler beside the weights did not disturb the tests above.
    assert "StepLR" in one_line(GOLDEN / "zip.pth", "scheduler")
    assert "_rebuild_sparse_tensor" in one_line(GOLDEN / "sparse.pth")
    assert "save its state_dict()" in one_line(GOLDEN / "whole_model.pth")


def test_legacy_views_of_a_storage_are_found(tmp_path):
    view = ("7-1", 4, 6)
    body = ordered(
        ("part", tensor(storage("7", 12, "Float", view), (2, 3))),
        ("all", tensor(storage("7", 12, "Float", None), (3, 4))),
    )
    write_legacy(tmp_path / "x.pth", body, {"7": (12, ROW.tobytes())})
    found = files.read(tmp_path / "x.pth", "torch")
    np.testing.assert_array_equal(found["part"], ROW[4:10].reshape(2, 3))
    np.testing.assert_array_equal(found["all"], ROW.reshape(3, 4))


def test_python_2_hands_over_its_pairs_at_once(tmp_path):
    pair = b"](" + plain("w") + tensor(storage("0", 12), (12,)) + b"e"
    body = named("collections", "OrderedDict") + b"](" + pair + b"e\x85R"
    write_zip(tmp_path / "x.pth", body, {"0": ROW.tobytes()})
    np.testing.assert_array_equal(files.read(tmp_path / "x.pth", "torch")["w"], ROW)


BAD_TENSORS = {
    "more elements than there are": (storage("0", 99), (99,), 0, (1,)),
    "a storage that claims a terabyte": (storage("0", 2**40), (2**40,), 0, (1,)),
    "an offset behind the end": (storage("0", 12), (4,), 9, (1,)),
    "a negative offset": (storage("0", 12), (4,), -4, (1,)),
    "a negative stride": (storage("0", 12), (4,), 4, (-1,)),
    "a stride out of the storage": (storage("0", 12), (3, 4), 0, (5, 1)),
    "one element stretched to a terabyte": (storage("0", 12), (2**40,), 0, (0,)),
    "no elements of an absurd shape": (storage("0", 12), (0, 2**62, 9), 0, (0, 0, 0)),
    "shape and strides of different length": (storage("0", 12), (3, 4), 0, (1,)),
    "a storage nobody stored": (storage("1", 12), (12,), 0, (1,)),
    "a storage outside of the archive": (storage("../x", 12), (12,), 0, (1,)),
    "a negative count": (storage("0", -1), (1,), 0, (1,)),
    "no storage": (plain(3), (12,), 0, (1,)),
    "an unknown persistent id": (
        group(plain("file"), plain("x")) + b"Q",
        (1,),
        0,
        (1,),
    ),
}


@pytest.mark.parametrize("what", BAD_TENSORS)
@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_tensors_beyond_their_storage_are_refused(tmp_path, what, container):
    held, shape, offset, strides = BAD_TENSORS[what]
    body = ordered(("w", tensor(held, shape, offset, strides)))
    if container == "zip":
        write_zip(tmp_path / "x.pth", body, {"0": ROW.tobytes()})
    else:
        write_legacy(tmp_path / "x.pth", body, {"0": (12, ROW.tobytes())})
    one_line(tmp_path / "x.pth")


def test_a_legacy_storage_must_be_there_in_full(tmp_path):
    body = ordered(("w", tensor(storage("0", 12, "Float", None), (12,))))
    write_legacy(tmp_path / "x.pth", body, {"0": (12, ROW.tobytes()[:-8])})
    assert "has 10" in one_line(tmp_path / "x.pth")
    write_legacy(tmp_path / "x.pth", body, {"0": (11, ROW.tobytes())})
    assert "another size than 12" in one_line(tmp_path / "x.pth")
    write_legacy(tmp_path / "x.pth", body, {}, keys=["1"])
    assert "nothing names" in one_line(tmp_path / "x.pth")
    write_legacy(tmp_path / "x.pth", body, {}, keys={"0": 1})
    assert "no list of storages" in one_line(tmp_path / "x.pth")


def call(module, name, *arguments):
    """`module.name(*arguments)` as a pickle would have it called."""
    return named(module, name) + group(*map(plain, arguments)) + b"R"


def attacks(marker):
    """Objects whose unpickling would create the file `marker`."""
    code = f"open({str(marker)!r}, 'w')"
    touch = call("os", "system", f"touch {marker}")
    function = named("torch._utils", "_rebuild_tensor_v2")
    state = ordered(("__code__", plain(1)), ("storage", touch))
    return {
        "os.system": touch,
        "posix.system": call("posix", "system", f"touch {marker}"),
        "eval": call("builtins", "eval", code),
        "exec": call("builtins", "exec", code),
        "python 2's eval": call("__builtin__", "eval", code),
        "subprocess by NEWOBJ": named("subprocess", "Popen")
        + group(plain(f"touch {marker}"))
        + b"\x81",
        "getattr": call("builtins", "getattr", "os", "system"),
        "state for a function": function + state + b"b",
        "slots for a function": function + group(plain(None), state) + b"b",
        "state for a class": named("collections", "OrderedDict") + state + b"b",
        "state for an object": ordered(("w", touch)) + state + b"b",
        "a module in a dotted name": call("torch.nn", "os.system", f"touch {marker}"),
        "inst": b"(" + plain(f"touch {marker}") + b"ios\nsystem\n",
        "extension registry": b"\x82\x01",
        "a tensor without its arguments": function + b")\x81",
    }


@pytest.mark.parametrize("what", attacks("x"))
@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_nothing_a_pickle_names_is_run(tmp_path, what, container):
    marker = tmp_path / "ran"
    bad = attacks(marker)[what]
    path = tmp_path / "x.pth"
    for body in (bad, ordered(("w", bad)), ordered(("model_state", bad))):
        if container == "zip":
            write_zip(path, body, {})
        else:
            write_legacy(path, body, {})
        one_line(path)
        assert not marker.exists()


def test_an_attack_beside_the_weights_stays_inert(tmp_path):
    marker = tmp_path / "ran"
    good = ordered(("w", tensor(storage("0", 12), (12,))))
    evil = call("os", "system", f"touch {marker}")
    body = ordered(("model_state", good), ("hook", evil))
    write_zip(tmp_path / "x.pth", body, {"0": ROW.tobytes()})
    np.testing.assert_array_equal(files.read(tmp_path / "x.pth", "torch")["w"], ROW)
    assert not marker.exists()


BOMBS = {
    # Hashing it would overflow the C stack.
    "a tuple a million deep as key": b"})" + b"\x85" * 1_000_000 + b"K\x01s",
    "dicts ten thousand deep": b"}X\x01\0\0\0k" * 10_000 + b"N" + b"s" * 10_000,
    # CPython sets aside memory for every index below it.
    "a memo index of four billion": b"Nr\xff\xff\xff\xff",
    "a string of exabytes": b"\x8d\xff\xff\xff\xff\xff\xff\xff\x0f",
    "a number of gigabytes": b"\x8b\xff\xff\xff\x7f",
    "a million classes": named("a", "b") * 1_000_000 + b"N",
    "a hundred levels of ten links": b"".join(
        b"}(" + b"".join(plain(str(i)) + b"h\0" for i in range(10)) + b"uq\0"
        if level
        else b"}q\0"
        for level in range(60)
    ),
    "itself": b"}q\0X\x01\0\0\0kh\0s",
}


@pytest.mark.parametrize("what", BOMBS)
def test_bombs_end_in_one_line(tmp_path, what):
    write_zip(tmp_path / "x.pth", BOMBS[what], {})
    one_line(tmp_path / "x.pth")
    write_zip(tmp_path / "x.pth", ordered(("w", BOMBS[what])), {})
    one_line(tmp_path / "x.pth")


def test_damaged_and_odd_archives_are_told_apart(tmp_path):
    path, body = tmp_path / "x.pth", ordered(("w", tensor(storage("0", 12), (12,))))
    write_zip(path, body, {"0": ROW.tobytes()}, compression=zipfile.ZIP_BZIP2)
    assert "compressed otherwise than by deflate" in one_line(path)
    write_zip(path, body, {"0": ROW.tobytes()})
    broken = path.read_bytes().replace(ROW.tobytes(), ROW[::-1].tobytes())
    path.write_bytes(broken)
    assert "archive/data/0: is damaged" in one_line(path)
    write_zip(path, body, {}, more=[("other/data.pkl", whole(body))])
    assert "no PyTorch checkpoint" in one_line(path)
    path.write_bytes(b"")
    assert "is empty" in one_line(path)
    path.write_bytes(b"\n<!DOCTYPE html><html>Sign in</html>")
    assert "web page" in one_line(path)
    path.write_bytes(b"\0" * 257 + b"ustar\0" + b"\0" * 300)
    assert "oldest form" in one_line(path)
    path.write_bytes(pickle.dumps({"w": 1}))
    assert "no PyTorch checkpoint" in one_line(path)
    assert "cannot be read" in one_line(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("name", ["zip", "legacy"])
def test_no_corruption_ends_otherwise_than_in_one_line(tmp_path, name):
    good = (GOLDEN / f"{name}.pth").read_bytes()
    draw, path, refused = random.Random(0), tmp_path / "x.pth", 0
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(draw.randint(1, 4)):
            bad[draw.randrange(len(bad))] = draw.randrange(256)
        path.write_bytes(bad[: draw.choice([len(bad), draw.randrange(1, len(bad))])])
        try:
            files.read(path, "torch")
        except BadInput as error:
            assert not re.search("\n", str(error))
            refused += 1
    assert refused > 150


def without_checksums(path):
    """Sets all checksums of a zip file to 0, as PyTorch writes them on request."""
    raw = bytearray(path.read_bytes())
    for info in zipfile.ZipFile(path).infolist():
        raw[info.header_offset + 14 : info.header_offset + 18] = bytes(4)
    at = raw.index(b"PK\1\2")
    while raw[at : at + 4] == b"PK\1\2":
        raw[at + 16 : at + 20] = bytes(4)
        at += 46 + sum(struct.unpack_from("<HHH", raw, at + 28))
    path.write_bytes(raw)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("checksums", [True, False])
def test_archives_may_be_compressed_and_without_checksums(
    tmp_path, compression, checksums
):
    path, body = tmp_path / "x.pth", ordered(("w", tensor(storage("0", 12), (3, 4))))
    write_zip(path, body, {"0": ROW.tobytes()}, compression=compression)
    if not checksums:
        without_checksums(path)
    found = files.read(path, "torch")["w"]
    np.testing.assert_array_equal(found, ROW.reshape(3, 4))
    whole_file = path.read_bytes()
    for length in (len(whole_file) // 2, len(whole_file) - 1):
        path.write_bytes(whole_file[:length])
        assert "damaged" in one_line(path)


def test_a_compressed_member_that_is_damaged_or_lies_about_its_size_is_refused(
    tmp_path,
):
    path, body = tmp_path / "x.pth", ordered(("w", tensor(storage("0", 12), (3, 4))))
    write_zip(path, body, {"0": bytes(48)}, compression=zipfile.ZIP_DEFLATED)
    good = path.read_bytes()
    (info,) = (i for i in zipfile.ZipFile(path).infolist() if i.filename[-1] == "0")
    start = info.header_offset + 30 + len(info.filename)
    bad = bytearray(good)
    bad[start] ^= 0xFF
    path.write_bytes(bad)
    assert "archive/data/0: is damaged" in one_line(path)
    bad = bytearray(good)
    at = good.index(b"archive/data/0", good.index(b"PK\1\2")) - 46
    bad[at + 24 : at + 28] = struct.pack("<I", 47)
    path.write_bytes(bad)
    assert "archive/data/0: is damaged" in one_line(path)
    bad[at + 24 : at + 28] = struct.pack("<I", 2**32 - 2)
    path.write_bytes(bad)
    assert "is the limit" in one_line(path) or "damaged" in one_line(path)


def opcodes(value, core):
    """The opcodes of any object, NumPy's module called as in its versions 1 and 2."""
    text = pickle.dumps(value, 2)[2:-1]
    return re.sub(rb"cnumpy\._?core\.", f"cnumpy.{core}.".encode(), text)


@pytest.mark.parametrize("core", ["core", "_core"])
@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_numbers_and_arrays_of_numpy_among_tensors_are_read(tmp_path, core, container):
    given = {
        "best": np.float64(0.75),
        "seen": np.int64(-3),
        "flag": np.bool_(True),
        "row": np.arange(6, dtype=np.float32),
        "turned": np.arange(6, dtype=np.float64).reshape(2, 3).T,
        "foreign": np.arange(3, dtype=">i2"),
        "none": np.zeros((0, 4), np.float16),
    }
    others = {"text": np.str_("resnet"), "objects": np.array([{}, None])}
    pairs = [(n, opcodes(x, core)) for n, x in (given | others).items()]
    body = ordered(("w", tensor(storage("0", 12), (12,))), *pairs)
    if container == "zip":
        write_zip(tmp_path / "x.pth", body, {"0": ROW.tobytes()})
    else:
        write_legacy(tmp_path / "x.pth", body, {"0": (12, ROW.tobytes())})
    found = files.read(tmp_path / "x.pth", "torch")
    assert list(found) == ["w", *given]
    for name, wanted in given.items():
        assert found[name].dtype == wanted.dtype and found[name].shape == wanted.shape
        np.testing.assert_array_equal(found[name], wanted)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_of_numpy_are_read_in_every_protocol(protocol):
    wanted = np.arange(6, dtype=np.float32).reshape(2, 3)
    for value in (wanted, np.asfortranarray(wanted)):
        file = io.BytesIO(pickle.dumps(value, protocol))
        found = torch_tensors.array("w", unpickle.load(file, torch_tensors.known()), {})
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("shape", "raw"), [((3,), b"1234"), ((2**40,), b""), ((-1,), b"1234"), ((1,), None)]
)
def test_an_array_of_numpy_that_lies_about_its_size_is_refused(shape, raw):
    kind = torch_tensors.Kind("f4")
    given = torch_tensors.Array.of_buffer(raw, kind, shape, "C")
    with pytest.raises(BadInput, match="'w' is a.* array of NumPy's"):
        torch_tensors.array("w", given, {})


def test_big_endian_numbers_are_turned(tmp_path):
    body = ordered(
        ("w", tensor(storage("0", 12), (3, 4))),
        ("n", tensor(storage("1", 2, "Long"), ())),
        ("half", tensor(storage("2", 2, "BFloat16"), (2,))),
    )
    values = (ROW.astype(">f4"), np.array([7, 9], ">i8"), np.array([0x3FC0, 0], ">u2"))
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("m/data.pkl", whole(body))
        archive.writestr("m/byteorder", "big")
        for i, x in enumerate(values):
            archive.writestr(f"m/data/{i}", x.tobytes())
    found = files.read(tmp_path / "x.pth", "torch")
    np.testing.assert_array_equal(found["w"], ROW.reshape(3, 4))
    assert found["n"] == 7 and found["n"].shape == ()
    assert found["half"].astype(np.float32).tolist() == [1.5, 0.0]


def test_an_expanded_tensor_repeats_its_one_element(tmp_path):
    body = ordered(("w", tensor(storage("0", 12), (5, 3), 4, (0, 1))))
    write_zip(tmp_path / "x.pth", body, {"0": ROW.tobytes()})
    found = files.read(tmp_path / "x.pth", "torch")["w"]
    np.testing.assert_array_equal(found, np.tile(ROW[4:7], (5, 1)))


def test_a_tensor_with_attributes_is_a_tensor(tmp_path):
    numbers = [plain(x) for x in (0, (12,), (1,), False)]
    made = group(storage("0", 12), *numbers, ordered())
    rebuild = named("torch._utils", "_rebuild_tensor_v2")
    kind = named("torch.nn.parameter", "Parameter")
    call = named("torch._tensor", "_rebuild_from_type_v2")
    body = ordered(("w", call + group(rebuild, kind, made, ordered()) + b"R"))
    write_zip(tmp_path / "x.pth", body, {"0": ROW.tobytes()})
    np.testing.assert_array_equal(files.read(tmp_path / "x.pth", "torch")["w"], ROW)


def test_objects_without_tensors_beside_the_weights_are_left_out(tmp_path):
    weights = ("w", tensor(storage("0", 12), (12,)))
    arguments = opcodes(argparse.Namespace(lr=0.1, arch="resnet18"), "core")
    write_zip(
        tmp_path / "x.pth", ordered(weights, ("args", arguments)), {"0": ROW.tobytes()}
    )
    assert list(files.read(tmp_path / "x.pth", "torch")) == ["w"]
    module = named("torch.nn", "Linear") + b")\x81" + ordered(weights) + b"b"
    write_zip(tmp_path / "x.pth", ordered(("net", module)), {"0": ROW.tobytes()})
    assert "'net' is a torch.nn.Linear, which is not read" in one_line(
        tmp_path / "x.pth"
    )


def test_an_entry_without_tensors_is_not_taken_for_the_weights(tmp_path):
    weights = ordered(("w", tensor(storage("0", 12), (12,))))
    body = ordered(("model", ordered(("name", plain("resnet")))), ("net", weights))
    write_zip(tmp_path / "x.pth", body, {"0": ROW.tobytes()})
    assert list(files.read(tmp_path / "x.pth", "torch")) == ["net.w"]
