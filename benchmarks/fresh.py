"""The speed of a training loop in a process of its own, since it depends on the state of the heap (`engine/memory.py`).

A script with loops begins with `measured` and ends with `answer`; the benchmark asks it by `speed`.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from deepcanon.engine.memory import page_faults


def measured(trainer: Any, warm: int, steps: int) -> dict[str, float]:
    """Milliseconds of CPU time a step, page faults a step, and milliseconds of them in the kernel."""

    def kernel() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_stime

    trainer.steps(warm)
    began, faults, system = time.process_time(), page_faults(), kernel()
    trainer.steps(steps)
    spent, waited = time.process_time() - began, kernel() - system
    return {
        "ms": 1000 * spent / steps,
        "faults": (page_faults() - faults) / steps,
        "system_ms": 1000 * waited / steps,
    }


def answer(speed: Callable[..., dict[str, float]]) -> None:
    """The main part of a script: what `speed` finds for the words of the command line, as a line of JSON."""
    torch.set_num_threads(1)
    print(json.dumps(speed(*sys.argv[1:])))


def speed(script: str, *words: str) -> dict[str, float]:
    """What a script answers in a process of its own."""
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
