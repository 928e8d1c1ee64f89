"""ScatSimCLR's checkpoints as the authors' code writes them, with golden weights."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
from torch_containers import ordered, storage, tensor, write_zip

from ssl_tf.ops import wavelets

GOLDEN = Path(__file__).parent / "golden" / "scatsimclr"
KINDS = {"float32": "Float", "int64": "Long"}


def layout(model):
    """`[(name, shape, dtype)]` of one of the authors' models."""
    return json.loads((GOLDEN / "state_dicts.json").read_text())[model]


def value(name, shape, dtype="float32"):
    """The golden weight of a state-dict key."""
    draw = np.random.RandomState(zlib.crc32(name.encode()) & 0xFFFFFFFF)
    leaf = name.rpartition(".")[2]
    if leaf == "num_batches_tracked":
        found = np.zeros(shape)
    elif leaf in ("running_mean", "bias"):
        found = 0.1 * draw.standard_normal(shape)
    elif leaf == "running_var":
        found = 0.5 + draw.random_sample(shape)
    elif len(shape) == 1:
        found = 0.5 + 0.5 * draw.random_sample(shape)
    else:
        found = draw.standard_normal(shape) / math.sqrt(np.prod(shape[1:]))
    return found.astype(dtype)


def state(rows, size=None, J=2, L=4):
    """`{name: array}` of a layout; filters are kymatio's for images of `size`."""
    padded = wavelets.padded(size, J) if size else 0
    bank = wavelets.bank((padded, padded), J, L) if size else []
    found = {}
    for name, shape, dtype in rows:
        if name.startswith("_scatnet.tensor"):
            found[name] = bank[int(name.removeprefix("_scatnet.tensor"))][..., None]
            assert list(found[name].shape) == shape, name
        else:
            found[name] = value(name, shape, dtype)
    return found


def resized(rows, channels):
    """A layout with another number of scattering channels and without its filters."""
    swap = {"_adapter_network.0.weight": 1, "_scatnet_bn": 0}
    found = []
    for name, shape, dtype in rows:
        if name.startswith("_scatnet.tensor"):
            continue
        for start, axis in swap.items():
            if name.startswith(start) and shape:
                shape = [*shape[:axis], channels, *shape[axis + 1 :]]
        found.append((name, shape, dtype))
    return found


def write(path, arrays):
    """A flat state dict, as `torch.save(model.state_dict(), path)` has it."""
    pairs, storages = [], {}
    for i, (name, array) in enumerate(arrays.items()):
        held = storage(str(i), array.size, KINDS[str(array.dtype)])
        pairs.append((name, tensor(held, array.shape)))
        storages[str(i)] = np.ascontiguousarray(array).tobytes()
    write_zip(path, ordered(*pairs), storages)
