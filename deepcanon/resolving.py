"""From a name and what was given to a recipe, its options and settings, the way to its data, and a folder."""

import importlib
import re
from pathlib import Path
from typing import Any

from deepcanon import heads
from deepcanon.data import open_data
from deepcanon.engine import training
from deepcanon.engine.errors import UsageError
from deepcanon.engine.settings import Settings, build_config

__all__ = ["VERBS", "introduction", "last_folder", "next_folder", "opener", "resolve", "settle"]

VERBS = ("predict", "encode", "generate", "play", "export")


def resolve(name: str) -> tuple[heads.Head, Any]:
    """(head, module) of a recipe."""
    try:
        recipe = heads.head(name)
    except heads.UnknownRecipe as error:
        raise UsageError(str(error)) from None
    return recipe, importlib.import_module(f"deepcanon.recipes.{recipe.stem}")


def opener(recipe: heads.Head, data: Any = None) -> training.Opener:
    """How the engine opens a recipe's data: the reading options are the Config fields that bear their names.

    `data` takes the place of what the settings name: arrays of the caller, which settings cannot hold.
    """

    def open_(config: Any, settings: Settings) -> Any:
        return open_data(
            recipe.data,
            data or settings.data,
            seed=settings.seed,
            options=dict(vars(config)),
            skip_bad=settings.skip_bad,
        )

    return open_


def introduction(recipe: heads.Head, module: Any, preset: str) -> dict[str, Any]:
    """What `config.json` says of the recipe itself, for the report: it reads files only."""
    return {
        "preset": preset,
        "kinds": list(recipe.data),
        "summary": heads.summary(recipe),
        "defaults": training.plain_config(module.Config()),
        "verbs": ["resume", "eval", *(verb for verb in VERBS if hasattr(module.Recipe, verb))],
    }


def settle(
    name: str,
    preset: str = "default",
    given: dict[str, Any] | None = None,
    base: dict[str, Any] | None = None,
) -> tuple[Any, Settings]:
    """(config, settings) from a preset, then a `config.json` (base), then what was given; the last wins.

    Steps and minutes of a preset belong to its data: with other data the recipe's own plan takes their place.
    """
    recipe, module = resolve(name)
    try:
        options, run_settings = heads.preset(recipe, preset)
    except heads.UnknownRecipe as error:
        raise UsageError(str(error)) from None
    given = dict(given or {})
    if base:
        if base["name"] != recipe.name:
            raise UsageError(f"that config.json is one of {base['name']}, not of {recipe.name}")
        options.update(base["config"])
        run_settings = {k: v for k, v in vars(base["settings"]).items() if v is not None}
    data = given.get("data", run_settings.get("data"))
    if data != run_settings.get("data") or {"steps", "minutes"} & given.keys():
        for key in ("steps", "minutes", "evaluate_every", "log_every"):
            run_settings.pop(key, None)
    fields = set(vars(Settings()))
    for key, value in given.items():
        (run_settings if key in fields else options)[key] = value
    config = build_config(module.Config, options)
    settings = build_config(Settings, run_settings)
    if settings.steps is not None and settings.minutes is not None:
        raise UsageError("give --steps or --minutes, not both")
    if settings.steps is not None and settings.steps < 1:
        raise UsageError(f"--steps {settings.steps}: at least 1")
    if settings.minutes is not None and settings.minutes <= 0:
        raise UsageError(f"--minutes {settings.minutes}: more than 0")
    return config, settings


def next_folder(name: str) -> Path:
    """runs/NAME-1, -2, ...: the first that is free."""
    taken = [int(m[1]) for p in Path("runs").glob(f"{name}-*") if (m := re.fullmatch(rf"{name}-(\d+)", p.name))]
    return Path("runs") / f"{name}-{max(taken, default=0) + 1}"


def last_folder() -> Path:
    """The run in `runs` that was written to most recently.

    Raises:
        UsageError: there is none.
    """
    found = [p.parent for p in Path("runs").glob("*/config.json")]
    if not found:
        raise UsageError("there is no run in the folder `runs` yet")
    return max(found, key=lambda p: max((f.stat().st_mtime_ns for f in p.glob("*.json")), default=0))
