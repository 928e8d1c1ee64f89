"""How many training images a plan counts, with no data at hand."""

import pytest

from ssl_tf import config, experiment, plan, rehearsal


def counted(overrides, base=("simclr", "cifar_resnet38", "cifar10")):
    spec = config.load(config.find(*base), overrides=overrides)
    return rehearsal.known(experiment.check(spec), None)[2]


@pytest.mark.parametrize(
    "overrides, images",
    [
        ([], 50_000),
        (["data.validation=0.1"], 45_000),
        (["data.validation=test"], 50_000),
        (["data.validation=authors"], 40_000),
        (["data.name=celeba", "data.validation=official"], 162_770),
        (["data.name=celeba", "data.classes=[Bald, Male]"], 162_770),
        (["data.limit=300"], 300),
        (["data.per_class=20"], 200),
        (["data.share=0.01"], 500),
        (["data.share=authors"], 5_000),
        (["data.validation=0.2", "data.share=0.1"], 4_000),
        (["data.name=cifar20"], 50_000),
        (["data.name=stl10"], 5_000),
        (["data.name=stl10", "data.pool=unlabeled"], 100_000),
        (
            ["data.validation=0.05", "data.name=stl10", "data.pool=train+unlabeled"],
            99_750,
        ),
        (["data.name=stl10", "data.fold=3"], 1_000),
        (["data.name=imagenet5"], 1_250),
    ],
)
def test_training_images_are_counted_as_they_will_be_read(overrides, images):
    assert counted(overrides) == images


def test_a_plan_says_where_the_studys_rates_run_out():
    """Counted by the study's authors, too: 31,700 rates for 31,800 steps, 99 epochs."""
    path = config.find("simsiam", "pit_tiny", "celeba")
    said = {}
    for variant in (None, "faithful"):
        parts = experiment.check(config.load(path, variant))
        steps = experiment.updates(parts, 162_770)
        said[variant] = (steps, " ".join(plan.short(parts, steps)))
    assert said[None] == (317, "")
    steps, warning = said["faithful"]
    assert steps == 10_174
    assert "31,700 rates" in warning and "31,800 in all" in warning
    assert "after epoch 99 of 100" in warning
