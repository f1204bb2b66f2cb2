"""Naive Bayes on images or tables, and its learning curve beside logistic regression's on the same features.

Task: fit p(x, class) by counting; classify, sample, measure log p(x). Beside it the experiment of Ng and Jordan (2002):
on small tasks drawn from the data, with ever more examples, naive Bayes against softmax regression at the best of some
penalties. Metric: less error with few examples, more with many; on DIGITS, pairs of classes, they cross near ten. The
curves use the validation split. Independent Bernoulli pixels of MNIST: 205.8 nats per image. Two minutes on one core.

    deepcanon train naive-bayes --data digits
"""

from dataclasses import dataclass
from typing import Literal

SYSTEM = "representation.naive_bayes"
DATA = ("images", "tables")
TARGETS = (
    {"run": "mnist", "metric": "test/independent_nats", "relation": "==", "value": 205.8, "tolerance": 0.05,
     "mark": "R", "source": "B17: Bernoulli pixels without classes, cross-entropy of grey values in [0, 1]"},
    {"run": "digits", "metric": "test/sample_z", "relation": "==", "value": 1.0, "tolerance": 0.15,
     "mark": "X", "source": "B17: samples have the classes' means; z scores have the size 1", "statistic": "worst"},
    {"run": "digits", "metric": "test/few_high", "relation": "<=", "value": 0.0,
     "mark": "P", "source": "B17: generative better at few samples (95 % interval)", "statistic": "worst"},
    {"run": "digits", "metric": "test/many_low", "relation": ">=", "value": 0.0,
     "mark": "P", "source": "B17: discriminative better at many samples (95 % interval)", "statistic": "worst"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    distribution: Literal["gaussian", "bernoulli", "multinomial"] = "gaussian"
    """Of a feature given the class."""
    smoothing: float = 0.1
    """Gaussian: this share of the largest variance is added to all; otherwise a count that is added to all."""
    share_variance: bool = True
    """Gaussian: one variance per feature for all classes (the twin of logistic regression), not one per class."""
    binarize: bool = False
    """Bernoulli: values above one half are 1, others 0; otherwise a value in [0, 1] is the probability of a 1."""
    repeats: int = 200
    """Learning curves: tasks that are drawn; 0 fits naive Bayes alone."""
    classes: int = 2
    """Learning curves: classes of a task, drawn anew in each repeat; 0 takes all."""
    examples: tuple[int, ...] = (4, 6, 8, 12, 16, 24, 40, 80, 160, 240)
    """Learning curves: training examples of a task, one of each class and the others at random, as far as they go."""
    penalties: tuple[float, ...] = (1.0, 0.1, 0.001)
    """Learning curves: L2 penalties (1 / C) of softmax regression; the best one counts at each size."""
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
    }


import functools

import torch
from torch import nn

from deepcanon.engine import classifier_export
from deepcanon.engine.comparison import interval
from deepcanon.engine.errors import UsageError
from deepcanon.foundations.softmax_regression import SoftmaxRegression, softmax_gradient, softmax_objective
from deepcanon.parts.classification import confusion, measures, records
from deepcanon.parts.standardize import Standardize, channel_statistics
from deepcanon.representation import ClassMoments, NaiveBayes, bits_per_dimension, class_moments, merge_classes


class Recipe:
    state = ("model", "alone", "curves")
    monitor = None
    parallel = "statistics"
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        train, about = data["train"], data.describe()
        if train.y is None or not about.get("classes"):
            raise UsageError("naive Bayes needs classes: images in CLASS/ folders, or a table whose target holds names")
        counts = torch.bincount(train.y, minlength=len(about["classes"]))
        if len(counts) < 2 or config.classes == 1:
            raise UsageError("naive Bayes tells classes apart: two at least, in the data and in a task (--classes)")
        lacking = [name for name, n in zip(about["classes"], counts, strict=True) if not n]
        if lacking:
            raise UsageError(f"no training examples of {', '.join(lacking)}")
        shift, scale = torch.zeros(train.x.shape[1]), torch.ones(train.x.shape[1])
        if about["kind"] == "images":
            scale *= 255  # pixels in [0, 1]
        elif config.distribution == "gaussian":
            shift, scale = channel_statistics(part.x for part in train.chunks())
        width = min(config.classes or len(counts), len(counts))
        most = int(counts.sort().values[:width].sum())  # what the smallest task has
        sizes = [n for n in config.examples if width <= n <= most] or [most]
        return {"shape": list(train.x.shape[1:]), "shift": shift, "scale": scale, "sizes": sizes, "width": width}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.classes = facts["reader"]["classes"]
        self.model = self.fresh().to(run.device)
        scaled = Standardize(torch.as_tensor(facts["shift"]), torch.as_tensor(facts["scale"]))
        self.preprocess = nn.Sequential(scaled, nn.Flatten()).to(run.device)
        self.alone = self.fresh().to(run.device)  # all examples as one class: independent features
        self.curves = nn.Module()
        errors = torch.full((config.repeats, len(facts["sizes"]), 1 + len(config.penalties)), torch.nan)
        self.curves.register_buffer("errors", errors.double())

    def fresh(self):
        config, threshold = self.config, 0.5 if self.config.binarize else None
        options = {"smoothing": config.smoothing, "threshold": threshold, "share_variance": config.share_variance}
        return NaiveBayes(config.distribution, **options)

    def plan(self) -> int:
        return 1 + self.config.repeats

    def step(self, step: int) -> dict:
        train, repeats = self.run.data["train"], self.config.repeats
        if step == 0:
            if not repeats or "valid" not in self.run.data:
                self.run.stop("fitted in one pass; learning curves need --repeats and a validation split")
            return {"examples": self.fit(train)}
        errors = self.repeat(train, self.run.data["valid"])
        self.curves.errors[step - 1] = errors
        if step == repeats:
            self.run.stop(f"all {repeats} tasks are drawn")
        return {"generative": errors[:, 0].mean(), "discriminative": errors[:, 1:].amin(1).mean()}

    def fit(self, train):
        """All rows by chunks; each process counts its own, and what is added are N, s and S about the common mean."""
        run = self.run
        mine = train.take(torch.arange(run.rank, len(train), run.world))
        for model, classes in ((self.model, len(self.classes)), (self.alone, 1)):
            chunks = [(self.inputs(rows.x), rows.y.to(run.device) % classes) for rows in mine.chunks(10_000)]
            part = functools.reduce(merge_classes, [class_moments(x, y, classes) for x, y in chunks])
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
            some = places[: sizes[row]]
            features, labels = self.inputs(train.x[some]), torch.searchsorted(chosen, train.y[some]).to(run.device)
            naive = self.fresh().fit_moments(class_moments(features, labels, width))
            errors[row, 0] = (naive(x).argmax(1).cpu() != y).double().mean()
            for arm, penalty in enumerate(config.penalties):
                logits = self.discriminate(features, labels, width, penalty / len(some))(x)
                errors[row, 1 + arm] = (logits.argmax(1).cpu() != y).double().mean()
        return run.sum(errors.nan_to_num(0.5))

    def inputs(self, raw):
        """The features that both kinds of classifier see."""
        return self.model.features(self.preprocess(raw.to(self.run.device)))

    def discriminate(self, features, labels, classes, decay):
        """Softmax regression by L-BFGS from zero."""
        model = SoftmaxRegression(features.shape[1], classes, device=features.device)
        optimizer = torch.optim.LBFGS(
            model.parameters(), lr=1, max_iter=100, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
        )
        weight, bias = model.weight, model.bias

        def closure():
            weight.grad, bias.grad = softmax_gradient(weight.detach(), bias.detach(), features, labels, decay=decay)
            return softmax_objective(weight.detach(), bias.detach(), features, labels, decay=decay)

        optimizer.step(closure)
        return model.requires_grad_(False)

    def joint(self, raw):
        return torch.cat([self.model(self.inputs(rows)) for rows in raw.split(5000)]).cpu()

    def evaluate(self, split: str) -> dict:
        data = self.run.data[split]
        joint = self.joint(data.x)
        log, each = joint.logsumexp(1), [self.alone(self.inputs(rows)).squeeze(1) for rows in data.x.split(5000)]
        bits = bits_per_dimension(log, self.model.n_features_in_).mean()
        result = {**measures(joint, data.y), "nats": -log.mean(), "bits_per_dimension": bits}
        return {**result, "independent_nats": -torch.cat(each).mean(), "sample_z": self.sample_z(), **self.verdict()}

    def sample_z(self):
        """Root mean square of (mean of samples - mean of the class) / its standard error: 1 where sampling is right."""
        many, draws = len(self.classes), 100 if self.config.distribution == "multinomial" else 1
        labels = torch.arange(many, device=self.run.device).repeat_interleave(200)
        samples = self.model.sample(labels, draws=draws, generator=self.run.generator("means"))
        error = (self.model.variance_ / (200 * draws)).sqrt()
        gap = samples.view(many, 200, -1).mean(1) / draws - self.model.theta_
        return (gap[error > 0] / error[error > 0]).square().mean().sqrt()

    def drawn(self):  # errors [repeats, sizes, arms] of the tasks so far
        return self.curves.errors[~self.curves.errors.isnan().flatten(1).any(1)].cpu()

    def gaps(self):
        """(mean, low, high) at each size: error of naive Bayes minus that at the penalty which is best on average."""
        errors = self.drawn()
        arms = 1 + errors[:, :, 1:].mean(0).argmin(1)
        return [interval((errors[:, i, 0] - errors[:, i, arm]).tolist()) for i, arm in enumerate(arms)]

    def verdict(self) -> dict:
        """The differences with few and with many examples, and how many examples make the mean change its sign."""
        if len(self.drawn()) < 2:
            return {}
        gaps, sizes = self.gaps(), self.facts["sizes"]
        result = {"few": gaps[0][0], "few_high": gaps[0][2], "many": gaps[-1][0], "many_low": gaps[-1][1]}
        for (a, _, _), (b, _, _), small, large in zip(gaps, gaps[1:], sizes, sizes[1:], strict=False):
            if a < 0 <= b:
                return result | {"crossing": small * (large / small) ** (a / (a - b))}
        return result

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        data = self.run.data["valid" if "valid" in self.run.data else "train"]
        counts = confusion(self.joint(data.x[:10_000]), data.y[:10_000]).double()
        shown: dict = {"confusion": (counts / counts.sum(1, keepdim=True).clamp_min(1)).numpy()}
        if len(self.facts["shape"]) == 3:
            shown["class-means"] = self.raw(self.model.theta_).numpy()
            labels = torch.arange(len(self.classes)).repeat(8).to(self.run.device)
            generator = self.run.generator("figures")
            shown["samples"] = self.raw(self.model.sample(labels, draws=500, generator=generator)).numpy()
        if len(self.drawn()) > 1:
            shown["learning-curves"] = self.learning_curves(Figure(figsize=(8.5, 3.6), layout="constrained"))
        return shown

    def learning_curves(self, figure):
        left, right = figure.subplots(1, 2)
        sizes, errors, (gap, low, high) = self.facts["sizes"], self.drawn(), zip(*self.gaps(), strict=True)
        for arm, name in enumerate(["naive Bayes", *(f"logistic, penalty {p:g}" for p in self.config.penalties)]):
            bar = 1.96 * errors[:, :, arm].std(0) / len(errors) ** 0.5
            left.errorbar(sizes, errors[:, :, arm].mean(0), bar, marker=".", capsize=2, label=name)
        left.set(xscale="log", xlabel="training examples", ylabel="error (valid)")
        left.legend()
        right.plot(sizes, gap, ".-", sizes, [0] * len(sizes), "k-")
        right.fill_between(sizes, low, high, alpha=0.3)
        title = f"they cross at {self.verdict().get('crossing', float('nan')):.0f} examples"
        right.set(xscale="log", xlabel="training examples", ylabel="naive Bayes minus best logistic", title=title)
        return figure

    def raw(self, features):
        """Features back in the units of the data: pixels as bytes, or columns."""
        if len(self.facts["shape"]) == 3:
            top = features.amax(1, keepdim=True) if self.config.distribution == "multinomial" else 1
            return (features / top * 255).round().clamp(0, 255).to(torch.uint8).view(-1, *self.facts["shape"]).cpu()
        return (features * self.preprocess[0].scale + self.preprocess[0].shift).cpu()

    def predict(self, inputs) -> list[dict]:
        return records(self.joint(inputs), self.classes)

    def generate(self, prompt="", count=1, temperature=1.0, beam=0, generator=None, **options):
        """Samples of the class that the prompt names, or of all in turn."""
        if prompt and prompt not in self.classes:
            raise UsageError(f"the prompt names a class: {', '.join(self.classes[:20])}; not {prompt!r}")
        places = [self.classes.index(prompt)] if prompt else list(range(len(self.classes)))
        labels = torch.tensor([places[i % len(places)] for i in range(count)], device=self.run.device)
        samples = self.raw(self.model.sample(labels, draws=500, generator=generator))
        if len(self.facts["shape"]) == 3:
            return samples
        named = [zip(self.facts["reader"]["columns"], row, strict=True) for row in samples.tolist()]
        words = [", ".join(f"{name}={value:.4g}" for name, value in row) for row in named]
        return [{"text": f"{self.classes[c]}: {text}"} for c, text in zip(labels.tolist(), words, strict=True)]

    def export(self):
        shape, reader = self.facts["shape"], self.facts["reader"]
        return classifier_export(self.preprocess, self.model, shape, reader, self.run.device)
