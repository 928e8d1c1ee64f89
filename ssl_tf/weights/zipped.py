"""One member of a zip file, without trusting the file."""

import zipfile
import zlib

CHUNK = 2**18
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)


class Refused(Exception):
    """A mirror does not give the file; the next one may."""


def extract(archive, member, target, limit, spare=False):
    """Writes one member of a zip file to `target`; names in it choose no path.

    Args:
        archive: path.
        member: its name; another folder than the one it names will do, too.
        target: path.
        limit: int, bytes.
        spare: leave a damaged zip file where it is.

    Raises:
        Refused: no zip file, no such member, damaged, or larger than `limit` bytes.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
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


def known_as(names, member):
    """`member`, or the only one of `names` with the same last part."""
    last = member.rpartition("/")[2]
    alike = [name for name in names if name.rpartition("/")[2] == last]
    return alike[0] if member not in names and len(alike) == 1 else member
