"""Trains classifiers on a finished run's backbone, as runs inside its folder."""

import json

from ssl_tf import config, experiment, runs, trainer


class Tune:
    """Trains one stage of an evaluation that trains; see `evaluation.finetune`.

    Args:
        done: `evaluator.Run`.
        called: what the evaluation is called, a folder below the run's.
        data: what differs from the run's `data` section.
        root: where the images are, or `None`.
        weights: of the run to start from.
    """

    def __init__(self, done, called, data, root, weights):
        self.done = done
        self.called = called
        self.data = data
        self.root = root
        self.weights = weights

    def __call__(self, name, sections, init):
        """Trains, or goes on with, the stage `name`.

        Args:
            name: str, its folder.
            sections: `data` (what differs), `views`, `optimizer`, `train`.
            init: what differs from starting with the run's backbone, see
                `sections.Init`; `None` starts from random weights.

        Returns:
            `{"accuracy": on the test images, "images": trained on, "folder": str}`.
        """
        spec = {
            "method": {"name": "supervised"},
            "backbone": self.done.spec["backbone"],
            **sections,
            "data": self.section(sections["data"]),
            "train": {
                "precision": self.done.parts.train.precision,
                **sections["train"],
            },
        }
        if init is not None:
            first = {"run": str(self.done.folder), "weights": self.weights}
            spec["init"] = first | init if "run" not in init else init
        experiment.check(spec)
        key = config.digest(spec)[:6]
        folder = self.done.folder / self.called / f"{name}_{key}"
        trainer.train(spec, folder, root=self.root)
        facts = json.loads((folder / "data.json").read_text())
        tested = [r for r in runs.results(folder) if r["split"] == "test"]
        return {
            "accuracy": tested[-1]["values"]["accuracy"],
            "images": facts["images"]["train"],
            "folder": str(folder),
        }

    def section(self, changes):
        """The `data` section of a stage: the run's images and normalisation."""
        mean, deviation = self.done.normal()
        norm = {"norm": {"mean": list(mean), "deviation": list(deviation)}}
        return self.done.spec["data"] | self.data | changes | norm
