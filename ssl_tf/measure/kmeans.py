"""k-means at the size of the baselines: one start, time and number of iterations."""

import time

from ssl_tf import cli
from ssl_tf.errors import BadInput
from ssl_tf.measure.memory import Anonymous


def measure(options):
    """One start of `evaluate RUN kmeans` on features drawn around random centres."""
    cli.import_tensorflow()
    from ssl_tf.evaluation import centres

    images, clusters = options.images or 50_000, options.clusters
    if not 1 <= clusters <= images:
        raise BadInput(
            f"benchmark kmeans: --clusters must be 1 to {images:,} (images)."
        )
    x = features(images, options.width, clusters)
    model = centres.sklearn_model(clusters, 0, 1, centres.ALGORITHM, None)
    with Anonymous() as memory:
        began = time.perf_counter()
        model.fit(x)
        seconds = time.perf_counter() - began
    return {
        "features": f"{images:,} x {options.width:,} float32, {clusters:,} clusters",
        "one start": f"{seconds:.1f} s, first centres included",
        "iterations": f"{model.n_iter_} of at most {centres.ITERATIONS}",
        "an iteration, first centres shared out": f"{seconds / model.n_iter_:.2f} s",
        "memory beyond the features, peak": memory.described,
    }


def features(images, width, clusters):
    """Rectified sums of a centre's and an image's own draw, as of pooled ReLUs.

    The image's part is as large as the centre's, so clusters overlap.
    """
    import numpy as np

    draw = np.random.default_rng(0)
    centre = draw.standard_normal((clusters, width), np.float32)
    x = draw.standard_normal((images, width), np.float32)
    x += centre[draw.integers(clusters, size=images)]
    return np.maximum(x, 0, out=x)
