"""What stands before the first step of a run: its data, its facts, and settings that are settled."""

import contextlib
import functools
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

import deepcanon
from deepcanon.data.errors import DataError
from deepcanon.engine import calibrate, choices, processes, sharding
from deepcanon.engine.classifier import require_classes
from deepcanon.engine.contract import Recipe
from deepcanon.engine.devices import settle_device, settle_float64
from deepcanon.engine.folder import environment
from deepcanon.engine.instances import evaluate, make, seed_generators, splits
from deepcanon.engine.loop import Say
from deepcanon.engine.memory import keep_freed_memory
from deepcanon.engine.metrics import plain
from deepcanon.engine.precision import has_bf16
from deepcanon.engine.run import Run
from deepcanon.engine.script_remarks import script_remarks
from deepcanon.errors import UsageError
from deepcanon.settings import Settings

__all__ = [
    "Child", "Lend", "Opener", "Ready", "as_usage", "plain_config", "prepared", "refuse_bf16_where_there_is_none",
]  # fmt: skip

LOGGED_ROWS = 400

Opener = Callable[[Any, Settings], Any]  # (config, settings) -> data set
Child = Callable[..., dict[str, Any]]
Lend = Callable[[Path], Any]


class Ready(NamedTuple):
    """A run before its first step.

    Attributes:
        content: of `config.json`, where there is a folder.
        recipe: of this run, if one was made already; only where there is no folder.
    """

    run: Run
    data: Any
    facts: dict[str, Any]
    content: dict[str, Any]
    recipe: Recipe[Any] | None


def refuse_bf16_where_there_is_none(settings: Settings) -> None:
    """Raises UsageError; what only reads a run computes in fp32 there."""
    if settings.precision == "bf16" and not has_bf16(settings.device):
        raise UsageError(f"this {settings.device} does not compute in bf16: --precision fp32, or auto")


def prepared(
    recipe_class: type[Recipe[Any]],
    name: str,
    config: Any,
    settings: Settings,
    folder: Path | None,
    open_data: Opener,
    say: Say,
    about: dict[str, Any] | None = None,
    child: Child | None = None,
    lend: Lend | None = None,
) -> Ready:
    """What a loop begins with."""
    sharding.refuse(recipe_class, name, config, settings)
    asked, settings = settings.device, settle_device(settings)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if settings.allocator == "keep":
        keep_freed_memory()
    seed_generators(settings.seed, 0, "learn")
    data = open_data(config, settings)
    for note in data.notes:
        say(note)
    with as_usage():
        if recipe_class.wants == "classes":
            require_classes(data, recipe_class.needs)
        facts = dict(recipe_class.learn(config, data))
        facts["reader"] = data.describe()
        for note in script_remarks(facts):
            say(note)
        settings, note = settle_float64(settings, asked, recipe_class.float64, facts, data.splits.values())
        if note:
            say(note)
        settings, planned = _settled(recipe_class, config, facts, settings, data, say, lend)
    torch.set_num_threads(settings.threads)
    if settings.shard:
        scratch = Run(settings, None, lambda: data, recipe_class.batches_per_step, lend=lend)
        sharding.take_one_step(make(recipe_class, config, facts, scratch), name)
        del scratch
        gc.collect()  # what FSDP2 makes refers to itself, and would stay in memory next to the run's own
    recipe = planned if folder is None else None
    if recipe is None:
        run = Run(settings, folder, lambda: data, recipe_class.batches_per_step, child, say, lend)
    else:
        run = recipe.run
        run.settle(settings)
    content = {} if folder is None else {
        "name": name,
        "config": plain_config(config),
        "settings": vars(settings),
        "version": deepcanon.__version__,
        "environment": environment(),
        **(about or {}),
    }  # fmt: skip
    return Ready(run, data, facts, content, recipe)


@contextlib.contextmanager
def as_usage() -> Iterator[None]:
    """What a system refuses of data and options is a mistake of the caller: one line, exit code 2."""
    try:
        yield
    except DataError:  # which knows the place too
        raise
    except ValueError as error:
        raise UsageError(str(error)) from error


def _settled(
    recipe_class: type[Recipe[Any]],
    config: Any,
    facts: dict[str, Any],
    settings: Settings,
    data: Any,
    say: Say,
    lend: Lend | None,
) -> tuple[Settings, Recipe[Any] | None]:
    """Threads, precision, steps and the rhythm of logging and evaluation, by plan or by measuring; and the recipe that
    was asked for its plan, which has taken no step."""
    batches = recipe_class.batches_per_step
    if recipe_class.parallel == "trials":  # a step is a whole run: too expensive to measure
        if settings.minutes is not None:
            raise UsageError("this recipe trains a fixed number of trials: leave --minutes out")
        settings = settings.with_(
            threads=settings.threads or 1, precision="fp32" if settings.precision == "auto" else settings.precision
        )

    def build(chosen: Settings) -> tuple[Any, Callable[[], None]]:
        run = Run(chosen.with_(steps=chosen.steps or 1000), None, lambda: data, batches, lend=lend)
        recipe = make(recipe_class, config, facts, run)

        def take_step() -> None:
            seed_generators(run.seed, run.step, "calibrate")
            try:
                for value in recipe.step(run.step).values():
                    float(value)
            except FloatingPointError as error:  # the run itself will say at which step
                run.stop(str(error))
            run.step += 1

        return recipe, take_step

    def often(steps: int) -> int:
        return calibrate.evaluations(recipe_class, config, data, steps)

    # Every process measures by itself, in steps of its own number; what the first one finds holds for all.
    with processes.alone():
        precisions = recipe_class.precisions
        if settings.precision == "bf16" and "bf16" not in precisions:
            raise UsageError("this recipe computes in fp32: bf16 makes it slower or wrong")
        refuse_bf16_where_there_is_none(settings)
        if not has_bf16(settings.device):
            precisions = tuple(kind for kind in precisions if kind != "bf16") or ("fp32",)
        choose = functools.partial(calibrate.choose_threads_and_precision, build, settings, precisions)
        settings, note = choices.remembered(recipe_class, config, settings, data.counts(), precisions, choose)
        if note:
            say(note)
        torch.set_num_threads(settings.threads)
        steps, planned = settings.steps, None
        if settings.minutes is not None and steps is None:
            recipe, take_step = build(settings)

            def evaluate_once() -> None:
                split = (recipe.monitor or ("valid/",))[0].split("/")[0]
                if split in splits(recipe):
                    evaluate(recipe, split)

            steps = calibrate.steps_in_minutes(recipe, take_step, evaluate_once, often, settings.minutes)
            say(f"{settings.minutes:g} minutes: --steps {steps}")
        elif steps is None:
            planned = build(settings)[0]
            steps = planned.plan()
    threads, precision, steps = processes.gather([settings.threads, settings.precision, steps])[0]
    if steps < 1:
        raise UsageError(f"--steps {steps}: at least 1")
    settled = settings.with_(
        threads=threads,
        precision=precision,
        steps=steps,
        evaluate_every=settings.evaluate_every or max(1, steps // often(steps)),
        log_every=settings.log_every or max(1, steps // LOGGED_ROWS),
    )
    return settled, planned


def plain_config(config: Any) -> dict[str, Any]:
    return {
        name: plain(value) if isinstance(value, float) else list(value) if isinstance(value, tuple) else value
        for name, value in vars(config).items()
    }
