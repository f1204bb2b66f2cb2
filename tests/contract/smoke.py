"""The traced smoke run of a recipe: made once in a test process, for all contracts that look at a training.

It goes through the command line, called in this process. Every step leaves a checkpoint, its metrics and what it
changed; a copy of the folder as it was in the middle of a step is kept next to it. An experiment trains two arms from
one seed.
"""

import contextlib
import dataclasses
import importlib
import io
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from contract.recipes import state_of
from contract.trainees import FIXED, Trainee, short_trials, small_experiment, trainee
from contract.watch import Watch
from deepcanon import cli, heads
from deepcanon.engine import training
from deepcanon.engine.experiment import Experiment
from deepcanon.settings import build_config, read_config

STEPS = 30
MEMORY = "/dev/shm"  # every checkpoint is flushed, which takes its time on a disk


@dataclasses.dataclass
class Smoke:
    """A smoke run.

    Attributes:
        of: the recipe, with the options and settings that the run settled on.
        folder: of the run.
        stopped: a copy of the folder in the middle of a step: what a kill would have left.
        lines: what the command line printed.
        seconds: CPU time.
        watch: what the steps did.
        course: the metrics of the steps, and at last the state.
        measured: the metrics of every split, "split/name".
    """

    of: Trainee
    folder: Path
    stopped: Path
    lines: list[str]
    seconds: float
    watch: Watch
    course: list[Any]
    measured: dict[str, Any]


class Smokes:
    """Makes smoke runs on demand and keeps the last one: the tests of a recipe follow each other."""

    def __init__(self) -> None:
        self.stem, self.kept, self.failure = "", None, ""
        self.place = Path(tempfile.mkdtemp(prefix="smoke-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))

    def __call__(self, stem: str) -> Smoke:
        """The smoke run of a recipe.

        Raises:
            AssertionError: it failed, now or for another contract before.
        """
        if stem != self.stem:
            self.clear()
            self.stem, self.kept, self.failure = stem, None, ""
            try:
                self.kept = smoke_run(stem, self.place)
            except Exception as error:
                self.failure = f"{type(error).__name__}: {error}"
                raise
        assert self.kept, f"there is no smoke run of {stem}: {self.failure}"
        return self.kept

    def clear(self) -> None:
        for path in self.place.iterdir():
            shutil.rmtree(path)

    def close(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)


def smoke_run(stem: str, place: Path) -> Smoke:
    folder, stopped = place / "run", place / "stopped"
    of = trainee(stem)
    words = ["train", of.name, "--preset", "smoke", "--out", str(folder), "--log-every", "1", "--checkpoint-every", "0"]
    words += [word for name, value in FIXED.items() for word in (f"--{name}", str(value))]
    cut, steps, every = {}, min(of.settings.steps or STEPS, STEPS), 10
    if of.recipe.parallel == "trials":
        (cut, steps), every = small_experiment(of), 1
    for name, value in cut.items():
        words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else [value])]
    words += ["--steps", str(steps), "--evaluate-every", str(every)]
    watch = Watch(folder, copy=None if kills_a_trial(stem) else stopped)
    out, err, began = io.StringIO(), io.StringIO(), time.process_time()
    with short_trials(), contextlib.ExitStack() as stack:
        stack.enter_context(replaced(stem, watch))
        if kills_a_trial(stem):
            trial = Watch(folder / "trials" / "1", root=folder, copy=stopped, copied=(0, 1, 3))
            stack.enter_context(replaced(of.recipe.trains, trial))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        code = cli.main([*words, "--debug"])
    assert code == 0, err.getvalue()[-3000:]
    seconds = time.process_time() - began
    course = [*watch.rows, state_of(watch.recipe)]
    measured: dict[str, Any] = {}
    for split in training.splits(watch.recipe):
        measured |= training.evaluate(watch.recipe, split)
    content = read_config(folder)
    settled = dataclasses.replace(
        of, config=build_config(type(of.config), content["config"]), settings=content["settings"]
    )
    return Smoke(settled, folder, stopped, out.getvalue().splitlines(), seconds, watch, course, measured)


@contextlib.contextmanager
def replaced(stem: str, watch: Watch) -> Iterator[None]:
    """Within it the recipe of a stem is watched."""
    module: Any = importlib.import_module(f"deepcanon.recipes.{stem}")
    plain = module.Recipe
    module.Recipe = watch.watched(plain)
    try:
        yield
    finally:
        module.Recipe = plain


def kills_a_trial(stem: str) -> bool:
    """Whether the experiment is stopped within a trial: the first of those that train the same recipe."""
    return stem in firsts()


@cache
def firsts() -> frozenset[str]:
    found: dict[str, str] = {}
    for stem in heads.stems():
        with contextlib.suppress(Exception):  # a recipe that cannot be imported fails in its own tests
            recipe = importlib.import_module(f"deepcanon.recipes.{stem}").Recipe
            if issubclass(recipe, Experiment):
                found.setdefault(recipe.trains, stem)
    return frozenset(found.values())
