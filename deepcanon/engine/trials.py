"""Trials of a recipe under several arms: each arm tuned equally, then trained from the same seeds.

One step trains one trial, a child run of the recipe in `trials/<i>/`. First every arm tries every combination of the
tuned options from one seed and keeps the one that is best on validation; then all arms are trained from each seed:
trial s of every arm has the same initialisation and order of examples. Where arms begin with the weights of other runs
(sources), those are trained first, once a seed; if one fails, so do its arms. `verdict` has paired differences.
"""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from deepcanon import heads
from deepcanon.claims import bounds, interval
from deepcanon.data.seeds import stream_seed
from deepcanon.engine.figures import Dots, Line, Panels, Plot, Text
from deepcanon.engine.run import Run
from deepcanon.targets import difference_suffix

__all__ = ["Source", "Trials"]

RATE = "learning_rate"

Trial = tuple[str, str, int, dict[str, Any] | None]
"""Phase, arm (or source), seed, and the options that are tried; None for the best ones."""


class Source(NamedTuple):
    """A run that arms begin with: options of the trained recipe, and settings of its run (other data, more steps)."""

    options: dict[str, Any]
    settings: dict[str, Any] = {}  # noqa: RUF012 (never changed)


VERDICT = (
    "Mean test score of each arm with its seeds, and the paired differences: a difference is shown if its interval "
    "excludes 0."
)
SCORES = "The test score of every arm with every seed: if arms differ, their marks are apart for each seed."
OVER = "Every trial and the mean of each setting: the star, which validation chose, should be among the lowest."
COMPARISON = (
    "Validation during training (mean and range over seeds), and what tuning saw: the best value should not lie at an "
    "edge of what was tried."
)


class Trials:
    """Trials of a recipe under several arms.

    Args:
        run: of the recipe that compares.
        stem: the recipe that is trained.
        arms: overrides of its Config by the arm's name; the first is what the others are compared with. Two keys are
            not options: "checkpoint" says which weights are scored, "last" (if not given), "best", or "auto" (those
            that `deepcanon.load` takes); "recipe" is the stem that the arm trains, if it is another one.
        tune: values of options that every arm tries.
        extend: learning rates that an arm tries beyond the edge of its `tune`, as long as the best one lies there.
        seeds: trials of each arm after tuning; 0 trains nothing.
        metric: of the child's evaluation, without its split ("error").
        better: "min" or "max".
        settings: of the child's run, such as {"steps": 500}; data, threads and precision are those of `run`.
        also: further metrics to keep of every trial, with their splits ("train/nll").
        sources: runs that arms begin with, by name: an arm whose `init_from` is that name is given the run's folder.

    Attributes:
        results: one dict for each finished trial: arm, phase ("source", "tune" or "seeds"), seed, options, valid and
            test (the metric at the scored weights; test None while tuning), curve ([[step, metric on validation], ..]),
            loss ([[step, training loss], ...]), failed (why, or None; the metric is then infinitely bad) and, if asked
            for, also (the further metrics by name; NaN in a trial that failed).
    """

    def __init__(
        self,
        run: Run,
        stem: str,
        arms: dict[str, dict[str, Any]],
        *,
        tune: dict[str, tuple] | None = None,
        extend: int = 0,
        seeds: int = 3,
        metric: str = "error",
        better: str = "min",
        settings: dict[str, Any] | None = None,
        also: Sequence[str] = (),
        sources: Mapping[str, Source] | None = None,
    ) -> None:
        if better not in ("min", "max"):
            raise ValueError(f'better is "min" or "max", not {better!r}')
        if not arms or seeds < 0 or any(not values for values in (tune or {}).values()):
            raise ValueError("an experiment needs arms, a number of seeds, and a value for each tuned option")
        self._run, self._stem, self._arms = run, stem, arms
        self._metric, self._sign, self._settings = metric, 1 if better == "min" else -1, settings or {}
        self._unit = heads.unit_of(stem, metric)
        self._also, self._sources = tuple(also), dict(sources or {})
        names, values = list(tune or {}), list((tune or {}).values())
        self._grid = [dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*values)]
        # With one combination there is nothing to choose.
        choices = self._grid if seeds and len(self._grid) > 1 else []
        self._extend = extend if choices and RATE in names else 0
        self._sourcing: list[Trial] = [("source", name, seed, {}) for seed in range(seeds) for name in self._sources]
        self._searching: list[Trial] = [("tune", arm, 0, options) for options in choices for arm in arms]
        self._scoring: list[Trial] = [("seeds", arm, seed, None) for seed in range(seeds) for arm in arms]
        self.results: list[dict[str, Any]] = []

    @property
    def trials(self) -> int:
        """Steps of the recipe at most: trials divided by processes, with all that may lie beyond the edges."""
        beyond = [len(self._arms)] * self._extend
        phases = (len(self._sourcing), len(self._searching), *beyond, len(self._scoring))
        return sum(math.ceil(count / self._run.world) for count in phases)

    def state_dict(self) -> dict[str, Any]:
        return {"results": self.results}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        self.results = list(saved["results"])

    def step(self, step: int) -> dict[str, Tensor]:
        """Trains the next trial (one in every process); returns how many are done and how many failed."""
        if together := self._ready()[: self._run.world]:
            mine = together[self._run.rank] if self._run.rank < len(together) else None
            found = self._run.gather(self._train(len(self.results) + self._run.rank, *mine) if mine else None)
            self.results = [*self.results, *(result for result in found if result)]
        if not self._ready():
            self._run.stop("every trial is done" if self.results else "no trials were asked for")
        failed = sum(result["failed"] is not None for result in self.results)
        return {"trials": torch.tensor(float(len(self.results))), "failed": torch.tensor(float(failed))}

    def _ready(self) -> list[Trial]:
        """Trials that wait for no result: sources, the rest of the grid, rates beyond the edges, seeds, in turn."""
        done = len(self.results)
        for phase in (self._sourcing, self._searching):
            if done < len(phase):
                return phase[done:]
            done -= len(phase)
        scored = sum(result["phase"] == "seeds" for result in self.results)
        beyond: list[Trial] = (
            [] if scored else [("tune", arm, 0, options) for arm in self._arms for options in self._beyond(arm)]
        )
        return beyond or self._scoring[scored:]

    def _beyond(self, arm: str) -> list[dict[str, Any]]:
        """The next rate in the direction in which the best one is the last; none if it lies between two others."""
        best, tried = self.chosen(arm), self.of(arm, "tune")
        same = [r["options"] for r in tried if {**r["options"], RATE: best.get(RATE)} == best]
        rates = sorted(options[RATE] for options in same) if self._extend else []
        if len(rates) < 2 or len(tried) - len(self._grid) >= self._extend or best[RATE] not in (rates[0], rates[-1]):
            return []
        last, before = rates[:2] if best[RATE] == rates[0] else rates[:-3:-1]
        return [{**best, RATE: float(f"{last * last / before:.3g}")}]

    def _train(self, index: int, phase: str, arm: str, seed: int, tried: dict[str, Any] | None) -> dict[str, Any]:
        options = self.chosen(arm) if tried is None else tried
        source = self._sources.get(arm) if phase == "source" else None
        overrides = {**(source.options if source else self._arms[arm]), **options}
        checkpoint, stem = overrides.pop("checkpoint", "last"), overrides.pop("recipe", self._stem)
        reason = ""  # a source that diverged left a checkpoint from before, which is not what the arm is about
        if (name := overrides.get("init_from")) in self._sources:
            place = self._sourcing.index(("source", name, seed, {}))
            overrides["init_from"], reason = str(self._run.trial_folder(place)), self.results[place]["failed"]
        number = stream_seed(self._run.seed, seed, f"comparison/{phase}") % 2**31
        named = f"the source {arm}" if source else arm
        words = ", ".join([named, *(f"{k.replace('_', '-')} {v}" for k, v in options.items())])
        self._run.say(f"trial {index + 1}: {words}, {'tuning' if phase == 'tune' else f'seed {seed}'}")
        scored = ("valid", "test") if phase == "seeds" else ("valid",)
        read = {name.split("/")[0]: None for name in self._also}
        settings = {**self._settings, **(source.settings if source else {}), "seed": number}
        splits = tuple(dict.fromkeys((*scored, *read)))
        failed = f"the source {name} of seed {seed} failed: {reason}"
        untrained: dict[str, Any] = {"valid": {}, "test": {}, "curve": [], "loss": [], "failed": failed}
        done = untrained if reason else self._run.trial(index, stem, overrides, settings, checkpoint, splits)
        also = {name: done.get(name.split("/")[0], {}).get(name.split("/")[1], math.nan) for name in self._also}
        return {
            "arm": arm,
            "phase": phase,
            "seed": seed,
            "options": options,
            "valid": self._score(done["valid"]),
            "test": self._score(done["test"]) if phase == "seeds" else None,
            "curve": done["curves"].get(self._metric, []) if "curves" in done else done["curve"],
            "loss": done["loss"],
            "failed": done["failed"],
            **({"also": also} if also else {}),
        }

    def _score(self, metrics: dict[str, Any]) -> float:
        """The metric; infinitely bad if the trial failed or the metric is not finite."""
        value = float(metrics.get(self._metric, "nan"))
        return value if math.isfinite(value) else self._sign * math.inf

    # What came out

    def chosen(self, arm: str) -> dict[str, Any]:
        """The tuned options of an arm: the best on validation; among equals the first."""
        tuned = self.of(arm, "tune")
        if not tuned:
            return self._grid[0]
        return min(tuned, key=lambda result: self._sign * result["valid"])["options"]

    def of(self, arm: str, phase: str = "seeds") -> list[dict[str, Any]]:
        """The results of an arm in the order of its trials."""
        return [result for result in self.results if result["arm"] == arm and result["phase"] == phase]

    def scores(self, arm: str) -> list[float]:
        """The test metric of an arm, seed by seed."""
        return [result["test"] for result in self.of(arm)]

    def trained(self, arm: str) -> Any:
        """The first trial of an arm after tuning, as `deepcanon.load` gives it; None if there is none to load."""
        places = [i for i, r in enumerate(self.results) if (r["arm"], r["phase"]) == (arm, "seeds") and not r["failed"]]
        return self._run.finished_trial(places[0]) if places else None

    def steps_to(self, result: dict[str, Any], value: float) -> float:
        """The first evaluated step of a trial whose metric on validation is as good as `value`; infinite if none is."""
        good = (step for step, seen in result["curve"] if self._sign * seen <= self._sign * value)
        return float(next(good, math.inf))

    def verdict(self) -> dict[str, float]:
        """Metrics by arm, and paired differences.

        `ARM` mean over the seeds and `ARM_worst`; with two arms `difference`, `low`, `high`: the mean of first minus
        second over pairs of one seed and its 95 % t interval; with more arms `difference_ARM`, `low_ARM`, `high_ARM`,
        the first arm minus that one. An interval needs three seeds.
        """
        found: dict[str, float] = {}
        first = next(iter(self._arms))
        for arm in self._arms:
            scores = self.scores(arm)
            if scores:
                found[arm] = statistics.fmean(scores)
                found[f"{arm}_worst"] = self._sign * max(self._sign * score for score in scores)
        for arm in list(self._arms)[1:]:
            if pairs := list(zip(self.scores(first), self.scores(arm), strict=False)):
                tail = difference_suffix(self._arms, arm)
                mean, low, high = interval([a - b for a, b in pairs])
                found |= {f"difference{tail}": mean, f"low{tail}": low, f"high{tail}": high}
        return found

    def table(self) -> str:
        """The verdict in words, a line for each arm."""
        found, lines = self.verdict(), []
        first, *others = self._arms
        for arm in self._arms:
            if arm in found:
                options = ", ".join(f"{k.replace('_', '-')} {v}" for k, v in self.chosen(arm).items())
                each = ", ".join(f"{score:.4g}" for score in self.scores(arm))
                at = f" at {options}" if options else ""
                lines.append(f"{arm}: test {self._metric} {found[arm]:.4g} ({each}){at}{self._edge(arm)}")
            elif tuned := self.of(arm, "tune"):
                best = self._sign * min(self._sign * result["valid"] for result in tuned)
                lines.append(f"{arm}: tuning, {self._metric} {best:.4g} on validation in {len(tuned)} trials")
        for arm in others:
            tail = difference_suffix(self._arms, arm)
            if f"difference{tail}" in found:
                mean, low, high = (found[f"{name}{tail}"] for name in ("difference", "low", "high"))
                lines.append(f"{first} - {arm}: {mean:+.4g}, {bounds(low, high)}: {self._word(arm, low, high)}")
        failed = [f"{r['arm']} {r['options']}: {r['failed']}" for r in self.results if r["failed"]]
        return "\n".join([*lines, *(f"failed: {line}" for line in failed)]) + "\n"

    def _word(self, arm: str, low: float, high: float) -> str:
        """Which arm is shown to be better than the other, the first one or this, by the interval of the difference."""
        if not (math.isfinite(low) and math.isfinite(high)) or low <= 0 <= high:
            return "no difference is shown"
        return f"{arm if self._sign * low > 0 else next(iter(self._arms))} is better"

    def _edge(self, arm: str) -> str:
        """Says where the best value of a tuned option is the smallest or largest that was tried."""
        notes = []
        for name, value in self.chosen(arm).items():
            tried = sorted({r["options"][name] for r in self.of(arm, "tune")}, key=lambda v: (str(type(v)), v))
            if len(tried) > 1 and value in (tried[0], tried[-1]):
                notes.append(f" ({name.replace('_', '-')} at the edge of what was tried)")
        return "".join(notes)

    def figures(self) -> dict[str, Any]:
        """Validation curves of the arms (mean and range over seeds), what tuning saw, and the verdict as text."""
        if not self.results:
            return {}
        lines = [line for place, arm in enumerate(self._arms) for line in self.course(arm, place)]
        panels = [Plot(lines, "step of a trial", f"{self._metric} on validation{self._unit}")]
        seen = [*self._grid, *(r["options"] for r in self.results if r["phase"] != "source")]
        tried = {name: list(dict.fromkeys(options[name] for options in seen)) for name in self._grid[0]}
        panels += [self._tuning(name, values) for name, values in tried.items() if len(values) > 1][:1]
        shown: dict[str, Any] = {"verdict": Text(self.table(), VERDICT)}
        scores = {arm: self.scores(arm) for arm in self._arms}
        if count := min(map(len, scores.values())):
            series = {f"seed {place}": [found[place] for found in scores.values()] for place in range(count)}
            shown["scores"] = Dots(series, list(scores), f"{self._metric} on test{self._unit}", caption=SCORES)
        return {**shown, "comparison": Panels(panels, columns=2, caption=COMPARISON)}

    def over(self, names: Mapping[str, str], best: str | None, x: str, y: str) -> Plot:
        """Test scores of arms that differ in one number, from left to right.

        Args:
            names: of the places on the axis, by arm.
            best: the arm that validation prefers.
        """
        scores = {place: self.scores(arm) for place, arm in enumerate(names)}
        points = [(place, score) for place, some in scores.items() for score in some]
        means = {place: statistics.fmean(some) for place, some in scores.items() if some}
        lines = [
            Line([score for _, score in points], [at for at, _ in points], "a trial", style="o"),
            Line(list(means.values()), list(means), "mean", colour=0),
        ]
        if best:
            place = list(names).index(best)
            lines.append(Line([means[place]], [place], "best on validation", style="*", colour=3))
        return Plot(lines, x, y, ticks={name: place for place, name in enumerate(names.values())}, caption=OVER)

    def last_losses(self, arm: str, rows: int) -> list[float]:
        """Means of the last logged training losses of an arm, seed by seed; infinite where nothing was logged."""
        each = ([loss for _, loss in result["loss"][-rows:]] for result in self.of(arm))
        return [statistics.fmean(losses) if losses else math.inf for losses in each]

    def course(self, arm: str, place: int, of: str = "curve") -> list[Line]:
        """The metric on validation ("curve") or the training loss ("loss") of an arm: mean and range of its trials, at
        the steps that all of them have in common; no line before its first trial."""
        curves = [dict(map(tuple, r[of])) for r in self.of(arm) or self.of(arm, "tune") if r[of]]
        steps = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
        if not steps:
            return []
        values = torch.tensor([[curve[step] for step in steps] for curve in curves], dtype=torch.float64)
        return [Line(values.mean(0), steps, arm, band=(values.amin(0), values.amax(0)), colour=place)]

    def _tuning(self, name: str, tried: list[Any]) -> Plot:
        """Validation metric over a tuned option; of several options the best of the others counts."""
        numbers = all(isinstance(value, int | float) and value > 0 for value in tried)
        places = {value: float(value) if numbers else float(i) for i, value in enumerate(tried)}
        lines = []
        for place, arm in enumerate(self._arms):
            best: dict[float, float] = {}
            for result in self.of(arm, "tune"):
                x, value = places[result["options"][name]], self._sign * result["valid"]
                best[x] = min(value, best.get(x, math.inf))
            seen = sorted(best)
            lines.append(Line([self._sign * best[x] for x in seen], seen, arm, style="o-", colour=place))
        return Plot(
            lines,
            name.replace("_", " "),
            f"{self._metric} on validation{self._unit}",
            "tuning",
            log="x" if numbers and max(tried) >= 5 * min(tried) else "",
            ticks={f"{value:g}" if numbers else str(value): x for value, x in places.items()},
        )
