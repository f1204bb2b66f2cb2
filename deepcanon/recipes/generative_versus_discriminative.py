"""Learning curves of naive Bayes and of logistic regression on the same features.

Task: small tasks drawn from the data, with more and more examples (Ng and Jordan 2002): naive Bayes
against softmax regression with the best of several penalties. Data: images, documents or the number
columns of a table, with classes. The training examples are divided into disjoint groups; each task
uses one group: some examples to train, some to choose the penalty, others to test. Other splits are
not read. Metric: difference of the errors, below 0 with few examples and above 0 with many (Ng and
Jordan, most of their data sets); ours: for pairs of MNIST digits the curves cross at 12 to 18
examples, for sentences of film reviews they do not cross up to 1,024. A minute on one core.

    deepcanon train generative-versus-discriminative --data digits
"""

from dataclasses import dataclass
from typing import Literal

from deepcanon.options import Count, Documents, Images, NonNegative, Tables, Whole
from deepcanon.targets import size_metrics, target

SYSTEM = "foundations.naive_bayes"
DATA = ("images", "documents", "tables")
GAP = "error of naive Bayes minus that of the best logistic regression"
METRICS = size_metrics(GAP, "error of naive Bayes", "error of the best other", "share")
FEW = "Ng and Jordan 2002: naive Bayes is better with few examples (95 % interval)"
MANY = "Ng and Jordan 2002: logistic regression is better with many (95 % interval)"
TARGETS = (
    target("mnist", "worst test/few_high <= 0", "P", FEW),
    target("mnist", "worst test/many_low >= 0", "P", MANY),
    target("reviews", "worst test/few_high <= 0", "P", f"{FEW}; sentences of film reviews"),
    target("reviews", "worst test/many_low >= 0", "P", f"{MANY}; sentences of film reviews"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Documents, Tables):
    repeats: Count = 200
    """Number of tasks to draw."""
    groups: Count = 10
    """Disjoint groups of the training examples, in turn; intervals are over their means."""
    classes: Whole = 2
    """Classes of a task, drawn for each; 0 takes all."""
    examples: tuple[Count, ...] = ()
    """Training examples of a task, one of each class and the others at random, as far as they go;
    none given: from 4 to 240, of documents from 32 to 1,024."""
    penalties: tuple[NonNegative, ...] = (10.0, 1.0, 0.1, 0.01)
    """L2 penalties (1 / C) of softmax regression; the best one at each size is chosen on examples
    that are not used for testing."""
    distribution: Literal["auto", "gaussian", "bernoulli", "multinomial"] = "auto"
    """Of a feature, given the class; auto is multinomial for documents, otherwise gaussian with
    one variance for all classes: the twin of logistic regression."""
    smoothing: float | None = None
    """Added to variances (gaussian: this share of the largest, 0.1) or counts (otherwise: 1)."""
    words: Count = 5000
    """Documents: number of most frequent words to count; others are left out."""
    valid_share: float = 0.0


REVIEWS = Config(groups=5, examples=(128, 256, 512, 1024), penalties=(10.0, 3.0, 1.0, 0.1))
PRESETS = {
    "smoke": (Config(repeats=4, groups=2, examples=(4, 16, 60)), {"data": "digits"}),
    "default": (Config(), {"data": "digits", "options": {"repeats": 60, "groups": 3}}),
    "paper": (Config(repeats=1000), {"data": "mnist"}),
    "verify:mnist": (Config(), {"data": "mnist", "threads": 1}),
    "verify:reviews": (REVIEWS, {"data": "rt-polarity", "threads": 1}),
}

import functools
from typing import NamedTuple

import torch

from deepcanon.engine import SizeExperiment
from deepcanon.engine.experiment import disjoint, left_to_train
from deepcanon.errors import UsageError
from deepcanon.foundations.naive_bayes import NaiveBayes, class_moments
from deepcanon.foundations.softmax_regression import fit_softmax
from deepcanon.parts.raw_features import RawFeatures

SIZES, DOCUMENT_SIZES = (4, 6, 8, 12, 16, 24, 40, 80, 160, 240), (32, 64, 128, 256, 512, 1024)


class Task(NamedTuple):
    """Classes, places of training examples (one of each class first), and of held-out examples."""

    classes: torch.Tensor
    places: torch.Tensor
    held: tuple[torch.Tensor, torch.Tensor]
    """Those that choose among the penalties, and those that judge."""


class Recipe(SizeExperiment[Config]):
    wants = "classes"
    needs = "naive Bayes needs classes: folders (images, .txt) or a table whose target holds names"

    @classmethod
    def learn(cls, config, data):
        train, kind, classes = data["train"], data.kind, data.facts["classes"]
        counts = torch.bincount(train.y, minlength=len(classes)) // config.groups
        if config.classes == 1 or not config.penalties:
            raise UsageError("a task needs at least two --classes (0: all), and --penalties")
        if counts.min() < 3:
            few = f"{config.groups} groups of 3 examples or more of {classes[counts.argmin()]}"
            raise UsageError(f"there are too few for {few}: give fewer --groups")
        width = min(config.classes or len(classes), len(classes))
        each = sorted(map(left_to_train, counts.tolist()))
        most = sum(each[:width])  # what the smallest task has
        wanted = config.examples or (DOCUMENT_SIZES if kind == "documents" else SIZES)
        sizes = sorted({n for n in wanted if width <= n <= most}) or [most]
        scaled = config.distribution in ("auto", "gaussian")
        facts = RawFeatures.learn(kind, train.x, words=config.words, standardize=scaled)
        return {**facts, "sizes": sizes, "width": width}

    def build(self):
        super().build()
        run, kind = self.run, self.facts["reader"]["kind"]
        self.preprocess = RawFeatures(kind, self.facts).to(run.device)
        self.train = functools.cache(lambda: self.preprocess.counted(run.data["train"]))
        uses = functools.partial(disjoint, groups=self.config.groups, seed=run.seed)
        self.groups = functools.cache(lambda: uses(self.train().y))

    def naive_bayes(self):
        config, kind = self.config, self.preprocess.kind
        return NaiveBayes.usual(kind, config.distribution, smoothing=config.smoothing)

    def methods(self):
        return ["naive Bayes", *(f"logistic, penalty {p:g}" for p in self.config.penalties)]

    def draw(self, step, generator):
        names, width = self.facts["reader"]["classes"], self.facts["width"]
        group = self.groups()[step % self.config.groups]
        classes = torch.randperm(len(names), generator=generator)[:width].sort().values
        train, choose, judge = zip(*(group[c] for c in classes.tolist()), strict=True)
        mixed = [places[torch.randperm(len(places), generator=generator)] for places in train]
        rest = torch.cat([places[1:] for places in mixed])
        rest = rest[torch.randperm(len(rest), generator=generator)]
        first = torch.stack([places[0] for places in mixed])
        return Task(classes, torch.cat([first, rest]), (torch.cat(choose), torch.cat(judge)))

    def rows(self, places, classes):
        """The features that both kinds of classifier see, and labels from 0."""
        some = self.train().take(places)
        raw, labels = self.run.to(some.x), torch.searchsorted(classes, some.y)
        return self.naive_bayes().features(self.preprocess(raw)), self.run.to(labels)

    def errors(self, task, size):
        width, penalties = len(task.classes), self.config.penalties
        x, y = self.rows(task.places[:size], task.classes)
        models = [self.naive_bayes().fit_moments(class_moments(x, y, width))]
        models += [fit_softmax(x, y, width, decay=penalty / len(x)) for penalty in penalties]
        found = []
        for inputs, labels in (self.rows(places, task.classes) for places in task.held):
            wrong = torch.stack([model(inputs).argmax(1) != labels for model in models])
            found.append(wrong.double().mean(1))
        return torch.stack(found).cpu()
