"""The loop: one life of a run, from its beginning or a checkpoint to its end or a signal."""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deepcanon.engine import checkpoint, processes, state
from deepcanon.engine.agreement import Agreement, Told, told_here
from deepcanon.engine.checkpoint import Checkpoints
from deepcanon.engine.contract import Recipe, modules_of
from deepcanon.engine.drawing import Drawing
from deepcanon.engine.events import Events
from deepcanon.engine.folder import forget_after
from deepcanon.engine.instances import evaluate, is_model, make, seed_generators, splits
from deepcanon.engine.keeping import InFolder, InMemory
from deepcanon.engine.memory import give_back_more, peak_bytes
from deepcanon.engine.metrics import Averages, MetricsFile, Unread, plain, read_metrics
from deepcanon.engine.progress import Progress
from deepcanon.engine.run import Run
from deepcanon.engine.sharding import Shards
from deepcanon.engine.signals import handled
from deepcanon.engine.slices import whole
from deepcanon.errors import Abandoned, CheckpointError, DeepcanonError, Interrupted, NonFiniteError

__all__ = ["Loop", "Say"]

REMOVED = "{} was removed during training: stopped after step {}; nothing more is written there"
TOLD = 1.0  # seconds after which an evaluation tells `status.json` again, and free memory is given back

Say = Callable[[str], None]


class Loop:
    """Steps, evaluations, checkpoints, signals and resume of one run."""

    def __init__(
        self, recipe_class: type[Recipe[Any]], config: Any, facts: dict[str, Any], run: Run, say: Say, quiet: bool,
        plain: bool = False, kept: InFolder | InMemory | None = None, recipe: Recipe[Any] | None = None,
    ) -> None:  # fmt: skip
        self.run, self.say, self.quiet, self.plain = run, say, quiet or run.rank > 0, plain
        self.recipe = make(recipe_class, config, facts, run) if recipe is None else recipe
        if run.settings.compile:
            for module in modules_of(self.recipe):
                module.compile()
        self.folder = run.folder or Path()
        self.kept = kept or InFolder(self.folder, run.rank)
        self.averages = Averages()
        self.unread = Unread(run.device)
        self.best: dict[str, Any] | None = None
        self.since_best = 0
        self.done = 0
        self.seconds = self.cpu_seconds = 0.0
        self.stop_reason: str | None = None
        self.signal = 0
        self.locked = False
        self.last: dict[str, Any] = {}
        self.progress = Progress(0, 0, quiet=True)
        self.events: Events | None = None
        self.began = self.saved = self.told = time.monotonic()
        self.save_cost = 0.0
        self.drawing = Drawing(self.folder, say)
        self.agreement = Agreement()

    # The loop

    def go(self) -> dict[str, Any]:
        run, settings = self.run, self.run.settings
        self.progress = Progress(self.done, run.steps, self.quiet, self.recipe.units(self.recipe.config))
        if run.rank == 0 and not self.plain:
            self.events = Events(self.folder / "events", self.done or None, self.say)
        self.began = self.saved = time.monotonic()
        run.heard = lambda: self.signal
        with self.lock(), handled(self._hear):
            self.status("running")
            try:
                if self.done == 0:
                    began = time.process_time()
                    self.recipe.begin()
                    self.cpu_seconds += time.process_time() - began
                if settings.shard and run.world > 1:
                    run.shards = Shards(self.recipe)
                while self.done < run.steps and not self.stop_reason:
                    evaluated = self._step()
                    if not self.kept.is_there():
                        raise DeepcanonError(REMOVED.format(self.folder, self.done))
                    mine = told_here(settings, self.signal, self._elapsed(), self.saved, self.save_cost)
                    told = self.agreement.reached(self.done, mine, now=evaluated or settings.checkpoint_every == 0)
                    if told.left:
                        raise self._left(told.signal)
                    if told.signal:
                        self._save()
                        raise Interrupted(told.signal, f"stopped at step {self.done}{self.kept.continues()}")
                    if told.late and self.done < run.steps:
                        run.stop(f"time ran out at step {self.done} of {run.steps}")
                    if told.due:
                        self._save()
                self._save()
            except Abandoned:  # within an evaluation: its step is taken again on resume
                told = self.agreement.reached(self.done, Told(self.signal, left=True), now=True)
                self._finish("interrupted", str(stopped := self._left(told.signal)))
                raise stopped from None
            except Interrupted as error:
                self._finish("interrupted", str(error))
                raise
            except DeepcanonError as error:
                self._failed(error, str(error))
                raise
            except Exception as error:
                if processes.lost(error):
                    what = f"another process of {run.world} is gone or no longer answers: ended in step {self.done}"
                    again = f"`deepcanon resume {self.folder}`, started like this run, continues"
                    self._failed(error, gone := f"{what}; {self.kept.good()}, and {again}")
                    raise DeepcanonError(gone) from error
                self._failed(error, f"{type(error).__name__}: {error}")
                raise
            finally:
                run.heard = lambda: 0  # or what the run holds would wait for the collector of cycles
                self.progress.close(self.done)
                if self.events:
                    self.events.close()
            return self._finish("done", self.stop_reason)

    def _left(self, number: int) -> Interrupted:
        return Interrupted(number, f"stopped in the evaluation after step {self.done}{self.kept.continues()}")

    def _step(self) -> bool:
        """One step, and what is due after it; whether it was evaluated."""
        run, settings = self.run, self.run.settings
        run.step = self.done
        seed_generators(run.seed, self.done, "step/0")  # alike in every process
        began = time.process_time()
        try:
            taken = run.shards.step(self.recipe, self.done) if run.shards else self.recipe.step(self.done)
            self.unread.add(self.done, taken)
        except (FloatingPointError, RuntimeError, ValueError) as error:
            self._read()  # an earlier step may be the first that was not finite
            if not isinstance(error, FloatingPointError):
                raise
            raise NonFiniteError(f"{error} (step {self.done}); {self.kept.good()}") from error  # a norm
        self.cpu_seconds += time.process_time() - began
        self.done += 1
        run.step = self.done
        self.stop_reason = run.stop_reason
        ends = self.done == run.steps or bool(self.stop_reason)
        logs = ends or self.done % settings.log_every == 0
        evaluates = ends or self.done % settings.evaluate_every == 0
        if logs or evaluates or self.unread.full:
            self._read()
        row: dict[str, Any] = {"step": self.done}
        if logs:
            row.update(self.averages.take())
        if evaluates:
            row.update(self._evaluate(ends))
        if len(row) > 1:
            self.last.update(row)
            self.progress.metrics(self.last)
            if run.rank == 0:
                self.kept.rows.append(row)
                if self.events:
                    self.events.scalars(self.done, row, time.time())
        self.progress.advance(self.done)
        return evaluates

    def _read(self) -> None:
        """Takes in the metrics of the steps since the last reading; raises NonFiniteError at the first that is NaN."""
        for step, metrics in self.unread.read():
            for name, value in metrics.items():
                if not math.isfinite(value):
                    self.done = self.run.step = step
                    raise NonFiniteError(f"train/{name} is {value} at step {step}; {self.kept.good()}")
            self.averages.add(metrics)

    def _finite(self, saved: dict[str, Any]) -> dict[str, Any]:
        """A snapshot that is about to be called good.

        Raises:
            NonFiniteError: it holds NaN or infinity. A loss may be finite for a step longer than the weights.
        """
        known = {name: value for name, value in saved.items() if name not in self.recipe.unknown}
        # Of a model in shards each process looks at its own, and all must find the same.
        if bad := next(filter(None, self.run.gather(state.non_finite(known))), ""):
            raise NonFiniteError(f"{bad.lstrip('/')} is not finite after step {self.done}; {self.kept.good()}")
        return saved

    def _evaluate(self, ends: bool) -> dict[str, Any]:
        recipe, monitor = self.recipe, self.recipe.monitor
        there = splits(recipe)
        split = monitor[0].split("/")[0] if monitor else "valid"
        with self.run.whole():
            row = evaluate(recipe, split) if split in there else {}
        if monitor and monitor[0] in row:
            value = float(row[monitor[0]])
            sign = 1 if monitor[1] == "min" else -1
            best = sign * self.best["value"] if self.best else math.inf
            better = math.isfinite(value) and sign * value < best  # NaN is never the best
            # Among equals the later weights are taken: a small validation set is soon at its best value.
            if better or (self.best and value == self.best["value"]):
                self.best = {"metric": monitor[0], "value": value, "step": self.done}
                models = {n: getattr(recipe, n) for n in recipe.state if is_model(getattr(recipe, n))}
                saved = self._finite({name: whole(state.snapshot(value)) for name, value in models.items()})
                self.kept.best(self.done, saved)
            self.since_best = 0 if better else self.since_best + 1
            patience = self.run.settings.patience
            if patience and self.since_best >= patience:
                self.stop_reason = f"no better {monitor[0]} in {patience} evaluations"
        last, late = bool(ends or self.stop_reason), time.monotonic() - self.told > TOLD
        with self.run.whole():
            if self.run.rank == 0 and not self.plain:
                self.drawing.figures(recipe, self.done, last=last)
        if late:
            self.status("running")
            self.told = time.monotonic()
        if late or last:
            give_back_more()
        return row

    # Checkpoints

    def _save(self) -> None:
        began = time.monotonic()
        self._read()
        self.kept.rows.flush()  # a resumed run expects the rows of the steps that it does not take
        recipe = self.recipe
        shared: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for name in recipe.state:
            value = getattr(recipe, name)
            (shared if state.shared_between_processes(value) else own)[name] = state.snapshot(value)
        self._finite(shared)
        self.kept.last(self.done, shared, own, self._progress_state())
        self.saved = time.monotonic()
        self.save_cost = self.saved - began

    def _progress_state(self) -> dict[str, Any]:
        return {
            "step": self.done,
            "best": self.best,
            "since_best": self.since_best,
            "stop": self.stop_reason,
            "averages": self.averages.state_dict(),
            "world": self.run.world,
            "seconds": self._elapsed(),
            "cpu_seconds": self.cpu_seconds,
        }

    def restore(self, asked: bool) -> bool:
        """Takes the newest sound checkpoint; True if there is nothing left to do.

        Args:
            asked: the user named a number of steps, which lifts an earlier stop.
        """
        if self.run.rank == 0:
            checkpoint.sweep(self.folder)
        checkpoints = Checkpoints(self.folder / "checkpoints")
        found = checkpoints.newest("step")
        for reason in checkpoints.refused:
            self.say(f"refused: {reason}")
        if found is None and checkpoints.refused:
            raise CheckpointError(f"no sound checkpoint in {checkpoints.folder}: {checkpoints.refused[0]}")
        step, parts = found or (0, {})
        if parts:
            kept = parts["run"]
            saved = {**parts["shared"], **checkpoint.own_part(parts, kept["world"], self.run.rank, self.run.world)}
            if (before := kept["world"]) != self.run.world:
                self.say(f"trained by {before} process{'es' * (before > 1)} so far, now by {self.run.world}")
            for name in self.recipe.state:
                state.restore(self.recipe, name, saved[name])
            self.done = self.run.step = step
            self.best, self.since_best = kept["best"], kept["since_best"]
            self.averages.load_state_dict(kept["averages"])
            self.seconds, self.cpu_seconds = kept["seconds"], kept["cpu_seconds"]
            self.stop_reason = None if asked else kept["stop"]
        done = step >= self.run.steps or bool(self.stop_reason)
        if self.run.rank == 0:
            forget_after(self.folder, checkpoints, step, self.best["step"] if self.best else None)
            MetricsFile(self.folder / "metrics.jsonl").cut(step)
        processes.barrier()
        if parts and not done:
            self.say(f"resuming at step {step} of {self.run.steps}")
        return done

    # The end

    def status(self, what: str, reason: str | None = None) -> dict[str, Any]:
        """Writes `status.json` and returns its content."""
        content = {
            "state": what,
            "step": self.done,
            "steps": self.run.steps,
            "seconds": round(self._elapsed(), 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "peak_mb": peak_bytes() >> 20,
            "reason": reason,
            "best": self.best and {**self.best, "value": plain(self.best["value"])},
            "metrics": {name: plain(value) for name, value in self.last.items()},
        }
        self.kept.status(content)
        return content

    def _elapsed(self) -> float:
        return self.seconds + time.monotonic() - self.began

    def conclude(self) -> dict[str, Any]:
        """The status of a run that has nothing left to do, also where a kill came between its last step and its end."""
        for row in read_metrics(self.folder / "metrics.jsonl"):
            self.last.update(row)
        self.began = time.monotonic()
        return self._finish("done", self.stop_reason)

    def _finish(self, what: str, reason: str | None) -> dict[str, Any]:
        if self.run.rank == 0:
            self.kept.rows.flush()
        content = self.status(what, reason)
        if self.run.rank == 0 and not self.plain:
            self.drawing.report()
        return content

    def _failed(self, error: Exception, reason: str) -> None:
        """Tells of an error in the folder, or raises another, which says that the folder was removed."""
        missing = isinstance(error.__cause__ or error, FileNotFoundError)
        if self.run.rank == 0 and self.kept.is_removed(wait=missing):
            raise DeepcanonError(REMOVED.format(self.folder, self.done)) from error
        # The disk itself may have failed: then there is nothing more to write, and the first error is reported.
        with contextlib.suppress(DeepcanonError, OSError):
            self._finish("failed", reason)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """One process tree at a time works in a folder; the holder of the lock may enter again."""
        if self.run.rank > 0 or self.locked:
            yield
            return
        with self.kept.lock():
            self.locked = True
            try:
                yield
            finally:
                self.locked = False

    def _hear(self, number: int, frame: Any) -> None:
        if self.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
