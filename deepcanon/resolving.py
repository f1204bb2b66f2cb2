"""From a name and what was given to a recipe, its options and settings, the way to its data, and a folder."""

import importlib
import json
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from deepcanon import heads
from deepcanon.data import CATALOGUE, open_data
from deepcanon.data.errors import one_line
from deepcanon.data.splits import Dataset
from deepcanon.data.tasks import placing
from deepcanon.engine import training
from deepcanon.engine.classifier import require_classes
from deepcanon.engine.contract import verbs_of
from deepcanon.errors import UsageError
from deepcanon.options import reading_options
from deepcanon.ranges import Belongs, types_of
from deepcanon.settings import Settings, build_config, unknown_option
from deepcanon.targets import STANDARD, metric_of

__all__ = [
    "introduction", "lacks", "last_folder", "moved_data", "next_folder", "opener", "reading_options_of", "resolve",
    "settle",
]  # fmt: skip

LEARNED = ("boxes", "pairs", "series", "speech", "documents", "trees", "audio")
"""Kinds whose readers take what a run knows of its data, as the option `learned`: sides, columns, symbols, classes."""
ALIKE = {"rate": "{} samples a second", "symbols": "the symbols {}", "problem": "solutions called {}"}
"""Facts in which other data must be like those that were learned, in words."""


def resolve(name: str) -> tuple[heads.Head, Any]:
    """(head, module) of a recipe."""
    try:
        head = heads.head(name)
    except heads.UnknownRecipe as error:
        raise UsageError(str(error)) from None
    return head, importlib.import_module(f"deepcanon.recipes.{head.stem}")


def moved_data(folder: Path) -> str:
    """Where the data of a run were, as a full path, if they were a path."""
    try:
        return str(json.loads((folder / "data.json").read_text(encoding="utf-8")).get("path", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def reading_options_of(head: heads.Head, config: Any) -> dict[str, dict[str, Any]]:
    """The options of each kind of reader, with what the recipe takes and predicts of tables."""
    options = reading_options(config, head.data)
    if "tables" in options:
        recipe = importlib.import_module(f"deepcanon.recipes.{head.stem}").Recipe
        options["tables"]["takes"] = recipe.takes(config)
        if options["tables"]["target_kind"] == "auto":
            wants = recipe.wants
            options["tables"]["target_kind"] = {"classes": "labels"}.get(wants, wants).replace("anything", "auto")
    return options


def lacks(head: heads.Head) -> Callable[[Dataset], str]:
    """What a recipe lacks in data, which a training refuses: see `data.check`."""
    recipe = importlib.import_module(f"deepcanon.recipes.{head.stem}").Recipe

    def said(data: Dataset) -> str:
        try:
            if recipe.wants == "classes":
                require_classes(data, recipe.needs)
        except UsageError as error:
            return str(error)
        return ""

    return said


def opener(
    head: heads.Head, data: Any = None, facts: Callable[[], dict[str, Any]] | None = None, moved: str = ""
) -> training.Opener:
    """How the engine opens a recipe's data.

    Args:
        data: other data than the settings name: a name, a path, or arrays of the caller, which settings cannot hold.
        facts: of a trained run that determines how data are read: pictures are read at the size of its training data,
            classes are numbered as there, and other data must have its classes; of pairs the same sides are sources.
        moved: the full path of the data, for a working directory from which the settings' own does not lead there.
    """

    def open_(config: Any, settings: Settings) -> Dataset:
        options = reading_options_of(head, config)
        known = facts()["reader"] if facts else {}
        if known.get("kind") == "images" and not options["images"]["patch"]:
            options["images"] |= {"size": known["size"][0], "channels": known["channels"], "learned": known}
        if known.get("kind") in LEARNED:
            options[known["kind"]]["learned"] = known
        if known.get("kind") == "point_sets":
            options["point_sets"]["problem"] = known["problem"]
        own = settings.data
        if moved and not data and not Path(own).exists() and Path(moved).exists():
            own = moved
        opened = open_data(head.data, data or own, seed=settings.seed, options=options, skip_bad=settings.skip_bad)
        asked = opened.kind == "documents" and config.each == "paragraph" != type(config).each
        if asked and opened.facts.get("unit") not in ("paragraphs", "poems"):
            where = data if isinstance(data, str) else settings.data
            raise UsageError(f"--each paragraph is of a .txt, and has no effect on {where}: leave it out")
        if data and known:
            recipe = importlib.import_module(f"deepcanon.recipes.{head.stem}").Recipe
            _check_that_it_fits(data, opened.describe(), known, recipe.wants)
        return opened

    return open_


def _check_that_it_fits(data: Any, theirs: dict[str, Any], mine: dict[str, Any], wants: str) -> None:
    """Refuses to measure a run on data that mean something else than those that it learned.

    Raises:
        UsageError: another kind, no classes or others, another rate, symbols that were not learned.
    """
    if isinstance(data, str) and mine["kind"] != theirs["kind"]:
        kinds = [kind.replace("_", " ") for kind in (theirs["kind"], mine["kind"])]
        raise UsageError(f"{data} is read as {kinds[0]}; the run learned from {kinds[1]}")
    known, given = (list(facts.get("classes") or ()) for facts in (mine, theirs))
    if known and known != given and (given or wants == "classes"):
        classes = f"the classes {', '.join(given)}" if given else "no classes"
        raise UsageError(f"{data} has {classes}; the run knows {', '.join(known)}")
    for key, words in ALIKE.items():
        if mine["kind"] == theirs["kind"] and mine.get(key) and mine[key] != theirs.get(key, mine[key]):
            has, learned = (
                words.format(one_line(" ".join(map(repr, fact)) if isinstance(fact, list) else fact, 100))
                for fact in (theirs[key], mine[key])
            )
            raise UsageError(f"{data} has {has}; the run learned from {learned}")


def introduction(head: heads.Head, module: Any, config: Any, preset: str, data: str | None = None) -> dict[str, Any]:
    """What `config.json` says of the recipe itself, for the report: it reads files only.

    Args:
        config: the options of the run, on which units may depend.
    """
    known = {**STANDARD, **head.metrics}
    for name, unit in module.Recipe.units(config).items():
        if found := metric_of(head.metrics, name):
            known = {name: replace(found, unit=unit), **{key: value for key, value in known.items() if key != name}}
    return {
        "preset": preset,
        "kinds": list(head.data),
        "summary": heads.summary(head),
        "metrics": {name: [metric.sentence, metric.unit, metric.better] for name, metric in known.items()},
        # Those of `train NAME` with nothing else, as its help and `show` have them.
        "defaults": training.plain_config(module.Config(**heads.preset(head, "default", data)[0])),
        "verbs": ["resume", "eval", *verbs_of(module.Recipe)],
    }


def settle(
    name: str,
    preset: str = "default",
    given: dict[str, Any] | None = None,
    base: dict[str, Any] | None = None,
    also: Collection[str] = (),
) -> tuple[Any, Settings]:
    """(config, settings) from a preset, then a `config.json` (base), then what was given; the last wins.

    Args:
        also: names that the caller takes itself, which may have been meant by one that is unknown.

    Steps and minutes of a preset belong to its data: other data, or other epochs, get the recipe's own plan instead.
    """
    head, module = resolve(name)
    try:
        options, run_settings = heads.preset(head, preset, None if base else (given or {}).get("data"))
    except heads.UnknownRecipe as error:
        raise UsageError(str(error)) from None
    given = dict(given or {})
    if base:
        if base["name"] != head.name:
            raise UsageError(f"that config.json belongs to {base['name']}, not to {head.name}")
        build_config(module.Config, base["config"], base.get("version", ""))
        options.update(base["config"])
        run_settings = {k: v for k, v in vars(base["settings"]).items() if v is not None}
    data = given.get("data", run_settings.get("data"))
    if data != run_settings.get("data") or {"steps", "minutes", "epochs"} & given.keys():
        for key in ("steps", "minutes", "evaluate_every", "log_every"):
            run_settings.pop(key, None)
    fields = set(vars(Settings()))
    for key, value in given.items():
        if key not in fields and key not in options:
            raise unknown_option(key, {*options, *fields, *also}, head.name)
        (run_settings if key in fields else options)[key] = value
    config = build_config(module.Config, options)
    _refuse_idle(config, given, getattr(module, "BELONGS", {}))
    settings = build_config(Settings, run_settings)
    if settings.steps is not None and settings.minutes is not None:
        raise UsageError("give --steps or --minutes, not both")
    if "base" in given and hasattr(config, "base") and settings.data.removeprefix(CATALOGUE) not in placing():
        named = ", ".join(placing())
        raise UsageError(f"--base is of {named}, and has no effect on {settings.data or 'no data'}: leave it out")
    return config, settings


def _refuse_idle(config: Any, given: Collection[str], own: Belongs) -> None:
    """Refuses an option that was given, and not as it is anyway, where another one leaves it without effect.

    Args:
        own: BELONGS of the recipe itself, besides those of the groups that its Config takes options from.

    Raises:
        UsageError: naming both.
    """
    groups = [vars(base).get("BELONGS", {}) for base in reversed(type(config).__mro__)]
    for name, (other, values) in [pair for known in (*groups, own) for pair in known.items()]:
        now = getattr(config, other)
        if name in given and now not in values and getattr(config, name) != getattr(type(config), name):
            option, needed = f"--{name.replace('_', '-')}", f"--{other.replace('_', '-')}"
            hint = types_of(type(config))[other]
            allowed = get_args(hint) if get_origin(hint) is Literal else values  # some recipes have fewer optimizers
            them = " or ".join(str(value) for value in values if value in allowed)
            raise UsageError(f"{option} has no effect with {needed} {now}: leave it out, or give {needed} {them}")


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
