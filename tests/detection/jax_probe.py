"""Runs compiled operations of the detection core on JAX.

KERAS_BACKEND=jax python jax_probe.py GOLDEN OUT.npz: GOLDEN is the folder of arrays.
"""

import sys
from pathlib import Path

import jax
import numpy as np

from ssl_tf.detection import boxes, matching, nms, polygons, roi_align, sampling


def main(golden, path):
    load = lambda name: np.load(Path(golden) / f"{name}.npz")
    values = {}
    given = load("nms")
    columns = given["boxes"][None], given["scores"][None]
    suppress = lambda b, s: nms.non_maximum_suppression(
        b, s, np.ones((1, 54), bool), 0.5, 40, given["classes"][None], tile=16
    )
    values["keep"], values["kept"] = jax.jit(suppress)(*columns)

    given = load("roi_align")
    own = given["rois"][:, 0] == 0
    features = np.moveaxis(given["x"], 1, -1)[:1]
    upstream = np.moveaxis(given["gout_4"], 1, -1)[own][None]
    regions = given["rois"][own, 1:][None]
    scale = float(given["spatial_scale"])
    align = lambda x: roi_align.roi_align(x, regions, 4, scale, chunk=3, samples=16)
    values["aligned"] = jax.jit(align)(features)
    loss = lambda x: (align(x) * upstream).sum()
    values["aligned_gradient"] = jax.jit(jax.grad(loss))(features)

    given = load("matching")
    match = lambda b: matching.match(
        boxes.iou(b, given["anchors"]), np.ones(4, bool), (0.3, 0.7), True
    )
    values["match"], values["label"] = jax.jit(match)(given["gt"])

    labels = np.repeat([1, 0, -1], [4, 9, 3])[None]
    uniform = np.random.default_rng(0).random((1, 16), np.float32)
    choose = lambda u: tuple(sampling.choose(labels, u, 3, 8))
    values["chosen"] = jax.jit(choose)(uniform)[0]

    points = np.random.default_rng(1).uniform(-6, 24, (20, 2, 7, 2)).astype("f4")
    lengths = np.full((20, 2), 7)
    raster = lambda p: polygons.rasterise(p, lengths, 15, 18)
    values["raster"] = jax.jit(raster)(points)
    np.savez(path, **{key: np.asarray(value) for key, value in values.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
