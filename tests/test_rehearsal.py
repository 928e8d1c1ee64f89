"""How many training images a plan counts, with no data at hand."""

import pytest

from ssl_tf import config, experiment, rehearsal


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
