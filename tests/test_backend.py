"""The core gives the same numbers on JAX as on TensorFlow, dropout masks included."""

import os
import subprocess
import sys

import numpy as np
import pytest
from commands import ROOT


def probe(backend, path, what):
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "backend_probe.py"), str(path), what],
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    with np.load(path) as values:
        return {key: values[key] for key in values.files}


@pytest.mark.parametrize("what", ["few", pytest.param("all", marks=pytest.mark.slow)])
def test_losses_backbones_and_objectives_agree_between_jax_and_tensorflow(
    what, tmp_path
):
    ours = probe("tensorflow", tmp_path / "tensorflow.npz", what)
    theirs = probe("jax", tmp_path / "jax.npz", what)
    assert ours.pop("compiles") == 1 and theirs.pop("compiles") == 0
    assert ours.keys() == theirs.keys() and len(ours) > 15
    for key, value in ours.items():
        scale = max(1.0, np.abs(value).max())
        np.testing.assert_allclose(
            theirs[key] / scale, value / scale, atol=1e-5, err_msg=key
        )
