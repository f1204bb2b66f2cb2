"""Naive Bayes on images, documents or tables, and its learning curve beside logistic regression's on the same features.

Task: fit p(x, class) by counting; classify, sample, measure log p(x). Beside it the experiment of Ng and Jordan (2002):
on small tasks drawn from the data, with ever more examples, naive Bayes against softmax regression at the best of some
penalties. Metric: less error with few examples, more with many (validation split): digits in pairs cross near ten
examples, sentences of film reviews not up to 7,400. Independent pixels of MNIST: 205.8 nats. Two minutes on one core.

    deepcanon train naive-bayes --data digits
"""

from dataclasses import dataclass
from typing import Literal

SYSTEM = "representation.naive_bayes"
DATA = ("images", "documents", "tables")
TARGETS = (
    {"run": "mnist", "metric": "test/independent_nats", "relation": "==", "value": 205.8, "tolerance": 0.05,
     "mark": "R", "source": "B17: Bernoulli pixels without classes, cross-entropy of grey values in [0, 1]"},
    {"run": "digits", "metric": "test/sample_z", "relation": "==", "value": 1.0, "tolerance": 0.15,
     "mark": "X", "source": "B17: samples have the classes' means; z scores have the size 1", "statistic": "worst"},
    {"run": "digits", "metric": "test/few_high", "relation": "<=", "value": 0.0,
     "mark": "P", "source": "B17: generative better at few samples (95 % interval)", "statistic": "worst"},
    {"run": "digits", "metric": "test/many_low", "relation": ">=", "value": 0.0,
     "mark": "P", "source": "B17: discriminative better at many samples (95 % interval)", "statistic": "worst"},
    {"run": "reviews", "metric": "test/few_high", "relation": "<=", "value": 0.0,
     "mark": "P", "source": "B17: the same on sentences of film reviews, from 128 of them", "statistic": "worst"},
    {"run": "reviews-all", "metric": "test/many_low", "relation": ">=", "value": 0.0,
     "mark": "P", "source": "B17: the same on all sentences of film reviews", "statistic": "worst"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    distribution: Literal["auto", "gaussian", "bernoulli", "multinomial"] = "auto"
    """Of a feature given the class; auto takes multinomial for documents, otherwise gaussian."""
    smoothing: float | None = None
    """Gaussian: this share of the largest variance is added to all (0.1); otherwise a count added to all (1)."""
    share_variance: bool = True
    """Gaussian: one variance per feature for all classes (the twin of logistic regression), not one per class."""
    binarize: bool = False
    """Bernoulli: values above one half are 1, others 0; otherwise a value in [0, 1] is the probability of a 1.
    Documents: a word counts once, however often it stands there, as it does for bernoulli anyway."""
    repeats: int = 200
    """Learning curves: tasks that are drawn; 0 fits naive Bayes alone."""
    classes: int = 2
    """Learning curves: classes of a task, drawn anew in each repeat; 0 takes all."""
    examples: tuple[int, ...] = ()
    """Learning curves: training examples of a task, one of each class and the others at random, as far as they go;
    none given: from 4 to 240, of documents from 32 to 1,024."""
    penalties: tuple[float, ...] = (1.0, 0.1, 0.001)
    """Learning curves: L2 penalties (1 / C) of softmax regression; the best one counts at each size."""
    words: int = 5000
    """Documents: most frequent words that are counted; others are left out."""
    size: int = 0
    """Images: side in pixels; 0 as they are."""
    channels: int = 0
    """Images: 1 grey, 3 colour; 0 as they are."""
    target: str = ""
    """Tables: the column with the class; the last if not given."""
    valid_share: float = 0.2
    """Share of the training data that is held out for validation."""
    test_share: float = 0.1
    """Share that is held out for the test where the data bring none."""


def smoke():
    return Config(repeats=3, examples=(4, 16, 60)), {"data": "digits"}


def default():
    return Config(repeats=60), {"data": "digits"}


def paper():
    return Config(repeats=1000, share_variance=True), {"data": "digits"}


def verify():
    return {
        "mnist": (Config(distribution="bernoulli", repeats=0, valid_share=0.0), {"data": "mnist", "threads": 1}),
        "digits": (Config(), {"data": "digits", "threads": 1}),
        "reviews": (Config(examples=(128, 256)), {"data": "rt-polarity", "threads": 1}),
        "reviews-all": (Config(repeats=10, examples=(1024, 7400), penalties=(10.0, 3.0, 1.0)), {"data": "rt-polarity"}),
    }


import functools

import torch
from torch import nn

from deepcanon.engine import Export, classifier_export, require_classes
from deepcanon.engine.curves import LearningCurves
from deepcanon.engine.errors import UsageError
from deepcanon.foundations.softmax_regression import fit_softmax
from deepcanon.parts.bag_of_words import BagOfWords
from deepcanon.parts.classification import confusion, measures, records
from deepcanon.parts.standardize import Standardize, channel_statistics
from deepcanon.representation import ClassMoments, NaiveBayes, bits_per_dimension, class_moments, merge_classes
from deepcanon.representation.naive_bayes import sample_z, telling_features

CLASSES = "naive Bayes needs classes: folders CLASS/ of images or of .txt files, or a table whose target holds names"
SIZES, DOCUMENT_SIZES = (4, 6, 8, 12, 16, 24, 40, 80, 160, 240), (32, 64, 128, 256, 512, 1024)
TELLING = 30  # words of each class that are shown


class Recipe:
    state = ("model", "alone", "curves")
    monitor = None
    parallel = "statistics"
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        train, about = data["train"], data.describe()
        require_classes(data, CLASSES)
        counts = torch.bincount(train.y, minlength=len(about["classes"]))
        if config.classes == 1:
            raise UsageError("a task of one class (--classes 1) teaches nothing: two at least, or 0 for all")
        lacking = [name for name, n in zip(about["classes"], counts, strict=True) if not n]
        if lacking:
            raise UsageError(f"no training examples of {', '.join(lacking)}")
        width = min(config.classes or len(counts), len(counts))
        most = int(counts.sort().values[:width].sum())  # what the smallest task has
        wanted = config.examples or (DOCUMENT_SIZES if about["kind"] == "documents" else SIZES)
        facts = {"sizes": [n for n in wanted if width <= n <= most] or [most], "width": width}
        if about["kind"] == "documents":
            if config.distribution == "gaussian":
                raise UsageError("word counts are not gaussian: --distribution multinomial or bernoulli")
            bag = BagOfWords.build(train.x, config.words)
            length = max(1, round(len(bag.pack(train.x).numbers) / len(train)))
            return {**facts, "shape": [len(bag)], "words": list(bag.words), "length": length}
        shift, scale = torch.zeros(train.x.shape[1]), torch.ones(train.x.shape[1])
        if about["kind"] == "images":
            scale *= 255  # pixels in [0, 1]
        elif config.distribution in ("auto", "gaussian"):
            shift, scale = channel_statistics(part.x for part in train.chunks())
        return {**facts, "shape": list(train.x.shape[1:]), "shift": shift, "scale": scale}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.classes, self.kind = facts["reader"]["classes"], facts["reader"]["kind"]
        self.distribution = config.distribution
        if config.distribution == "auto":
            self.distribution = "multinomial" if self.kind == "documents" else "gaussian"
        self.model, self.alone = self.fresh().to(run.device), self.fresh().to(run.device)  # alone: of one class
        if self.kind == "documents":
            self.bag = BagOfWords(facts["words"])
            self.preprocess = nn.Hardtanh(0.0, 1.0) if config.binarize else nn.Identity()
        else:
            scaled = Standardize(torch.as_tensor(facts["shift"]), torch.as_tensor(facts["scale"]))
            self.preprocess = nn.Sequential(scaled, nn.Flatten()).to(run.device)
        self.split = functools.cache(self._split)
        self.rows = max(1, min(10_000, 2**24 // torch.Size(facts["shape"]).numel()))  # at a time, for want of memory
        arms = ["naive Bayes", *(f"logistic, penalty {penalty:g}" for penalty in config.penalties)]
        self.curves = LearningCurves(config.repeats, facts["sizes"], arms)

    def fresh(self):
        config, kind = self.config, self.distribution
        smoothing = (0.1 if kind == "gaussian" else 1.0) if config.smoothing is None else config.smoothing
        threshold = 0.5 if config.binarize or self.kind == "documents" else None
        return NaiveBayes(kind, smoothing=smoothing, threshold=threshold, share_variance=config.share_variance)

    def _split(self, name):
        data = self.run.data[name]
        return data.counted(self.bag) if self.kind == "documents" else data

    def plan(self) -> int:
        return 1 + self.config.repeats

    def step(self, step: int) -> dict:
        repeats = self.config.repeats
        if step == 0:
            if not repeats or "valid" not in self.run.data:
                self.run.stop("fitted in one pass; learning curves need --repeats and a validation split")
            return {"examples": self.fit(self.split("train"))}
        errors = self.repeat(self.split("train"), self.split("valid"))
        self.curves.errors[step - 1] = errors
        if step == repeats:
            self.run.stop(f"all {repeats} tasks are drawn")
        return {"generative": errors[:, 0].mean(), "discriminative": errors[:, 1:].amin(1).mean()}

    def fit(self, train):
        """All rows by chunks; each process counts its own, and what is added are N, s and S about the common mean."""
        run = self.run
        mine = torch.arange(run.rank, len(train), run.world).split(self.rows)
        for model, classes in ((self.model, len(self.classes)), (self.alone, 1)):
            chunks = (train.take(places) for places in mine)
            found = (class_moments(self.inputs(rows.x), rows.y.to(run.device) % classes, classes) for rows in chunks)
            part = functools.reduce(merge_classes, found)
            examples, sums = run.sum(part.examples), run.sum(part.sums)
            gap = part.sums / part.examples.clamp_min(1)[:, None] - sums / examples[:, None]
            scatter = run.sum(part.scatter + part.examples[:, None] * gap.square())
            try:
                model.fit_moments(ClassMoments(examples, sums, scatter))
            except ValueError as error:
                raise UsageError(str(error)) from None
        return examples.sum()

    def repeat(self, train, valid):
        """Errors [sizes, arms] of one drawn task, whose training sets are nested random subsets."""
        config, run, width, sizes = self.config, self.run, self.facts["width"], self.facts["sizes"]
        generator = run.generator("task")
        chosen = torch.randperm(len(self.classes), generator=generator)[:width].sort().values
        places = torch.randperm(len(train), generator=generator)
        places = places[torch.isin(train.y[places], chosen)]
        first = torch.stack([(train.y[places] == c).nonzero()[0, 0] for c in chosen])  # one of each class leads
        places = torch.cat([places[first], places[~torch.isin(torch.arange(len(places)), first)]])
        test = valid.take(torch.isin(valid.y, chosen).nonzero()[:, 0])
        x, y = self.inputs(test.x), torch.searchsorted(chosen, test.y)
        errors = torch.zeros(self.curves.errors.shape[1:], dtype=torch.float64)
        for row in range(run.rank, len(sizes), run.world):  # each process trains some of the sizes
            some = train.take(places[: sizes[row]])
            features, labels = self.inputs(some.x), torch.searchsorted(chosen, some.y).to(run.device)
            naive = self.fresh().fit_moments(class_moments(features, labels, width))
            errors[row, 0] = (naive(x).argmax(1).cpu() != y).double().mean()
            for arm, penalty in enumerate(config.penalties):
                other = fit_softmax(features, labels, width, decay=penalty / len(some))
                errors[row, 1 + arm] = (other(x).argmax(1).cpu() != y).double().mean()
        return run.sum(errors.nan_to_num(0.5))

    def inputs(self, raw):
        """The features that both kinds of classifier see."""
        return self.model.features(self.preprocess(raw.to(self.run.device)))

    def joint(self, chunks, model=None):
        """log p(x, c) of raw inputs, some at a time."""
        return torch.cat([(model or self.model)(self.inputs(raw)) for raw in chunks]).cpu()

    def evaluate(self, split: str) -> dict:
        data = self.split(split)
        joint, alone = (self.joint((rows.x for rows in data.chunks(self.rows)), m) for m in (self.model, self.alone))
        log = joint.logsumexp(1)
        bits = bits_per_dimension(log, self.model.n_features_in_).mean()
        result = {**measures(joint, data.y), "nats": -log.mean(), "bits_per_dimension": bits}
        if self.kind == "documents":  # without a known word the class is the likeliest beforehand
            result["empty"] = (data.x.ends.diff(prepend=data.x.ends.new_zeros(1)) == 0).sum()
        z = sample_z(
            self.model, draws=100 if self.distribution == "multinomial" else 1, generator=self.run.generator("means")
        )
        return {**result, "independent_nats": -alone.mean(), "sample_z": z, **self.curves.verdict()}

    def figures(self) -> dict:
        data = self.split("valid" if "valid" in self.run.data else "train")
        some = data.take(torch.arange(min(10_000, len(data))))
        counts = confusion(self.joint(some.x.split(self.rows)), some.y).double()
        shown: dict = {"confusion": (counts / counts.sum(1, keepdim=True).clamp_min(1)).numpy()}
        if self.kind == "images":
            shown["class-means"] = self.raw(self.model.theta_).numpy()
            labels = torch.arange(len(self.classes)).repeat(8).to(self.run.device)
            generator = self.run.generator("figures")
            shown["samples"] = self.raw(self.model.sample(labels, draws=500, generator=generator)).numpy()
        if self.kind == "documents":
            shown["telling-words"] = self.telling_words()
        return shown | self.curves.figures()

    def telling_words(self) -> str:
        """The words that speak most for each class."""
        lines = []
        for name, shares in zip(self.classes, telling_features(self.model.theta_), strict=True):
            best = shares.argsort(descending=True)[:TELLING].tolist()
            lines.append(f"{name}: {' '.join(self.facts['words'][i] for i in best if shares[i] > 0)}")
        return "\n".join(lines) + "\n"

    def raw(self, features):
        """Features back in the units of the data: pixels as bytes, or columns."""
        if self.kind == "images":
            top = features.amax(1, keepdim=True) if self.distribution == "multinomial" else 1
            return (features / top * 255).round().clamp(0, 255).to(torch.uint8).view(-1, *self.facts["shape"]).cpu()
        return (features * self.preprocess[0].scale + self.preprocess[0].shift).cpu()

    def predict(self, inputs) -> list[dict]:
        if self.kind == "documents" and not isinstance(inputs, torch.Tensor):
            inputs = self.bag.counts(self.bag.pack(inputs))
        return records(self.joint(inputs.split(self.rows)), self.classes)

    def generate(self, prompt="", count=1, temperature=1.0, beam=0, generator=None, **options):
        """Samples of the class that the prompt names, or of all in turn."""
        if prompt and prompt not in self.classes:
            raise UsageError(f"the prompt names a class: {', '.join(self.classes[:20])}; not {prompt!r}")
        places = [self.classes.index(prompt)] if prompt else list(range(len(self.classes)))
        labels = torch.tensor([places[i % len(places)] for i in range(count)], device=self.run.device)
        samples = self.model.sample(labels, draws=self.facts.get("length", 500), generator=generator)
        if self.kind == "images":
            return self.raw(samples)
        if self.kind == "documents":
            texts = self.bag.texts(samples)
        else:
            columns = self.facts["reader"]["columns"]
            rows = (zip(columns, row, strict=True) for row in self.raw(samples).tolist())
            texts = [", ".join(f"{name}={value:.4g}" for name, value in row) for row in rows]
        return [{"text": f"{self.classes[c]}: {text}"} for c, text in zip(labels.tolist(), texts, strict=True)]

    def export(self):
        shape, reader, device = self.facts["shape"], self.facts["reader"], self.run.device
        if self.kind != "documents":
            return classifier_export(self.preprocess, self.model, shape, reader, device)
        module = nn.Sequential(self.preprocess, self.model, nn.Softmax(1))
        about = {"task": "classify", "classes": self.classes, "words": self.facts["words"]}
        return Export(module, (torch.zeros(2, *shape, device=device),), ("counts",), ("probabilities",), about)
