"""Trains classifiers on a finished run's backbone, as runs inside its folder."""

from ssl_tf import config, evaluator, experiment, runs, schema, trainer
from ssl_tf.augment.recipes import RECIPES
from ssl_tf.data import DATASETS, FACTS, fingerprint


class Tune:
    """Trains one stage of an evaluation that trains; see `evaluation.finetune`.

    Args:
        done: `evaluator.Run`.
        called: what the evaluation is called, a folder below the run's.
        data: what differs from the run's `data` section.
        root: where the images are, or `None`.
        weights: of the run to start from.

    Attributes:
        seed: int, the run's.
        found: fingerprint of the images of the last stage, or `None`.
    """

    found = None

    def __init__(self, done, called, data, root, weights):
        self.done = done
        self.called = called
        self.data = data
        self.root = root
        self.weights = weights
        self.seed = done.parts.train.seed

    def __call__(self, name, sections, init):
        """Trains, or goes on with, the stage `name`.

        Args:
            name: str, its folder.
            sections: `data` (what differs), `views`, `optimizer`, `train`.
            init: what differs from starting with the run's backbone, see
                `sections.Init`; `None` starts from random weights.

        Returns:
            `{"values": {name: number}, "images": trained on, "folder": str}`; the
            values are the accuracy on the test images, or what the evaluation
            `multilabel` says where images have attributes, and the same of held-out
            images with `validation_` before it.
        """
        data = self.section(sections["data"])
        facts = FACTS.get(data["name"])
        many = facts is not None and facts.attributes
        spec = {
            "method": {"name": "multilabel" if many else "supervised"},
            "backbone": self.done.spec["backbone"],
            **sections,
            "data": data,
            "train": {
                "precision": self.done.parts.train.precision,
                **sections["train"],
            },
        }
        if init is not None:
            first = {"run": str(self.done.folder), "weights": self.weights}
            spec["init"] = first | init if "run" not in init else init
        size, parts = self.done.facts["size"], experiment.check(spec)
        if "size" not in data and experiment.view_size(parts) != size:
            own = lambda view: schema.parameters(RECIPES[view["name"]])
            spec["views"] = [
                {"size": size} | view if "size" in own(view) else view
                for view in spec["views"]
            ]
        key = config.digest(spec)[:6]
        folder = self.done.folder / self.called / f"{name}_{key}"
        trainer.train(spec, folder, root=self.root)
        facts = runs.facts(folder)
        self.found, images = fingerprint.known(facts), facts["images"]
        splits = ("validation", "test") if "validation" in images else ("test",)
        values = {}
        for split in splits:
            head = "" if split == "test" else f"{split}_"
            own = self.judged(folder, split, many)
            values |= {f"{head}{name}": value for name, value in own.items()}
        return {"values": values, "images": images["train"], "folder": str(folder)}

    def judged(self, folder, split, many):
        """`{name: number}` of a finished stage on one split."""
        if many:
            options = {"root": self.root, "split": split}
            found = evaluator.evaluate(folder, "multilabel", **options)
            return {k: v for k, v in found.items() if isinstance(v, float)}
        own = [
            record
            for record in runs.results(folder)
            if (record["evaluation"], record["split"]) == ("terms", split)
        ]
        return {"accuracy": own[-1]["values"]["accuracy"]}

    def section(self, changes):
        """The `data` section of a stage: the run's images, size and normalisation.

        The share of labels has a draw of its own, among the images of the run's.
        """
        if self.done.facts["mean"] is None:  # converted, has not met its images yet
            self.done.opened(self.root)
        mean, deviation = self.done.normal()
        section = experiment.altered(self.done.spec["data"], self.data)
        own = section.get("draw", 0)
        own = self.seed if own == "seed" else own
        share = changes.get("draw", own)
        section |= changes | {"draw": own, "share_draw": share}
        if share == own:
            del section["share_draw"]
        section["norm"] = {"mean": list(mean), "deviation": list(deviation)}
        dataset = schema.find(DATASETS, section["name"], "data.name")
        if "size" in schema.parameters(dataset):
            section.setdefault("size", self.done.facts["size"])
        return section
