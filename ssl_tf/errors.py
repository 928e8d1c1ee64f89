"""The one exception that means: the input is at fault, not the code."""


class BadInput(ValueError):
    """A config, flag, path, image, checkpoint or archive that cannot be used.

    Commands print its message as one line on stderr and exit with code 2; Python
    callers catch it as the `ValueError` it is. The message says what is wrong,
    what was given and what would do.
    """


def have(names):
    """`a, b, c` for the end of an error message; `nothing` for no names."""
    return ", ".join(sorted(str(name) for name in names)) or "nothing"
