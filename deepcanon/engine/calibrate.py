"""Choices for a run: threads, precision, how many steps fit into the minutes asked for, and how often it is evaluated.

What is measured here runs on scratch instances of the recipe, so that they leave the run itself untouched.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import torch

from deepcanon.data.large_text import LargeText
from deepcanon.engine.contract import Recipe
from deepcanon.settings import Settings

__all__ = ["EVALUATIONS", "choose_threads_and_precision", "evaluations", "steps_in_minutes"]

TRIAL = 0.25  # seconds that one choice is timed for
SHORT = 8.0  # a run that is expected to take no longer is not worth measuring
SHARE = 0.9  # of the minutes asked for goes to steps and evaluations; the rest to pictures, checkpoints and the start
EVALUATIONS, FEWEST = 20, 3  # in a run, unless evaluate_every says otherwise
EVALUATED = 0.2  # of the time of a run's steps may be spent on evaluations
LETTERS = {"words": 6, "pieces": 3}  # of a token (with blank), where counting would read a large text, or merge
FORWARD = 1 / 3  # what an example costs where nothing is learned from it


def available_threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def seconds_per_step(recipe: Recipe[Any], take_step: Callable[[], None], trial: float = TRIAL) -> float:
    """Mean over about `trial` seconds, after one step that warms up; a recipe that stops takes no step after that."""
    take_step()
    began, count = time.perf_counter(), 0
    while not recipe.run.stop_reason and (count == 0 or time.perf_counter() - began < trial):
        take_step()
        count += 1
    return (time.perf_counter() - began) / max(1, count)


def choose_threads_and_precision(
    build: Callable[[Settings], tuple[Recipe[Any], Callable[[], None]]],
    settings: Settings,
    precisions: tuple[str, ...],
) -> Settings:
    """Settles `threads` and `precision`: the fastest of one thread and all, and of what the recipe allows.

    Args:
        build: makes a scratch recipe for settings and returns it with a function that takes its next step.
    """
    threads = [settings.threads] if settings.threads else sorted({1, available_threads()})
    kinds = [settings.precision] if settings.precision != "auto" else list(precisions)
    first = settings.with_(threads=threads[0], precision=kinds[0])
    if len(threads) * len(kinds) == 1:
        return first
    torch.set_num_threads(threads[0])
    recipe, take_step = build(first)
    take_step()
    if recipe.run.stop_reason:  # done after one pass: there is nothing to gain
        return first
    began = time.perf_counter()
    take_step()
    if (time.perf_counter() - began) * (settings.steps or recipe.plan()) < SHORT and settings.minutes is None:
        return first
    fastest, best = first, float("inf")
    for kind in kinds:
        for count in threads:
            torch.set_num_threads(count)
            choice = settings.with_(threads=count, precision=kind)
            seconds = seconds_per_step(*build(choice))
            if seconds < best:
                fastest, best = choice, seconds
    return fastest


def steps_in_minutes(
    recipe: Recipe[Any],
    take_step: Callable[[], None],
    evaluate: Callable[[], None],
    often: Callable[[int], int],
    minutes: float,
) -> int:
    """Steps that fit into `minutes`, the evaluations counted.

    Args:
        take_step: takes the scratch recipe's next step.
        evaluate: evaluates it once.
        often: from a number of steps to the number of evaluations.
    """
    for _ in range(recipe.calibrate_at):
        if recipe.run.stop_reason:
            break
        take_step()
    step = seconds_per_step(recipe, take_step, trial=min(3.0, minutes * 6))
    evaluate()
    began = time.perf_counter()
    evaluate()
    once, steps = time.perf_counter() - began, 0
    for _ in range(2):  # fewer steps are evaluated less often, which leaves time for more of them
        count = often(steps) + 1 if steps else EVALUATIONS + 1
        # Even where evaluations alone fill the time, something is learned between them.
        steps = max(count, int((minutes * 60 * SHARE - count * once) / step))
    return steps


def _count(split: Any, config: Any) -> int:
    """Examples of a split; of a text about the tokens that an evaluation reads."""
    unit = getattr(config, "unit", "")
    if unit in LETTERS and (isinstance(split.x, LargeText) or unit == "pieces"):
        count = len(split.x) // LETTERS[unit]
    elif isinstance(split.x, LargeText):
        count = len(split)
    elif not isinstance(split.x, str):
        return len(split)
    else:
        count = len(split.x.split() if unit == "words" else split.x)
    return min(count, getattr(config, "evaluated", 0) or count)


def evaluations(recipe_class: type[Recipe[Any]], config: Any, data: Any, steps: int) -> int:
    """How often a run is evaluated: 20 times, or less often if that took too long.

    The cost is estimated from the numbers of examples, not measured: what is evaluated at which step must not depend on
    the clock.
    """
    split = (recipe_class.monitor or ("valid/",))[0].split("/")[0]
    batch, window = getattr(config, "batch", 0), getattr(config, "window", 0)
    learned = batch * window if data.kind == "text" else batch  # examples of a batch: of a text its tokens
    if (
        recipe_class.parallel != "gradients"
        or not learned
        or data.kind not in ("images", "audio", "tables", "documents", "pairs", "trees", "text")
    ):
        return EVALUATIONS
    examined = _count(data[split], config) if split in data else 0
    affordable = EVALUATED * steps * learned * recipe_class.batches_per_step / (FORWARD * max(1, examined))
    return max(FEWEST, min(EVALUATIONS, int(affordable)))
