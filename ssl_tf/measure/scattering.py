"""Scattering of RGB images against kymatio, in turn and on the same threads."""

from ssl_tf import cli
from ssl_tf.measure import timing

J, L = 2, 16
SIZES = {32: 16, 96: 4}  # pixels: images in a batch


def measure(options):
    """Milliseconds an image of each program, and how many times ours it takes."""
    cli.import_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    values = {"threads": options.threads or "all"}
    for size, batch in SIZES.items():
        programs = contestants(size, batch, options.threads)
        times = timing.in_turn(programs, options.rounds)
        for name, found in times.items():
            middle = 1e3 * timing.median(found) / batch
            ratio = timing.compared(found, times["ours, XLA"], 5)
            values[f"{size} px, {name}"] = f"{middle:8.2f} ms/image, {ratio}"
    return values


def contestants(size, batch, threads):
    """`{name: function without arguments}`, each on random images of its layout."""
    import numpy as np
    import tensorflow as tf

    from ssl_tf.ops import scattering

    ours = lambda x: scattering.scatter(x, J, L)
    theirs = kymatio_tensorflow(size)
    draw = np.random.default_rng(0)
    images = draw.normal(size=(batch, size, size, 3)).astype(np.float32)
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    forms = {
        "ours, XLA": (ours, images, True),
        "ours, graph": (ours, images, False),
        "kymatio TensorFlow, XLA": (theirs, planes, True),
        "kymatio TensorFlow, graph": (theirs, planes, False),
    }
    programs = {}
    for name, (function, given, jit) in forms.items():
        programs[name] = ready(tf.function(function, jit_compile=jit), given)
    torch = kymatio_torch(size, planes, threads)
    return programs | ({"kymatio PyTorch": torch} if torch else {})


def ready(function, images):
    """A call that ends when its result is there."""
    import tensorflow as tf

    images = tf.constant(images)
    return lambda: function(images).numpy()


def kymatio_tensorflow(size):
    """kymatio's transform, by its own module: the short imports need an older SciPy."""
    from kymatio.scattering2d.frontend import tensorflow_frontend

    return tensorflow_frontend.ScatteringTensorFlow2D(J, (size, size), L).scattering


def kymatio_torch(size, planes, threads):
    """The same in PyTorch, or `None` where that is not installed."""
    try:
        import torch
        from kymatio.scattering2d.frontend import torch_frontend
    except ImportError:
        return None
    if threads:
        torch.set_num_threads(threads)
    transform, images = torch_frontend.ScatteringTorch2D(J, (size, size), L), planes

    def run():
        with torch.no_grad():
            return transform(torch.from_numpy(images)).numpy()

    return run
