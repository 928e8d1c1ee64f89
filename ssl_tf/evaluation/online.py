"""Cheap monitors between epochs: kNN, a probe and the rank, on a fixed few images."""

import warnings

import numpy as np
import tensorflow as tf

from ssl_tf.augment.recipes import unit as in_unit_range
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import coefficients, collapse, features, softmax
from ssl_tf.evaluation.knn import nearest, unit, votes
from ssl_tf.evaluation.linear import scaled

RANKED = 1024  # rows of the singular value decomposition, at most
PROBE_RATE = 3e-3


class Online:
    """Monitors of a method's frozen features, compiled once, on images kept as uint8.

    Nothing flows back into the training: features are constants here. On several
    replicas the first one's weights answer.

    Args:
        method: `Method` in training.
        train: `pipeline.Images`; their images are the bank.
        test: `pipeline.Images`; judged on.
        bank: int, training images at most.
        queries: int, test images at most.
        k: int, neighbours that vote.
        temperature: of the votes.
        probe: epochs of the linear probe on the bank; 0 leaves it out.
        level: of `method.representations`.
        batch_size: int, images a forward pass.
        xla: compile with XLA.
        seed: of the draws of images; the same ones every time.
        coefficients_mib: keep the scattering coefficients of these images, so that only
            what follows them is computed again; in MiB at most. `None` keeps images.

    Raises:
        BadInput: coefficients of more than that, or of a network that has none.

    Without classes, on either side, only the monitors of collapse are left.
    """

    def __init__(
        self,
        method,
        train,
        test,
        *,
        bank=4096,
        queries=1024,
        k=20,
        temperature=0.1,
        probe=20,
        level="features",
        batch_size=256,
        xla=False,
        seed=0,
        coefficients_mib=None,
    ):
        self.classes = len(train.source.classes)
        self.bank, self.label = drawn(train, bank, seed)
        self.queries, self.truth = drawn(test, queries, seed)
        self.k = min(k, len(self.bank))
        self.temperature = temperature
        self.probe = probe
        self.batch_size = min(batch_size, max(len(self.bank), len(self.queries)))
        self.seed = seed
        shown = lambda images: train.normal.by_rows(
            in_unit_range(images)
        )  # [B, H, W, 3]
        compiled = lambda function: tf.function(function, jit_compile=xla)
        if coefficients_mib is None:
            last = lambda images: method.representations(shown(images))[level]
        else:
            fixed, rest = coefficients.parts(method.backbone, level)
            images = len(self.bank) + len(self.queries)
            coefficients.check_size(fixed, images, coefficients_mib)
            self.function = compiled(lambda images: fixed(shown(images)))
            self.bank = self.features(self.bank)
            self.queries = self.features(self.queries)
            last = lambda maps: rest(maps, training=False)
        self.function = compiled(lambda rows: tf.cast(last(rows), tf.float32))

    def __call__(self):
        """`{"knn": share, "probe": share, "effective_rank", "spread": in [0, 1]}`.

        No number stops the training: of features that are not finite there is none, of
        constant ones neither kNN nor probe; a warning says so.
        """
        bank, queries = self.features(self.bank), self.features(self.queries)
        found = {}
        try:
            features.finite(bank, "features")
            features.finite(queries, "features")
            found["effective_rank"] = collapse.effective_rank(bank[:RANKED])
            found["spread"] = float(collapse.spread(unit(bank)))
            features.checked(bank)
        except BadInput as error:
            warnings.warn(f"online monitors: {error}", stacklevel=2)
            return found
        if min(self.label.min(), self.truth.min()) < 0 or self.classes < 2:
            return found
        found["knn"] = self.neighbours(bank, queries)
        if self.probe:
            found["probe"] = self.linear(bank, queries)
        return found

    def features(self, images):
        """float32 `[N, ...]`; every forward pass has the same shape."""
        rows = []
        for start in range(0, len(images), self.batch_size):
            part = images[start : start + self.batch_size]
            filled = np.resize(part, (self.batch_size, *part.shape[1:]))
            rows.append(self.function(tf.constant(filled)).numpy()[: len(part)])
        return np.concatenate(rows)

    def neighbours(self, bank, queries):
        """Share of queries whose neighbours vote for their class."""
        similarity, places = nearest(queries, bank, self.k)
        near = self.label[places]
        scores = votes(similarity, near, self.classes, self.temperature)
        return float((scores.argmax(axis=1) == self.truth).mean())

    def linear(self, bank, queries):
        """Accuracy of a softmax layer after a few epochs on standardised features."""
        bank, queries = bank.copy(), queries.copy()
        scaled(bank, queries)
        start = softmax.keras_start(bank.shape[1], self.classes, self.seed)
        trainer = softmax.Trainer(start, softmax.Adam(PROBE_RATE))
        draw = np.random.default_rng(self.seed)
        for _ in range(self.probe):
            trainer.epoch(bank, self.label, draw.permutation(len(bank)))
        hits = trainer.weights(queries).argmax(axis=1) == self.truth
        return float(hits.mean())


def drawn(images, count, seed):
    """`(uint8 [n, size, size, 3], label [n])` of up to `count` images of a split."""
    draw = np.random.default_rng(seed)
    size = images.source.size
    places = np.sort(draw.permutation(size)[:count])
    return features.pixels(images, places), images.source.class_label[places]
