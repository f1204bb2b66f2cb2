"""An experiment that compares ways of training: arms, each tuned equally, then trained from the same seeds.

A recipe that shows what a technique does composes one: `step` trains one trial (a child run of another recipe in
`trials/<i>/`), `verdict` gives the paired difference with its interval, `figures` draws the arms' curves. First every
arm tries every combination of the tuned options from one seed and keeps the one that is best on validation; then all
arms are trained from each seed: trial s of every arm has the same initialisation and order of examples.
"""

import itertools
import math
import statistics
from typing import Any

from deepcanon.data.seeds import stream_seed
from deepcanon.engine.run import Run

__all__ = ["Comparison"]

CONFIDENCE = 0.95
COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")


class Comparison:
    """Trials of a recipe under several arms.

    Args:
        run: of the recipe that compares.
        stem: the recipe that is trained.
        arms: overrides of its Config by the arm's name; the first is what the others are compared with. The key
            "checkpoint" is no option but which weights are scored: "last" (if not given) or "best".
        tune: values of options that every arm tries.
        seeds: trials of each arm after tuning.
        metric: of the child's evaluation, without its split ("error").
        better: "min" or "max".
        settings: of the child's run, such as {"steps": 500}; data, threads and precision are those of `run`.

    Attributes:
        results: one dict for each finished trial: arm, phase ("tune" or "seeds"), seed, options, valid and test (the
            metric at the scored weights; test None while tuning), curve ([[step, metric on validation], ...]), loss
            ([[step, training loss], ...]) and failed (why, or None; the metric is then infinitely bad).
    """

    def __init__(
        self,
        run: Run,
        stem: str,
        arms: dict[str, dict[str, Any]],
        *,
        tune: dict[str, tuple] | None = None,
        seeds: int = 3,
        metric: str = "error",
        better: str = "min",
        settings: dict[str, Any] | None = None,
    ) -> None:
        if better not in ("min", "max"):
            raise ValueError(f'better is "min" or "max", not {better!r}')
        if not arms or seeds < 1 or any(not values for values in (tune or {}).values()):
            raise ValueError("a comparison needs arms, a seed, and a value for each tuned option")
        self._run, self._stem, self._arms = run, stem, arms
        self._metric, self._sign, self._settings = metric, 1 if better == "min" else -1, settings or {}
        names, values = list(tune or {}), list((tune or {}).values())
        self._grid: list[dict[str, Any]] = [
            dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*values)
        ]
        # With one combination there is nothing to choose.
        tuning = [("tune", arm, 0, i) for i in range(len(self._grid)) for arm in arms] if len(self._grid) > 1 else []
        scored = [("seeds", arm, seed, None) for seed in range(seeds) for arm in arms]
        # Processes train as many trials at once; what was tuned must be known before the first that is scored.
        self._steps = [phase[i : i + run.world] for phase in (tuning, scored) for i in range(0, len(phase), run.world)]
        self.results: list[dict[str, Any]] = []

    @property
    def trials(self) -> int:
        """Steps of the recipe: trials divided by processes."""
        return len(self._steps)

    def state_dict(self) -> dict[str, Any]:
        return {"results": self.results}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        self.results = list(saved["results"])

    def step(self, step: int) -> dict[str, float]:
        """Trains the next trial (one in every process); returns how many are done and how many failed."""
        if step < len(self._steps):
            together = self._steps[step]
            mine = together[self._run.rank] if self._run.rank < len(together) else None
            found = self._run.gather(self._train(len(self.results) + self._run.rank, *mine) if mine else None)
            self.results = [*self.results, *(result for result in found if result)]
        if step + 1 >= len(self._steps):
            self._run.stop("every trial is done")
        failed = sum(result["failed"] is not None for result in self.results)
        return {"trials": float(len(self.results)), "failed": float(failed)}

    def _train(self, index: int, phase: str, arm: str, seed: int, place: int | None) -> dict[str, Any]:
        options = self.chosen(arm) if place is None else self._grid[place]
        overrides = {**self._arms[arm], **options}
        checkpoint = overrides.pop("checkpoint", "last")
        number = stream_seed(self._run.seed, seed, f"comparison/{phase}") % 2**31
        words = ", ".join([arm, *(f"{k.replace('_', '-')} {v}" for k, v in options.items())])
        self._run.say(f"trial {index + 1}: {words}, {'tuning' if phase == 'tune' else f'seed {seed}'}")
        done = self._run.trial(
            index, self._stem, overrides, {**self._settings, "seed": number}, checkpoint, test=phase == "seeds"
        )
        return {
            "arm": arm,
            "phase": phase,
            "seed": seed,
            "options": options,
            "valid": self._score(done["valid"]),
            "test": self._score(done["test"]) if phase == "seeds" else None,
            "curve": done["curve"],
            "loss": done["loss"],
            "failed": done["failed"],
        }

    def _score(self, metrics: dict[str, Any]) -> float:
        """The metric; infinitely bad where the trial failed or it is no number."""
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

    def verdict(self) -> dict[str, float]:
        """Metrics by arm, and paired differences.

        `ARM` mean over the seeds and `ARM_worst`; with two arms `difference`, `low`, `high`: the mean of first minus
        second over pairs of one seed and its 95 % t interval; with more arms `difference_ARM`, `low_ARM`, `high_ARM`,
        the first arm minus that one. An interval needs two seeds.
        """
        found: dict[str, float] = {}
        first = next(iter(self._arms))
        for arm in self._arms:
            scores = self.scores(arm)
            if scores:
                found[arm] = statistics.fmean(scores)
                found[f"{arm}_worst"] = self._sign * max(self._sign * score for score in scores)
        for arm in list(self._arms)[1:]:
            pairs = list(zip(self.scores(first), self.scores(arm), strict=False))
            if pairs:
                tail = "" if len(self._arms) == 2 else f"_{arm}"
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
            tail = "" if len(self._arms) == 2 else f"_{arm}"
            if f"difference{tail}" in found:
                mean, low, high = (found[f"{name}{tail}"] for name in ("difference", "low", "high"))
                if not math.isfinite(low) or low <= 0 <= high:
                    word = "no difference shown"
                else:
                    word = f"{arm if self._sign * mean > 0 else first} is better"
                lines.append(f"{first} - {arm}: {mean:+.4g}, 95 % interval [{low:+.4g}, {high:+.4g}]: {word}")
        failed = [f"{r['arm']} {r['options']}: {r['failed']}" for r in self.results if r["failed"]]
        return "\n".join([*lines, *(f"failed: {line}" for line in failed)]) + "\n"

    def _edge(self, arm: str) -> str:
        """Says where the best value of a tuned option is the smallest or largest that was tried."""
        notes = []
        for name, value in self.chosen(arm).items():
            tried = sorted({combination[name] for combination in self._grid}, key=lambda v: (str(type(v)), v))
            if len(tried) > 2 and value in (tried[0], tried[-1]):
                notes.append(f" ({name.replace('_', '-')} at the edge of what was tried)")
        return "".join(notes)

    def figures(self) -> dict[str, Any]:
        """Validation curves of the arms (mean and range over seeds), what tuning saw, and the verdict as text."""
        from matplotlib.figure import Figure

        names = [name for name in (self._grid[0] if self._grid else {}) if len(self._grid) > 1]
        figure = Figure(figsize=(5.2 + 4.2 * bool(names), 3.6), layout="constrained")
        plots = figure.subplots(1, 1 + bool(names), squeeze=False)[0]
        for arm, colour in zip(self._arms, itertools.cycle(COLOURS), strict=False):
            curves = [dict(map(tuple, r["curve"])) for r in self.of(arm) or self.of(arm, "tune") if r["curve"]]
            steps = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
            if steps:
                values = [[curve[step] for curve in curves] for step in steps]
                plots[0].plot(steps, [statistics.fmean(v) for v in values], color=colour, label=arm)
                plots[0].fill_between(steps, *zip(*((min(v), max(v)) for v in values), strict=True),
                                      color=colour, alpha=0.2, linewidth=0)  # fmt: skip
            if names:
                self._draw_tuning(plots[1], arm, names, colour)
        plots[0].set(xlabel="step", ylabel=f"{self._metric} on validation")
        for axes in plots:
            if axes.get_legend_handles_labels()[0]:
                axes.legend()
        return {"comparison": figure, "verdict": self.table()}

    def _draw_tuning(self, axes: Any, arm: str, names: list[str], colour: str) -> None:
        """Validation metric over the first tuned option; of several options the best of the others counts."""
        best: dict[Any, float] = {}
        for result in self.of(arm, "tune"):
            key, value = result["options"][names[0]], result["valid"]
            if math.isfinite(value) and self._sign * value < self._sign * best.get(key, self._sign * math.inf):
                best[key] = value
        numbers = all(isinstance(key, int | float) and key > 0 for key in best)
        keys = sorted(best) if numbers else list(best)
        axes.plot(
            keys if numbers else [str(key) for key in keys], [best[k] for k in keys], "o-", color=colour, label=arm
        )
        if numbers and len(keys) > 1 and keys[-1] >= 5 * keys[0]:
            axes.set_xscale("log")
        axes.set(xlabel=names[0].replace("_", " "), ylabel=f"{self._metric} on validation", title="tuning")


def interval(differences: list[float]) -> tuple[float, float, float]:
    """(mean, low, high): Student's t interval of 95 % for the mean of paired differences."""
    mean, n = statistics.fmean(differences), len(differences)
    if n < 2 or not all(math.isfinite(value) for value in differences):
        return mean, math.nan, math.nan
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * statistics.stdev(differences) / math.sqrt(n)
    return mean, mean - half, mean + half
