"""Runs losses, backbones and objectives on the backend of KERAS_BACKEND.

python tests/backend_probe.py OUT.npz: values of everything on fixed weights and images.
"""

import sys
import zlib

import keras
import numpy as np
import small

from ssl_tf.losses import classification, contrastive, joint
from ssl_tf.ops import chance


def fill(model):
    """Weights as a function of their paths, the same on any backend."""
    for variable in model.weights:
        draw = np.random.default_rng(zlib.crc32(variable.path.encode()))
        shape = tuple(variable.shape)
        if variable.name in ("gamma", "moving_variance"):
            value = 0.5 + draw.random(shape)
        else:
            value = draw.normal(size=shape) / np.sqrt(np.prod(shape[:-1]) or 1)
        variable.assign(value.astype("f4"))


def losses(values):
    draw = np.random.default_rng(0)
    fine, label = draw.normal(size=(6, 6)).astype("f4"), np.arange(6)
    coarse = [draw.normal(size=(6, k)).astype("f4") for k in (3, 2)]
    groups = [small.PAIRS, small.THIRDS]
    values["cross_entropy"] = classification.cross_entropy(fine, label, 0.1)
    values["hit"] = classification.hit(fine, label, 2)
    told = (fine > 1).astype("i4")
    values["binary_cross_entropy"] = classification.binary_cross_entropy(fine, told)
    values["binary_hit"] = classification.binary_hit(fine, told)
    values["smooth"] = classification.smooth(label, 6, 0.1)
    values["log_scores"] = joint.joint_log_scores(fine, coarse, groups, 0.4)
    shares = [np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in (fine, *coarse)]
    views = [draw.normal(size=(5, 4)).astype("f4") for _ in range(3)]
    views = [contrastive.unit(z) for z in views]
    values["nt_xent"] = contrastive.nt_xent(views, 0.3)[0]
    values["spread"] = contrastive.spread(views[0])
    values["joint"] = joint.joint_prediction(shares[0], shares[1:], groups, 0.4)


FEW = ("vit", "self_classifier")


def main(path, few):
    values = {}
    losses(values)
    images = small.batches()[0]["views"][0]
    for name, make in small.BACKBONES.items():
        if name.endswith("50") or few and name not in FEW:
            continue  # the same code as its smaller sibling, and op by op JAX is slow
        backbone = make()
        fill(backbone)
        values[f"backbone {name}"] = backbone(images, training=False)
    for name, make in small.METHODS.items():
        if name == "faster_rcnn" or few and name not in FEW:
            continue  # all of it is in mask_rcnn
        method = make()
        fill(method)
        for training in (False, True):
            batch = small.batches(method=method)[0]
            with chance.keyed(batch["key"]):
                terms = method.objective(batch, training=training)
            for term, value in terms.items():
                values[f"{name} {term} {training}"] = value
    try:
        small.supervised().compile(optimizer=keras.optimizers.SGD(0.1))
        values["compiles"] = 1
    except NotImplementedError as error:
        assert "\n" not in str(error) and "objective()" in str(error)
        values["compiles"] = 0
    np.savez(path, **{key: np.asarray(value) for key, value in values.items()})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "few")
