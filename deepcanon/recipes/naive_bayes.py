"""Naive Bayes on images, documents or tables: classify, sample, measure log p(x).

Task: fit p(x, class) by counting. Data: images (pixels in [0, 1]), documents (counts of words) or
the number columns of a table. Metric: negative log-likelihood in nats, MNIST without classes
(independent pixels) 205.8; test error, MNIST 15.5 % (Bernoulli), sentences of film reviews 24 %
(multinomial). Seconds. See also: generative-versus-discriminative.

    deepcanon train naive-bayes --data mnist --distribution bernoulli
"""

from dataclasses import dataclass
from typing import Literal

from deepcanon.options import Count, Documents, Images, Tables
from deepcanon.targets import CLASSIFIER, metric, target

SYSTEM = "foundations.naive_bayes"
DATA = ("images", "documents", "tables")
METRICS = {
    **CLASSIFIER,
    "nats": metric("-log p(x), of a density if gaussian", "nats per example", "min"),
    "bits_per_dimension": metric("-log p(x) per feature", "bits", "min"),
    "independent_nats": metric("-log p(x) without classes", "nats per example", "min"),
    "sample_z": metric("z scores of the means of samples, root mean square; 1 if they are right"),
    "empty": metric("documents without a known word", "documents"),
    "examples": metric("training examples that were counted", "examples"),
}
PIXELS = "cross-entropy of grey values in [0, 1] under the training means, without classes"
TARGETS = (
    target("mnist", "test/independent_nats == 205.8 +- 0.05", "R", PIXELS),
    target("digits", "worst test/sample_z == 1 +- 0.15", "X", "samples have their classes' means"),
)
BELONGS = {"share_variance": ("distribution", ("auto", "gaussian"))}


@dataclass(frozen=True, kw_only=True)
class Config(Images, Documents, Tables):
    distribution: Literal["auto", "gaussian", "bernoulli", "multinomial"] = "auto"
    """Distribution of a feature; auto is multinomial for documents, otherwise gaussian."""
    smoothing: float | None = None
    """Added to variances (gaussian: this share of the largest, 0.1) or counts (otherwise: 1)."""
    share_variance: bool = True
    """Gaussian: one variance per feature for all classes (the twin of logistic regression)."""
    binarize: bool = False
    """Bernoulli: values above one half are 1, others 0; otherwise a value in [0, 1] is the
    probability of a 1. Documents: a word counts once, as it does for bernoulli anyway."""
    words: Count = 5000
    """Documents: number of most frequent words to count; others are left out."""
    valid_share: float = 0.2


PAPER = (Config(distribution="bernoulli", valid_share=0.0), {"data": "mnist"})
PRESETS = {
    "smoke": (Config(), {"data": "digits"}),
    "default": (Config(), {"data": "digits"}),
    "paper": PAPER,
    "verify:mnist": (PAPER[0], {"data": "mnist", "threads": 1}),
    "verify:digits": (Config(), {"data": "digits", "threads": 1}),
    "verify:reviews": (Config(), {"data": "rt-polarity", "threads": 1}),
}

import functools

import torch
from torch import nn

from deepcanon import engine
from deepcanon.engine import Classifier, Classifies, Generates
from deepcanon.engine.class_counts import ClassCounts, raw_moments
from deepcanon.engine.classifier import asked_classes
from deepcanon.engine.export import counts_export
from deepcanon.engine.figures import Text
from deepcanon.engine.shown import class_means, samples
from deepcanon.errors import UsageError
from deepcanon.foundations import naive_bayes as bayes
from deepcanon.parts.classification import measures, records
from deepcanon.parts.raw_features import RawFeatures
from deepcanon.verb_options import ClassSampling

TELLING = "Words that speak for a class: they should fit it."


class Recipe(Classifies, engine.Recipe[Config], Generates):
    state = ("model", "alone")
    parallel = "statistics"
    deterministic = True
    computed = ("counts",)
    wants = "classes"
    needs = "naive Bayes needs classes: folders (images, .txt) or a table whose target holds names"
    asked = ClassSampling

    @classmethod
    def learn(cls, config, data):
        train, kind, classes = data["train"], data.kind, data.facts["classes"]
        if lacking := [name for place, name in enumerate(classes) if place not in train.y]:
            raise UsageError(f"no training examples of {', '.join(lacking)}")
        if kind == "tables" and config.distribution in ("auto", "gaussian"):
            shift, scale = raw_moments(train, len(classes)).shift_and_scale()
            return {"shape": [len(shift)], "shift": shift, "scale": scale}
        return RawFeatures.learn(kind, train.x, words=config.words, standardize=False)

    @classmethod
    def takes(cls, config):
        counts = config.distribution in ("bernoulli", "multinomial")
        return ("float32", "sparse", "unchecked") if counts else ("float32",)

    def build(self):
        config, facts, run = self.config, self.facts, self.run
        self.kind, self.classes = facts["reader"]["kind"], facts["reader"]["classes"]
        how = {n: getattr(config, n) for n in ("smoothing", "share_variance", "binarize")}
        usual = functools.partial(bayes.NaiveBayes.usual, self.kind, config.distribution, **how)
        self.model, self.alone = usual().to(run.device), usual().to(run.device)  # alone: one class
        self.as_given = self.kind == "tables" and self.model.distribution != "gaussian"
        self.preprocess = RawFeatures(self.kind, facts, once=config.binarize).to(run.device)
        self.counts = ClassCounts(run, self.preprocess, len(self.classes))
        parts = (run, self.model, self.preprocess, facts["shape"], facts["reader"])
        self.classifier = Classifier(*parts, prepare=self.features)

    def plan(self):
        return 1

    def features(self, raw):
        prepare = torch.nn.Identity() if self.as_given else self.preprocess
        return self.model.features(prepare(raw.to(self.run.device)))

    def step(self, step):
        """All rows by chunks; each process counts its own; of a gaussian raw rows are counted."""
        run, gaussian = self.run, self.model.distribution == "gaussian"
        seen = self.counts.moments("train", None if gaussian else self.features)
        if gaussian:
            seen = seen.scaled(*self.preprocess.shift_and_scale())
        try:
            self.model.fit_moments(seen)
            self.alone.fit_moments(seen.together(), answers=False)
        except ValueError as error:
            raise UsageError(str(error)) from None
        run.stop("fitted in one pass")
        return {"examples": seen.examples.sum()}

    def evaluate(self, split):
        data, both = self.counts.split(split), (self.model, self.alone)
        rows = (self.features(some.x) for some in self.counts.chunks(data))
        parts = zip(*([model(x) for model in both] for x in rows), strict=True)
        joint, alone = (torch.cat(part).cpu() for part in parts)
        log = joint.logsumexp(1)
        bits = bayes.bits_per_dimension(log, self.model.n_features_in_).mean()
        found = {**measures(joint, data.y), "nats": -log.mean(), "bits_per_dimension": bits}
        if self.kind == "documents":  # without a known word the class is the likeliest beforehand
            found["empty"] = (data.x.ends.diff(prepend=data.x.ends.new_zeros(1)) == 0).sum()
        draws = 100 if self.model.distribution == "multinomial" else 1
        z = bayes.sample_z(self.model, draws=draws, generator=self.run.generator("means"))
        return {**found, "independent_nats": -alone.mean(), "sample_z": z}

    def figures(self):
        data = self.counts.split(self.run.pictured)
        data = data.take(torch.arange(min(10_000, len(data))))
        shown = self.classifier.figures(self.classifier.look(data=data))
        if self.kind == "images":
            labels = torch.arange(len(self.classes), device=self.run.device).repeat(8)
            drawn = self.model.sample(labels, draws=500, generator=self.run.generator("figures"))
            means = class_means(self.pixels(self.model.theta_), self.classes)
            shown |= {"class-means": means, "samples": samples(self.pixels(drawn))}
        if self.kind == "documents":
            shares = bayes.telling_features(self.model.theta_)
            shown["telling-words"] = Text(
                self.preprocess.largest_words(shares, self.classes), TELLING
            )
        return shown

    def pixels(self, features):
        counts = self.model.distribution == "multinomial"
        return self.preprocess.pixels(features, features.amax(1, keepdim=True) if counts else 1.0)

    def predict(self, inputs):
        if not isinstance(inputs, torch.Tensor):  # texts
            inputs = self.features(self.preprocess.counts(inputs))
            return records(self.model(inputs), self.classes)
        return super().predict(inputs)

    def scores(self, inputs):
        how = self.model.predict_joint_log_proba if self.as_given else super().scores
        return how(inputs)

    def generate(self, asked, generator):
        """Samples of the class that the prompt names, or of all in turn."""
        labels = self.run.to(asked_classes(asked, self.classes))
        drawn = self.model.sample(labels, draws=self.facts.get("length", 500), generator=generator)
        if self.kind == "images":
            return self.pixels(drawn)
        texts = self.preprocess.texts(drawn, self.facts["reader"].get("columns", ()))
        named = zip(labels.tolist(), texts, strict=True)
        return [{"text": f"{self.classes[place]}: {text}"} for place, text in named]

    def export(self):
        if self.kind != "documents":
            return super().export()
        module = nn.Sequential(self.preprocess, self.model)
        return counts_export(module, self.preprocess.bag, self.facts["reader"], self.run.device)
