"""Choices that are made by measuring: threads, precision, and how many steps fit into the minutes asked for.

Everything here runs on scratch instances of the recipe, so that the run itself begins untouched.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import torch

from deepcanon.engine.contract import Recipe
from deepcanon.settings import Settings

__all__ = ["choose_threads_and_precision", "steps_in_minutes"]

TRIAL = 0.25  # seconds that one choice is timed for
SHORT = 8.0  # a run that is expected to take no longer is not worth measuring
SHARE = 0.9  # of the minutes asked for goes to steps and evaluations; the rest to pictures, checkpoints and the start


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
    if recipe.run.stop_reason:  # one pass, and it is done: there is nothing to gain
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
    recipe: Recipe[Any], take_step: Callable[[], None], evaluate: Callable[[], None], evaluations: int, minutes: float
) -> int:
    """Steps that fit into `minutes`, the evaluations counted.

    Args:
        take_step: takes the scratch recipe's next step.
        evaluate: evaluates it once.
    """
    for _ in range(recipe.calibrate_at):
        if recipe.run.stop_reason:
            break
        take_step()
    step = seconds_per_step(recipe, take_step, trial=min(3.0, minutes * 6))
    evaluate()
    began = time.perf_counter()
    evaluate()
    rounds = evaluations * (time.perf_counter() - began)
    # Even where evaluations alone fill the time, something is learned between them.
    return max(evaluations, int((minutes * 60 * SHARE - rounds) / step))
