"""The one exception that means: the input is at fault, not the code."""

import difflib


class BadInput(ValueError):
    """A config, flag, path, image, checkpoint or archive that cannot be used.

    Commands print its message as one line on stderr and exit with code 2; Python
    callers catch it as the `ValueError` it is. The message says what is wrong,
    what was given and what would do.
    """


def have(names):
    """`a, b, c` for the end of an error message; `nothing` for no names."""
    return ", ".join(sorted(str(name) for name in names)) or "nothing"


def unknown(what, name, names):
    """`<what> 'nam'. Have: lame, name. Did you mean 'name'?` as an error message."""
    near = difflib.get_close_matches(str(name), list(map(str, names)), 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{what} {name!r}. Have: {have(names)}.{hint}"
