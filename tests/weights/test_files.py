"""Keras 2 HDF5, NPZ and safetensors: right files read, wrong ones refused."""

import json
import struct
import zipfile

import h5py
import numpy as np
import pytest
from golden_weights import keras_value
from official_files import layout, write_h5

from ssl_tf.errors import BadInput
from ssl_tf.weights import files, keras_files

TINY = "se-wrn10-2_tiny"


def one_line(path, form):
    with pytest.raises(BadInput) as caught:
        files.read(path, form)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("model", [True, False])
@pytest.mark.parametrize("pieces", [1, 4])
def test_layers_of_a_keras_file_come_in_its_order(tmp_path, model, pieces):
    layers = layout(TINY)
    write_h5(tmp_path / "x.h5", layers, first=0, model=model, pieces=pieces)
    found = keras_files.keras_layers(tmp_path / "x.h5")
    ordered = sorted(layers, key=lambda one: one["place"])
    assert [x.name for x in found] == [one["name"] for one in ordered]
    for ours, theirs in zip(found, ordered):
        assert ours.kind == theirs["kind"] or not theirs["shapes"]
        shapes = [list(x.shape) for x in ours.weights.values()]
        assert shapes == theirs["shapes"]
        if model:
            inputs = tuple(layers[i]["name"] for i in theirs["inbound"])
            assert ours.inputs == inputs


def test_names_are_layer_and_last_component(tmp_path):
    write_h5(tmp_path / "x.h5", layout("densenet22-12_ssal_tiny"), first=0)
    found = files.read(tmp_path / "x.h5", "keras_h5")
    # DenseNet/DenseBlock/ConvBlock_1/dense_0_1_bn/gamma:0 in the file.
    value = keras_value("dense1.layer2.bn1/gamma", (36,))
    np.testing.assert_array_equal(found["dense_0_1_bn/gamma"], value)


def test_a_keras_file_cannot_point_out_of_itself(tmp_path):
    other = tmp_path / "other.h5"
    write_h5(other, layout(TINY), first=0)
    path = tmp_path / "x.h5"
    for link in (
        h5py.ExternalLink(str(other), "/model_weights/conv2d"),
        h5py.SoftLink("/model_weights/conv2d_1"),
    ):
        write_h5(path, layout(TINY), first=0)
        with h5py.File(path, "a") as file:
            del file["model_weights/conv2d"]
            file["model_weights/conv2d"] = link
        assert "missing or a link" in one_line(path, "keras_h5")
    raw = tmp_path / "secret"
    raw.write_bytes(bytes(27 * 16 * 4))
    write_h5(path, layout(TINY), first=0)
    with h5py.File(path, "a") as file:
        group = file["model_weights/conv2d/conv2d"]
        del group["kernel:0"]
        outside = [(str(raw), 0, raw.stat().st_size)]
        group.create_dataset("kernel:0", (3, 3, 3, 16), "f4", external=outside)
    assert "no numbers of its own" in one_line(path, "keras_h5")


def test_a_keras_file_that_claims_more_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "x.h5"
    for shape, kind in (((2**40,), "f4"), ((10,), "f4"), ((3,), h5py.string_dtype())):
        write_h5(path, layout(TINY), first=0)
        with h5py.File(path, "a") as file:
            group = file["model_weights/conv2d/conv2d"]
            del group["kernel:0"]
            group.create_dataset("kernel:0", shape, kind, chunks=True)
        one_line(path, "keras_h5")


def test_other_hdf5_files_are_told_apart(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros(3)
    assert "is not a Keras 2 file" in one_line(path, "keras_h5")
    path.write_bytes(b"\x89HDF\r\n\x1a\nnothing more")
    assert "no readable HDF5 file" in one_line(path, "keras_h5")
    path.write_bytes(b"<html>not found</html>")
    assert "web page" in one_line(path, "keras_h5")
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "git lfs pull" in one_line(path, "keras_h5")
    with pytest.raises(BadInput, match="--from h6: unknown"):
        files.read(path, "h6")


def test_npz_reads_arrays_and_refuses_objects(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, a=np.arange(3), b=np.ones((2, 2), np.float16))
    found = files.read(path, "npz")
    assert list(found) == ["a", "b"] and found["b"].dtype == np.float16
    np.savez(path, a=np.array([{}], object))
    assert "no readable NPZ" in one_line(path, "npz")
    path.write_bytes(b"PK\3\4 and so on")
    assert "no readable NPZ" in one_line(path, "npz")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"a checkpoint of PyTorch's")
    assert "holds no arrays of NumPy's; is it --from torch?" in one_line(path, "npz")


def test_files_of_keras_3_are_told_from_those_of_keras_2(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    assert "archive, as Keras 3 writes" in one_line(tmp_path / "x.keras", "keras_h5")
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.ones((2, 2))
    told = one_line(tmp_path / "x.weights.h5", "keras_h5")
    assert "has no layer_names; it is not a Keras 2 file" in told


def safetensors(path, header, buffer):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + buffer)


def entry(dtype, shape, *offsets):
    return {"dtype": dtype, "shape": shape, "data_offsets": list(offsets)}


def test_safetensors_reads_every_type(tmp_path):
    path, header, buffer = tmp_path / "x.safetensors", {"__metadata__": {"a": "b"}}, b""
    for name in sorted(files.SAFE_KINDS, reverse=True):
        part = bytes(6 * files.dtype(files.SAFE_KINDS[name]).itemsize)
        end = len(buffer) + len(part)
        header[name] = entry(name, [2, 3], len(buffer), end)
        buffer += part
    header["empty"] = entry("F32", [0, 3], len(buffer), len(buffer))
    header["scalar"] = entry("F32", [], len(buffer), len(buffer) + 4)
    safetensors(path, header, buffer + struct.pack("<f", 2.5))
    found = files.read(path, "safetensors")
    assert found.pop("scalar") == np.float32(2.5)
    assert found.pop("empty").shape == (0, 3)
    for name, array in found.items():
        assert array.shape == (2, 3) and array.dtype.name == files.SAFE_KINDS[name]


F3 = bytes(12)
BAD_SAFETENSORS = {
    "beyond the end": ({"a": entry("F32", [4], 0, 16)}, F3),
    "too many bytes": ({"a": entry("F32", [2], 0, 8)}, F3),
    "a hole": ({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 8, 12)}, F3),
    "an overlap": ({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 4, 12)}, F3),
    "shape and size differ": ({"a": entry("F32", [5], 0, 12)}, F3),
    "a negative shape": ({"a": entry("F32", [-1, -3], 0, 12)}, F3),
    "backwards": ({"a": entry("F32", [3], 12, 0)}, F3),
    "an unknown type": ({"a": entry("F31", [3], 0, 12)}, F3),
    "a name twice": (b'{"a": 1, "a": 2}', b""),
    "no JSON": (b"{", b""),
    "deep JSON": (b"[" * 200_000, b""),
    "no mapping": (b"[1]", b""),
}


@pytest.mark.parametrize("what", BAD_SAFETENSORS)
def test_safetensors_with_wrong_offsets_are_refused(tmp_path, what):
    safetensors(tmp_path / "x.safetensors", *BAD_SAFETENSORS[what])
    assert "no readable safetensors" in one_line(
        tmp_path / "x.safetensors", "safetensors"
    )


def test_safetensors_of_another_type_name_the_array_and_its_type(tmp_path):
    path = tmp_path / "x.safetensors"
    safetensors(path, {"a": entry("F8_E4M3", [12], 0, 12)}, F3)
    assert "'a' is of F8_E4M3; save it as F32" in one_line(path, "safetensors")


def test_safetensors_with_a_wrong_header_length_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    for length in (2**63, 2**40, 100):
        path.write_bytes(struct.pack("<Q", length) + b"{}")
        assert "no readable safetensors" in one_line(path, "safetensors")
    path.write_bytes(b"abc")
    assert "no readable safetensors" in one_line(path, "safetensors")
