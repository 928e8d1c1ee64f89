"""One evaluation of one run: rebuilds it from its folder, runs, keeps the result."""

import json
from pathlib import Path

import numpy as np

from ssl_tf import config, experiment, opening, runs, schema
from ssl_tf.data import groupings, pipeline
from ssl_tf.errors import BadInput
from ssl_tf.evaluation import EVALUATIONS


class Run:
    """A finished run, rebuilt.

    Args:
        folder: the run folder.
        weights: "last", "best" or the name of another `.weights.h5` in it.

    Attributes:
        spec: its config.
        facts: its `data.json`.
        method: the trained `Method`.
    """

    def __init__(self, folder, weights="last"):
        self.folder = Path(folder)
        self.spec = runs.stored(folder)
        self.parts = experiment.check(self.spec)
        file = self.folder / f"{weights}.weights.h5"
        if not file.exists():
            raise BadInput(f"{file}: no such weights; train the run to its end first.")
        self.facts = json.loads((self.folder / "data.json").read_text())
        method = self.parts.method
        branches = method.keywords.get("branches")
        if branches is not None:
            kept = opening.group_counts(method, len(self.facts["classes"]))
            own = [
                b
                for i, b in enumerate(branches)
                if i not in opening.derived(method) or i in kept
            ]
            settled = [b._replace(groups=g) for b, g in zip(own, self.facts["groups"])]
            method = opening.method_with(method, branches=settled)
        self.method = experiment.build(
            self.parts, method, len(self.facts["classes"]), self.facts["size"]
        )
        runs.load_weights(self.method, file)

    def normal(self):
        """The `pipeline.Normal` the run was trained with.

        Raises:
            BadInput: a converted run that has not met its data yet.
        """
        if self.facts["mean"] is None:
            raise BadInput(
                f"{self.folder}: its normalisation is computed from the training "
                "images; run one evaluation with --datadir first."
            )
        return pipeline.Normal(self.facts["mean"], self.facts["deviation"])

    def settle(self, opened):
        """Notes the normalisation a converted run gets from its training images."""
        if self.facts["mean"] is not None:
            return
        mean, deviation = map(list, opened.normal)
        self.facts |= {"mean": mean, "deviation": deviation}
        runs.write_json(self.folder / "data.json", self.facts)


def evaluate(folder, name, *, root=None, split="test", weights="last", changes=None):
    """Runs one evaluation of a finished run.

    Numbers go to `results.jsonl`, arrays to `<evaluation>_<name>.npy`.

    Args:
        folder: the run folder.
        name: of `EVALUATIONS`.
        root: where the images are, or `None`.
        split: "test" or "validation".
        weights: see `Run`.
        changes: arguments that differ from the config's `evaluations` section.

    Returns:
        `{name: number or array}`.

    Raises:
        BadInput: not a finished run, unknown evaluation or argument.
    """
    spec = runs.stored(folder)
    given = (spec.get("evaluations") or {}).get(name) or {}
    function = schema.arguments(
        schema.find(EVALUATIONS, name, "evaluation"),
        given | (changes or {}),
        name,
        ("method", "train", "test"),
    )
    done = Run(folder, weights)
    opened = opening.open_data(done.parts, root)
    done.settle(opened)
    values = function(
        method=done.method, train=opened.plain("train"), test=opened.plain(split)
    )
    numbers = {k: v for k, v in values.items() if not isinstance(v, np.ndarray)}
    record = {
        "evaluation": name,
        "split": split,
        "weights": weights,
        "arguments": given | (changes or {}),
        "values": numbers,
        "config": config.digest(spec),
    }
    runs.append_result(folder, record)
    keep_arrays(done, name, values)
    return values


def keep_arrays(done, name, values):
    """Writes arrays as `.npy`; groups of classes as grouping files, too."""
    for key, value in values.items():
        if not isinstance(value, np.ndarray):
            continue
        path = done.folder / f"{name}_{key}.npy"
        with runs.atomic(path) as out:
            np.save(out, value)
        if key.startswith("groups_"):
            source = f"{'/'.join(done.folder.parts[-3:])}, evaluation {name}"
            groupings.save(
                path.with_suffix(".yaml"), value, done.facts["classes"], source
            )
