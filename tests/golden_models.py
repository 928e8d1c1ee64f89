"""The authors' models of the golden arrays, built from our configs."""

import functools
from pathlib import Path

import numpy as np
from golden_weights import fill

from ssl_tf import config, experiment, opening

GOLDEN = Path(__file__).parent / "golden" / "ssal"
WIDE = ["backbone.name=wide_resnet", "backbone.depth=10", "backbone.width=2"]
TINY_WRN = [
    *WIDE,
    "method.branches.0.tap=stem_relu",
    "method.branches.1.tap=pool1",
    "method.branches.2.tap=stage2_block1",
]
TINY_DENSE = ["backbone.name=densenet", "backbone.depth=22", "backbone.growth=12"]
TINY_DENSE_SSAL = [*TINY_DENSE, "method.branches.0.tap=stage1_block3"]

# golden name -> (family of the roles, config, overrides)
MODELS = {
    "resnet18_baseline": ("preact_resnet", "supervised/resnet18_cifar100", []),
    "resnet18_ssal_x2_paper_table1": ("preact_resnet", "ssal/resnet18_cifar100", []),
    "resnet50_baseline": ("preact_resnet", "supervised/resnet50_cifar100", []),
    "resnet50_ssal": ("preact_resnet", "ssal/resnet50_cifar100", []),
    "wrn28-10_baseline": ("wrn", "supervised/wrn28_10_cifar100", []),
    "wrn28-10_ssal": ("wrn", "ssal/wrn28_10_cifar100", []),
    "wrn10-2_ssal_tiny": ("wrn", "ssal/wrn28_10_cifar100", TINY_WRN),
    "se-wrn16-8_baseline": ("wrn", "supervised/se_wrn16_8_cifar100", []),
    "se-wrn16-8_ssal_reconstructed": ("wrn", "ssal/se_wrn16_8_cifar100", []),
    "se-wrn10-2_tiny": (
        "wrn",
        "supervised/se_wrn16_8_cifar100",
        [*WIDE, "backbone.se=true"],
    ),
    "densenet190-40_baseline": ("densenet", "supervised/densenet190_cifar100", []),
    "densenet190-40_ssal": ("densenet", "ssal/densenet190_cifar100", []),
    "densenet22-12_ssal_tiny": (
        "densenet",
        "ssal/densenet190_cifar100",
        TINY_DENSE_SSAL,
    ),
}


def parts(name):
    """`experiment.Parts` of a golden model's config."""
    _, setting, overrides = MODELS[name]
    path = config.home() / "configs" / f"{setting}.yaml"
    return experiment.check(config.load(path, overrides=overrides))


def build(name):
    """The method with golden weights, and its optimizer built on them."""
    bound = parts(name)
    method = experiment.build(bound, opening.settle_groups(bound.method, None), 100, 32)
    fill(method, MODELS[name][0])
    optimizer = bound.optimizer()
    optimizer.build(method.trainable_variables)
    return method, optimizer


@functools.cache
def arrays(name):
    """The arrays of `tests/golden/ssal/<name>.npz`."""
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def relative(ours, theirs):
    """Largest difference over the largest value of theirs."""
    return float(np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max())
