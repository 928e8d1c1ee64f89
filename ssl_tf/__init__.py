"""Five self-supervised and auxiliary-learning image papers on Keras 3."""

import contextlib
import os
import sys

__version__ = "0.1.0"

# `python -m` puts the working directory first: a `random.py` or `keras.py` there would
# stand in for the module that TensorFlow imports. Modules of one's own are still found.
if sys.argv[:1] == ["-m"] and any("ssl_tf." in text for text in sys.orig_argv):
    with contextlib.suppress(OSError):  # the directory is gone
        if sys.path[:1] == [os.getcwd()]:
            sys.path.append(sys.path.pop(0))
