"""A run without a folder: what one would hold at its end, as values.

It trains by the same loop, so that its state has the bits of a run in a folder; a signal ends it, and nothing is left.
"""

from pathlib import Path
from typing import Any, NamedTuple

from deepcanon.engine.contract import Recipe, modules_of
from deepcanon.engine.devices import settle_device
from deepcanon.engine.instances import is_model, without_best
from deepcanon.engine.keeping import InMemory
from deepcanon.engine.loop import Loop
from deepcanon.engine.preparing import Lend, Opener, as_usage, prepared
from deepcanon.engine.training import restored
from deepcanon.errors import UsageError
from deepcanon.settings import Settings

__all__ = ["Learned", "recipe_of", "train_in_memory"]


class Learned(NamedTuple):
    """What a model needs to answer, as plain values and tensors."""

    name: str
    config: Any
    settings: Settings
    facts: dict[str, Any]
    step: int
    state: dict[str, Any]


def train_in_memory(
    recipe_class: type[Recipe[Any]], name: str, config: Any, settings: Settings, open_data: Opener, lend: Lend
) -> tuple[Learned, Recipe[Any] | None]:
    """Trains from the beginning, quietly.

    Returns:
        What was learned; and the recipe itself, in eval mode, if models are all that a step changes and the last ones
        are kept. Of others a new one answers, without optimizer and prepared rows.

    Raises:
        UsageError: the data or an option do not fit.
        NonFiniteError, Interrupted: see their classes.
    """
    if recipe_class.parallel == "trials":
        raise UsageError(f"{name} trains others: it needs a folder")
    ready = prepared(recipe_class, name, config, settings, None, open_data, lambda line: None, lend=lend)
    run, facts, kept = ready.run, ready.facts, InMemory()
    with as_usage():
        loop = Loop(recipe_class, config, facts, run, lambda line: None, True, True, kept, ready.recipe)
        without_best(recipe := loop.recipe)
    loop.go()
    learned = Learned(name, config, run.settings, facts, kept.step, kept.state)
    if kept.has_best or not all(is_model(getattr(recipe, name)) for name in recipe.state):
        return learned, None
    for module in modules_of(recipe):
        module.eval()
    return learned, recipe


def recipe_of(
    learned: Learned, recipe_class: type[Recipe[Any]], open_data: Opener | None, lend: Lend, folder: Path | None = None
) -> Any:
    """The recipe in eval mode, on the device that is there."""
    settings = settle_device(learned.settings.with_(device="auto"))
    recipe, _ = restored(
        recipe_class, learned.config, learned.facts, settings, "auto", learned.state, learned.step, folder, open_data,
        lend,
    )  # fmt: skip
    return recipe
