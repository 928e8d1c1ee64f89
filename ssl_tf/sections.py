"""The sections of a config whose keys are fixed: data, training, learning rate."""

from typing import Annotated, Literal, NamedTuple

from ssl_tf import schema
from ssl_tf.schedules import CONTEXT, SCHEDULES
from ssl_tf.schema import Count, Fraction, NonNegative, Portion, Positive, Whole

Triple = tuple[float, float, float]


class Explicit(NamedTuple):
    """Constants of the normalisation, per channel, for images in [0, 1]."""

    mean: Triple
    deviation: Triple


class Guided(NamedTuple):
    """An order in which look-alike images are kept apart, see `data/guided.py`.

    Attributes:
        name: "deal", "strict" or the authors' "notebook".
        clusters: pseudo-labels to make.
        labels: a `.npy` of them, `[N]`, one a training image; `None` clusters the
            features of the autoencoder that the config `needs`.
        restarts: of k-means.
        permute: deal the pseudo-labels out among the images anew, by the run's seed:
            clusters of the same sizes that say nothing of the images, the placebo of
            guided batches.
    """

    name: Literal["deal", "strict", "notebook"]
    clusters: Annotated[int, schema.Range(low=2)] = 64
    labels: str | None = None
    restarts: Count = 10
    permute: bool = False


class Data(NamedTuple):
    """What every data set takes beside its own arguments.

    Attributes:
        validation: share of the training images held out, class by class; "official"
            takes the data set's own held-out split, "authors" the fifth that the
            ablation study holds out of CIFAR; "test" judges on the test images, as
            some of the papers do.
        limit: use no more than so many training images: a draw from each class in
            proportion to its size where images lie class after class, as in folders;
            a draw of all where files have no classes or have boxes; the first ones
            where the data set has them mixed already (CIFAR, STL-10, digits, ...). The
            test images are never limited; held-out ones are taken from those left.
        per_class: use so many training images of each class, a draw.
        share: use this share of the training images, class by class, a draw;
            "authors" takes G-SimCLR's positions, "1percent" and "10percent" SimCLR's
            lists of ImageNet, and a text file one's own: an image a line, as
            `name.jpg` or `class/name.jpg`, see `lists.listed`.
        draw: seed of these draws; "seed" takes the run's, so that runs of several seeds
            differ in their images, too.
        share_draw: seed of the share where it has one of its own.
        classes: use only these classes, or attributes, in this order: the first has
            label 0.
        norm: "unit" leaves [0, 1], "mean_std" subtracts and divides per channel, by
            the moments of the training images as evaluation shows them, "saturated"
            by SSAL's float32 sums of an array; or the constants.
        resize: shorter side, in pixels, before the central crop of evaluation.
        fit: how a whole image becomes a square: "centre" cuts it out, "squash" (PIL's
            antialiased bilinear filter) and "interpolate" (without antialiasing) do
            not keep the aspect ratio.
        held_out: how images of validation and test are shown: "plain" as `resize` and
            `fit` say; "views" as training shows its own, cut and mirrored at random,
            with the same draws at every evaluation.
        order: "shuffled"; "filled", the same with an epoch's last images in a batch
            that its first ones complete; "authors" replays SSAL's NumPy order and
            draws; or a section for guided batches.
        repeated: every epoch has the first one's order and views, as the ablation
            study's multi-label trainer does it.
    """

    validation: Fraction | Literal["official", "authors", "test"] = 0.0
    limit: Count | None = None
    per_class: Count | None = None
    share: Portion | str | None = None
    draw: Whole | Literal["seed"] = 0
    share_draw: Whole | None = None
    classes: list[str] | None = None
    norm: Literal["unit", "mean_std", "saturated"] | Explicit = "unit"
    resize: Count | None = None
    fit: Literal["centre", "squash", "interpolate"] = "centre"
    held_out: Literal["plain", "views"] = "plain"
    order: Literal["shuffled", "filled", "authors"] | Guided = "shuffled"
    repeated: bool = False


class Train(NamedTuple):
    """How long and in which portions.

    Attributes:
        batch_size: images an update, over all replicas.
        epochs: passes over the training images.
        updates: stop after so many, where that comes before the last epoch's end.
        precise_bn: training batches whose pooled moments replace the running statistics
            of batch norm after the last update.
        seed: of weights, order, views and masks.
        accumulate: parts a replica's batch is computed in; batch norm then sees each
            part alone.
        recompute: keep only every n-th block's activations; 0 keeps all.
        xla: compile with XLA; "auto" does on GPU and TPU.
        precision: Keras dtype policy.
        evaluate_every: epochs between evaluations; 0 only after the last.
        knn: training images among which the online kNN looks at each evaluation; 0
            leaves it out.
        best: term whose best value on the held-out images is kept, or none.
        patience: evaluations without a new best after which training stops; the run
            then ends with its best weights, as it does at its last epoch.
        keep_every: epochs between kept weights; 0 keeps only the last.
        save_minutes: between states within an epoch.
        deterministic: the same bits every time, on the same devices.
    """

    batch_size: Count
    epochs: Count
    updates: Count | None = None
    precise_bn: Whole = 0
    seed: Whole = 0
    accumulate: Count = 1
    recompute: Whole = 0
    xla: bool | Literal["auto"] = "auto"
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    evaluate_every: Whole = 1
    knn: Whole = 0
    best: str | None = None
    patience: Count | None = None
    keep_every: Whole = 0
    save_minutes: NonNegative = 5.0
    deterministic: bool = True


class Init(NamedTuple):
    """Weights to start from.

    Attributes:
        run: a finished run with the same backbone.
        weights: "last", "best" or the name of another `.weights.h5` in it.
        parts: "backbone", or "all": the same method, too.
        freeze: do not train the backbone; its batch norms keep their statistics.
        still: train it, but normalise with its running statistics as they are.
    """

    run: str
    weights: str = "last"
    parts: Literal["backbone", "all"] = "backbone"
    freeze: bool = False
    still: bool = False


Schedule = Annotated[dict, schema.Table(SCHEDULES, CONTEXT)]


class Plateau(NamedTuple):
    """A rate that falls where the loss on held-out images does not.

    Attributes:
        factor: on the rate, each time.
        patience: evaluations without a new best that are let pass.
        least: rate it never falls below; a smaller rate stays as it is.
        threshold: share of the best loss by which a new best must be smaller.

    Source:
        SimSiam study, spec 4.3: PyTorch's ReduceLROnPlateau.
    """

    factor: Annotated[float, schema.Range(above=0, below=1)] = 0.5
    patience: Whole = 0
    least: NonNegative = 0.0
    threshold: Fraction = 1e-4


class Rate(NamedTuple):
    """The learning rate.

    Attributes:
        learning_rate: peak.
        per: images the peak holds for; it grows with the batch. `None`: any batch.
        schedule: section of `SCHEDULES`.
        plateau: fall where the loss does not, too.
    """

    learning_rate: Positive
    per: Count | None = None
    schedule: Schedule | None = None
    plateau: Plateau | None = None
