"""How much of a long computation is done, for whoever listens: the loop says it and need not know who does.

Only the outermost loop is told of: what happens within one of its steps is part of that step. Without a listener a loop
runs as if it were not told of.

>>> from deepcanon.parts.progress import listening, told
>>> said = []
>>> with listening(lambda done, of: said.append((done, of))):
...     total = sum(step + sum(told(range(3))) for step in told(range(2)))
>>> total, said
(7, [(1, 2), (2, 2)])
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar, cast

__all__ = ["listening", "told"]

T = TypeVar("T")


class _Hearing:
    """Who listens, and whether a loop is told of already."""

    def __init__(self, listener: Callable[[int, int], None]) -> None:
        self.listener, self.busy = listener, False


_hearing: _Hearing | None = None


@contextlib.contextmanager
def listening(listener: Callable[[int, int], None]) -> Iterator[None]:
    """Within it the listener is given (steps done, steps in all) after each step of a loop."""
    global _hearing
    before, _hearing = _hearing, _Hearing(listener)
    try:
        yield
    finally:
        _hearing = before


def told(steps: Iterable[T], count: int | None = None) -> Iterator[T]:
    """The steps of a loop, each of which is told of when the next one is asked for; a single step is no loop.

    Args:
        count: how many there are, of steps that have no length.
    """
    hearing = _hearing
    of = len(cast(Sized, steps)) if count is None else count
    if hearing is None or hearing.busy or of < 2:
        yield from steps
        return
    hearing.busy = True
    try:
        for done, step in enumerate(steps, 1):
            yield step
            hearing.listener(done, of)
    finally:
        hearing.busy = False
