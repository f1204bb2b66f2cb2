"""A process that holds one trained run and answers the panels of its page: lines of JSON in, lines of JSON out.

A process, since it can be stopped within whatever it does, and the list of runs is answered meanwhile. SIGINT stops an
answer and keeps the run loaded; the end of the input ends the process.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from deepcanon.collecting import heavy_imports
from deepcanon.data import DataError
from deepcanon.errors import DeepcanonError, short_of_memory

__all__ = ["main"]

EVERY = 0.3
"""Seconds between two shares."""


class Stopped(BaseException):
    """Nobody waits for the answer any more."""


class Share:
    """Says from time to time how much of a loop is done; short loops are not told of.

    Args:
        say: is given {"share": of 1}.
    """

    def __init__(self, say: Callable[[dict[str, Any]], None]) -> None:
        self.say, self.last = say, time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        now = time.monotonic()
        if now - self.last >= EVERY:
            self.last = now
            self.say({"share": done / of})


class Worker:
    """Answers requests, one after the other.

    Args:
        folder: of the run.
        out: where lines go.
    """

    def __init__(self, folder: Path, out: TextIO) -> None:
        self.folder, self.out = folder, out
        self.trained: Any = None
        self.answering = False
        signal.signal(signal.SIGINT, self._stop)

    def serve(self, lines: Any) -> None:
        for line in lines:
            self._say(self._answer(json.loads(line)))

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The last line about a request."""
        from deepcanon.parts.progress import listening
        from deepcanon.serving.answers import answer
        from deepcanon.verbs import load

        try:
            self.answering = True
            if self.trained is None:
                self.trained = load(self.folder, say=lambda line: self._say({"note": line}))
            with listening(Share(self._say)):
                found = answer(self.trained, asked, lambda piece: self._say({"piece": piece}))
            self.answering = False
            return {"done": found}
        except Stopped:
            return {"stopped": True}
        except (DeepcanonError, DataError) as error:
            return {"error": " ".join(str(error).split())}
        except Exception as error:
            return {"error": short_of_memory(error) or f"{type(error).__name__}: {' '.join(str(error).split())}"}
        finally:
            self.answering = False

    def _say(self, content: dict[str, Any]) -> None:
        print(json.dumps(content), file=self.out, flush=True)

    def _stop(self, number: int, frame: Any) -> None:
        if self.answering:
            self.answering = False
            raise Stopped


def main() -> None:
    """Serves the run that the first argument names."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is not an answer
    with heavy_imports():
        import deepcanon.serving.answers  # noqa: F401
    Worker(Path(sys.argv[1]), out).serve(sys.stdin)


if __name__ == "__main__":
    main()
