"""Learning curves of naive Bayes and of logistic regression on the same features.

Task: small tasks drawn from the data, with ever more examples (Ng and Jordan 2002): naive Bayes
against softmax regression at the best of some penalties. Data: images, documents or the number
columns of a table, with classes. Metric: difference of the errors on validation, below 0 with few
examples and above 0 with many (Ng and Jordan, most of their data sets); ours: digits in pairs cross
near ten examples, sentences of film reviews not up to 7,400. A minute on one core.

    deepcanon train generative-versus-discriminative --data digits
"""

from dataclasses import dataclass
from typing import Literal

from deepcanon.options import Count, Documents, Images, NonNegative, Tables, Whole
from deepcanon.targets import metric, target

SYSTEM = "foundations.naive_bayes"
DATA = ("images", "documents", "tables")
GAP = "error of naive Bayes minus that of the best logistic regression"
METRICS = {
    "few": metric(f"{GAP}, smallest size", "share", split="valid"),
    "few_high": metric("upper end of its 95 % interval", "share", split="valid"),
    "many": metric(f"{GAP}, largest size", "share", split="valid"),
    "many_low": metric("lower end of its 95 % interval", "share", split="valid"),
    "crossing": metric("size at which the difference becomes positive", "examples", split="valid"),
    "first": metric("error of naive Bayes, mean of the sizes", "share", "min", "valid"),
    "best_other": metric("error of the best other, mean of the sizes", "share", "min", "valid"),
}
FEW = "Ng and Jordan 2002: naive Bayes is better with few examples (95 % interval)"
MANY = "Ng and Jordan 2002: logistic regression is better with many (95 % interval)"
TARGETS = (
    target("digits", "worst test/few_high <= 0", "P", FEW),
    target("digits", "worst test/many_low >= 0", "P", MANY),
    target("reviews", "worst test/few_high <= 0", "P", f"{FEW}; sentences of film reviews"),
    target("reviews-all", "worst test/many_low >= 0", "P", f"{MANY}; sentences of film reviews"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Documents, Tables):
    repeats: Count = 200
    """Tasks that are drawn."""
    classes: Whole = 2
    """Classes of a task, drawn for each; 0 takes all."""
    examples: tuple[Count, ...] = ()
    """Training examples of a task, one of each class and the others at random, as far as they go;
    none given: from 4 to 240, of documents from 32 to 1,024."""
    penalties: tuple[NonNegative, ...] = (1.0, 0.1, 0.001)
    """L2 penalties (1 / C) of softmax regression; the best one counts at each size."""
    distribution: Literal["auto", "gaussian", "bernoulli", "multinomial"] = "auto"
    """Of a feature given the class; auto is multinomial for documents, otherwise gaussian with
    one variance for all classes: the twin of logistic regression."""
    smoothing: float | None = None
    """Added to all: gaussian, this share of the largest variance (0.1); otherwise a count (1)."""
    words: Count = 5000
    """Documents: most frequent words that are counted; others are left out."""
    valid_share: float = 0.2


REVIEWS = {"data": "rt-polarity", "threads": 1}
ALL_OF_THEM = Config(repeats=10, examples=(1024, 7400), penalties=(10.0, 3.0, 1.0))
PRESETS = {
    "smoke": (Config(repeats=3, examples=(4, 16, 60)), {"data": "digits"}),
    "default": (Config(repeats=60), {"data": "digits"}),
    "paper": (Config(repeats=1000), {"data": "digits"}),
    "verify:digits": (Config(), {"data": "digits", "threads": 1}),
    "verify:reviews": (Config(examples=(128, 256)), REVIEWS),
    "verify:reviews-all": (ALL_OF_THEM, {"data": "rt-polarity"}),
}

import functools
from typing import NamedTuple

import torch

from deepcanon.engine import SizeExperiment
from deepcanon.errors import UsageError
from deepcanon.foundations.naive_bayes import NaiveBayes, class_moments
from deepcanon.foundations.softmax_regression import fit_softmax
from deepcanon.parts.raw_features import RawFeatures

SIZES, DOCUMENT_SIZES = (4, 6, 8, 12, 16, 24, 40, 80, 160, 240), (32, 64, 128, 256, 512, 1024)


class Task(NamedTuple):
    """Classes, places of their training examples (one of each class first), validation rows."""

    classes: torch.Tensor
    places: torch.Tensor
    inputs: torch.Tensor
    labels: torch.Tensor


class Recipe(SizeExperiment[Config]):
    wants = "classes"
    needs = "naive Bayes needs classes: folders (images, .txt) or a table whose target holds names"

    @classmethod
    def learn(cls, config, data):
        train, kind, classes = data["train"], data.kind, data.facts["classes"]
        counts = torch.bincount(train.y, minlength=len(classes))
        if config.classes == 1 or not config.penalties:
            raise UsageError("a task needs two --classes at least (0 for all), and --penalties")
        if "valid" not in data:
            raise UsageError("errors are measured on validation: give a --valid-share above 0")
        if not counts.all():
            raise UsageError(f"no training examples of {classes[counts.argmin()]}")
        width = min(config.classes or len(classes), len(classes))
        most = int(counts.sort().values[:width].sum())  # what the smallest task has
        wanted = config.examples or (DOCUMENT_SIZES if kind == "documents" else SIZES)
        sizes = sorted({n for n in wanted if width <= n <= most}) or [most]
        scaled = config.distribution in ("auto", "gaussian")
        facts = RawFeatures.learn(kind, train.x, words=config.words, standardize=scaled)
        return {**facts, "sizes": sizes, "width": width}

    def build(self):
        super().build()
        run, kind = self.run, self.facts["reader"]["kind"]
        self.preprocess = RawFeatures(kind, self.facts).to(run.device)
        self.split = functools.cache(lambda name: self.preprocess.counted(run.data[name]))

    def naive_bayes(self):
        config, kind = self.config, self.preprocess.kind
        return NaiveBayes.usual(kind, config.distribution, smoothing=config.smoothing)

    def methods(self):
        return ["naive Bayes", *(f"logistic, penalty {p:g}" for p in self.config.penalties)]

    def draw(self, generator):
        train, valid = self.split("train"), self.split("valid")
        names, width = self.facts["reader"]["classes"], self.facts["width"]
        classes = torch.randperm(len(names), generator=generator)[:width].sort().values
        places = torch.randperm(len(train), generator=generator)
        places = places[torch.isin(train.y[places], classes)]
        first = torch.stack([(train.y[places] == c).nonzero()[0, 0] for c in classes])
        rest = places[~torch.isin(torch.arange(len(places)), first)]
        test = valid.take(torch.isin(valid.y, classes).nonzero()[:, 0])
        return Task(classes, torch.cat([places[first], rest]), *self.rows(test, classes))

    def rows(self, some, classes):
        """The features that both kinds of classifier see, and labels from 0."""
        raw, labels = self.run.to(some.x), torch.searchsorted(classes, some.y)
        return self.naive_bayes().features(self.preprocess(raw)), self.run.to(labels)

    def errors(self, task, size):
        width, penalties = len(task.classes), self.config.penalties
        x, y = self.rows(self.split("train").take(task.places[:size]), task.classes)
        naive = self.naive_bayes().fit_moments(class_moments(x, y, width))
        others = (fit_softmax(x, y, width, decay=penalty / len(x)) for penalty in penalties)
        wrong = [model(task.inputs).argmax(1) != task.labels for model in (naive, *others)]
        errors = torch.stack(wrong).double().mean(1).cpu()
        return errors.nan_to_num(0.5)  # no validation example is of these classes
