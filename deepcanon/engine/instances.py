"""Instances of a recipe: made, seeded, evaluated."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from deepcanon.data.seeds import stream_seed
from deepcanon.engine.contract import Recipe, modules_of
from deepcanon.engine.metrics import plain
from deepcanon.engine.run import Run
from deepcanon.errors import UsageError
from deepcanon.parts.noise import Noisy

__all__ = ["eval_mode", "evaluate", "is_model", "make", "seed_generators", "splits", "without_best"]

R = TypeVar("R", bound=Recipe[Any])

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def make(recipe_class: type[R], config: Any, facts: dict[str, Any], run: Run) -> R:
    """A fresh recipe; its initialisation is the stream "init" of the run's seed."""
    seed_generators(run.seed, 0, "init")
    run.step = 0
    recipe = recipe_class(config, facts, run)
    if run.world > 1:
        for top in modules_of(recipe):
            for module in top.modules():
                if isinstance(module, Noisy):
                    module.rank, module.world = run.rank, run.world
                if isinstance(module, DROPOUTS):
                    module.forward = _by_global_row(module, run)  # type: ignore[method-assign, assignment]
    return recipe


def _by_global_row(module: Any, run: Run) -> Callable[[Tensor], Tensor]:
    """The forward of a dropout layer of which several processes compute some rows each."""
    whole = module.forward  # of torch's layer, or of a class of ours that draws its masks in another way
    return lambda x: run.dropped(x, whole) if module.training and module.p else x


def seed_generators(seed: int, step: int, stream: str) -> None:
    """Seeds torch's default generators directly: `torch.manual_seed` costs 75 us, this 2."""
    value = stream_seed(seed, step, stream)
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(value)
    elif torch.backends.mps.is_available():
        torch.mps.manual_seed(value)


def evaluate(recipe: Recipe[Any], split: str) -> dict[str, Any]:
    """The metrics of a split, named `split/metric`: without gradients, in eval mode, on a stream of its own."""
    run = recipe.run
    seed_generators(run.seed, run.step, "evaluate")
    with eval_mode(recipe), torch.no_grad():
        return {f"{split}/{name}": plain(value) for name, value in recipe.evaluate(split).items()}


def splits(recipe: Recipe[Any]) -> tuple[str, ...]:
    """The splits that a recipe can be evaluated on."""
    return tuple(recipe.splits or recipe.run.data.splits)


def without_best(recipe: Recipe[Any]) -> str:
    """A line if the last weights are kept because no validation split says which ones are best, else "".

    Raises:
        UsageError: `patience` is asked for, and nothing is measured that could stop the run.
    """
    monitored, waits = (recipe.monitor or ("",))[0], recipe.run.settings.patience
    if monitored.split("/")[0] in splits(recipe):
        return ""
    remedy = "--valid-share 0.1 holds one out" if getattr(recipe.config, "valid_share", None) == 0 else ""
    if waits:
        why = "no validation split is left" if monitored else "this recipe does not choose weights on validation"
        raise UsageError(f"--patience {waits} needs a figure on validation, and {why}: {remedy or 'leave it out'}")
    if not monitored or recipe.splits:  # it measures elsewhere, by its own plan
        return ""
    return "no validation split: the last weights are kept, not the best ones" + (f" ({remedy})" if remedy else "")


@contextlib.contextmanager
def eval_mode(recipe: Recipe[Any]) -> Iterator[None]:
    flags = [(module, module.training) for top in modules_of(recipe) for module in top.modules()]
    for module, _ in flags:
        module.training = False
    try:
        yield
    finally:
        for module, flag in flags:
            module.training = flag


def is_model(value: Any) -> bool:
    """What inference needs of the state: modules and fitted estimators, no optimizer."""
    return hasattr(value, "state_dict") and not isinstance(value, torch.optim.Optimizer)
