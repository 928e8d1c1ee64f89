"""Exports of what methods make of their features, not only of logits."""

import keras
import numpy as np
import pytest
import small

from ssl_tf import export
from ssl_tf.data.pipeline import Normal
from ssl_tf.errors import BadInput

NORMAL = Normal((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.mark.parametrize("name", ["autoencoder", "simclr", "supervised", "ssal"])
@pytest.mark.parametrize("part", ["backbone", "method"])
def test_an_exported_part_reloads_with_the_same_outputs(name, part, tmp_path):
    method = small.METHODS[name]()
    images = small.batches()[0]["views"][0]
    model = export.plain(export.network(method, part), NORMAL, small.SHAPE[0])
    got = export.written(model, "keras", tmp_path / "x.keras", images)
    normal = NORMAL(images)
    expected = {
        "autoencoder": lambda: [method(normal)],
        "simclr": lambda: [method.representations(normal)["z"]],
        "supervised": lambda: [method(normal)],
        "ssal": lambda: method.outputs(normal),
    }[name]
    wanted = [method.backbone(normal)] if part == "backbone" else expected()
    for ours, theirs in zip(got, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("name", ["efficientnet", "pit", "vit"])
def test_backbones_that_skip_reload_with_the_same_outputs_and_rates(name, tmp_path):
    backbone = small.BACKBONES[name]()
    images = small.batches()[0]["views"][0]
    model = export.plain(backbone, NORMAL, small.SHAPE[0])
    (got,) = export.written(model, "keras", tmp_path / "x.keras", images)
    np.testing.assert_allclose(got, backbone(NORMAL(images)), atol=2e-5)
    copies = [x.rate for x in model.layers[-1].layers if hasattr(x, "rate")]
    assert copies == [x.rate for x in backbone.layers if hasattr(x, "rate")] != []
    kept = [x for x in model.layers[-1].layers if hasattr(x, "rate")]
    ones = np.ones((64, *kept[-1].output.shape[1:]), np.float32)
    values = np.asarray(kept[-1](ones, training=True)).reshape(64, -1)
    np.testing.assert_array_equal(values.min(1), values.max(1))
    assert 0 < (values[:, 0] == 0).sum() < 32


def test_tokens_reload_with_their_own_deviation(tmp_path):
    backbone = small.BACKBONES["vit_minimal"]()
    images = small.batches()[0]["views"][0]
    model = export.plain(backbone, NORMAL, small.SHAPE[0])
    (got,) = export.written(model, "keras", tmp_path / "x.keras", images)
    np.testing.assert_allclose(got, backbone(NORMAL(images)), atol=2e-5)
    copies = (type(x).from_config(x.get_config()) for x in backbone.layers)
    assert [x.deviation for x in copies if hasattr(x, "deviation")] == [1.0, 1.0]


def test_a_method_without_a_head_has_only_its_backbone():
    class Bare(small.Supervised):
        def __init__(self, backbone):
            keras.Model.__init__(self)
            self.backbone, self.taps = backbone, ()

    with pytest.raises(BadInput, match="has no head; take the backbone"):
        export.network(Bare(small.tiny_densenet()), "method")
