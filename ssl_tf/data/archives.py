"""Images inside a tar or zip file, read in memory: nothing is unpacked to a place."""

import contextlib
import tarfile
import threading
import zipfile
from pathlib import PurePosixPath

from ssl_tf.data.files import SUFFIXES
from ssl_tf.errors import BadInput

LARGEST = 2**26  # bytes of one image; photographs have a few megabytes


@contextlib.contextmanager
def opened(path):
    """`(names of the images in an archive, name -> bytes)`.

    Links are left out, as are hidden files. Reading is safe from several threads.

    Raises:
        BadInput: no readable tar or zip file; an image larger than 64 MiB.
    """
    lock = threading.Lock()
    try:
        archive, sizes, fetch = entries(path)
    except Exception as error:  # noqa: BLE001 - gzip, lzma, tarfile, zipfile, ...
        raise damaged(path, error) from None

    def read(name):
        if sizes[name] > LARGEST:
            raise BadInput(f"{path}: {name!r} has {sizes[name]} bytes; no such image.")
        try:
            with lock:
                return fetch(name)
        except Exception as error:  # noqa: BLE001 - as above, and zlib
            raise damaged(path, error) from None

    with archive:
        yield [name for name in sizes if is_image(name)], read


def entries(path):
    """`(archive, {name: bytes}, name -> bytes)` of a tar or zip file."""
    if zipfile.is_zipfile(path):
        archive = zipfile.ZipFile(path)
        found = {info.filename: info.file_size for info in archive.infolist()}
        return archive, found, archive.read
    archive = tarfile.open(path)  # noqa: SIM115 - closed by `opened`
    members = {member.name: member for member in archive.getmembers()}
    found = {name: m.size for name, m in members.items() if m.isfile()}
    return archive, found, lambda name: archive.extractfile(members[name]).read()


def is_image(name):
    """Whether a member's name is that of an image which is not hidden."""
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") and part != "." for part in parts)
    return name.lower().endswith(SUFFIXES) and not hidden


def damaged(path, error):
    """BadInput about an archive that cannot be read."""
    if isinstance(error, BadInput):
        return error
    why = " ".join(str(error).split())[:100] or type(error).__name__
    return BadInput(f"{path}: is no readable archive ({why}); get it again.")
