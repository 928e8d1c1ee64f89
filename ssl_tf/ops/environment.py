"""What a process brings along from outside: settings that must not change a number.

Commands call `prepare` before anything heavy is imported; whoever builds a model calls
`keras_defaults`.
"""

import contextlib
import os
import select
import sys
import warnings

from ssl_tf.errors import BadInput

# Variables that change numbers, or on what they are computed; `runs.environment` notes
# those that are set.
VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_NUM_THREADS",
    "TF_CUDNN_DETERMINISTIC",
    "TF_CUDNN_USE_AUTOTUNE",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_USE_CUBLASLT",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)


def variables():
    """`{name: value}` of those `VARIABLES` that are set."""
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


def prepare():
    """Makes this process fit to run a command, whatever started it.

    Streams that are closed become `/dev/null`, so that no file of a run gets their
    numbers; what an encoding lacks is printed escaped; warnings stay warnings; Keras
    runs on TensorFlow, and Matplotlib without a display.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # not a text file, e.g. in a test
            stream.reconfigure(errors="backslashreplace")
    for i, (action, *rest) in enumerate(warnings.filters):
        if action == "error":
            warnings.filters[i] = ("default", *rest)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ |= {"KERAS_BACKEND": "tensorflow", "MPLBACKEND": "agg"}
    for name in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
        os.environ.pop(name, None)


def is_read(number):
    """Whether what is written to a stream has, or may have, a reader."""
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return not any(event & select.POLLERR for _, event in poll.poll(0))


@contextlib.contextmanager
def importing(name):
    """Turns what `import keras` raises over its settings into BadInput."""
    try:
        yield
    except (
        ImportError,
        ValueError,
        AttributeError,
        AssertionError,
        TypeError,
    ) as error:
        why = " ".join(f"{type(error).__name__} {error}".split())
        raise BadInput(
            f"{name}: cannot be imported ({why}); check the installation, and Keras' "
            "settings in $KERAS_HOME/keras.json or ~/.keras/keras.json."
        ) from None


def keras_defaults():
    """Keras as our models expect it, whatever `~/.keras/keras.json` says.

    Channels last, float32, epsilon 1e-7; the dtype policy of a run is set after this.

    Raises:
        BadInput: Keras cannot be imported, or runs on another backend already.
    """
    with importing("keras"):
        import keras
    if keras.config.backend() != "tensorflow":
        raise BadInput(
            f"keras: runs on {keras.config.backend()}; training and evaluations need "
            "KERAS_BACKEND=tensorflow, set before keras is imported."
        )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_epsilon(1e-7)
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
