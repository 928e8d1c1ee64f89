"""+LC: a linear classifier on all outputs of a trained SSAL model."""

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.evaluation import scoring
from ssl_tf.evaluation.features import extract
from ssl_tf.schema import Count, Positive


def combination(method, train, test, decay: Positive = 1.0, iterations: Count = 200):
    """Accuracy of a softmax classifier on the concatenated output probabilities.

    Args:
        method: `SSAL`, trained; it stays as it is.
        train: `pipeline.Images` the combination is learnt on.
        test: `pipeline.Images`.
        decay: C of scikit-learn's logistic regression, inverse of the L2 penalty.
        iterations: of L-BFGS, at most.

    Returns:
        `{"accuracy": share in [0, 1], "per_class": [C]}`.

    Raises:
        BadInput: a method without branches, images without labels, or one class only.

    Source:
        SSAL, arXiv:2101.03057, table 3, "+LC". It is not in the authors' code; solver
        and penalty are ours.
    """
    if not hasattr(method, "outputs"):
        raise BadInput(f"combination: {method.name} has no branches; use an ssal run.")
    for images in (train, test):
        scoring.same_columns(method, images, "combination")
    outputs = lambda images: method.outputs(images)
    x, y = (
        probabilities(extract(outputs, images, what="predictions"))
        for images in (train, test)
    )
    label = scoring.several(scoring.labels(train, "combination"), "combination")
    truth = scoring.labels(test, "combination")
    hits = learn(x, label, y, decay, iterations) == truth
    share = scoring.per_class(hits, truth, len(test.source.classes))
    return {"accuracy": float(hits.mean()), "per_class": share}


def probabilities(logits):
    """`[N, C + sum of K]` softmax of each output, side by side."""
    sides = []
    for x in logits:
        x = np.asarray(x, np.float64)
        e = np.exp(x - x.max(axis=1, keepdims=True))
        sides.append(e / e.sum(axis=1, keepdims=True))
    return np.concatenate(sides, axis=1)


def learn(x, label, y, decay, iterations):
    """Predicted labels of `y` by logistic regression fitted on `(x, label)`."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=decay, max_iter=iterations)
    return model.fit(x, label).predict(y)
