"""SSAL: auxiliary branches that tell groups of classes apart, joined at prediction."""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from keras import ops

from ssl_tf.errors import BadInput, have
from ssl_tf.layers.branch import BLOCKS, branch, keras_style, torch_style
from ssl_tf.losses.classification import cross_entropy, hit
from ssl_tf.losses.joint import joint_log_scores, joint_prediction
from ssl_tf.methods.base import Method
from ssl_tf.methods.supervised import HEADS, classifier
from ssl_tf.schema import Count, Fraction, NonNegative, Range, Table


class Derived(NamedTuple):
    """Groups of a finished baseline's confusions: C / classes_per_group of them."""

    classes_per_group: Count


class Branch(NamedTuple):
    """One auxiliary branch.

    Attributes:
        tap: name of the backbone layer it hangs on.
        blocks: what it is made of, before its last Dense layer.
        groups: group of each class, `[C]`; in a config also the name or path of a
            grouping file, or `{classes_per_group: n}`.
        weight: factor on its cross-entropy.
    """

    tap: str
    blocks: list[Annotated[dict, Table(BLOCKS, ("x", "prefix", "style"))]]
    groups: list[int] | str | Derived
    weight: NonNegative = 1.0


class SSAL(Method):
    """Self-Supervised Autogenous Learning, arXiv:2101.03057.

    Each branch classifies groups of classes; the group of an image follows from its
    label. All parts are trained together, gradients of the branches reach the trunk.
    One training gives three predictions: the classifier alone (+TR, `accuracy`), the
    product of all outputs (+JP, `joint_accuracy`) and, from a later evaluation, a
    learned combination (+LC).

    Args:
        backbone: see `Method`.
        classes: int, number of fine classes.
        branches: list of `Branch`, in network order.
        power: exponent of every branch's probability in the joint prediction.
        smoothing: label smoothing of fine and group targets, see `cross_entropy`.
        head: initialiser of the classifier, see `Supervised`.
        style: "keras" (CIFAR branches) or "torch" (ImageNet branches).
        branch_momentum: of the branches' batch norms.
        top5: log top-5 hits of the classifier and of the joint prediction, too.

    Raises:
        BadInput: a tap that does not exist or out of network order, groups that do
            not name one group for each class or leave one empty.
    """

    def __init__(
        self,
        backbone,
        classes,
        branches: list[Branch],
        power: Annotated[float, Range(above=0, high=1)] = 1.0,
        smoothing: Fraction = 0.0,
        head: HEADS = "glorot_uniform",
        style: Literal["keras", "torch"] = "keras",
        branch_momentum: Fraction = 0.99,
        top5: bool = False,
    ):
        check(backbone, classes, branches)
        super().__init__(backbone, name="ssal", taps=tuple(b.tap for b in branches))
        self.classes = classes
        self.power = power
        self.smoothing = smoothing
        self.weights_of_branches = tuple(b.weight for b in branches)
        self.groups = tuple(tuple(int(g) for g in b.groups) for b in branches)
        self.head = classifier(backbone.output_shape[-1], classes, head)
        style = {"keras": keras_style, "torch": torch_style}[style](branch_momentum)
        self.branches = [
            branch(
                backbone.get_layer(b.tap).output.shape[1:],
                b.blocks,
                int(max(b.groups)) + 1,
                style,
                name=f"branch{i}",
            )
            for i, b in enumerate(branches)
        ]
        own = tuple(f"branch{i}_accuracy" for i in range(len(branches)))
        self.terms = ("loss", "accuracy", "joint_accuracy", *own)
        self.terms += ("top5", "joint_top5") * top5
        self.built = True

    def outputs(self, images, training=False):
        """Logits of the classifier `[B, C]` and of each branch `[B, K_k]`, a list."""
        features, *tapped = self.features(images, training)
        coarse = [b(x, training=training) for b, x in zip(self.branches, tapped)]
        return [self.head(features), *coarse]

    def call(self, images, training=False):
        return self.head(self.backbone(images, training=training))

    def joint(self, images):
        """Joint probabilities `[B, C]` (+JP), see `joint_prediction`."""
        fine, *coarse = [ops.softmax(x, axis=-1) for x in self.outputs(images)]
        return joint_prediction(fine, coarse, self.groups, self.power)

    def objective(self, batch, training):
        fine, *coarse = self.outputs(batch["views"][0], training)
        label = batch["label"]
        smoothing = self.smoothing if training else 0.0
        loss = cross_entropy(fine, label, smoothing)
        values = {"accuracy": hit(fine, label)}
        for i, (logits, groups) in enumerate(zip(coarse, self.groups)):
            group = ops.take(ops.convert_to_tensor(groups, "int32"), label)
            weight = self.weights_of_branches[i]
            loss = loss + weight * cross_entropy(logits, group, smoothing)
            values[f"branch{i}_accuracy"] = hit(logits, group)
        joint = joint_log_scores(fine, coarse, self.groups, self.power)
        values |= {"loss": loss, "joint_accuracy": hit(joint, label)}
        if "top5" in self.terms:
            values |= {"top5": hit(fine, label, 5), "joint_top5": hit(joint, label, 5)}
        return {term: values[term] for term in self.terms}


def check(backbone, classes, branches):
    """Raises BadInput unless the branches fit the backbone and the classes."""
    names = [layer.name for layer in backbone.layers]
    if not branches:
        raise BadInput("method.branches: is empty; SSAL needs at least one branch.")
    places = []
    for i, b in enumerate(branches):
        where = f"method.branches.{i}"
        if b.tap not in names:
            blocks = [n for n in names if n.startswith(("stage", "trans", "stem"))]
            whole = have(n for n in blocks if n.count("_") < 2)
            raise BadInput(f"{where}.tap: no layer {b.tap!r}. Have: {whole}.")
        places.append(names.index(b.tap))
        groups = np.asarray(b.groups)
        if groups.shape != (classes,):
            raise BadInput(
                f"{where}.groups: names {groups.size} groups for {classes} classes."
            )
        if set(groups.tolist()) != set(range(groups.max() + 1)):
            raise BadInput(f"{where}.groups: must use every group 0 to {groups.max()}.")
    if places != sorted(places):
        order = ", ".join(b.tap for b in branches)
        raise BadInput(f"method.branches: taps must be in network order, not {order}.")
