"""The core compiles on JAX and gives the golden numbers there too."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from commands import ROOT
from given import GOLDEN, golden

from ssl_tf.detection import polygons, sampling


def probe(path):
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("jax_probe.py"), GOLDEN / "detection"]
        + [path],
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    with np.load(path) as values:
        return {key: values[key] for key in values.files}


def test_compiled_operations_on_jax_give_the_golden_numbers(tmp_path):
    found = probe(tmp_path / "jax.npz")
    with golden("detection", "nms") as wanted:
        keep = found["keep"][found["kept"]]
        np.testing.assert_array_equal(keep, wanted["keep_cls_50"][:40])
    with golden("detection", "roi_align") as wanted:
        own = wanted["rois"][:, 0] == 0
        close = {"rtol": 0, "atol": 2e-5}
        theirs = np.moveaxis(wanted["out_4"], 1, -1)[own]
        np.testing.assert_allclose(found["aligned"][0], theirs, **close)
        theirs = np.moveaxis(wanted["gin_4"], 1, -1)[:1]
        np.testing.assert_allclose(found["aligned_gradient"], theirs, **close)
    with golden("detection", "matching") as wanted:
        np.testing.assert_array_equal(found["match"], wanted["rpn_match"])
        np.testing.assert_array_equal(found["label"], wanted["rpn_label"])
    labels = np.repeat([1, 0, -1], [4, 9, 3])[None]
    uniform = np.random.default_rng(0).random((1, 16), np.float32)
    ours = sampling.choose(labels, uniform, 3, 8).index
    np.testing.assert_array_equal(found["chosen"], ours)
    points = np.random.default_rng(1).uniform(-6, 24, (20, 2, 7, 2)).astype("f4")
    ours = polygons.rasterise(points, np.full((20, 2), 7), 15, 18)
    np.testing.assert_array_equal(found["raster"], ours)
