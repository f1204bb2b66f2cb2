"""Begins a run, goes on with one, or loads one: what stands around the loop."""

import contextlib
import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import deepcanon
from deepcanon.data.errors import DataError
from deepcanon.engine import calibrate, checkpoint, processes, state
from deepcanon.engine.checkpoint import Checkpoints, read_folder, write_folder
from deepcanon.engine.errors import CheckpointError, DeepcanonError, UsageError
from deepcanon.engine.loop import Loop, Say
from deepcanon.engine.metrics import plain
from deepcanon.engine.precision import has_bf16
from deepcanon.engine.recipe import evaluate, make, modules, seed_generators, splits
from deepcanon.engine.run import Run
from deepcanon.engine.settings import Settings, build_config, read_config

__all__ = ["Opener", "environment", "evaluate", "load", "make", "resume", "seed_generators", "splits", "train"]

EVALUATIONS = 20  # in a run, unless evaluate_every says otherwise
LOGGED_ROWS = 400

Opener = Callable[[Any, Settings], Any]  # (config, settings) -> data set
Child = Callable[..., dict[str, Any]]


def settle_device(settings: Settings) -> Settings:
    """`auto` becomes the device there is.

    Raises:
        UsageError: the device asked for is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if settings.device == "auto":
        return settings.with_(device="cuda" if there["cuda"] else "mps" if there["mps"] else "cpu")
    if not there[settings.device]:
        raise UsageError(f"--device {settings.device}: there is none here")
    return settings


def refuse_bf16_where_there_is_none(settings: Settings) -> None:
    """Raises UsageError; what only reads a run computes in fp32 there."""
    if settings.precision == "bf16" and not has_bf16(settings.device):
        raise UsageError(f"this {settings.device} does not compute in bf16: --precision fp32, or auto")


def train(
    recipe_class: Any,
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
) -> dict[str, Any]:
    """Trains from the beginning in a new folder; returns the final status.

    Args:
        child: trains the trials of a recipe that compares.
        plain: without pictures, events and report (a trial).

    Raises:
        UsageError: the folder holds a run, or an option does not fit.
        NonFiniteError, Interrupted: see their classes; everything is saved.
    """
    processes.join()
    parallel = getattr(recipe_class, "parallel", "none: not said")
    if processes.world() > 1 and parallel.startswith("none"):
        raise UsageError(f"{name} trains in one process ({parallel.removeprefix('none:').strip()})")
    taken = folder.exists() and (not folder.is_dir() or any(p.name != ".lock" for p in folder.iterdir()))
    if processes.any_process(int(taken and processes.rank() == 0)):
        raise UsageError(f"{folder} holds something already: choose another --out, or `deepcanon resume {folder}`")
    settings = settle_device(settings)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    seed_generators(settings.seed, 0, "learn")
    data = open_data(config, settings)
    for note in getattr(data, "notes", ()):
        say(note)
    with _as_usage():
        facts = dict(recipe_class.learn(config, data))
        facts["reader"] = data.describe()
        settings = _settle(recipe_class, config, facts, settings, data, say)
    torch.set_num_threads(settings.threads)
    run = Run(settings, folder, lambda: data, getattr(recipe_class, "batches_per_step", 1), child, say)
    if processes.rank() == 0:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DeepcanonError(f"cannot make {folder}: {error.strerror or error}") from error
        try:
            write_folder(folder / "facts", facts=facts)
            record = getattr(data, "record", None)
            if record:
                checkpoint.write_text(folder / "data.json", json.dumps(record, indent=1) + "\n")
            for inside in ("checkpoints", "figures", "samples"):
                (folder / inside).mkdir(exist_ok=True)
            content = {
                "name": name,
                "config": plain_config(config),
                "settings": vars(settings),
                "version": deepcanon.__version__,
                "environment": environment(),
                **(about or {}),
            }
            checkpoint.write_text(folder / "config.json", json.dumps(content, indent=1) + "\n")
        except DeepcanonError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    processes.barrier()
    training = Loop(recipe_class, config, facts, run, say, quiet, plain)
    with training.lock():  # whoever does not hold it removes nothing
        try:
            return training.go()
        except UsageError:
            if training.done == 0 and run.rank == 0:  # nothing was learned: the way is free for a call that is mended
                shutil.rmtree(folder, ignore_errors=True)
            raise


def resume(
    recipe_class: Any,
    folder: Path,
    open_data: Opener,
    steps: int | None = None,
    say: Say = lambda line: None,
    quiet: bool = False,
    child: Child | None = None,
    plain: bool = False,
) -> dict[str, Any]:
    """Goes on from the newest sound checkpoint, or from the beginning if there is none yet.

    Raises:
        CheckpointError: there were checkpoints, and every one was refused.
        UsageError: another number of processes than before, or a precision that this device lacks.
    """
    processes.join()
    content = read_config(folder)
    config = build_config(sys.modules[recipe_class.__module__].Config, content["config"])
    settings = content["settings"]
    if steps is not None:
        settings = settings.with_(steps=steps)
    torch.set_num_threads(settings.threads)
    facts = read_folder(folder / "facts")["facts"]
    opened: list[Any] = []

    def once() -> Any:
        if not opened:
            opened.append(open_data(config, settings))
        return opened[0]

    batches = getattr(recipe_class, "batches_per_step", 1)
    settings = settle_device(settings)
    refuse_bf16_where_there_is_none(settings)
    run = Run(settings, folder, once, batches, child, say)
    training = Loop(recipe_class, config, facts, run, say, quiet, plain)
    with training.lock():  # before anything is cleared away: the folder may be another process's
        if training.restore(asked=steps is not None):
            return training.conclude()
        if steps is not None and processes.rank() == 0:
            content["settings"] = vars(settings)
            checkpoint.write_text(folder / "config.json", json.dumps(content, indent=1) + "\n")
        return training.go()


def load(
    recipe_class: Any,
    folder: Path,
    which: str = "auto",
    device: str = "auto",
    open_data: Opener | None = None,
) -> tuple[Any, int, dict[str, Any]]:
    """The trained recipe of a run folder, which may have been moved and whose data may be gone.

    Args:
        which: "best", "last", or "auto" (best, else last).

    Returns:
        the recipe in eval mode, its step, and the content of `config.json`.
    """
    content = read_config(folder)
    config = build_config(sys.modules[recipe_class.__module__].Config, content["config"])
    settings = settle_device(content["settings"].with_(device=device))
    if device in ("auto", "cpu"):
        torch.set_num_threads(max(1, settings.threads))
    facts = read_folder(folder / "facts")["facts"]
    opener = (lambda: open_data(config, settings)) if open_data else None
    recipe = make(recipe_class, config, facts, Run(settings, folder, opener))
    found, checkpoints = None, Checkpoints(folder / "checkpoints")
    for kind in {"auto": ("best", "step"), "best": ("best",), "last": ("step",)}[which]:
        found = found or checkpoints.newest(kind)
    if found is None:
        raise CheckpointError(
            "; ".join(checkpoints.refused) or f"{folder} has no checkpoint yet ({which}): `deepcanon resume {folder}`"
        )
    step, parts = found
    saved = {**parts.get("rank0", {}), **parts.get("shared", {})}
    for name in recipe_class.state:
        if name in saved and not isinstance(getattr(recipe, name), torch.optim.Optimizer):
            state.restore(recipe, name, saved[name])
    recipe.run.step = step
    for module in modules(recipe):
        module.eval()
    return recipe, step, content


def environment() -> dict[str, Any]:
    """Versions and hardware that a result may depend on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": platform.system(),
        "machine": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": calibrate.available_threads(),
        "processes": processes.world(),
    }


@contextlib.contextmanager
def _as_usage() -> Iterator[None]:
    """What a system refuses of data and options is the caller's to mend: one line, exit code 2."""
    try:
        yield
    except DataError:  # which knows the place too
        raise
    except ValueError as error:
        raise UsageError(str(error)) from error


def _settle(recipe_class: Any, config: Any, facts: dict[str, Any], settings: Settings, data: Any, say: Say) -> Settings:
    """Threads, precision, steps and the rhythm of logging and evaluation, by plan or by measuring."""
    batches = getattr(recipe_class, "batches_per_step", 1)
    if getattr(recipe_class, "parallel", "") == "trials":  # a step is a whole run: too dear to measure
        if settings.minutes is not None:
            raise UsageError("this recipe trains a fixed number of trials: leave --minutes out")
        settings = settings.with_(
            threads=settings.threads or 1, precision="fp32" if settings.precision == "auto" else settings.precision
        )

    def build(chosen: Settings) -> tuple[Any, Callable[[], None]]:
        run = Run(chosen.with_(steps=chosen.steps or 1000), scratch, lambda: data, batches)
        recipe = make(recipe_class, config, facts, run)

        def take_step() -> None:
            seed_generators(run.seed, run.step, "calibrate")
            for value in recipe.step(run.step).values():
                float(value)
            run.step += 1

        return recipe, take_step

    with tempfile.TemporaryDirectory(prefix="deepcanon-") as name:
        scratch = Path(name)
        precisions = getattr(recipe_class, "precisions", ("fp32",))
        if settings.precision == "bf16" and "bf16" not in precisions:
            raise UsageError("this recipe computes in fp32: bf16 makes it slower or wrong")
        refuse_bf16_where_there_is_none(settings)
        if not has_bf16(settings.device):
            precisions = tuple(kind for kind in precisions if kind != "bf16") or ("fp32",)
        settings = calibrate.choose_threads_and_precision(build, settings, precisions)
        torch.set_num_threads(settings.threads)
        steps = settings.steps
        if settings.minutes is not None and steps is None:
            recipe, take_step = build(settings)

            def evaluate_once() -> None:
                split = (getattr(recipe, "monitor", None) or ("valid/",))[0].split("/")[0]
                if split in splits(recipe):
                    evaluate(recipe, split)

            steps = calibrate.steps_in_minutes(recipe, take_step, evaluate_once, EVALUATIONS + 1, settings.minutes)
            say(f"{settings.minutes:g} minutes: --steps {steps}")
        elif steps is None:
            steps = build(settings)[0].plan()
    if steps < 1:
        raise UsageError(f"--steps {steps}: at least 1")
    return settings.with_(
        steps=steps,
        evaluate_every=settings.evaluate_every or max(1, steps // EVALUATIONS),
        log_every=settings.log_every or max(1, steps // LOGGED_ROWS),
    )


def plain_config(config: Any) -> dict[str, Any]:
    return {
        name: plain(value) if isinstance(value, float) else list(value) if isinstance(value, tuple) else value
        for name, value in vars(config).items()
    }
