"""Writes safetensors files; `files.read` reads them."""

import json
import struct

from ssl_tf.weights.files import SAFE_KINDS

KINDS = {ours: theirs for theirs, ours in SAFE_KINDS.items()}


def write(path, arrays, facts=None):
    """Writes arrays without holes, the header padded to eight bytes.

    Args:
        path: file.
        arrays: `{name: array}` of the kinds of `SAFE_KINDS`.
        facts: `{name: str}`, the format's `__metadata__`.

    Source:
        The format's own description, see `files.safetensors`.
    """
    header, end = {"__metadata__": facts} if facts else {}, 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        header[name] = {
            "dtype": KINDS[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            file.write(little.tobytes())
