"""A classifier on the pre-trained backbone, trained on a share of the labels."""

from typing import Any, Literal

from ssl_tf.schema import Count, Fraction, Positive, Whole

ADAM = {"name": "adam", "form": "keras", "epsilon": 1e-7}


def finetune(
    tune,
    share: float | str | None = 0.1,
    draw: Whole = 0,
    warmup: Whole = 35,
    epochs: Whole = 35,
    batch_size: Count = 64,
    warmup_rate: Positive = 1e-3,
    learning_rate: Positive = 1e-5,
    validation: Fraction | Literal["test"] = 0.1,
    patience: Count | None = 2,
    still: bool = True,
    scratch: bool = False,
    views: list[dict[str, Any]] = ({"name": "plain"},),
    seed: Whole = 0,
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
            the test images, as the authors do.
        patience: epochs without a smaller loss after which a stage stops; `None` does
            all.
        still: batch norm keeps the pre-trained statistics; else those of the batch.
        scratch: start from random weights instead: what pre-training is compared with.
        views: recipe of the training images, one section.
        seed: of the weights and the order.
        optimizer: section of both stages but for the rate; may hold a `schedule`, a
            `plateau` and `per`. The SimSiam study has SGD with momentum 0.9.

    Returns:
        `{"accuracy": share of test images, "warmup_accuracy": after the first stage,
        "validation_accuracy": share of held-out images, "images": trained on}`.

    Raises:
        BadInput: no labels, or fewer images than a batch.

    Source:
        G-SimCLR, arXiv:2009.12007, by its code; 10 % of the labels as in SimCLR,
        arXiv:2002.05709, sec. 5. `warmup: 0` and all labels is what the SimSiam study
        does; `epochs: 0` is a linear probe on augmented images, as SimSiam's.
    """
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
        found = {"accuracy": done["accuracy"], "warmup_accuracy": done["accuracy"]}
        init = {"run": done["folder"], "parts": "all", "still": still}
    if epochs:
        done = stage("all", learning_rate, epochs, init)
        found["accuracy"] = done["accuracy"]
    return found | {"images": done["images"]}
