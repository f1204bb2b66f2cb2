"""The contract of a recipe: what the engine knows of it, each attribute and method with its type, default and meaning.

    class Recipe(engine.Recipe[Config], Predicts, Exports):
        state = ("model", "optimizer")
        monitor = ("valid/error", "min")
        parallel = "gradients"
        wants = "classes"

        @classmethod
        def learn(cls, config, data): ...       what the data say, kept in the run folder
        def build(self): ...                    modules and optimizers, from config and facts alone
        def plan(self): ...                     how many steps
        def step(self, step): ...               forward, backward, update
        def evaluate(self, split): ...          metrics of a split

The verbs that a recipe offers are the mixins that it inherits; what may be asked of each is a dataclass of
`deepcanon.verb_options`. The engine owns everything else: no recipe has a loop, a checkpoint call or an argument
parser.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from deepcanon.data.splits import Dataset
from deepcanon.engine.export import Export, TextExport
from deepcanon.engine.forecasts import Forecast
from deepcanon.engine.run import Run
from deepcanon.verb_options import Playing, Sampling

__all__ = [
    "VERBS",
    "Decodes",
    "Encodes",
    "Exports",
    "Generates",
    "Plays",
    "Predicts",
    "Recipe",
    "modules_of",
    "verbs_of",
]

C = TypeVar("C")
S = TypeVar("S", bound=Sampling)

Facts = dict[str, Any]
Metrics = Mapping[str, "Tensor | float"]


class Recipe(ABC, Generic[C]):
    """How a system is trained on data.

    Attributes:
        config: the recipe's options.
        facts: what `learn` found in the data, and under "reader" what the reader says of them.
        run: data, batches, random streams, backward pass.
        model: the plain trained module, which `deepcanon.load(...).module` hands out.
        preprocess: from raw inputs to those of the model, or None.
    """

    # Declared by a recipe

    state: ClassVar[tuple[str, ...]]
    """Names of the attributes that a step changes: what a checkpoint holds."""
    parallel: ClassVar[str]
    """How several processes share the work: "gradients", "statistics", "trials", or "none: REASON"."""
    monitor: tuple[str, Literal["min", "max"]] | None = None
    """The metric that says which weights are the best, such as ("valid/nll", "min"). `build` may name another."""
    precisions: ClassVar[tuple[Literal["fp32", "bf16"], ...]] = ("fp32",)
    """What `--precision auto` may choose."""
    splits: tuple[str, ...] = ()
    """The splits that can be evaluated; those of the data if none are named. `build` may name them too."""
    batches_per_step: ClassVar[int] = 1
    """Batches that a step takes (critics, accumulation)."""
    waits: ClassVar[str] = ""
    """Why a step reads numbers from the device, which makes the host wait for a GPU; empty if no step does."""
    float64: ClassVar[bool] = True
    """Whether anything is computed in float64 on the device, which Apple's GPU does not have."""
    wants: ClassVar[Literal["classes", "numbers", "anything"]] = "anything"
    """What the targets of the data must be."""
    needs: ClassVar[str] = ""
    """The error message if the data have no classes; a sentence about the readers' forms if empty."""
    inputs: ClassVar[str] = ""
    """The kind of data that `predict` and `encode` take; that of the training data if empty."""
    deterministic: ClassVar[bool] = False
    """Whether training does not depend on the seed: every seed gives the same weights on the same split."""
    computed: ClassVar[tuple[str, ...]] = ()
    """Names of attributes that a step fills with values that can be computed again (prepared rows); never saved."""
    unknown: ClassVar[tuple[str, ...]] = ()
    """Names in `state` that hold NaN for what is not known yet; of all others a checkpoint holds finite numbers."""
    planned: ClassVar[str] = ""
    """The option that holds the default number of steps; `epochs` passes in batches of `batch` if none is named."""
    trains: ClassVar[str] = ""
    """An experiment: the stem of the recipe whose trainings it compares."""

    # Given by the engine

    config: C
    facts: Facts
    run: Run

    # Made by `build`

    model: Any = None
    preprocess: Any = None
    calibrate_at: int = 0
    """Steps after which the cost of a step is typical (a warm-up without updates before it)."""

    def __init__(self, config: C, facts: Facts, run: Run) -> None:
        self.config, self.facts, self.run = config, facts, run
        self.build()

    @classmethod
    def learn(cls, config: C, data: Dataset) -> Facts:
        """What a model must know of the data (sizes, vocabulary, statistics): JSON values and tensors.

        Raises:
            UsageError, ValueError: the data or the options do not fit; nothing has been written yet.
        """
        return {}

    @classmethod
    def takes(cls, config: C) -> tuple[Literal["float32", "sparse", "unchecked"], ...]:
        """Which rows of arrays in memory it takes as they are.

        "float32" is widened to float64 otherwise, and "sparse" refused; "unchecked": `scores` itself refuses what
        is not finite, which costs a pass over the rows before it otherwise.
        """
        return ()

    @classmethod
    def unsharded(cls, config: C) -> str:
        """Why processes cannot share out its model (`--shard`), where neither its attributes nor its first step show
        it; empty if they can."""
        return ""

    @classmethod
    def units(cls, config: C) -> Mapping[str, str]:
        """Units of metrics that depend on options, by name: they are shown instead of those in METRICS."""
        return {}

    @abstractmethod
    def build(self) -> None:
        """Makes modules and optimizers from `config` and `facts`; opens neither data nor environments."""

    def begin(self) -> None:
        """What happens once, before the first step of a run that starts from nothing (weights of another model)."""

    def plan(self) -> int:
        """The default number of steps; may look at `run.data`."""
        config: Any = self.config
        return getattr(config, self.planned) if self.planned else self.run.steps_of(config.epochs, config.batch)

    @abstractmethod
    def step(self, step: int) -> Mapping[str, Tensor]:
        """One update: forward, backward, optimizer. Metrics are tensors, still on their device: nothing waits."""

    @abstractmethod
    def evaluate(self, split: str) -> Metrics:
        """Metrics of a split, named without it; called in eval mode without gradients."""

    def conclusion(self) -> str:
        """What a finished run shows, in a few lines; empty if the score says everything."""
        return ""

    def figures(self) -> Mapping[str, Any]:
        """What is drawn at evaluations: values of `engine.figures` by name, each with a caption."""
        return {}


class Predicts(ABC):
    """Answers about inputs."""

    @abstractmethod
    def predict(self, inputs: Any) -> list[dict[str, Any]]:
        """A record for each raw input: {label, probabilities} of a classifier, {value} of a number."""


class Encodes(ABC):
    """Gives a representation of inputs."""

    @abstractmethod
    def encode(self, inputs: Any) -> Tensor:
        """The representations [N, K] of raw inputs."""


class Decodes(Encodes):
    """Gives representations of inputs, and inputs that representations stand for."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Raw inputs [N, ...] on the CPU from representations [N, K]; pictures [N, C, H, W] are bytes."""


class Generates(ABC):
    """Draws samples."""

    asked: ClassVar[type[Sampling]] = Sampling
    """What may be asked of a sample."""

    @abstractmethod
    def generate(self, asked: Any, generator: torch.Generator) -> list[dict[str, Any]] | Tensor | Forecast:
        """Samples: records with "text", pictures [N, C, H, W], sounds [N, T], or a forecast.

        Args:
            asked: of the class that `asked` names.
        """


class Plays(ABC):
    """Acts in an environment."""

    asked_to_play: ClassVar[type[Playing]] = Playing

    @abstractmethod
    def play(self, asked: Playing) -> list[dict[str, Any]]:
        """A record for each episode: return and length."""


class Exports(ABC):
    """Hands out what it has learned for use elsewhere."""

    formats: ClassVar[tuple[Literal["torch", "onnx", "arpa"], ...]] = ("torch", "onnx")
    """The forms that it can be written in; the first one if a user names none."""

    @abstractmethod
    def export(self) -> Export | TextExport:
        """The module that takes raw values, or lines of text, with what a user must know of it."""


VERBS: dict[str, type] = {
    "predict": Predicts, "encode": Encodes, "generate": Generates, "play": Plays, "export": Exports,
}  # fmt: skip


def verbs_of(recipe: type) -> list[str]:
    """The verbs that a recipe class offers, apart from those that every run has."""
    return [name for name, mixin in VERBS.items() if issubclass(recipe, mixin)]


def modules_of(recipe: Recipe[Any]) -> list[nn.Module]:
    """The modules that a recipe holds."""
    return [value for value in vars(recipe).values() if isinstance(value, nn.Module)]
