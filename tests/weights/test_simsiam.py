"""SimSiam's checkpoints, official and the ablation's, and what fine-tuning saves."""

import keras
import numpy as np
import pytest
import simsiam_files as official

from ssl_tf.backbones.pit import pit
from ssl_tf.backbones.resnet import resnet
from ssl_tf.backbones.vit import vit
from ssl_tf.errors import BadInput
from ssl_tf.layers.norm import BatchNorm
from ssl_tf.methods.simsiam import SimSiam
from ssl_tf.methods.supervised import Supervised
from ssl_tf.weights import port, simsiam, tables, trunks

SHAPE = (32, 32, 3)


class Heads(keras.Model):
    """A backbone and the heads of either code, by the names that SimSiam gives them."""

    def __init__(self, backbone, dim, bottleneck, ablation):
        super().__init__(name="simsiam")
        self.backbone = backbone
        self.parts = {}
        width = backbone.output_shape[-1]
        hidden = dim if ablation else width
        for i, (incoming, units) in enumerate(
            [(width, hidden), (hidden, hidden), (hidden, dim)], start=1
        ):
            biased = ablation or i == 3
            self.add(f"projector_dense{i}", incoming, units, biased)
            self.norm(f"projector_norm{i}", units, ablation or i < 3)
        self.add("predictor_dense1", dim, bottleneck, ablation)
        self.norm("predictor_norm1", bottleneck, True)
        self.add("predictor_dense2", bottleneck, dim, True)
        self.built = True

    def add(self, name, width, units, bias):
        layer = keras.layers.Dense(units, use_bias=bias, name=name)
        layer.build((None, width))
        self.parts[name] = layer

    def norm(self, name, width, affine):
        layer = BatchNorm(center=affine, scale=affine, name=name)
        layer.build((None, width))
        self.parts[name] = layer


def narrow(rows, by):
    """A layout with all widths of 64 or more divided: the same names, less to fill."""
    return {
        name: [n // by if n >= 64 and i < 2 else n for i, n in enumerate(shape)]
        for name, shape in rows.items()
    }


def put_in(method, state):
    return port.port(method, state, tables.torch_rules(method))


@pytest.fixture
def whole():
    """The official checkpoint, 32 times narrower, and a model for it."""
    state = official.state(
        narrow(official.layout("official_simsiam_resnet50_checkpoint"), 32)
    )
    return state, Heads(resnet(SHAPE, 50, 2), 64, 16, ablation=False)


@pytest.fixture
def study():
    """The ablation's checkpoint, 16 times narrower, with its second names."""
    rows = narrow(official.layout("ablation_simsiam_resnet18_224_model_last"), 16)
    state = official.state(rows)
    for name in state:
        for second, own in simsiam.TWICE.items():
            if name.startswith(second):
                state[name] = state[own + name.removeprefix(second)]
    return state, Heads(resnet(SHAPE, 18, 4), 64, 16, ablation=True)


def test_the_official_layout_has_the_published_size():
    rows = official.layout("official_simsiam_resnet50_checkpoint")
    own = [s for n, s in rows.items() if not n.endswith(("mean", "var", "tracked"))]
    assert len(rows) == 343 and sum(map(np.prod, own)) == 38_201_408


def test_every_name_of_an_official_checkpoint_finds_its_place(whole):
    state, method = whole
    sources = put_in(method, state)
    kept = [name for name in state if not name.endswith("tracked")]
    assert sorted(sources.values()) == sorted(kept)
    parts, get = method.parts, lambda key: state[f"module.{key}"]
    wanted = {
        "projector_dense1": ("kernel", get("encoder.fc.0.weight").T),
        "projector_norm2": ("beta", get("encoder.fc.4.bias")),
        "projector_dense3": ("bias", get("encoder.fc.6.bias")),
        "projector_norm3": ("moving_variance", get("encoder.fc.7.running_var")),
        "predictor_dense1": ("kernel", get("predictor.0.weight").T),
        "predictor_dense2": ("kernel", get("predictor.3.weight").T),
    }
    for name, (kind, array) in wanted.items():
        np.testing.assert_array_equal(getattr(parts[name], kind), array, err_msg=name)
    kernel = method.backbone.get_layer("stage3_block4_conv2").kernel
    theirs = get("encoder.layer3.3.conv2.weight")
    np.testing.assert_array_equal(kernel, theirs.transpose(2, 3, 1, 0))


def test_every_name_of_the_ablations_checkpoint_finds_its_place(study):
    state, method = study
    found = simsiam.distinct(state)
    assert len(state) == 291 and len(found) == 120 + 21 + 9
    sources = put_in(method, found)
    assert not [name for name in sources.values() if name.startswith("encoder")]
    bias = method.parts["projector_dense2"].bias
    np.testing.assert_array_equal(bias, state["projector.layer2.0.bias"])
    gamma = method.parts["predictor_norm1"].gamma
    np.testing.assert_array_equal(gamma, state["predictor.layer1.1.weight"])


def test_what_the_ablation_trains_is_what_we_train(study):
    order = official.layout("ablation_simsiam_resnet18_224_trainable_order")
    state, _ = study
    method = SimSiam(
        resnet(SHAPE, 18, 4), head="ablation", dim=64, hidden=64, predictor=16
    )
    sources = put_in(method, simsiam.distinct(state))
    ours = [sources[v.path] for v in method.trainable_variables]
    assert len(order) == 78 and sorted(ours) == sorted(order)
    assert ours[0] == order[0] == "backbone.conv1.weight" and ours[-1] == order[-1]


def test_second_names_alone_do_and_must_not_differ(study):
    state, method = study
    second = {
        name: x
        for name, x in state.items()
        if not name.startswith(("backbone.", "projector."))
    }
    assert simsiam.distinct(second).keys() == simsiam.distinct(state).keys()
    state["encoder.0.conv1.weight"] = state["encoder.0.conv1.weight"] + 1
    state["encoder.1.layer3.0.bias"] = state["encoder.1.layer3.0.bias"] * 2
    with pytest.raises(BadInput, match="2 arrays are saved twice and differ") as caught:
        simsiam.distinct(state)
    assert "encoder.0.conv1.weight" in str(caught.value)


def test_the_heads_of_the_other_code_are_misfits(whole, study):
    for (state, _), (_, method) in ((whole, study), (study, whole)):
        before = [v.numpy() for v in method.weights]
        with pytest.raises(BadInput, match="misfits, nothing imported") as caught:
            put_in(method, simsiam.distinct(state))
        assert "\n" not in str(caught.value)
        for variable, old in zip(method.weights, before, strict=True):
            np.testing.assert_array_equal(variable, old)


def test_the_official_linear_checkpoint_has_torchvisions_names(whole):
    state, method = whole
    start = "module.encoder."
    trunk = {
        name.replace("encoder.", ""): x
        for name, x in state.items()
        if name.startswith(start) and not name.startswith(f"{start}fc")
    }
    head = official.state(official.classifier(64, 10, "module.fc"))
    linear = Supervised(method.backbone, 10)
    sources = put_in(linear, trunk | head)
    assert sources["head/kernel"] == "module.fc.weight"
    np.testing.assert_array_equal(linear.head.kernel, head["module.fc.weight"].T)


def test_fine_tuned_networks_have_a_prefix():
    rows = narrow(official.layout("resnet18_torchvision"), 16)
    rows |= official.classifier(32, 40)
    state = {f"cnn.{name}": x for name, x in official.state(rows).items()}
    method = Supervised(resnet(SHAPE, 18, 4), 40)
    assert put_in(method, state)["head/bias"] == "cnn.fc.bias"


def tiny_vit(size):
    return vit((size, size, 3), 8, 24, 2, 3, 3.0, False, 1e-5)


def test_positions_of_another_image_size_are_resized_on_import():
    with np.load(official.GOLDEN / "e_vit_timm_tiny.npz") as golden:
        state = {k[2:]: golden[k] for k in golden.files if k.startswith("w/")}
    small, large = (Supervised(tiny_vit(size), 5) for size in (32, 64))
    for method in (small, large):
        put_in(method, state)
    tables = [m.backbone.get_layer("position").table.numpy() for m in (small, large)]
    assert tables[1].shape == (1 + 64, 24)
    np.testing.assert_array_equal(tables[1][0], tables[0][0])
    corners = [1, 4, 13, 16], [1, 8, 57, 64]
    np.testing.assert_allclose(tables[1][corners[1]], tables[0][corners[0]], atol=1e-6)


def test_arrays_that_are_no_such_thing_are_misfits():
    method = Supervised(pit(SHAPE, 8, 4, 4, (2, 4, 8), (1, 2, 1)), 5)
    rules = trunks.rules(method.backbone)
    for name, shape, told in (
        ("cls_token", (2, 1, 8), "does not begin with 1"),
        ("pos_embed", (1, 8, 49), "is not of 3 axes"),
        ("transformers.0.pool.conv.weight", (15, 1, 3, 3), "no multiple of 2"),
    ):
        with pytest.raises(BadInput, match=told):
            port.target(name, np.zeros(shape), rules)
    with pytest.raises(BadInput, match="is no 1x1 convolution"):
        trunks.pointwise(np.zeros((8, 4, 3, 3)))


def test_a_depthwise_kernel_keeps_the_filters_of_a_channel_together(rng):
    kernel = rng.normal(size=(6, 1, 3, 3))  # three channels, two filters each
    ours = trunks.depthwise(2)(kernel)
    assert ours.shape == (3, 3, 3, 2)
    for channel in range(3):
        for filter in range(2):
            theirs = kernel[2 * channel + filter, 0]
            np.testing.assert_array_equal(ours[:, :, channel, filter], theirs)


def imagenet_vit(**more):
    rows = official.layout("backbone_vit_224") | official.classifier(768, 1000, "head")
    return {n: np.broadcast_to(np.float32(0), s) for n, s in (rows | more).items()}


def test_timms_imagenet_vit_is_known_by_its_shapes():
    told = lambda arrays: trunks.scaled_by_width(arrays)
    assert told(imagenet_vit())
    assert told({f"module.{name}": x for name, x in imagenet_vit().items()})
    assert not told(imagenet_vit(**{"head.weight": (40, 768)}))
    assert not told(imagenet_vit(**{"blocks.0.attn.qkv.bias": (2304,)}))
    assert not told(imagenet_vit(**{"blocks.8.norm1.weight": (768,)}))
    assert not told(official.state({"fc.weight": (10, 4)}))
