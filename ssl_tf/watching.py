"""What a run is judged by between epochs, and when it is over or has collapsed."""

import numpy as np

from ssl_tf.data import pipeline
from ssl_tf.errors import BadInput, have
from ssl_tf.evaluation.online import Online
from ssl_tf.evaluation.terms import Evaluator
from ssl_tf.ops import distribute

ENOUGH = 0.5  # spread of unit vectors below which they are collapsing
PATIENT = 20  # updates in a row


class Judge:
    """Scores of a method in training on its held-out images.

    Single images have the method's scores, and an online kNN if asked for. A loss that
    compares views is computed on augmented views of the validation images, of the
    training recipes, in full batches: others at each evaluation, the same in a resumed
    run.

    Args:
        loop: `Loop`.
        opened: `opening.Opened`.
        recipes: list of `Recipe`.
        settings: `sections.Train`.
    """

    def __init__(self, loop, opened, recipes, settings):
        self.loop = loop
        self.opened = opened
        self.recipes = recipes
        self.settings = settings
        self.split = "test" if opened.validation is None else "validation"
        self.online = self.views = None

    def check(self, term):
        """Raises BadInput unless a score, to be `train.best`, will be measured."""
        method, names = self.loop.method, list(self.loop.method.scores)
        held = self.opened.validation
        if method.views > 1 and held and held.size >= self.settings.batch_size:
            names += method.terms
        online = self.settings.knn and str(term).startswith("online_")
        if term is not None and term not in names and not online:
            raise BadInput(
                f"train.best: {term!r} is not measured on held-out images. Have: "
                f"{have(names)}."
            )

    def __call__(self, done):
        """`{name: float}` after `done` epochs."""
        images = self.opened.plain(self.split)
        values = self.loop.evaluator(images)
        if self.loop.method.views > 1 and self.split == "validation":
            values = self.compared(done) | values
        if self.settings.knn:
            if self.online is None:
                train, bank = self.opened.plain("train"), self.settings.knn
                method = self.loop.method
                self.online = Online(method, train, images, bank=bank, probe=0)
            found = self.online()
            values |= {f"online_{name}": value for name, value in found.items()}
        return values

    def compared(self, done):
        """Means of the method's terms over augmented views, `{}` below one batch."""
        source, batch = self.opened.validation, self.settings.batch_size
        steps = source.size // batch
        if not steps:
            return {}
        if self.views is None:
            rows = np.arange(steps * batch, dtype=np.int64).reshape(steps, batch)
            first = (done - 1) // max(self.settings.evaluate_every, 1)
            dataset = lambda part: pipeline.views(
                source,
                self.recipes,
                lambda epoch: rows,
                self.opened.normal,
                seed=pipeline.HELD_OUT + self.settings.seed,
                size=self.opened.size,
                fit=self.opened.fit,
                part=part,
                start=(first, 0),
            )
            self.views = iter(distribute.deal(self.loop.strategy, dataset))
            method, strategy = self.loop.method, self.loop.strategy
            self.terms = Evaluator(method, strategy, batch, compare=True)
        return self.terms.of_batches(self.views, steps)


class Collapse:
    """Warns once when the projections of all images become one.

    Args:
        names: terms of the method, in log order.
        warn: `text -> None`.
    """

    def __init__(self, names, warn):
        self.place = names.index("spread") if "spread" in names else None
        self.warn = warn
        self.low = 0

    def __call__(self, terms, step):
        """`terms` `[K, T]` of the updates from `step` on."""
        if self.place is None or self.low >= PATIENT:
            return
        for i, spread in enumerate(terms[:, self.place]):
            self.low = self.low + 1 if spread < ENOUGH else 0
            if self.low == PATIENT:
                self.warn(
                    f"step {step + i}: the projections are collapsing (spread "
                    f"{spread:.2f} of 1 for {PATIENT} updates); try a smaller "
                    "optimizer.learning_rate, a larger batch, stronger views, or "
                    "check the stop-gradient."
                )
                return


def evaluated(rows, name):
    """Numbers of a column of the history, of the epochs that have one."""
    return [float(row[name]) for row in rows if row.get(name) not in (None, "")]


def score(term, value):
    """The value of a term so that larger is better."""
    return -value if "loss" in term else value


def stale(rows, settings):
    """Whether `patience` evaluations brought no new best.

    Args:
        rows: of the history, oldest first; values may be text.
        settings: `sections.Train`.
    """
    if settings.patience is None:
        return False
    values = evaluated(rows, f"validation_{settings.best}")
    if not values:
        return False
    scores = [score(settings.best, value) for value in values]
    best = scores.index(max(scores))  # the first of equals
    return len(scores) - 1 - best >= settings.patience


def reduced(rows, rate, settings, split):
    """The factor that the plateaus of the evaluations so far put on a rate.

    Args:
        rows: of the history, oldest first.
        rate: float > 0, the peak.
        settings: `sections.Plateau`, or `None`.
        split: of the loss that must fall.
    """
    if settings is None:
        return 1.0
    best, waited, now = np.inf, 0, rate
    for loss in evaluated(rows, f"{split}_loss"):
        waited += 1
        if loss < best * (1 - settings.threshold):
            best, waited = loss, 0
        if waited > settings.patience:
            now, waited = min(now, max(now * settings.factor, settings.least)), 0
    return now / rate
