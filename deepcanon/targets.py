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
    "CLASSIFIER",
    "MARKS",
    "Metric",
    "Target",
    "difference_suffix",
    "metric",
    "metric_of",
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

STANDARD = {
    "train/loss": metric("objective of the step's batch before its update", "", "min"),
    "train/learning_rate": metric("step size of the optimizer"),
    "train/gradient_norm": metric("global norm of the gradients, before clipping"),
    "train/trials": metric("finished trials"),
    "train/failed": metric("trials that diverged"),
}
"""What many recipes measure while training."""


def difference_suffix(arms: Collection[str], arm: str) -> str:
    """What stands behind "difference", "low" and "high" of an arm; nothing if there are but two."""
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


def metric_of(metrics: dict[str, Metric], name: str) -> Metric | None:
    """The entry for "split/name" or "name": an exact key before a pattern, the full name before the short one."""
    short = name.split("/", 1)[-1]
    for key in (name, short):
        for known in (metrics, STANDARD):
            if key in known:
                return known[key]
    patterns = (key for key in metrics if "*" in key)
    return next((metrics[key] for key in patterns if fnmatch.fnmatchcase(short, key)), None)
