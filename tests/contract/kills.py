"""Trainings that are killed at random moments, and resumed until they are done: what came of them?

A training is run to its end once, as a yardstick: its seconds, how often it wrote (files opened for writing, renamed,
made, removed) and how often it evaluated. Then lives of the same training are ended by SIGKILL at moments that are
drawn from a seed: after so many seconds, at the n-th thing that it does to the disk (within checkpoints, mostly), at
one that comes before there is a `config.json`, or within the n-th evaluation. Each life resumes where the last one
was killed; the last one ends by itself. What is compared is everything that does not depend on the clock, byte for
byte.
"""

import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from deepcanon import verbs
from deepcanon.engine import loop
from deepcanon.engine.checkpoint import Checkpoints

TOUCHING = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate"}  # besides "open", names of audit events
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
LIVES = 60  # of one training, after which its kills do not end by themselves


@dataclasses.dataclass(frozen=True)
class Training:
    """A recipe and its options."""

    name: str
    options: dict[str, Any]

    def train(self, folder: Path) -> None:
        verbs.train(self.name, preset="smoke", out=folder, quiet=True, threads=1, **self.options)

    def go_on(self, folder: Path) -> None:
        """What a user does after a kill: resumes, or trains again if it came before there was a run."""
        if (folder / "config.json").exists():
            verbs.resume(folder, quiet=True)
        else:
            self.train(folder)


@dataclasses.dataclass(frozen=True)
class Size:
    """Of a whole training."""

    seconds: float
    touches: int
    before: int  # of them, until there is a config.json
    evaluations: int
    evaluation: float  # seconds of one


@dataclasses.dataclass(frozen=True)
class Moment:
    """When a life is to end."""

    kind: str = "never"
    after: float | None = None
    touch: int | None = None
    evaluation: int | None = None
    within: float = 0.0  # the evaluation, in seconds


@dataclasses.dataclass
class Course:
    """What befell one training."""

    struck: list[str] = dataclasses.field(default_factory=list)  # the kind of each kill that came before the end
    half: int = 0  # kills that left something half-written
    wrong: list[str] = dataclasses.field(default_factory=list)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def life(work: Callable[[], None], moment: Moment, noted: Path) -> int:
    """Runs `work` in a fork of this process (torch is loaded once); its exit code, or minus the signal.

    Args:
        noted: a file for what a whole life measures of itself, or the error that ended it.
    """
    child = os.fork()
    if child == 0:
        try:
            measured = _watched(work, moment)
            noted.write_text(json.dumps(dataclasses.asdict(measured)))
            os._exit(0)
        except BaseException as error:
            noted.write_text(f"{type(error).__name__}: {error}")
            os._exit(1)
    if moment.after is not None:
        time.sleep(moment.after)
        os.kill(child, signal.SIGKILL)  # a child that has ended stays a zombie until it is waited for
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _watched(work: Callable[[], None], moment: Moment) -> Size:
    torch.set_num_threads(1)
    touches, before, spent, evaluate = 0, 0, [], loop.evaluate

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal touches, before
        if event in TOUCHING or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING):
            if touches == moment.touch:
                die()
            touches += 1
            if event == "os.rename" and Path(os.fsdecode(arguments[1])).name == "config.json":
                before = before or touches

    def evaluated(*arguments: Any) -> Any:
        if len(spent) == moment.evaluation:
            threading.Timer(moment.within, die).start()
        began = time.monotonic()
        try:
            return evaluate(*arguments)
        finally:
            spent.append(time.monotonic() - began)

    loop.evaluate = evaluated
    sys.addaudithook(audit)
    began = time.monotonic()
    work()
    return Size(time.monotonic() - began, touches, before, len(spent), sum(spent) / max(1, len(spent)))


def whole(training: Training, folder: Path) -> Size:
    """The training that nothing interrupts: here, so that its imports are made once, and measured in a child."""
    training.train(folder)
    measured = folder.with_name("measured")
    noted = measured.with_suffix(".json")
    code = life(lambda: training.train(measured), Moment(), noted)
    wrong = [noted.read_text()] if code else list(differences(folder, measured))
    assert not wrong, f"{training.name}, not even killed: {wrong}"
    return Size(**json.loads(noted.read_text()))


def drawn(size: Size, folder: Path, chance: random.Random) -> Moment:
    """A moment of the next life of the training in that folder."""
    weights = {"clock": 4, "disk": 4, "evaluation": 2 if size.evaluations else 0}
    if not (folder / "config.json").exists():
        weights["start"] = 2
    kind = chance.choices(list(weights), list(weights.values()))[0]
    share = chance.random() * left_of(folder)
    if kind == "clock":
        return Moment(kind, after=share * size.seconds)
    if kind == "evaluation":
        return Moment(kind, evaluation=int(share * size.evaluations), within=chance.random() * size.evaluation)
    return Moment(kind, touch=int(share * (size.before if kind == "start" else size.touches)))


def killed(training: Training, folder: Path, size: Size, kills: int, chance: random.Random) -> Course:
    """One training that is killed so many times before it may end, or ends earlier because the kills come too late."""
    course, noted = Course(), folder.with_suffix(".json")
    for _ in range(kills):
        moment = drawn(size, folder, chance)
        code = life(lambda: training.go_on(folder), moment, noted)
        if code == 0:
            return course
        if code != -signal.SIGKILL:
            course.wrong.append(f"after {len(course.struck)} kills: {noted.read_text()}")
            return course
        course.struck.append(moment.kind)
        course.half += any(folder.rglob(".tmp-*"))
    if life(lambda: training.go_on(folder), Moment(), noted):
        course.wrong.append(f"after {len(course.struck)} kills: {noted.read_text()}")
    return course


def left_of(folder: Path) -> float:
    """The share of a training that is not in a checkpoint yet; never quite nothing, for its end has moments too."""
    found = Checkpoints(folder / "checkpoints").named("step")
    try:
        steps = json.loads((folder / "config.json").read_text())["settings"]["steps"]
    except FileNotFoundError:
        return 1.0
    return max(0.05, 1 - int(found[0].name[-9:]) / steps) if found else 1.0


def outcome(folder: Path) -> dict[str, str]:
    """What came of a run: every file that does not depend on the clock, by the hash of its content."""
    checkpoints = Checkpoints(folder / "checkpoints")
    last = checkpoints.named("step")[0]
    step = int(last.name[-9:])
    files = [folder / "metrics.jsonl", folder / "config.json", folder / "data.json"]
    for inside in (last, *checkpoints.named("best"), folder / "facts"):
        files += [path for path in inside.iterdir() if path.stem not in ("run", "manifest")]  # they hold the seconds
    for inside in ("figures", "samples"):  # those on the way are drawn as time allows
        files += [path for path in (folder / inside).glob("*") if path.stem.endswith(f"-{step:09d}")]
    found = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    status = json.loads((folder / "status.json").read_text())
    found["status"] = repr([status[name] for name in ("state", "step", "steps", "reason", "best", "metrics")])
    for trial in sorted((folder / "trials").glob("*")):
        found.update({f"{trial.relative_to(folder)}/{name}": value for name, value in outcome(trial).items()})
    return found


def differences(one: Path, other: Path) -> Iterator[str]:
    """How the outcomes of two runs differ, and what was left half-made in the second."""
    expected, found = outcome(one), outcome(other)
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            yield f"{name} is missing"
        elif name not in expected:
            yield f"{name} should not be there"
        elif expected[name] != found[name]:
            yield f"{name} differs"
    yield from (f"{path.relative_to(other)} was left behind" for path in other.rglob(".tmp-*"))


def kill(training: Training, folder: Path, kills: int, seed: str = "0") -> Course:
    """Trains once to the end, and then again and again with one to four kills each, until so many struck."""
    chance, total, number = random.Random(f"{seed}/{training.name}"), Course(), 0
    size = whole(training, folder / "whole")
    while len(total.struck) < kills and not total.wrong:
        number += 1
        assert number < LIVES, f"{training.name}: the kills come too late"
        again = folder / f"again-{number}"
        course = killed(training, again, size, min(chance.randint(1, 4), kills - len(total.struck)), chance)
        total.struck += course.struck
        total.half += course.half
        wrong = course.wrong or list(differences(folder / "whole", again))
        total.wrong += [f"{training.name}, course {number}: {line}" for line in wrong]
        if not wrong:
            shutil.rmtree(again)
    return total
