"""A classifier on the pre-trained backbone, trained on a share of the labels."""

from typing import Any, Literal

from ssl_tf.errors import BadInput
from ssl_tf.schema import Count, Fraction, Portion, Positive, Whole

ADAM = {"name": "adam", "form": "keras", "epsilon": 1e-7}


def finetune(
    tune,
    share: Portion | str | None = 0.1,
    draw: Whole = 0,
    warmup: Whole = 35,
    epochs: Whole = 35,
    batch_size: Count = 64,
    warmup_rate: Positive = 1e-3,
    learning_rate: Positive = 1e-5,
    validation: Fraction | Literal["official", "authors", "test"] = 0.1,
    patience: Count | None = 2,
    still: bool = True,
    scratch: bool = False,
    views: list[dict[str, Any]] = ({"name": "plain"},),
    seed: Whole | None = None,
    optimizer: dict[str, Any] = ADAM,
):
    """Fine-tuning: a classifier on few labels, first alone, then with the backbone.

    Both stages are runs of their own below `<run>/finetune/`, which resume. The
    defaults are G-SimCLR's, but for held-out images drawn from the few training images
    instead of the test set.

    Args:
        tune: supplied; trains one stage.
        share: of the training images, see `lists.share_of`; `None` takes all.
        draw: seed of the share.
        warmup: epochs with the backbone frozen, at most; 0 leaves this stage out.
        epochs: with all weights, at most; 0 leaves the backbone as it is.
        batch_size: images an update.
        warmup_rate: learning rate of the first stage.
        learning_rate: of the second.
        validation: share of the few images held out to stop early; "test" judges by
            the test images, as the authors do; others see `sections.Data`.
        patience: epochs without a smaller loss after which a stage stops; `None` does
            all.
        still: batch norm keeps the pre-trained statistics; else those of the batch.
        scratch: start from random weights instead: what pre-training is compared with.
        views: recipe of the training images, one section.
        seed: of the weights and the order; `None` takes the run's.
        optimizer: section of both stages but for the rate; may hold a `schedule`, a
            `plateau` and `per`. The SimSiam study has SGD with momentum 0.9.

    Returns:
        `{"accuracy": share of test images, "validation_accuracy": of held-out ones,
        "warmup_accuracy", "warmup_validation_accuracy": after the first stage,
        "images": trained on}`. Of images with attributes all that the evaluation
        `multilabel` measures, instead of the accuracy.

    Raises:
        BadInput: no labels, fewer images than a batch, or no epochs.

    Source:
        G-SimCLR, arXiv:2009.12007, by its code; 10 % of the labels as in SimCLR,
        arXiv:2002.05709, sec. 5. `warmup: 0` and all labels is what the SimSiam study
        does; `epochs: 0` is a linear probe on augmented images, as SimSiam's.
    """
    if not epochs and (scratch or not warmup):
        raise BadInput("finetune.epochs: is 0, and there is no warm-up: no training.")
    seed = tune.seed if seed is None else seed
    data = {"share": share, "draw": draw, "validation": validation, "order": "shuffled"}

    def stage(name, rate, longest, init):
        train = {"batch_size": batch_size, "epochs": longest, "seed": seed, "knn": 0}
        if patience is not None and validation:
            train |= {"best": "loss", "patience": patience}
        return tune(
            name,
            {
                "data": data,
                "views": [dict(view) for view in views],
                "optimizer": optimizer | {"learning_rate": rate},
                "train": train,
            },
            init,
        )

    init = None if scratch else {"still": still}
    found = {}
    if warmup and not scratch:
        done = stage("warmup", warmup_rate, warmup, {"freeze": True})
        found = {f"warmup_{name}": value for name, value in done["values"].items()}
        found |= done["values"]
        init = {"run": done["folder"], "parts": "all", "still": still}
    if epochs:
        done = stage("all", learning_rate, epochs, init)
        found |= done["values"]
    return found | {"images": done["images"]}
