"""Self-Classifier's backbones: torchvision's ResNet-50 at two sizes, and its ViTs."""

import functools
import zlib

import keras
import numpy as np
import pytest
from augment import golden

from ssl_tf.backbones import BACKBONES
from ssl_tf.methods.base import Method
from ssl_tf.weights import port, trunks

FOUND = golden.load("selfclassifier/resnet50_forward")
STAGES = {"maxpool": "stem"} | {
    f"layer{i}": f"stage{i}_block{count}" for i, count in enumerate((3, 4, 6, 3), 1)
}


def names():
    """torchvision's `(name, shape)` of a ResNet-50 without a classifier."""
    yield from of_norm("bn1", 64)
    yield "conv1.weight", (64, 3, 7, 7)
    before = 64
    for stage, count in enumerate((3, 4, 6, 3), start=1):
        width = 32 * 2**stage
        for block in range(count):
            start = f"layer{stage}.{block}"
            plan = ((before, width, 1), (width, width, 3), (width, 4 * width, 1))
            for i, (inside, out, side) in enumerate(plan, start=1):
                yield f"{start}.conv{i}.weight", (out, inside, side, side)
                yield from of_norm(f"{start}.bn{i}", out)
            if block == 0:
                shape = (4 * width, before, 1, 1)
                yield f"{start}.downsample.0.weight", shape
                yield from of_norm(f"{start}.downsample.1", 4 * width)
            before = 4 * width


def of_norm(name, width):
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (width,)


def value(name, shape):
    """An array of the golden weights, by the manifest's rule."""
    draw = np.random.RandomState(zlib.crc32(name.encode()) & 0xFFFFFFFF)
    if len(shape) > 1:
        return (draw.randn(*shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    ranges = {"weight": (0.5, 1.0), "running_var": (0.5, 1.5)}
    low, high = ranges.get(name.rpartition(".")[2], (None, None))
    drawn = 0.1 * draw.randn(*shape) if low is None else draw.uniform(low, high, shape)
    return drawn.astype(np.float32)


@functools.cache
def state():
    return {name: value(name, shape) for name, shape in names()}


def images(seed, count, size):
    drawn = np.random.RandomState(seed).randn(count, 3, size, size)
    return drawn.transpose(0, 2, 3, 1).astype(np.float32)


@pytest.fixture
def method():
    """Built for 224 pixels, with the golden weights; taps where the manifest has."""
    backbone = BACKBONES["resnet50"]((224, 224, 3))
    port.port(backbone, state(), trunks.rules(backbone))
    return Method(backbone, taps=STAGES.values())


def close(ours, theirs, tolerance):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


def test_the_weights_are_the_manifests():
    total = sum(np.abs(x.astype(np.float64)).sum() for x in state().values())
    np.testing.assert_allclose(total, FOUND["weights_checksum"][0], rtol=1e-6)


@pytest.mark.parametrize("seed, size", [(123, 224), (124, 96)])
def test_one_network_gives_torchvisions_maps_and_features_at_both_sizes(
    method, seed, size
):
    features, *maps = method.features(images(seed, 2, size), training=False)
    close(features, FOUND[f"eval{size}_feat"], 1e-4)
    for name, found in zip(STAGES, maps, strict=True):
        key, found = f"eval{size}_{name}", np.asarray(found).transpose(0, 3, 1, 2)
        assert found.shape == tuple(FOUND[f"{key}_shape"])
        close([found.mean(), found.std()], FOUND[f"{key}_mean_std"], 1e-4)
        expected = FOUND[f"{key}_slice"]
        close(found[0, :8, : expected.shape[1], : expected.shape[2]], expected, 1e-4)


def test_a_training_pass_at_the_small_size_is_torchvisions_and_so_are_its_statistics(
    method,
):
    features = method.features(images(125, 4, 96), training=True)[0]
    close(features, FOUND["train96_feat"], 1e-3)
    ours = {
        "bn1": "stem_norm",
        "layer4.2.bn3": "stage4_block3_norm3",
    }
    kept = {"running_mean": "moving_mean", "running_var": "moving_variance"}
    for theirs, layer in ours.items():
        for name, mine in kept.items():
            value = getattr(method.backbone.get_layer(layer), mine)
            close(value, FOUND[f"train96_after/{theirs}.{name}"], 1e-3)


def parameters(width, tokens, depth=12, patch=16):
    """A ViT without a classifier, counted by hand."""
    linear = lambda a, b: a * b + b
    norm = 2 * width
    attention = linear(width, 3 * width) + linear(width, width)
    mlp = linear(width, 4 * width) + linear(4 * width, width)
    embedding = linear(3 * patch * patch, width) + width + (1 + tokens) * width
    return embedding + depth * (2 * norm + attention + mlp) + norm


@pytest.mark.parametrize(
    "name, width, heads, count",
    [
        ("vit_tiny", 192, 3, 5_524_416),
        ("vit_small", 384, 6, 21_665_664),
        ("vit_base", 768, 12, 85_798_656),
    ],
)
def test_vits_have_the_papers_sizes(name, width, heads, count):
    backbone = BACKBONES[name]((224, 224, 3))
    assert parameters(width, 14 * 14) == count
    assert sum(int(np.prod(v.shape)) for v in backbone.trainable_variables) == count
    layer = backbone.get_layer("stage1_block12_attention")
    assert (layer.heads, layer.scale) == (heads, "head")
    assert not [x for x in backbone.layers if hasattr(x, "rate")]  # no drop path
    norms = [x for x in backbone.layers if "norm" in x.name]
    assert len(norms) == 25 and {x.epsilon for x in norms} == {1e-6}


def test_a_vit_takes_patches_of_another_side_and_starts_as_the_papers():
    backbone = BACKBONES["vit_tiny"]((32, 32, 3), patch=4)
    count = sum(int(np.prod(v.shape)) for v in backbone.trainable_variables)
    assert count == parameters(192, 8 * 8, patch=4)
    kernel = backbone.get_layer("stage1_block5_mlp1").kernel
    assert np.std(kernel) == pytest.approx(0.02, rel=0.02)
    small = keras.random.normal((2, 16, 16, 3))
    assert Method(backbone).features(small, False)[0].shape == (2, 192)
