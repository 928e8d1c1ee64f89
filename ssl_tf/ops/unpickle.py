"""Reads pickles without running anything they name."""

import io
import pickle

from ssl_tf.errors import BadInput
from ssl_tf.ops import pickles


class Inert:
    """Stands for any object of a foreign class; does nothing, holds what it is given.

    Attributes:
        path: "module.name" of what it stands for.
        args: positional arguments of its construction.
        state: what `__setstate__` would have got.
    """

    path = ""

    def __new__(cls, *args, **kwargs):
        self = object.__new__(cls)
        self.args, self.state, self.items = args, None, {}
        return self

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        self.state = state

    def __setitem__(self, key, value):
        self.items[key] = value

    def append(self, value):
        self.items[len(self.items)] = value

    def extend(self, values):
        for value in values:
            self.append(value)

    def __call__(self, *args, **kwargs):
        return self


def inert(path):
    """A class that stands for `module.name`."""
    return type("Inert", (Inert,), {"path": path})


class Unpickler(pickle.Unpickler):
    """Knows only the globals it is given; all others become `Inert`.

    Args:
        file: binary file.
        known: `{"module.name": callable}`; these alone are called.
        persistent: called with every persistent id.
        encoding: of Python 2 strings.
    """

    def __init__(self, file, known, persistent=None, encoding="latin1"):
        super().__init__(file, encoding=encoding)
        self.known = known
        self.persistent = persistent

    def find_class(self, module, name):
        path = f"{module}.{name}"
        return self.known[path] if path in self.known else inert(path)

    def persistent_load(self, key):
        if self.persistent is None:
            raise pickle.UnpicklingError("persistent ids are not expected here")
        return self.persistent(key)


def load(file, known, persistent=None, what="pickle"):
    """The object in one pickle that `pickles.scan` has passed.

    Args:
        file: binary file or memory map at the start of a pickle; left at its end.
        known: see `Unpickler`.
        persistent: see `Unpickler`.
        what: str, begins the error message.

    Raises:
        BadInput: damaged, or nested or memoised beyond any sane file.
    """
    start = file.tell()
    end = pickles.scan(file, what)
    file.seek(start)
    try:
        return Unpickler(io.BytesIO(file.read(end - start)), known, persistent).load()
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - a foreign file may fail in any way
        why = " ".join(str(error).split())[:120]
        raise BadInput(f"{what}: is no readable pickle ({why}).") from None
