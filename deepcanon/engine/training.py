"""Begins, resumes or loads a run: what surrounds the loop."""

import contextlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from deepcanon.engine import lock, processes, state
from deepcanon.engine.checkpoint import Checkpoints, facts_of
from deepcanon.engine.checksums import FILE, differences, write_checked
from deepcanon.engine.contract import Encodes, Recipe, modules_of
from deepcanon.engine.devices import settle_device, settle_float64
from deepcanon.engine.folder import begin, changes_of, environment, refuse_links
from deepcanon.engine.instances import evaluate, make, seed_generators, splits, without_best
from deepcanon.engine.loop import Loop, Say
from deepcanon.engine.memory import keep_freed_memory
from deepcanon.engine.preparing import (
    Child,
    Lend,
    Opener,
    as_usage,
    plain_config,
    prepared,
    refuse_bf16_where_there_is_none,
)  # fmt: skip
from deepcanon.engine.remembered import remember
from deepcanon.engine.run import Run
from deepcanon.errors import CheckpointError, DeepcanonError, UsageError
from deepcanon.settings import Settings, build_config, read_config
from deepcanon.writing import writing

__all__ = ["Opener", "changes_of", "environment", "evaluate", "load", "make", "plain_config", "restored", "resume",
           "seed_generators", "splits", "train"]  # fmt: skip

WHICH = {"auto": ("best", "step"), "best": ("best",), "last": ("step",)}
"""Kinds of checkpoints to look for, by what `--checkpoint` says."""


def train(
    recipe_class: type[Recipe[Any]],
    name: str,
    config: Any,
    settings: Settings,
    folder: Path,
    open_data: Opener,
    say: Say = lambda line: None,
    quiet: bool = False,
    about: dict[str, Any] | None = None,
    child: Child | None = None,
    plain: bool = False,
    lend: Lend | None = None,
) -> dict[str, Any]:
    """Trains from the beginning in a new folder; returns the final status.

    Args:
        child: trains the trials of a recipe that compares.
        plain: without pictures, events and report (a trial).
        lend: loads another run that the recipe borrows.

    Raises:
        UsageError: the folder holds a run, or an option does not fit.
        NonFiniteError, Interrupted: see their classes; everything is saved.
    """
    processes.join()
    parallel = recipe_class.parallel
    if processes.world() > 1 and parallel.startswith("none"):
        raise UsageError(f"{name} trains in one process ({parallel.removeprefix('none:').strip()})")
    taken = folder.exists() and not lock.is_left_over(folder)
    if processes.any_process(int(taken and processes.rank() == 0)):
        raise _taken(folder)
    ready = prepared(recipe_class, name, config, settings, folder, open_data, say, about, child, lend)
    run, facts = ready.run, ready.facts
    with contextlib.ExitStack() as held:
        if processes.rank() == 0:
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(lock.hold(folder))  # before anything is written: the folder may be another's
            if not lock.is_left_over(folder):
                raise _taken(folder)
            try:
                begin(folder, facts, ready.data, run.settings, ready.content)
                if issubclass(recipe_class, Encodes) and not plain:
                    remember(folder, ready.data, run.settings.keep_examples)
            except DeepcanonError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        training: Loop | None = None
        try:
            processes.see_together(folder)
            with as_usage():
                training = Loop(recipe_class, config, facts, run, say, quiet, plain)
                if note := without_best(training.recipe):
                    say(note)
            training.locked = True
            return training.go()
        except UsageError:
            if (training is None or training.done == 0) and run.rank == 0:
                shutil.rmtree(folder, ignore_errors=True)  # nothing was learned: the way is free for a better call
            raise


def _taken(folder: Path) -> UsageError:
    return UsageError(f"{folder} is not empty: choose another --out, or `deepcanon resume {folder}`")


def resume(
    recipe_class: type[Recipe[Any]],
    folder: Path,
    open_data: Opener,
    steps: int | None = None,
    say: Say = lambda line: None,
    quiet: bool = False,
    child: Child | None = None,
    plain: bool = False,
    lend: Lend | None = None,
    changed_data: bool = False,
) -> dict[str, Any]:
    """Resumes from the newest sound checkpoint, or from the beginning if there is none yet.

    Args:
        changed_data: whether to continue with data that are not those the run was trained on.

    Raises:
        CheckpointError: there were checkpoints, and every one was refused; or a file of the run was changed.
        UsageError: another number of processes than before, or a precision that this device lacks.
    """
    processes.join()
    content = read_config(folder)
    refuse_links(folder)
    for name, line in differences(folder).items():
        if name == FILE:
            say(line)
        else:
            raise CheckpointError(f"{line}: restore it, or start a new run with --config {folder / 'config.json'}")
    config = build_config(sys.modules[recipe_class.__module__].Config, content["config"], content.get("version", ""))
    settings = content["settings"]
    if steps is not None:
        settings = settings.with_(steps=steps)
    torch.set_num_threads(settings.threads)
    if settings.allocator == "keep":
        keep_freed_memory()
    facts = facts_of(folder)
    opened: list[Any] = []

    def once() -> Any:
        if not opened:
            opened.append(open_data(config, settings))
            changes = changes_of(folder, opened[0])
            if changes and not changed_data:
                raise UsageError(f"{changes}: restore them, or give --changed-data to continue with these")
            if changes:
                say(f"{changes}: continuing with these, as requested")
        return opened[0]

    batches = recipe_class.batches_per_step
    settings = settle_device(settings)
    refuse_bf16_where_there_is_none(settings)
    if settings.shard and processes.world() == 1:
        say("one process has the whole model: it continues without shards")
    run = Run(settings, folder, once, batches, child, say, lend)
    training = Loop(recipe_class, config, facts, run, say, quiet, plain)
    with training.lock():  # before anything is cleared away: the folder may be another process's
        if training.restore(asked=steps is not None):
            return training.conclude()
        if steps is not None and processes.rank() == 0:
            content["settings"] = vars(settings)
            write_checked(folder / "config.json", json.dumps(content, indent=1) + "\n")
        return training.go()


def load(
    recipe_class: type[Recipe[Any]],
    folder: Path,
    which: str = "auto",
    device: str = "auto",
    open_data: Opener | None = None,
    lend: Lend | None = None,
) -> tuple[Any, int, dict[str, Any]]:
    """The trained recipe of a run folder, which may have been moved and whose data may be gone.

    Args:
        which: "best", "last", or "auto" (best, else last).

    Returns:
        the recipe in eval mode, its step, and the content of `config.json`, with "notes": what must be told.
    """
    if which not in WHICH:
        raise UsageError(f"checkpoint {which!r}: choose {' or '.join(WHICH)}")
    content = read_config(folder)
    refuse_links(folder)
    notes = list(differences(folder).values())
    config = build_config(sys.modules[recipe_class.__module__].Config, content["config"], content.get("version", ""))
    settings = settle_device(content["settings"].with_(device=device))
    if device in ("auto", "cpu"):
        torch.set_num_threads(max(1, settings.threads))
    if settings.allocator == "keep":
        keep_freed_memory()
    facts = facts_of(folder)
    found, checkpoints = None, Checkpoints(folder / "checkpoints")
    for kind in WHICH[which]:
        found = found or checkpoints.newest(kind)
    if found is None:
        raise CheckpointError(
            "; ".join(checkpoints.refused) or f"{folder} has no checkpoint yet ({which}): `deepcanon resume {folder}`"
        )
    step, parts = found
    notes += [f"{reason}: the weights of step {step} are used instead" for reason in checkpoints.refused]
    saved = {**parts.get("rank0", {}), **parts.get("shared", {})}
    recipe, note = restored(recipe_class, config, facts, settings, device, saved, step, folder, open_data, lend)
    return recipe, step, {**content, "notes": notes + ([note] if note else [])}


def restored(
    recipe_class: type[Recipe[Any]], config: Any, facts: dict[str, Any], settings: Settings, device: str,
    saved: dict[str, Any], step: int, folder: Path | None = None, open_data: Opener | None = None,
    lend: Lend | None = None,
) -> tuple[Any, str]:  # fmt: skip
    """A recipe in eval mode with the state that was saved of it, and what must be told of its device, or "".

    Args:
        settings: of its run, with the device that is there.
        device: that was asked for.
    """
    settings, note = settle_float64(settings, device, recipe_class.float64, facts)
    opener = (lambda: open_data(config, settings)) if open_data else None
    recipe = make(recipe_class, config, facts, Run(settings, folder, opener, lend=lend))
    for name in recipe_class.state:
        if name in saved and not isinstance(getattr(recipe, name), torch.optim.Optimizer):
            state.restore(recipe, name, saved[name])
    recipe.run.step = step
    for module in modules_of(recipe):
        module.eval()
    return recipe, note
