"""Clusters against superclasses: the authors' mix of labels, and one throughout."""

import numpy as np

from ssl_tf.errors import BadInput
from ssl_tf.evaluation import clusters


def measures(cluster, label, tasks, where="tasks"):
    """How well clusters tell superclasses, each task on the images it is about.

    Args:
        cluster: int `[N]` >= 0.
        label: int `[N]` >= 0, classes.
        tasks: list of `hierarchy.Task` on these classes.
        where: str, for messages.

    Returns:
        for each task `"<task>.authors.nmi"`, `".ami"`, `".ari"`, which are about its
        images but their *classes*, and `".acc"`, share of images whose superclass is
        that of the class their cluster stands for; `"<task>.superclass.nmi"`, `".ami"`,
        `".ari"` and `".acc"`, in all of which the superclass takes the place of the
        class, see `clusters.measures`; `"<task>.images"`.

    Raises:
        BadInput: no image is of a task's classes.

    Source:
        Self-Classifier, arXiv:2103.10994, by its code. There a class outside a task
        counts as a superclass of its own number, which can be another's; here it is
        none.
    """
    found, seen = {}, {}
    for task in tasks:
        kept, superclass = inside(label, task, where)
        of_image, few = superclass[kept], cluster[kept]
        key = kept.tobytes()  # tasks of the same images share what is about classes
        if key not in seen:
            seen[key] = clusters.information(few, label[kept])
            seen[key]["matched"] = clusters.matched(few, label[kept])
        about = dict(seen[key])
        stands_for = outer(about.pop("matched"), task.member)
        about["acc"] = clusters.accuracy(few, of_image, stands_for)
        own = clusters.measures(few, of_image)
        del own["clusters"]
        found |= {f"{task.name}.authors.{name}": value for name, value in about.items()}
        found |= {f"{task.name}.superclass.{k}": value for k, value in own.items()}
        found[f"{task.name}.images"] = int(kept.sum())
    return found


def inside(label, task, where="tasks"):
    """`(whether an image is in a task bool [N], its superclass [N], -1 if not)`.

    Raises:
        BadInput: none is.
    """
    superclass = task.member[label]
    if (superclass < 0).all():
        raise BadInput(f"{where}: no image is of a class of {task.name}; leave it out.")
    return superclass >= 0, superclass


def outer(of_cluster, member):
    """The superclass each cluster stands for, `[n]`; -1 where its class has none.

    Args:
        of_cluster: int `[n]` classes, from `clusters.matched`; may hold numbers beyond
            those of the classes.
        member: int `[C]` superclasses, -1 for none.
    """
    known = np.full(max(len(member), of_cluster.max() + 1), -1, np.int64)
    known[: len(member)] = member
    return known[of_cluster]
