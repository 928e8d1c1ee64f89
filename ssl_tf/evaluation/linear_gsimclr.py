"""G-SimCLR's linear evaluation: a softmax layer, Adam, stopped by a held-out loss."""

from typing import Literal

import numpy as np

from ssl_tf.evaluation import features, scoring, softmax
from ssl_tf.evaluation import store as stores
from ssl_tf.evaluation.linear import divided
from ssl_tf.schema import Annotated, Count, Positive, Range, Whole

Part = Annotated[float, Range(above=0, below=1)]


def linear_gsimclr(
    method,
    train,
    test,
    store=None,
    level: str | list[str] = ("p1", "p2", "p3"),
    validation: Literal["held_out", "test"] = "held_out",
    held_out: Part = 0.1,
    epochs: Count = 100,
    patience: Count = 2,
    batch_size: Count = 64,
    learning_rate: Positive = 1e-3,
    seed: Whole = 0,
):
    """G-SimCLR's linear evaluation of levels P1, P2, P3: Adam, early stopping.

    One Dense layer with softmax on features as they are, no weight decay, images in a
    new order every epoch; ends when the validation loss has not fallen for `patience`
    epochs and takes the weights of its lowest.

    Args:
        method: `Method`, trained; it stays as it is.
        train: `pipeline.Images` with labels.
        test: `pipeline.Images` with labels of the same classes.
        store: `Store` of the method's features; `None` computes them anew.
        level: of `method.representations`; several in a list.
        validation: what stops the training. "held_out": a class-balanced share of the
            training images; the test images are looked at once. "test": the test
            images themselves, as the authors do, which reports a best of epochs.
        held_out: that share.
        epochs: at most.
        patience: epochs without a lower validation loss.
        batch_size: int.
        learning_rate: of Adam in Keras' form.
        seed: of the start, the orders and the held-out draw.

    Returns:
        `{"accuracy", "top5", "per_class" [C], "validation_loss" in nats, "epochs" run,
        "best_epoch" from 1}`, with the level's name before each for several levels.

    Raises:
        BadInput: images without labels, one class only, or no such level.

    Source:
        G-SimCLR, arXiv:2009.12007, linear evaluation; constants and early stopping
        from the authors' notebooks, which validate on the test set.
    """
    store = store or stores.Store(method)
    levels = [level] if isinstance(level, str) else level
    label = scoring.several(scoring.labels(train, "linear_gsimclr"), "linear_gsimclr")
    truth = scoring.labels(test, "linear_gsimclr")
    classes = scoring.classes_of(train, test)
    rest = held = None
    if validation == "held_out":
        rest, held = divided(train, held_out, seed)
    found = dict(zip(levels, zip(store.many(train, levels), store.many(test, levels))))

    def probe(one):
        x, y = (np.array(rows, np.float32) for rows in found[one])
        inside, outside = (x, label), (y, truth)
        if validation == "held_out":
            inside, outside = (x[rest], label[rest]), (x[held], label[held])
        start = softmax.keras_start(x.shape[1], classes, seed)
        adam = softmax.Adam(learning_rate)
        trainer = softmax.Trainer(start, adam, batch_size)
        weights, facts = stopped(trainer, inside, outside, epochs, patience, seed)
        return scoring.summary(weights(y), truth) | facts

    return scoring.by_level(level if isinstance(level, str) else levels, probe)


def stopped(trainer, inside, outside, epochs, patience, seed):
    """Trains until the loss on `outside` stops falling.

    Args:
        trainer: `softmax.Trainer`.
        inside: `(x, label)` trained on.
        outside: `(x, label)` that stops it.
        epochs: int, at most.
        patience: int, epochs without a new lowest loss that end it.
        seed: int, of the orders.

    Returns:
        `(weights of the lowest loss, {"validation_loss", "epochs", "best_epoch"})`.

    Raises:
        BadInput: no loss was finite.
    """
    draw = np.random.default_rng(seed)
    lowest, best, kept = np.inf, 0, trainer.weights.copy()
    for epoch in range(1, epochs + 1):
        trainer.epoch(*inside, draw.permutation(len(inside[1])))
        loss = softmax.loss(trainer.weights, *outside)
        if loss < lowest:
            lowest, best, kept = loss, epoch, trainer.weights.copy()
        elif epoch - best >= patience:
            break
    features.finite([lowest], "predictions")
    return kept, {"validation_loss": lowest, "epochs": epoch, "best_epoch": best}
