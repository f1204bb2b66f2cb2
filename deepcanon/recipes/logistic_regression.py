"""Logistic regression of two classes of images or of a table, by full-batch L-BFGS or by SGD.

Task: the probability of one of two classes, linear in pixels in [0, 1] (or standardised columns),
with an L2 penalty in scikit-learn's convention. Data: images or a table; if there are more classes,
`--classes` picks two. Metric: test accuracy; MNIST 0 against 1 with C = 1: 0.99953, one mistake in
2,115 images. Without a penalty, linearly separable data have no best fit: the run detects this,
says so and stops. Seconds. Embedded letters, E against F: 0.9635.

    deepcanon train logistic-regression --data mnist --classes 0 1
"""

from dataclasses import dataclass, replace

from deepcanon.options import Convex, Images, NonNegative, Tables
from deepcanon.targets import CLASSIFIER, CONVEX, metric, target

SYSTEM = "foundations.logistic_regression"
DATA = ("images", "tables")
METRICS = {
    **CLASSIFIER,
    **CONVEX,
    "mistakes": metric("examples given the other class", "examples", "min"),
}
PEER = "scikit-learn's LogisticRegression, 0 against 1, C = 1"
TARGETS = (
    target("mnist", "test/accuracy == 0.99953 +- 5e-05", "R", f"{PEER}: one error in 2,115"),
    target("mnist", "train/objective == 0.00183497 +- 1e-06", "R", f"{PEER}: minimum in float64"),
    target("mnist-sgd", "train/objective <= 0.00185332", "R", f"within 1 % of {PEER}"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Tables, Convex):
    classes: tuple[str, ...] = ()
    """The two classes, the second is label 1; the first two of the data if not given."""
    penalty: NonNegative = 1.0
    """Lambda: lambda / 2 times the squared weights is added to the SUM of the losses
    (scikit-learn's 1 / C); 0: none."""
    epochs: int = 40


FULL = Config(classes=("0", "1"), valid_share=0.0)
SGD = replace(FULL, optimizer="sgd", learning_rate=3.0, epochs=100)
SETTINGS = {"data": "mnist", "threads": 1}
PRESETS = {
    "smoke": (Config(), {"data": "digits", "steps": 20}),
    "default": (Config(), {"data": "letters", "options": {"classes": ("E", "F"), "penalty": 1e2}}),
    "paper": (Config(classes=("0", "1"), valid_share=0.0), {"data": "mnist"}),
    "verify:mnist": (FULL, SETTINGS),
    "verify:mnist-sgd": (SGD, SETTINGS),
}

import torch
from torch import nn

from deepcanon import engine
from deepcanon.data.splits import Split
from deepcanon.engine import Classifier, Classifies
from deepcanon.engine.figures import Histogram
from deepcanon.engine.preprocess import Prepared, input_transform
from deepcanon.engine.shown import filters, weights
from deepcanon.errors import UsageError
from deepcanon.foundations.logistic_regression import LogisticRegression, logistic_both, separates
from deepcanon.parts.standardize import input_statistics
from deepcanon.techniques import convex

LOGITS = "Logits of both classes: the less they overlap at 0, the better the classifier."


class Recipe(Classifies, engine.Recipe[Config]):
    state = ("model", "optimizer")
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    waits = "the line search of L-BFGS compares objectives on the host"
    computed = ("objective", "rows", "chosen")
    wants = "classes"

    @classmethod
    def learn(cls, config, data):
        train, known = data["train"], data.facts["classes"]
        wanted = list(config.classes) or known[:2]
        if len(wanted) != 2 or len(set(wanted)) != 2 or not set(wanted) <= set(known):
            some, given = ", ".join(known[:20]), " ".join(wanted)
            raise UsageError(f"--classes takes two of {some}; got {given}")
        places = [known.index(name) for name in wanted]
        for name, place in zip(wanted, places, strict=True):
            if place not in train.y:
                raise UsageError(f"no training examples of class {name}")
        here = torch.isin(train.y, torch.tensor(places))
        x = train.x if here.all() else train.x[here]
        shape = list(x.shape[1:])
        shift, scale = input_statistics([x], data.kind == "images")
        facts = {"shape": shape, "shift": shift, "scale": scale}
        return {**facts, "classes": wanted, "places": places, "n": len(x)}

    @classmethod
    def takes(cls, config):
        return ("float32", "unchecked")

    def build(self):
        config, facts, run, shape = self.config, self.facts, self.run, self.facts["shape"]
        self.decay = config.penalty / facts["n"]
        self.model = LogisticRegression(torch.Size(shape).numel()).to(run.device)
        self.preprocess = input_transform(facts).to(run.device)
        reader, pair = {**facts["reader"], "classes": facts["classes"]}, self.model.pair
        self.classifier = Classifier(run, pair, self.preprocess, shape, reader)
        self.chosen = {}
        self.optimizer = convex.convex_optimizer(config, self.model.parameters())
        self.rows = Prepared(run, self.preprocess)
        self.objective = convex.Objective(run, self.model, logistic_both, decay=self.decay)

    def two(self, split):
        """The rows of the two classes, labelled 0 and 1."""
        if split not in self.chosen:
            data, (first, second) = self.run.data[split], self.facts["places"]
            labels, here = (data.y == second).long(), (data.y == first) | (data.y == second)
            rows = (data.x, labels) if here.all() else (data.x[here], labels[here])
            self.chosen[split] = Split(*rows)
        return self.chosen[split]

    def plan(self):
        return convex.steps_of(self.run, self.config, len(self.two("train")))

    def step(self, step):
        config, run, optimizer, train = self.config, self.run, self.optimizer, self.two("train")
        rows = convex.rows_of_step(run, config, self.rows, train, optimizer, step)
        found = convex.descend(run, config, optimizer, self.model, self.objective.closure(rows))
        if not config.penalty and (step + 1) % run.steps_of(1, rows.total, len(train)) == 0:
            self.check_separation(train)
        return found

    @torch.no_grad()
    def check_separation(self, train):
        """Stops where every training example is on its own side: then there is no best fit."""
        (inputs, labels), run = self.rows.whole(train), self.run
        if run.sum(separates(self.model(inputs), labels).double()) == run.world:
            run.stop(
                "a plane separates the classes: the weights would grow forever; give --penalty"
            )

    def evaluate(self, split):
        data = self.two(split)
        if not len(data):
            names = " and ".join(self.facts["classes"])
            raise UsageError(f"the {split} split holds none of the classes {names}")
        found = self.classifier.measure(data)
        penalty = 0.5 * self.decay * self.model.weight.square().sum()
        mistakes = found["error"] * len(data)
        return {**found, "objective": found["nll"] + penalty, "mistakes": mistakes}

    def scores(self, inputs):
        rows, model = inputs.to(self.run.device), self.model
        logit = convex.raw_logits(rows, model.weight[None], model.bias[None], self.preprocess)
        found = super().scores(inputs) if logit is None else nn.functional.pad(logit, (1, 0))
        return convex.finite(found)

    def figures(self):
        data = self.two(self.run.pictured)
        seen, names = self.classifier.look(data=data), self.facts["classes"]
        logits = {name: seen.logits[seen.y == label, 1] for label, name in enumerate(names)}
        shown = self.classifier.figures(seen)
        shown["logits"] = Histogram(logits, f"logit of {names[1]}", bins=40, caption=LOGITS)
        weight, shape = self.model.weight.detach().cpu(), self.facts["shape"]
        if len(shape) == 3:  # white for the second class, black for the first
            return {**shown, "weights": filters(weight[None], shape)}
        heights = convex.largest_weights(weight, self.facts["reader"]["columns"])
        return {**shown, "weights": weights(heights, "weight of the standardised column")}

    def export(self):
        # Logits (0, a): what `pair` gives, as a module.
        pair = nn.Sequential(self.model, nn.Unflatten(0, (-1, 1)), nn.ConstantPad1d((1, 0), 0.0))
        shape, reader = self.facts["shape"], self.classifier.reader
        return engine.classifier_export(self.preprocess, pair, shape, reader, self.run.device)
