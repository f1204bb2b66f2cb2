"""What the engine does with a recipe, apart from the loop: make it, seed it, evaluate it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from deepcanon.data.seeds import stream_seed
from deepcanon.engine.metrics import plain
from deepcanon.engine.run import Run

__all__ = ["eval_mode", "evaluate", "is_model", "make", "modules", "seed_generators", "splits"]


def make(recipe_class: Any, config: Any, facts: dict[str, Any], run: Run) -> Any:
    """A fresh recipe; its initialisation is the stream "init" of the run's seed."""
    seed_generators(run.seed, 0, "init")
    run.step = 0
    return recipe_class(config, facts, run)


def seed_generators(seed: int, step: int, stream: str) -> None:
    """Seeds torch's default generators directly: `torch.manual_seed` costs 75 us, this 2."""
    value = stream_seed(seed, step, stream)
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(value)


def evaluate(recipe: Any, split: str) -> dict[str, Any]:
    """The metrics of a split, named `split/metric`: without gradients, in eval mode, on a stream of its own."""
    run = recipe.run
    seed_generators(run.seed, run.step, "evaluate")
    with eval_mode(recipe), torch.no_grad():
        return {f"{split}/{name}": plain(value) for name, value in recipe.evaluate(split).items()}


def splits(recipe: Any) -> tuple[str, ...]:
    """The splits that a recipe can be evaluated on."""
    return tuple(getattr(recipe, "splits", None) or recipe.run.data.splits)


@contextlib.contextmanager
def eval_mode(recipe: Any) -> Iterator[None]:
    flags = [(module, module.training) for top in modules(recipe) for module in top.modules()]
    for module, _ in flags:
        module.training = False
    try:
        yield
    finally:
        for module, flag in flags:
            module.training = flag


def modules(recipe: Any) -> list[nn.Module]:
    return [value for value in vars(recipe).values() if isinstance(value, nn.Module)]


def is_model(value: Any) -> bool:
    """What inference needs of the state: modules and fitted estimators, no optimizer."""
    return hasattr(value, "state_dict") and not isinstance(value, torch.optim.Optimizer)
