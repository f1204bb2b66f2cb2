"""What measurements say about a target: an interval, and one of three words. Without torch.

- shown: the 95 % interval is on the target's side.
- reached: the estimate is, the interval is not, or there is none: it takes three repetitions.
- missed: the estimate is not.

One seed of a recipe that is not an experiment gives none of them, whatever the mark of its target: a mark says where
the figure comes from, not that every seed measures the same (the log-likelihood of a small RBM, whose floor is exact,
differs by 0.03 nats between seeds). What every seed does measure alike costs little to record three times.
"""

import math
import re
import statistics
from collections.abc import Sequence
from typing import Any

from deepcanon.targets import Target

__all__ = ["CONFIDENCE", "ENOUGH", "ONE_SEED", "WORDS", "bounds", "interval", "judge", "overall", "word"]

CONFIDENCE = 0.95
WORDS = ("shown", "reached", "missed")
ONE_SEED = "one seed, not a verdict"
END = {">=": re.compile(r"(?:^|_)low(?:_|$)"), "<=": re.compile(r"(?:^|_)high(?:_|$)")}
"""In the names of metrics that are the end of an interval which such a goal is about."""
WITHOUT_SPREAD = ("X", "R")
"""Marks of figures that every seed gives alike: they follow from mathematics, or were computed again."""
NONE = (math.nan, math.nan)
ENOUGH = 3
"""Repetitions that an interval needs: two that happen to agree, as errors on few examples do, have one of no width."""


def word(relation: str, goal: float, value: float, low: float, high: float) -> str:
    """What an estimate with an interval says about a goal.

    Args:
        relation: "<=" or ">=".
        low, high: ends of the interval of 95 %; NaN without one.

    Raises:
        ValueError: another relation.
    """
    if relation == "<=":
        return word(">=", -goal, -value, -high, -low)
    if relation != ">=":
        raise ValueError(f"an interval is compared by <= or >=, not by {relation}")
    if not value >= goal:  # also where the mean's interval is better than the worst seed
        return "missed"
    return "shown" if math.isfinite(low) and low >= goal else "reached"


def interval(values: Sequence[float], overlap: float = 0.0) -> tuple[float, float, float]:
    """(mean, low, high): Student's t interval of 95 % for the mean of independent repetitions, or of their differences.

    The ends are NaN for fewer than three repetitions, and if one is not finite.

    Repetitions that share examples are not independent (Nadeau and Bengio 2003, "Inference for the generalization
    error"): give the means of groups that share none, or the overlap.

    Args:
        overlap: of repetitions that share training examples, test examples for each training example of one: their
            corrected resampled t-test, whose variance is (1 / n + overlap) s^2. Ten folds have 1 / 9.
    """
    mean, n = statistics.fmean(values), len(values)
    if n < ENOUGH or not all(math.isfinite(value) for value in values):
        return mean, *NONE
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * statistics.stdev(values) * math.sqrt(1 / n + overlap)
    return mean, mean - half, mean + half


def bounds(low: float, high: float) -> str:
    """An interval in words, or that there is none."""
    if math.isfinite(low) and math.isfinite(high):
        return f"95 % interval [{low:+.4g}, {high:+.4g}]"
    return f"no interval, which takes {ENOUGH} finite results"


def judge(target: Target, measured: dict[str, list[dict[str, Any]]], repeats: bool) -> dict[str, Any] | None:
    """A target, what was measured over the seeds, and what that says; None if its runs were not, or share no seed.

    Args:
        measured: by run, for every seed {seed, metrics, ...}; an experiment's has its `trials`.
        repeats: whether one seed holds repetitions of its own, as an experiment's does (trials, groups of examples).

    Returns:
        {run, metric, relation, target, value, values, worst, mark, source, passed, verdict, ...}; `passed` says
        whether the value is on the target's side, also where one seed is not a verdict.
    """
    runs = [run for run in (target.run, target.minus) if run]
    if any(run not in measured for run in runs):
        return None
    first, *other = (
        {seed["seed"]: float(seed["metrics"].get(target.metric, "nan")) for seed in measured[run]} for run in runs
    )
    # A difference is of runs of one seed; a seed that only one of them has says nothing about it.
    values = [first[seed] - other[0][seed] for seed in first if seed in other[0]] if other else list(first.values())
    if not values:
        return None
    relation, goal = target.relation, target.value
    if target.statistic == "mean":
        value = statistics.fmean(values)
    else:  # the worst seed: the one farthest on the wrong side
        value = {"<=": max, ">=": min}.get(relation, lambda v: max(v, key=lambda x: abs(x - goal)))(values)
    low, high = _interval(target, values, measured[target.run])
    # What is exact, was the same each time and has no interval has no spread: its value decides.
    exact = (
        target.mark in WITHOUT_SPREAD and len(set(values)) == 1 and not math.isfinite(low) and not math.isfinite(high)
    )
    ends = (value, value) if exact else (low, high)
    if relation == "==":
        tolerance = target.tolerance or 0.0
        at_most = word("<=", goal + tolerance, value, *ends)
        said = max(at_most, word(">=", goal - tolerance, value, *ends), key=WORDS.index)
    else:
        said = word(relation, goal, value, *ends)
    return {
        "run": " - ".join(runs),
        "metric": target.metric,
        "relation": relation,
        "target": goal,
        **({} if target.tolerance is None else {"tolerance": target.tolerance}),
        "statistic": target.statistic,
        "value": value,
        "values": values,
        "worst": {"<=": max(values), ">=": min(values)}.get(relation, value),
        **({"interval": [low, high]} if math.isfinite(low) or math.isfinite(high) else {}),
        "mark": target.mark,
        "source": target.source,
        "passed": said != "missed",
        "verdict": said if repeats or len(values) > 1 else ONE_SEED,
    }


def overall(rows: Sequence[dict[str, Any]]) -> str:
    """The weakest word of the targets; one seed is weaker than "reached", and "missed" is said of more than one."""
    order = [*WORDS[:2], ONE_SEED, WORDS[2]]
    return max((row["verdict"] for row in rows), key=order.index, default="shown")


def _interval(target: Target, values: list[float], seeds: list[dict[str, Any]]) -> tuple[float, float]:
    """Over the seeds; of a single one, what it holds itself: ends of an interval, or the trials of an arm."""
    if len(values) > 1:
        return interval(values)[1:]
    value, metrics = values[0], seeds[0]["metrics"]
    split, _, name = target.metric.rpartition("/")
    if target.relation in END and END[target.relation].search(name):
        return value, value
    patterns = (f"{name}_{{}}", *([name.replace("difference", "{}", 1)] if "difference" in name else ()))
    for pattern in patterns:
        low, high = (float(metrics.get(f"{split}/{pattern.format(end)}", "nan")) for end in ("low", "high"))
        if math.isfinite(low) or math.isfinite(high):
            return low, high
    scores = [t["test"] for t in seeds[0].get("trials", []) if t["arm"] == name and t["phase"] == "seeds"]
    if len(scores) > 1:
        return interval(scores)[1:]
    return NONE
