"""One member of a zip file, without trusting the file."""

import pickle
import zipfile
import zlib

CHUNK = 2**18
MEMBERS = 1000
# A zip file; and a pickle of the number that the older container begins with.
MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
STARTS = (b"PK\3\4", MAGIC)
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)


class Refused(Exception):
    """A mirror does not give the file; the next one may."""


def extract(archive, member, target, limit, spare=False):
    """Writes one member of a zip file to `target`; names in it choose no path.

    Args:
        archive: path.
        member: its name; another folder than the one it names will do, too. "*" is
            the only PyTorch file in it.
        target: path.
        limit: int, bytes.
        spare: leave a damaged zip file where it is.

    Raises:
        Refused: no zip file, no such member, damaged, or larger than `limit` bytes.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            if member == "*":
                member = checkpoint(opened)
            found = opened.getinfo(known_as(opened.namelist(), member))
            if found.file_size > limit:
                raise Refused(f"holds {member} with more than {limit} bytes")
            with opened.open(found) as source, open(target, "wb") as out:
                while chunk := source.read(CHUNK):
                    out.write(chunk)
    except KeyError:
        raise Refused(f"holds no {member}") from None
    except DAMAGED as error:
        if not spare:
            archive.unlink()
        raise Refused(f"gives a damaged zip file ({error})") from None


def checkpoint(opened):
    """The name of the only member that begins as either container of PyTorch's does.

    Raises:
        Refused: none does, or several do, or there are too many to look at.
    """
    infos = [info for info in opened.infolist() if not info.is_dir()]
    if len(infos) > MEMBERS:
        raise Refused(f"holds more than {MEMBERS} files")
    found = []
    for info in infos:
        with opened.open(info) as source:
            if source.read(max(map(len, STARTS))).startswith(STARTS):
                found.append(info.filename)
    if len(found) != 1:
        raise Refused(f"holds {len(found) or 'no'} PyTorch files, not one")
    return found[0]


def known_as(names, member):
    """`member`, or the only one of `names` with the same last part."""
    last = member.rpartition("/")[2]
    alike = [name for name in names if name.rpartition("/")[2] == last]
    return alike[0] if member not in names and len(alike) == 1 else member
