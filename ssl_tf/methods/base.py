"""The one training step of the house. Every method is a `Method`."""

import contextlib

import keras
import tensorflow as tf

from ssl_tf.ops import chance, distribute, recompute, view_major
from ssl_tf.ops.sizes import any_size


class Method(keras.Model):
    """A backbone, and an objective over one batch.

    A subclass says *what* is minimised, in `objective`. *How* it is minimised
    (tape, loss scaling, replicas, logs) is written here, once. `compile` and `fit`
    work as for any Keras model on one device; the commands train with
    `ssl_tf.loop`, which also resumes, accumulates and runs on many.

    Args:
        backbone: `keras.Model`, images `[B, H, W, C]` -> features `[B, F]`.
            The only part that evaluation, fine-tuning and weight import touch.
        taps: names of backbone layers whose outputs `features` returns, too.

    Attributes:
        terms: the names `objective` returns, in log order.
        minimised: those whose sum is minimised.
        scores: the names `score` returns; empty if a single image has none.
        couples: whether an image's loss depends on the others of its batch.
        views: how many views of an image `objective` needs.
        labelled: whether it needs the labels of images.
        attributes: whether these are attributes `[B, A]` instead of one class each.
        scenes: whether it learns boxes of annotated images, see `data.scenes`.
        remembers: names of layers that hold no weights of the network but what its run
            saw; another run that starts from the weights starts these anew.
        class_names: what the numbers of labels stand for, in order of the outputs that
            tell classes apart; `None` if that is not known.
        still: the backbone normalises with its running statistics in training, too.
        still_from: first epoch, from 0, in which that is so, or `None`.
    """

    terms = ("loss",)
    minimised = ("loss",)
    couples = False
    views = 1
    labelled = True
    attributes = False
    scenes = False
    remembers = ()
    still_from = None
    class_names = None

    def __init__(self, backbone, name=None, taps=()):
        super().__init__(name=name)
        self.backbone = backbone
        self.taps = tuple(taps)
        tapped = [backbone.get_layer(tap).output for tap in self.taps]
        model = any_size(keras.Model(backbone.input, [backbone.output, *tapped]))
        # Functions, not models: as attributes those would be saved as weights.
        self.forward = lambda images, training: keras.tree.flatten(
            model(images, training=training)
        )
        self.recomputed = None
        self.still = False

    def call(self, images, training=False):
        return self.backbone(images, training=training)

    def objective(self, batch, training):
        """Maps a batch to `{term: [B]}`, one number per image."""
        raise NotImplementedError(f"{type(self).__name__} has no objective.")

    @property
    def scores(self):
        return self.terms

    def score(self, batch):
        """`{score: [B]}` of un-augmented images: what evaluation reports."""
        return self.objective(batch, training=False)

    def representations(self, images):
        """`{level: [B, F]}` for probes, neighbours and clusters; inference mode.

        The first is the default: "features", the backbone's.
        """
        return {"features": self.features(images, training=False)[0]}

    def features(self, images, training):
        """`[features, *outputs of the tapped layers]` of images of any size."""
        training = training and not self.still
        if self.recomputed is not None and training:
            return self.recomputed(images)
        return self.forward(images, training)

    def kept(self, views):
        """Numbers kept beside weights and the backbone's activations, for plans.

        Returns:
            `(in all, for each image of a replica's batch)`, `views` views an image.
        """
        return 0, 0

    def recompute(self, every):
        """Drops activations within every `every` blocks: same result, less memory."""
        names = recompute.cuts(self.backbone, every, self.taps)
        parts = recompute.cut(self.backbone, names)

        def recomputed(images):
            *outputs, features = recompute.run(parts, images)
            named = dict(zip(names, outputs))
            return [features, *(named[tap] for tap in self.taps)]

        self.recomputed = recomputed

    def gradients(self, batch, optimizer=None, micro_batches=1):
        """The only tape: this replica's share of the gradient, and the terms.

        Args:
            batch: `{"views": tuple of [B, H, W, C], "label": [B] or [B, A], "index":
                [B]}` and, for dropout that does not depend on the devices, `"key":
                [B]`.
            optimizer: scales the loss; the compiled one if `None`.
            micro_batches: how many such batches one update adds up.

        Returns:
            `(list of gradients, {term: [B]})`. Summed over replicas and
            micro-batches the gradients are those of the global mean.
        """
        optimizer = optimizer or self.optimizer
        with self.about(batch), tf.GradientTape() as tape:
            terms = self.objective(batch, training=True)
            loss = sum(tf.reduce_mean(terms[name]) for name in self.minimised)
            loss = loss / (distribute.replicas() * micro_batches)
            loss = optimizer.scale_loss(loss)
        with self.about(batch):  # recomputed parts draw their masks again
            gradients = tape.gradient(loss, self.trainable_variables)
        return gradients, terms

    @contextlib.contextmanager
    def about(self, batch):
        """Layers inside know which images they see, and how many."""
        count = batch["label"].shape[0]
        with chance.keyed(batch.get("key")), view_major.rows_of(count):
            yield

    def compile(self, optimizer, **kwargs):
        """See `keras.Model.compile`; the loss is the method's own."""
        if keras.backend.backend() != "tensorflow":
            raise NotImplementedError(
                "fit needs the TensorFlow backend; on "
                f"{keras.backend.backend()} use objective() in a loop of your own."
            )
        super().compile(optimizer=optimizer, **kwargs)
        names = dict.fromkeys((*self.terms, *self.scores))
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}

    def train_step(self, batch):
        gradients, terms = self.gradients(batch)
        self.optimizer.apply(gradients, self.trainable_variables)
        return self.log(terms)

    def test_step(self, batch):
        return self.log(self.score(batch))

    def log(self, terms):
        for name, values in terms.items():
            self.trackers[name].update_state(values)
        return {name: self.trackers[name].result() for name in terms}

    @property
    def metrics(self):
        return list(getattr(self, "trackers", {}).values())
