"""The common linear probe: logistic regression to convergence, L2 chosen held-out."""

import warnings

import numpy as np

from ssl_tf.data import source as sources
from ssl_tf.evaluation import scoring
from ssl_tf.evaluation import store as stores
from ssl_tf.schema import Count, Fraction, Positive, Whole

SWEEP = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


def linear(
    method,
    train,
    test,
    store=None,
    level: str | list[str] = "features",
    standardise: bool = True,
    l2: list[Positive] = SWEEP,
    held_out: Fraction = 0.1,
    iterations: Count = 1000,
    tolerance: Positive = 1e-4,
    seed: Whole = 0,
):
    """Linear probe: logistic regression to convergence, L2 chosen on held-out images.

    Minimises the mean cross-entropy plus l2 / 2 times the squared kernel (the bias is
    free) with L-BFGS on frozen features. The L2 is the one with the best accuracy on a
    class-balanced share of the training images, tried from the largest on until two in
    a row are worse, larger ones first on ties; the classifier is then fitted on all.
    The backbone was trained on that share, too (without its labels where it is
    self-supervised): `held_out_accuracy` is not of unseen images, `accuracy` is.

    Args:
        method: `Method`, trained; it stays as it is.
        train: `pipeline.Images` with labels.
        test: `pipeline.Images` with labels of the same classes.
        store: `Store` of the method's features; `None` computes them anew.
        level: of `method.representations`; several in a list.
        standardise: subtract the mean and divide by the deviation of the training
            features, each dimension for itself.
        l2: factors to try; one alone is taken as it is.
        held_out: share of the training images that chooses.
        iterations: of L-BFGS, at most, each fit.
        tolerance: largest entry of the gradient of the mean loss at convergence.
        seed: of the held-out draw.

    Returns:
        `{"accuracy", "top5", "per_class" [C], "l2", "l2_at_edge", "converged",
        "iterations", "held_out_accuracy"}`; accuracies are shares, the two yes-or-no
        values 0 or 1, the last missing where nothing was chosen. For several levels
        each name has its level before it.

    Raises:
        BadInput: images without labels, one class only, or no such level.
    """
    store = store or stores.Store(method)
    label = scoring.several(scoring.labels(train, "linear"), "linear")
    truth = scoring.labels(test, "linear")
    classes = scoring.classes_of(train, test)
    factors = sorted(l2, reverse=True)
    rest, held = divided(train, held_out, seed) if len(factors) > 1 else (None, None)
    fit = Fit(iterations, tolerance, classes)

    def probe(one):
        x, y = (np.array(store(images, one), np.float32) for images in (train, test))
        scaled(x, y) if standardise else centred(x, y)
        values, best = {}, factors[0]
        if len(factors) > 1:
            tried = sweep(fit, factors, (x[rest], label[rest]), (x[held], label[held]))
            best = max(tried, key=tried.get)
            ends = (factors[0], factors[-1])
            values = {"held_out_accuracy": tried[best], "l2_at_edge": int(best in ends)}
        model, converged = fit(x, label, best)
        values |= {"l2": best, "converged": int(converged)}
        values |= {"iterations": int(np.max(model.n_iter_))}
        return scoring.summary(fit.scores(model, y), truth) | values

    return scoring.by_level(level, probe)


def divided(images, share, seed):
    """`(places to fit on, places held out)`, drawn class by class."""
    places = np.arange(images.source.size)
    rest, held = sources.hold_out(images.source._replace(images=places), share, seed)
    return rest.images, held.images


def scaled(x, *others):
    """Standardises float32 rows in place by the moments of `x`.

    As scikit-learn's `StandardScaler`: population variance, constants divided by 1.
    """
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x)  # in float64
    for rows in (x, *others):
        rows -= scaler.mean_
        rows /= scaler.scale_


def centred(x, y):
    """Subtracts the mean of `x` from float32 rows in place.

    The free bias makes it the same problem, with more of float32's digits left.
    """
    mean = x.mean(axis=0, dtype=np.float64)
    for rows in (x, y):
        rows -= mean


def sweep(fit, factors, inside, outside):
    """`{l2: accuracy on the held-out rows}`, from the strongest to the weakest.

    Each fit begins where the one before ended: stronger penalties converge fast. It
    ends when two in a row did not reach the best one, since the weakest take longest.
    """
    found, model = {}, None
    for factor in factors:
        model, _ = fit(*inside, factor, model)
        hits = fit.scores(model, outside[0]).argmax(axis=1) == outside[1]
        found[factor] = float(hits.mean())
        if max([*found.values()][-2:]) < max(found.values()):
            break
    return found


class Fit:
    """Fits of scikit-learn's multinomial logistic regression.

    Args:
        iterations: int, at most.
        tolerance: float, of the gradient.
        classes: int, all of the data set.
    """

    def __init__(self, iterations, tolerance, classes):
        self.iterations = iterations
        self.tolerance = tolerance
        self.classes = classes

    def __call__(self, x, label, l2, start=None):
        """`(model, whether it converged)`; begins at another model's weights."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        model = start or LogisticRegression(warm_start=True, max_iter=self.iterations)
        # scikit-learn adds losses up; ours is their mean.
        model.set_params(C=1 / (l2 * len(x)), tol=self.tolerance)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            model.fit(x, label)
        failed = any(issubclass(w.category, ConvergenceWarning) for w in caught)
        return model, not failed

    def scores(self, model, x):
        """`[N, C]` logits; minus infinity for classes without a training image."""
        logits = model.decision_function(x)
        if logits.ndim == 1:  # two classes
            logits = np.stack([-logits, logits], axis=1)
        scores = np.full((len(x), self.classes), -np.inf)
        scores[:, model.classes_] = logits
        return scores
