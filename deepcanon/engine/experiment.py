"""Experiments: recipes that show what a technique does, by training others and comparing.

An `Experiment` names the recipe that it trains, the options that both share, and its arms; a verdict of its own if it
has one. A `SizeExperiment` compares methods with ever more examples, over many small tasks that are drawn.

    class Recipe(Experiment[Config]):
        trains = "mlp"
        wants = "classes"
        shares = ("hidden", "epochs", "batch")

        def arms(self):
            return {"plain": {}, "dropout": {"dropout": self.config.dropout}}
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from deepcanon.claims import bounds, interval
from deepcanon.data.seeds import stream_seed
from deepcanon.engine.contract import Metrics, Recipe
from deepcanon.engine.figures import Line, Panels, Plot, Text
from deepcanon.engine.trials import Source, Trials
from deepcanon.options import Repeats, Tuning, group_of

__all__ = ["Experiment", "LearningCurves", "SizeExperiment"]

E = TypeVar("E", bound=Repeats)


class RepeatedTasks(Protocol):
    """The options of a `SizeExperiment`, apart from its own."""

    @property
    def repeats(self) -> int:
        """Number of tasks to draw."""

    @property
    def groups(self) -> int:
        """Disjoint groups of the examples, from which tasks are drawn in turn."""


S = TypeVar("S", bound=RepeatedTasks)


class Experiment(Recipe[E]):
    """Ways of training another recipe (arms), each tuned equally on validation, then trained from the same seeds.

    Attributes:
        comparison: the trials and what follows from them.
    """

    state: ClassVar[tuple[str, ...]] = ("comparison",)
    parallel = "trials"
    splits = ("test",)

    trains: ClassVar[str]
    """Stem of the recipe that is trained."""
    shares: ClassVar[tuple[str, ...]] = ()
    """Own options that the trained recipe takes under the same name; it always takes all reading options."""
    metric: ClassVar[str] = "error"
    """Of the trained recipe's evaluation, without the split."""
    better: ClassVar[Literal["min", "max"]] = "min"
    also: ClassVar[tuple[str, ...]] = ()
    """Further metrics that every trial keeps, with their splits, such as "train/nll"."""

    comparison: Trials

    @abstractmethod
    def arms(self) -> dict[str, dict[str, Any]]:
        """Options of the trained recipe by the arm's name; the first arm is what the others are compared with.

        Two keys are not options: "checkpoint" says which weights are scored, "last" (if not given), "best", or "auto"
        (those that `deepcanon.load` takes); "recipe" is the stem that the arm trains, if it is another one.
        """

    def tuned(self) -> dict[str, tuple[Any, ...]]:
        """Values of options that every arm tries."""
        return {"learning_rate": self.config.learning_rates} if isinstance(self.config, Tuning) else {}

    def sources(self) -> dict[str, Source]:
        """Runs that arms begin with, trained once for each seed: an arm gives the name as its `init_from`."""
        return {}

    def trial_settings(self) -> dict[str, Any]:
        """Settings of the trained recipe's run, such as {"steps": 500}."""
        return {}

    def findings(self) -> Metrics:
        """Metrics of its own, added to the arms' scores and their differences."""
        return {}

    def build(self) -> None:
        reading = [name for name in vars(self.config) if group_of(type(self.config), name) == "data"]
        common = {name: getattr(self.config, name) for name in (*self.shares, *reading)}
        self.comparison = Trials(
            self.run,
            self.trains,
            arms={arm: {**common, **options} for arm, options in self.arms().items()},
            tune=self.tuned(),
            extend=self.config.extend if isinstance(self.config, Tuning) else 0,
            seeds=self.config.seeds,
            metric=self.metric,
            better=self.better,
            settings=self.trial_settings(),
            also=self.also,
            sources={
                name: source._replace(options={**common, **source.options}) for name, source in self.sources().items()
            },
        )

    def plan(self) -> int:
        return max(1, self.comparison.trials)

    def step(self, step: int) -> Mapping[str, Tensor]:
        return self.comparison.step(step)

    def evaluate(self, split: str) -> Metrics:
        return {**self.comparison.verdict(), **self.findings()}

    def conclusion(self) -> str:
        return self.comparison.table().rstrip() if self.comparison.results else ""

    def figures(self) -> Mapping[str, Any]:
        return self.comparison.figures()


class SizeExperiment(Recipe[S]):
    """Errors of several methods with ever more examples, over many small tasks that are drawn; one step is one task.

    Many small models are cheaper this way than as trials. Processes share the sizes of a task.

    Attributes:
        curves: the errors, and what follows from them.
    """

    state = ("curves",)
    unknown = ("curves",)
    parallel = "statistics"
    splits = ("test",)

    curves: "LearningCurves"

    @abstractmethod
    def methods(self) -> list[str]:
        """Names of the methods; the first is compared with the best of the others."""

    @abstractmethod
    def draw(self, step: int, generator: torch.Generator) -> Any:
        """A task, the same in every process: nested training sets, and examples that choose and that judge."""

    @abstractmethod
    def errors(self, task: Any, size: int) -> Tensor:
        """Errors [2, methods] after training on the first `size` examples of a task.

        The first row is of the examples by which the best of the other methods is chosen, the second of those that
        judge.
        """

    def sizes(self) -> list[int]:
        """Training examples of a task, rising: what `learn` found under "sizes"."""
        return self.facts["sizes"]

    def build(self) -> None:
        self.curves = LearningCurves(self.config.repeats, self.sizes(), self.methods(), self.config.groups)

    def plan(self) -> int:
        return self.config.repeats

    def step(self, step: int) -> Mapping[str, Tensor]:
        run, task, sizes = self.run, self.draw(step, self.run.generator("task")), self.sizes()
        errors = torch.zeros_like(self.curves.errors[0])
        for row in range(run.rank, len(sizes), run.world):
            errors[:, row] = self.errors(task, sizes[row])
        errors = run.sum(errors)
        if step < self.config.repeats:
            self.curves.errors[step] = errors
        if step + 1 >= self.config.repeats:
            run.stop(f"all {self.config.repeats} tasks are drawn")
        choosing, judging = errors[:, :, 1:]
        best = choosing.argmin(1, keepdim=True)
        return {"first": errors[1, :, 0].mean(), "best_other": judging.gather(1, best).mean()}

    def evaluate(self, split: str) -> Metrics:
        return self.curves.verdict()

    def conclusion(self) -> str:
        return self.curves.table()

    def figures(self) -> Mapping[str, Any]:
        return self.curves.figures()


CURVES = (
    "Error of each method by training examples (bands: 95 %), and the first minus the best of the others: below 0 the "
    "first is better."
)
TABLE = "What the first method gains over the best of the others: a difference is shown where its interval excludes 0."


def disjoint(labels: Tensor, groups: int, seed: int) -> list[list[tuple[Tensor, Tensor, Tensor]]]:
    """Divides examples into groups that share none, and in each group those of a class by their use.

    Args:
        labels: [N] whole numbers from 0.
        seed: of the run; the division is the same in all its steps.

    Returns:
        For each group and class the places that train, that choose and that judge.
    """
    order = torch.Generator().manual_seed(stream_seed(seed, 0, "groups"))
    each = [(labels == c).nonzero()[:, 0] for c in range(int(labels.max()) + 1)]
    mixed = [places[torch.randperm(len(places), generator=order)] for places in each]
    shares = [[places[group::groups] for places in mixed] for group in range(groups)]
    return [[_by_use(places) for places in share] for share in shares]


def _by_use(places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    held = _held_out(len(places))
    return places[2 * held :], places[:held], places[held : 2 * held]


def _held_out(count: int) -> int:
    """How many of a group's examples of a class choose, and as many judge."""
    return max(1, count // 5)


def left_to_train(count: int) -> int:
    """The fewest that train where a group has `count` examples of a class, or one more."""
    return min(n - 2 * _held_out(n) for n in (count, count + 1))


class LearningCurves(nn.Module):
    """Errors [tasks, 2, sizes, arms], NaN until they are known: of the examples that choose, and of those that judge.

    Tasks of one group share examples, those of different groups do not: intervals are over the means of the groups.

    Args:
        tasks: how many are drawn; task i is of group i % groups.
        sizes: training examples, rising.
        arms: names of the methods, at least two.
        groups: disjoint parts of the examples.
    """

    def __init__(self, tasks: int, sizes: list[int], arms: list[str], groups: int) -> None:
        super().__init__()
        self.sizes, self.arms, self.groups = list(sizes), list(arms), groups
        self.errors: Tensor
        self.register_buffer("errors", torch.full((tasks, 2, len(sizes), len(arms)), torch.nan, dtype=torch.float64))

    def known(self) -> Tensor:
        """The errors of the tasks so far."""
        return self.errors[~self.errors.isnan().flatten(1).any(1)].cpu()

    def over_groups(self, values: Tensor) -> tuple[float, float, float]:
        """(mean, low, high) of a value of each known task."""
        groups = (values[group :: self.groups] for group in range(self.groups))
        return interval([group.mean().item() for group in groups if len(group)])

    def gaps(self) -> list[tuple[float, float, float]]:
        """(mean, low, high) at each size: error of the first arm minus that of the best other one."""
        choosing, judging = self.known().unbind(1)
        best = 1 + choosing[:, :, 1:].mean(0).argmin(1)
        return [self.over_groups(judging[:, i, 0] - judging[:, i, arm]) for i, arm in enumerate(best)]

    def verdict(self) -> dict[str, float]:
        """The differences with few and with many examples, and how many examples make the mean change its sign."""
        if len(self.known()) < 2 or self.groups < 2:
            return {}
        gaps, sizes = self.gaps(), self.sizes
        found = {"few": gaps[0][0], "few_high": gaps[0][2], "many": gaps[-1][0], "many_low": gaps[-1][1]}
        for (a, _, _), (b, _, _), small, large in zip(gaps, gaps[1:], sizes, sizes[1:], strict=False):
            if a < 0 <= b:
                return found | {"crossing": small * (large / small) ** (a / (a - b))}
        return found

    def table(self) -> str:
        """The difference at each size with its interval, a line each; empty where `verdict` is."""
        if not self.verdict():
            return ""
        rows = zip(self.sizes, self.gaps(), strict=True)
        what = f"{self.arms[0]} minus the best of the others"
        return "\n".join(
            f"{size} examples: {what} {mean:+.4g}, {bounds(low, high)}" for size, (mean, low, high) in rows
        )

    def figures(self) -> dict[str, Any]:
        """The curves of all arms, and the difference with its 95 % interval; nothing before the second task."""
        errors, sizes = self.known()[:, 1], self.sizes
        if len(errors) < 2:
            return {}
        lines = []
        for arm, name in enumerate(self.arms):
            mean, low, high = zip(*(self.over_groups(errors[:, i, arm]) for i in range(len(sizes))), strict=True)
            lines.append(Line(mean, sizes, name, (low, high), ".-"))
        gap, low, high = zip(*self.gaps(), strict=True)
        place = self.verdict().get("crossing")
        title = f"they cross at {place:.0f} examples" if place else "they do not cross from below"
        x = "training examples"
        curves = Plot(lines, x, "error on held-out examples (share)", log="x", ticks=sizes)
        gaps = [Line(gap, sizes, band=(low, high), style=".-"), Line([0.0] * len(sizes), sizes, colour=-1)]
        difference = Plot(gaps, x, f"{self.arms[0]} minus the best of the others (share)", title, "x", ticks=sizes)
        shown: dict[str, Any] = {"learning-curves": Panels([curves, difference], columns=2, caption=CURVES)}
        return {**shown, "verdict": Text(f"{table}\n", TABLE)} if (table := self.table()) else shown
