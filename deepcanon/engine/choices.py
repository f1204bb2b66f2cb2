"""Threads and precision that were measured once on this machine, so that equal commands make equal runs.

A measurement is noisy: without a memory one of three seeds could compute in another precision than the others.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from deepcanon.data.published import cache_folder
from deepcanon.engine import calibrate, machine
from deepcanon.settings import Settings
from deepcanon.writing import replacing

__all__ = ["place", "remembered"]

ASKED = ("data", "steps", "minutes", "device", "threads", "precision", "compile", "shard", "allocator")
"""Settings on which the measurement depends, or which say what may be chosen; the seed is not among them."""


def place() -> Path:
    """The file that remembers; if it is removed, measurements are made again."""
    return cache_folder() / "choices.json"


def remembered(
    recipe: type,
    config: Any,
    settings: Settings,
    counts: Mapping[str, int],
    precisions: tuple[str, ...],
    choose: Callable[[], Settings],
) -> tuple[Settings, str]:
    """What was chosen before for this recipe, its options and settings, this processor and torch; otherwise a
    measurement.

    Args:
        counts: examples of each split; arrays in memory have no other name.
        precisions: those that the recipe and the device have.
        choose: measures, and returns the settings with threads and precision.

    Returns:
        The settings, and what to say of a choice that was remembered.
    """
    if settings.threads and (settings.precision != "auto" or len(precisions) == 1):  # there is nothing to choose
        return choose(), ""
    key, known = _key(recipe, config, settings, counts), _read()
    choice = known.get(key)
    if isinstance(choice, dict) and choice.keys() == {"threads", "precision"}:
        threads, precision = choice["threads"], choice["precision"]
        if isinstance(threads, int) and 1 <= threads <= calibrate.available_threads() and precision in precisions:
            said = f"threads {threads}, precision {precision}: as measured before; {place()} remembers it"
            return settings.with_(threads=threads, precision=precision), said
    chosen = choose()
    with suppress(Exception):  # a cache that cannot be written costs a measurement, not a run
        place().parent.mkdir(parents=True, exist_ok=True)
        with replacing(place()) as aside:
            known[key] = {"threads": chosen.threads, "precision": chosen.precision}
            aside.write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")
    return chosen, ""


def _key(recipe: type, config: Any, settings: Settings, counts: Mapping[str, int]) -> str:
    where = [machine.processor(), calibrate.available_threads(), torch.__version__]
    asked = {name: getattr(settings, name) for name in ASKED}
    text = json.dumps([recipe.__module__, vars(config), asked, dict(counts), where], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _read() -> dict[str, Any]:
    try:
        found = json.loads(place().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
