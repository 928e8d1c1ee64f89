"""Names of torchvision's and timm's networks, as the papers' backbones are saved."""

import re

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.layers.tokens import resized
from ssl_tf.weights.port import WRAPPED, Rule, conv, dense, linear, norm, turned

COUNTERS = Rule(r"(?:.*\.)?num_batches_tracked", "")
CLASSIFIER = r"(?:fc|classifier|head|mlp_head\.1)\.(?:weight|bias)"

# What self-supervised methods save before a backbone's names, and beside it: MoCo its
# query encoder, a slow copy and a queue; SwAV a projection and prototypes; SimSiam an
# encoder that ends in its projection, and a predictor; OBoW an unused classifier.
INSIDE = r"(?:encoder_q\.|encoder\.)?"
BESIDE = [
    r"(?:encoder_k|projection_head|prototypes|predictor)\..+",
    r"(?:encoder_q\.|encoder\.)?fc.+",
    r"queue(?:_ptr)?",
]


def handles(backbone):
    """Whether there is a table for a backbone."""
    return backbone.name.startswith(tuple(TABLES))


def rules(backbone):
    """Rules for a backbone and the classifier behind it, `head`.

    Args:
        backbone: one that `handles`. Position tables become those of its grid.
    """
    family = next(name for name in TABLES if backbone.name.startswith(name))
    return TABLES[family](backbone)


def prefixed(table, prefix):
    """The same rules behind a regular expression without groups that count."""
    return [rule._replace(pattern=prefix + rule.pattern) for rule in table]


def headless(method, names, prefix):
    """Whether names of a file for a classifier are those of a backbone alone."""
    wanted = WRAPPED + prefix + CLASSIFIER
    found = any(re.fullmatch(wanted, name) or "/" in name for name in names)
    return method.name == "supervised" and handles(method.backbone) and not found


def backbone_rules(backbone):
    """Rules that take a backbone out of MoCo's, SwAV's, SimSiam's and such files.

    What is known to stand beside it is dropped; any other name is a misfit.

    Args:
        backbone: one that `handles`.

    Source:
        Self-Classifier's k-means baselines, arXiv:2103.10994, by its code: spec 5.3.
    """
    beside = [Rule(pattern, "") for pattern in (*BESIDE, CLASSIFIER)]
    return prefixed([*beside, *prefixed(rules(backbone), INSIDE)], WRAPPED)


def scaled_by_width(arrays):
    """Whether a file is timm's ImageNet ViT whose attention is scaled by 768^-1/2.

    Weights do not show it; what tells is the network, which no later file has, with
    its classifier of 1,000. From scratch the same code scales by 96^-1/2. Whatever
    stands before the names of its network is passed over.
    """
    last, head = "blocks.7.attn.qkv.weight", "head.weight"
    later = ("blocks.0.attn.qkv.bias", "blocks.8.norm1.weight")
    return any(
        np.shape(arrays[begin + last]) == (2304, 768)
        and (1000, 768) in [np.shape(x) for n, x in arrays.items() if n.endswith(head)]
        and not any(begin + name in arrays for name in later)
        for begin in (n.removesuffix(last) for n in arrays if n.endswith(last))
    )


def depthwise(multiplier):
    """PyTorch's `[C m, 1, H, W]` as Keras' `[H, W, C, m]`."""

    def change(kernel):
        kernel = turned(kernel, (0, 1, 2, 3))
        if len(kernel) % multiplier:
            raise BadInput(f"has {len(kernel)} filters, no multiple of {multiplier}")
        return kernel.reshape(-1, multiplier, *kernel.shape[2:]).transpose(2, 3, 0, 1)

    return change


def pointwise(kernel):
    """A 1x1 convolution `[O, I, 1, 1]` as the kernel `[I, O]` of a linear layer."""
    if np.shape(kernel)[2:] != (1, 1):
        raise BadInput(f"shape {list(np.shape(kernel))} is no 1x1 convolution")
    return dense(kernel[:, :, 0, 0])


def first(array):
    """The only one of a batch."""
    if np.shape(array)[:1] != (1,):
        raise BadInput(f"shape {list(np.shape(array))} does not begin with 1")
    return array[0]


def token(array):
    return first(first(array))


def positions(backbone):
    """A transform of positions, of tokens or of a map, to those of a backbone."""
    shape = tuple(backbone.get_layer("position").table.shape)

    def change(table):
        table = first(table)
        return resized(turned(table, (1, 2, 0)) if len(shape) == 3 else table, shape)

    return change


RESNET = [
    Rule(r"conv1\.weight", "stem_conv/kernel", conv),
    *norm(r"bn1", "stem_norm"),
    Rule(
        r"layer(\d)\.(\d+)\.conv(\d)\.weight",
        "stage{1}_block{2:+1}_conv{3}/kernel",
        conv,
    ),
    *norm(r"layer(\d)\.(\d+)\.bn(\d)", "stage{1}_block{2:+1}_norm{3}"),
    Rule(
        r"layer(\d)\.(\d+)\.downsample\.0\.weight",
        "stage{1}_block{2:+1}_shortcut_conv/kernel",
        conv,
    ),
    *norm(r"layer(\d)\.(\d+)\.downsample\.1", "stage{1}_block{2:+1}_shortcut_norm"),
    *linear(r"fc", "head"),
    COUNTERS,
]

# The first stage has no expansion, so that its depthwise convolution comes first.
FIRST, LATER = r"blocks\.(0)\.(\d+)", r"blocks\.(\d)\.(\d+)"
BLOCK = "stage{1:+1}_block{2:+1}"
EFFICIENTNET = [
    Rule(r"conv_stem\.weight", "stem_conv/kernel", conv),
    *norm(r"bn1", "stem_norm"),
    Rule(rf"{FIRST}\.conv_dw\.weight", f"{BLOCK}_conv1/kernel", depthwise(1)),
    Rule(rf"{FIRST}\.conv_pw\.weight", f"{BLOCK}_conv2/kernel", conv),
    Rule(rf"{LATER}\.conv_pw\.weight", f"{BLOCK}_conv1/kernel", conv),
    Rule(rf"{LATER}\.conv_dw\.weight", f"{BLOCK}_conv2/kernel", depthwise(1)),
    Rule(rf"{LATER}\.conv_pwl\.weight", f"{BLOCK}_conv3/kernel", conv),
    *norm(rf"{LATER}\.bn(\d)", f"{BLOCK}_norm{{3}}"),
    Rule(rf"{LATER}\.se\.conv_reduce\.weight", f"{BLOCK}_se1/kernel", pointwise),
    Rule(rf"{LATER}\.se\.conv_reduce\.bias", f"{BLOCK}_se1/bias"),
    Rule(rf"{LATER}\.se\.conv_expand\.weight", f"{BLOCK}_se2/kernel", pointwise),
    Rule(rf"{LATER}\.se\.conv_expand\.bias", f"{BLOCK}_se2/bias"),
    Rule(r"conv_head\.weight", "head_conv/kernel", conv),
    *norm(r"bn2", "head_norm"),
    *linear(r"classifier", "head"),
    COUNTERS,
]


def layer_norm(pattern, to):
    """Factor and shift of a PyTorch layer norm."""
    return norm(pattern, to)[:2]


def transformer(theirs, ours):
    """A block of timm's, which PiT's authors use, too."""
    return [
        *layer_norm(rf"{theirs}\.norm1", f"{ours}_norm1"),
        *linear(rf"{theirs}\.attn\.qkv", f"{ours}_qkv"),
        *linear(rf"{theirs}\.attn\.proj", f"{ours}_proj"),
        *layer_norm(rf"{theirs}\.norm2", f"{ours}_norm2"),
        *linear(rf"{theirs}\.mlp\.fc1", f"{ours}_mlp1"),
        *linear(rf"{theirs}\.mlp\.fc2", f"{ours}_mlp2"),
    ]


def tokens(backbone, patches):
    """What ViT and PiT have before and behind their blocks."""
    return [
        Rule(rf"patch_embed\.{patches}\.weight", "patches/kernel", conv),
        Rule(rf"patch_embed\.{patches}\.bias", "patches/bias"),
        Rule(r"cls_token", "class_token/token", token),
        Rule(r"pos_embed", "position/table", positions(backbone)),
        *layer_norm(r"norm", "head_norm"),
        *linear(r"head", "head"),
    ]


def vit(backbone):
    blocks = transformer(r"blocks\.(\d+)", "stage1_block{1:+1}")
    return [*tokens(backbone, "proj"), *blocks]


def patchify(backbone):
    """A transform of a linear layer on patches, colours last, to a convolution."""
    patch = list(backbone.get_layer("patches").kernel.shape[:3])

    def change(kernel):
        kernel = dense(kernel)
        if len(kernel) != np.prod(patch):
            raise BadInput(f"takes {len(kernel)} numbers, a patch has {patch}")
        return kernel.reshape(*patch, -1)

    return change


def vit_minimal(backbone):
    """The study's own ViT: attention and MLP are parts 0 and 1 of a block."""
    theirs, ours = r"transformer\.layers\.(\d+)", "stage1_block{1:+1}"
    change = patchify(backbone)
    return [
        Rule(r"to_patch_embedding\.1\.weight", "patches/kernel", change),
        Rule(r"to_patch_embedding\.1\.bias", "patches/bias"),
        Rule(r"cls_token", "class_token/token", token),
        Rule(r"pos_embedding", "position/table", positions(backbone)),
        *layer_norm(rf"{theirs}\.0\.norm", f"{ours}_norm1"),
        Rule(rf"{theirs}\.0\.fn\.to_qkv\.weight", f"{ours}_qkv/kernel", dense),
        *linear(rf"{theirs}\.0\.fn\.to_out\.0", f"{ours}_proj"),
        *layer_norm(rf"{theirs}\.1\.norm", f"{ours}_norm2"),
        *linear(rf"{theirs}\.1\.fn\.net\.0", f"{ours}_mlp1"),
        *linear(rf"{theirs}\.1\.fn\.net\.3", f"{ours}_mlp2"),
        *layer_norm(r"mlp_head\.0", "head_norm"),
        *linear(r"mlp_head\.1", "head"),
    ]


def pit(backbone):
    """Pools are `transformers.i.pool` in timm, `pools.i` in the authors' code."""
    pools = []
    for i in (0, 1):
        theirs = rf"(?:transformers\.{i}\.pool|pools\.{i})"
        ours = f"pool{i + 1}"
        change = depthwise(backbone.get_layer(f"{ours}_conv").depth_multiplier)
        pools += [
            Rule(rf"{theirs}\.conv\.weight", f"{ours}_conv/kernel", change),
            Rule(rf"{theirs}\.conv\.bias", f"{ours}_conv/bias"),
            *linear(rf"{theirs}\.fc", f"{ours}_dense"),
        ]
    blocks = transformer(
        r"transformers\.(\d)\.blocks\.(\d+)", "stage{1:+1}_block{2:+1}"
    )
    return [*tokens(backbone, "conv"), *blocks, *pools]


TABLES = {
    "resnet": lambda backbone: RESNET,
    "efficientnet": lambda backbone: EFFICIENTNET,
    "vit_minimal": vit_minimal,  # before the name it begins with
    "vit": vit,
    "pit": pit,
}
