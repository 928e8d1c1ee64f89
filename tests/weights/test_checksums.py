"""Checksums that a file's name tells, where nobody published whole ones."""

import hashlib

import pytest

from ssl_tf.errors import BadInput
from ssl_tf.weights import checksums
from ssl_tf.weights.manifest import Entry

CONTENT = b"weights"
SHA = hashlib.sha256(CONTENT).hexdigest()


def entry(file):
    return Entry("ssal", "a", "d", "torch", file, "none stated", {}, ["https://a.org"])


def test_a_name_that_tells_how_the_checksum_begins_must_be_right(tmp_path):
    for file in (f"a_p16-{SHA[:8]}.pth", "a.pth", "a-00000000_b.pth"):
        (tmp_path / file).write_bytes(CONTENT)
        checksums.verify(entry(file), tmp_path / file)
        assert checksums.pins(tmp_path)[file] == SHA
    file = "a_p16-00000000.pth"
    (tmp_path / file).write_bytes(CONTENT)
    with pytest.raises(BadInput, match="not the 00000000... of its name") as caught:
        checksums.verify(entry(file), tmp_path / file)
    assert "\n" not in str(caught.value) and file not in checksums.pins(tmp_path)
