"""What one process was told, all of them know at the same step border.

An exchange at every step costs more than a small step itself. So the processes exchange what they were told about four
times a second, at borders that all compute alike from the last exchange.
"""

import time
from typing import NamedTuple

from deepcanon.engine import processes
from deepcanon.settings import Settings

__all__ = ["Agreement", "Told", "told_here"]

CHECKPOINT_SHARE = 50  # a checkpoint may take 1/50 of the time
OVERRUN = 1.25  # a run of --minutes M ends when it has taken so many M, however many steps are left
EVERY = 0.25  # seconds
FARTHEST = 100  # steps


class Told(NamedTuple):
    """What at least one process was told: a signal's number, that time is up, that a checkpoint is due, that it left
    an evaluation."""

    signal: int = 0
    late: bool = False
    due: bool = False
    left: bool = False


def told_here(settings: Settings, number: int, elapsed: float, saved: float, cost: float) -> Told:
    """What this process was told by a signal and by the clock.

    Args:
        number: of the signal, or 0.
        elapsed: seconds of the run.
        saved: when its last checkpoint was written, by the monotonic clock.
        cost: seconds that this took.
    """
    late = settings.minutes is not None and elapsed > OVERRUN * settings.minutes * 60
    wait = max(settings.checkpoint_every, CHECKPOINT_SHARE * cost)
    due = settings.checkpoint_every == 0 or time.monotonic() - saved > wait
    # One process goes by its clock, since all must save at the same step.
    return Told(number, late, due and processes.rank() == 0)


class Agreement:
    """Of the processes of a run, each of which has one."""

    def __init__(self) -> None:
        self._at, self._then, self._next = 0, time.monotonic(), 0

    def reached(self, step: int, mine: Told, now: bool = False) -> Told:
        """What holds for all processes at the border after `step` steps; nothing where there is no exchange.

        Args:
            mine: what this process was told.
            now: exchange at this border in any case; the same in all processes.
        """
        if processes.world() == 1:
            return mine
        if step < self._next and not now:
            return Told()
        seconds = time.monotonic() - self._then
        signal, late, due, left, slowest = processes.largest([*map(float, mine), seconds / max(1, step - self._at)])
        self._at, self._then = step, time.monotonic()
        self._next = step + max(1, min(FARTHEST, int(EVERY / max(slowest, 1e-9))))
        return Told(int(signal), bool(late), bool(due), bool(left))
