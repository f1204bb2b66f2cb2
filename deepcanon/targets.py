"""What a recipe measures and what it must reach, one line each; without torch or NumPy.

    TARGETS = (
        target("mnist", "test/error <= 0.015", "C", "146 errors in 10,000, arXiv:1503.02531, section 3"),
        target("ravine", "worst test/momentum_slope == 0.2007 +- 0.002", "X", "-ln(9/11), Polyak 1964"),
        target("tied - untied", "valid/nll <= 0", "P", "tied embeddings are not worse"),
    )
    METRICS = {"error": metric("share of examples given the wrong class", "share", "min")}

Marks say where the figure of a target comes from: a theorem, a recomputation, a publication, or our proposal.
"""

import fnmatch
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "ANSWERS",
    "CLASSIFIER",
    "CONVEX",
    "EPISODES",
    "FOLDS",
    "GABOR",
    "LANGUAGE",
    "MARKS",
    "MIXED",
    "SAMPLES",
    "TRANSLATION",
    "TREES",
    "Metric",
    "Target",
    "difference_suffix",
    "metric",
    "metric_of",
    "size_metrics",
    "target",
    "trial_metrics",
]

MARKS = {
    "X": "exact: follows from mathematics",
    "R": "recomputed: by independent code on the same data",
    "C": "cited: from a publication",
    "P": "proposed: by this project, no figure is published at this scale",
}
STATISTICS = ("mean", "worst")
PATTERN = re.compile(
    r"(?:(?P<statistic>\w+) )?(?P<metric>(?:train|valid|test|last/\w+)/\w+|cpu_seconds|cpu_minutes|seconds) "
    r"(?P<relation><=|>=|==) (?P<value>[-+\d.e_]+)(?: \+- (?P<tolerance>[\d.e-]+))?"
)


@dataclass(frozen=True)
class Target:
    """A condition on a metric of a run of the verify preset.

    Attributes:
        run: of the verify preset; `minus`, if given, is another one: the target is about their difference, seed by
            seed.
        metric: "split/name", or a cost such as "cpu_seconds".
        relation: "<=", ">=" or "==" (within `tolerance`).
        statistic: over the seeds: their mean, or the worst of them.
        mark: see `MARKS`.
        source: a paper, a table, or a computation that a reader can repeat.
    """

    run: str
    metric: str
    relation: Literal["<=", ">=", "=="]
    value: float
    mark: str
    source: str
    statistic: str = "mean"
    tolerance: float | None = None
    minus: str = ""

    @property
    def condition(self) -> str:
        """The condition as it is written."""
        statistic = "" if self.statistic == "mean" else f"{self.statistic} "
        tolerance = "" if self.tolerance is None else f" +- {self.tolerance:g}"
        return f"{statistic}{self.metric} {self.relation} {self.value:.10g}{tolerance}"


def target(run: str, condition: str, mark: str, source: str) -> Target:
    """A target from its line: `[mean|worst] METRIC <=|>=|== VALUE [+- TOLERANCE]`; `run` may be "ONE - OTHER".

    Raises:
        ValueError: naming what of the line is not understood.
    """
    found = PATTERN.fullmatch(condition)
    if not found:
        raise ValueError(f"{condition!r} is not of the form '[worst] split/metric <= value' or '== value +- tolerance'")
    if mark not in MARKS:
        raise ValueError(f"the mark of {condition!r} is {mark!r}, not one of {', '.join(MARKS)}")
    statistic = found["statistic"] or "mean"
    if statistic not in STATISTICS:
        raise ValueError(f"the statistic of {condition!r} is {statistic!r}, not one of {', '.join(STATISTICS)}")
    if (found["tolerance"] is not None) != (found["relation"] == "=="):
        raise ValueError(f"{condition!r}: '==' needs a tolerance, '<=' and '>=' have none")
    if not source.strip():
        raise ValueError(f"the target {condition!r} has no source")
    first, _, minus = run.partition(" - ")
    tolerance = None if found["tolerance"] is None else float(found["tolerance"])
    value = float(found["value"].replace("_", ""))
    relation: Any = found["relation"]
    return Target(first, found["metric"], relation, value, mark, source, statistic, tolerance, minus)


# Metrics


@dataclass(frozen=True)
class Metric:
    """What a number says.

    Attributes:
        sentence: in words.
        unit: "nats", "share", "pixels squared" ...
        better: "min" or "max"; "" if neither is better.
        split: of the data that it is measured on, if that is not the split in its name.
    """

    sentence: str
    unit: str = ""
    better: Literal["min", "max", ""] = ""
    split: str = ""


def metric(sentence: str, unit: str = "", better: Literal["min", "max", ""] = "", split: str = "") -> Metric:
    """A line of METRICS; its key is the metric's name, in which * stands for anything ("error_*")."""
    if len(sentence) < 8 or better not in ("min", "max", ""):
        raise ValueError(f"a metric has a sentence and is better at 'min', 'max' or '': {sentence!r}, {better!r}")
    return Metric(sentence, unit, better, split)


CLASSIFIER = {
    "nll": metric("mean negative log-likelihood of the true classes", "nats per example", "min"),
    "accuracy": metric("share of examples given their class", "share", "max"),
    "error": metric("share of examples given another class", "share", "min"),
    "auc": metric("area under the ROC curve of the second of two classes", "share", "max"),
    "balanced_error": metric("mean over the classes of the share given another class", "share", "min"),
}
"""What every classifier measures."""

TREES = {
    **CLASSIFIER,
    "binary": metric(
        "share of the roots on the right side of the middle, without those whose label is the middle", "share", "max"
    ),
    "node_accuracy": metric("share of all labelled nodes, words among them, given their class", "share", "max"),
    "negation": metric('share of words found positive that are found negative after "not"', "share", "max"),
}
"""What networks on trees measure; without more in its name, of the roots (`techniques.tree_models`)."""

FOLDS = {
    "folds_done": metric("folds that were held out so far", "folds"),
    "cv_accuracy": metric("mean accuracy of the folds", "share", "max", split="train"),
    "cv_low": metric("lower end of its corrected 95 % interval", "share", "max", split="train"),
    "cv_high": metric("upper end of its corrected 95 % interval", "share", split="train"),
}
"""What cross-validation measures, on training documents that are held out in turn."""

CONVEX = {
    "objective": metric("mean loss with the penalty on the weights", "nats per example", "min"),
    "gradient": metric("largest entry of the gradient of the step's loss"),
}
"""What models of one layer measure besides (`techniques.convex`)."""

LANGUAGE = {
    "nll": metric("mean negative log-likelihood of the next token", "nats per token", "min"),
    "perplexity": metric("exponential of nll", "per token", "min"),
    "bits_per_character": metric(
        "bits of all tokens over the characters of the text; too few where words are unknown, whose spelling is free",
        "bits",
        "min",
    ),
    "unknown": metric("share of the tokens that are the unknown one, however they are spelled", "share"),
}
"""What every language model measures (`engine.language`)."""

TRANSLATION = {
    "nll": metric("mean negative log-likelihood of the next word after the true ones", "nats per word", "min"),
    "perplexity": metric("exponential of nll; ends of sentences are counted among the words", "per word", "min"),
    "bleu": metric("BLEU by sacrebleu; of the test by beam search, else of the first 500 pairs, greedily", "", "max"),
    "chrf": metric("chrF by sacrebleu, of the same translations", "", "max"),
    "exact": metric("share of these translations that are the reference, word for word", "share", "max"),
    "repeated": metric("share of the neighbouring words of these translations that came before", "share", "min"),
    "alignment": metric("share of the words that look most at the word they stand for, if known", "share", "max"),
    "uneven": metric("mean over the words of the source of (1 - what each was looked at in all)^2", "", "min"),
    "coverage_loss": metric("mean over the words of what is looked at again", "", "min"),
}
"""What every translator measures (`engine.pairs`)."""

MIXED = {
    "ngram_*": metric("of the Kneser-Ney model alone", better="min"),
    "mixed_*": metric("of the mixture of both, weighted on the validation text", better="min"),
    "ratio": metric("perplexity of the mixture for each of the Kneser-Ney model's", "", "min"),
    "weight": metric("share of this model in the mixture", "share"),
}
"""What a language model that is mixed with an n-gram model measures besides."""

ANSWERS = {
    "mse": metric("mean squared error of the number that each sequence asks for", "", "min"),
    "nll": metric("mean negative log-likelihood of what is asked at a step", "nats per step", "min"),
    "accuracy": metric("share of the steps at which the right class is answered, of those asked", "share", "max"),
    "error": metric("share of the steps at which another class is answered, of those asked", "share", "min"),
    "all_correct": metric("share of the sequences of which every answer is right", "share", "max"),
}
"""What models of sequences measure (`techniques.sequence_tasks`)."""

GABOR = {
    "gabor": metric("share of filters that a Gabor function fits with R2 >= 0.6", "share", "max"),
    "edge_like": metric("share of filters that a localised, band-pass Gabor function fits", "share", "max"),
}
"""Whether filters of patches are edges (`parts.gabor`)."""

SAMPLES = {
    "confident": metric("share of the samples that the judge is sure of", "share", "max"),
    "classes": metric("classes with 2 % or more of the confident samples", better="max"),
    "smallest_class": metric("share of the rarest class among the confident", "share", "max"),
    "class_kl": metric("KL(classes of confident samples, classes of the data)", "nats", "min"),
    "frechet": metric("Frechet distance of samples and data in the judge's features", "", "min"),
    "frechet_floor": metric("Frechet distance of two sets of real images"),
    "judge_accuracy": metric("share of real images that the judge gets right", "share", "max"),
    "passed": metric("1 if all four bounds on the samples hold, else 0", better="max"),
    "modes": metric("Gaussians with 20 good samples or more", better="max"),
    "good": metric("share of the samples within 3 sigma of a Gaussian", "share", "max"),
    "reverse_kl": metric("KL(modes of good samples, even)", "nats", "min"),
    "real_good": metric("share of real points within 3 sigma", "share"),
}
"""What is measured of samples (`engine.generator`): of pictures by a judge, of points by known centres."""

EPISODES = {
    "return": metric("mean sum of rewards of greedy episodes", "reward", "max"),
    "return_std": metric("standard deviation of these sums", "reward"),
    "worst": metric("smallest of these sums", "reward", "max"),
    "length": metric("mean length of greedy episodes", "steps"),
    "train/env_steps": metric("steps of all environments together"),
    "train/episode_return": metric("mean return of the last 100 episodes", "reward", "max"),
}
"""What every policy measures (`engine.actor`)."""

STANDARD = {
    "train/loss": metric("objective of the step's batch before its update", "", "min"),
    "train/learning_rate": metric("step size of the optimizer"),
    "train/gradient_norm": metric("global norm of the gradients, before clipping"),
    "train/trials": metric("finished trials"),
    "train/failed": metric("trials that diverged"),
}
"""What many recipes measure while training."""


def difference_suffix(arms: Collection[str], arm: str) -> str:
    """The suffix of "difference", "low" and "high" of an arm; none if there are only two arms."""
    return "" if len(arms) == 2 else f"_{arm}"


def trial_metrics(of: str, unit: str, better: Literal["min", "max"], *arms: str) -> dict[str, Metric]:
    """The metrics of an experiment: a score `of` the trained recipe ("test error") for each arm, and differences."""
    found: dict[str, Metric] = {}
    for arm in arms:
        words = arm.replace("_", " ")
        found[arm] = metric(f"{of} of the arm {words}, mean over its trials", unit, better)
        found[f"{arm}_worst"] = metric(f"{of} of the arm {words}, worst of its trials", unit, better)
    for arm in arms[1:]:
        end, than = difference_suffix(arms, arm), arm.replace("_", " ")
        gap = f"{of} of {arms[0].replace('_', ' ')} minus {than}"
        found[f"difference{end}"] = metric(f"{gap}, mean over the seeds", unit)
        found[f"low{end}"] = metric(f"{gap}, lower end of the 95 % interval", unit)
        found[f"high{end}"] = metric(f"{gap}, upper end of the 95 % interval", unit)
    return found


def size_metrics(gap: str, first: str, others: str, unit: str) -> dict[str, Metric]:
    """The metrics of an experiment over numbers of examples.

    Args:
        gap: in words, what is negative where the first method is better.
        first: what is measured of the first method.
        others: and of the best of the others.
    """
    return {
        "few": metric(f"{gap}, smallest size", unit, split="train"),
        "few_high": metric("upper end of its 95 % interval", unit, split="train"),
        "many": metric(f"{gap}, largest size", unit, split="train"),
        "many_low": metric("lower end of its 95 % interval", unit, split="train"),
        "crossing": metric("size at which the difference becomes positive", "examples", split="train"),
        "first": metric(f"{first}, mean of the sizes", unit, "min", "train"),
        "best_other": metric(f"{others}, mean of the sizes", unit, "min", "train"),
    }


def metric_of(metrics: dict[str, Metric], name: str) -> Metric | None:
    """The entry for "split/name" or "name": an exact key before a pattern, the full name before the short one."""
    short = name.split("/", 1)[-1]
    for key in (name, short):
        for known in (metrics, STANDARD):
            if key in known:
                return known[key]
    patterns = (key for key in metrics if "*" in key)
    return next((metrics[key] for key in patterns if fnmatch.fnmatchcase(short, key)), None)
