"""Small runs of recipes in this process: by the engine's own loop in a folder, or step by step without one."""

import contextlib
import dataclasses
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from deepcanon import heads, verbs
from deepcanon.engine import training
from deepcanon.engine.run import Run
from deepcanon.engine.sharding import Shards
from deepcanon.resolving import opener
from deepcanon.settings import Settings, build_config

FIXED = {"threads": 1, "precision": "fp32", "device": "cpu"}
TRIAL_STEPS = 8  # of a trial within a small experiment


@dataclasses.dataclass(frozen=True)
class Trainee:
    """A recipe with the smallest run that shows what it does."""

    name: str
    recipe: type
    config: Any
    settings: Settings
    open_data: Callable[[Any, Settings], Any]

    @property
    def stem(self) -> str:
        return self.name.replace("-", "_")

    def with_(self, config: dict | None = None, **settings: Any) -> "Trainee":
        changed = dataclasses.replace(self.config, **(config or {}))
        return dataclasses.replace(self, config=changed, settings=self.settings.with_(**settings))


def trainee(stem: str) -> Trainee:
    """A recipe's smoke preset, on one thread in fp32."""
    module = importlib.import_module(f"deepcanon.recipes.{stem}")
    head = heads.head(stem)
    options, settings = heads.preset(head, "smoke")
    return Trainee(
        head.name,
        module.Recipe,
        build_config(module.Config, options),
        build_config(Settings, {**settings, **FIXED}),
        opener(head),
    )


def start(of: Trainee, steps: int | None = None, data: Any = None) -> tuple[Any, Callable[[], dict[str, float]]]:
    """A fresh recipe outside any folder, and a function that takes its next step as the engine does."""
    torch.set_num_threads(1)
    settings = of.settings
    training.seed_generators(settings.seed, 0, "learn")
    data = of.open_data(of.config, settings) if data is None else data
    facts = dict(of.recipe.learn(of.config, data))
    facts["reader"] = data.describe()
    batches = of.recipe.batches_per_step
    steps = steps or settings.steps
    if steps is None:
        steps = training.make(of.recipe, of.config, facts, Run(settings, None, lambda: data, batches)).plan()
    run = Run(settings.with_(steps=steps), None, lambda: data, batches, verbs.child, lend=verbs.load)
    recipe = training.make(of.recipe, of.config, facts, run)
    recipe.begin()

    def take_step() -> dict[str, float]:
        if settings.shard and run.world > 1 and run.shards is None:
            run.shards = Shards(recipe)
        training.seed_generators(run.seed, run.step, "step/0")
        taken = run.shards.step(recipe, run.step) if run.shards else recipe.step(run.step)
        metrics = {name: float(value) for name, value in taken.items()}
        run.step += 1
        return metrics

    return recipe, take_step


def steps_of(recipe: Any, take_step: Callable[[], dict[str, float]], count: int) -> Iterator[dict[str, float]]:
    """The metrics of the next steps, until the recipe stops by itself."""
    for _ in range(count):
        yield take_step()
        if recipe.run.stop_reason:
            return


def trace(
    of: Trainee, steps: int, prepare: Callable[[Any], None] | None = None, evaluated: bool = False
) -> list[dict[str, float]]:
    """The metrics of the first steps (fewer if the recipe stops by itself); without a loss, evaluation's too."""
    recipe, take_step = start(of, steps)
    if prepare:
        prepare(recipe)
    rows = list(steps_of(recipe, take_step, steps))
    if evaluated and "loss" not in rows[-1]:
        rows.append({name: float(value) for name, value in training.evaluate(recipe, "valid").items()})
    return rows


def train(of: Trainee, folder: Path, **settings: Any) -> dict:
    """A whole run through the engine."""
    changed = of.settings.with_(**settings)
    return training.train(
        of.recipe, of.name, of.config, changed, folder, of.open_data, quiet=True, child=verbs.child, lend=verbs.load
    )


def resume(of: Trainee, folder: Path) -> dict:
    return training.resume(of.recipe, folder, of.open_data, quiet=True, child=verbs.child, lend=verbs.load)


@contextlib.contextmanager
def short_trials(steps: int = TRIAL_STEPS) -> Iterator[None]:
    """Within it a trial takes a few steps only, with a checkpoint after each: its recipe has contracts of its own."""
    whole = verbs.child

    def short(folder: Path, stem: str, overrides: dict, settings: dict, *rest: Any, **more: Any) -> dict:
        few = min(settings.get("steps") or steps, steps)
        settings = {**settings, "minutes": None, "steps": few, "checkpoint_every": 0.0}
        return whole(folder, stem, overrides, settings, *rest, **more)

    verbs.child = short
    try:
        yield
    finally:
        verbs.child = whole


def small_experiment(of: Trainee) -> tuple[dict[str, Any], int]:
    """Options and steps with which an experiment trains its first two arms from one seed, tuned by one value each."""
    cut: dict[str, Any] = {"seeds": 1}
    tuned = start(of, 1)[0].tuned().values()
    for field in dataclasses.fields(of.config):
        value = getattr(of.config, field.name)
        if isinstance(value, tuple) and len(value) > 1 and value in tuned:
            cut[field.name] = value[:1]
    recipe = start(of.with_(cut), 1)[0]
    arms = len(recipe.arms())
    tuning = recipe.comparison.trials - arms  # none, if all that is tuned could be cut to one value
    return cut, tuning + min(2, arms)


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def in_float64(recipe: Any) -> None:
    """Turns a fresh recipe's modules to float64; parameters stay the objects that the optimizer knows."""
    for value in vars(recipe).values():
        if isinstance(value, nn.Module):
            value.double()


def in_child(work: Callable[[], None], limit: float = 120.0) -> int:
    """Runs `work` in a forked process; returns its exit status, minus the signal that ended it."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError(f"no end after {limit} s")
