"""Learning-rate schedules by name: shares of the peak as functions of (step, steps)."""

from collections.abc import Callable

from deepcanon.foundations.learning_rate_decay import step_decay
from deepcanon.options import Schedule
from deepcanon.parts.schedules import one_cycle

__all__ = ["SCHEDULES", "scheduled"]

SCHEDULES: dict[str, Callable[[int, int, Schedule], float]] = {
    "one-cycle": lambda step, steps, options: one_cycle(step, steps, options.warmup),
    "steps": lambda step, steps, options: step_decay(step, steps, factor=options.drop_factor, drops=options.drops),
    "constant": lambda step, steps, options: 1.0,
}


def scheduled(options: Schedule, step: int, steps: int) -> float:
    """The share of the peak rate at `step` of `steps`."""
    return SCHEDULES[options.schedule](step, steps, options)
