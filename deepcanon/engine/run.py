"""`Run`: what a recipe sees of the engine: its data, its share of each batch, its random streams, the backward pass.

Everything random is a pure function of (seed, step, stream), whatever the number of processes: a process takes the rows
`rank::world` of the global batch and of explicit noise.
"""

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepcanon.data.batches import Order
from deepcanon.data.drawn import DrawnSplit, Substreams
from deepcanon.data.seeds import stream_seed
from deepcanon.engine import borrowed, devices, processes
from deepcanon.engine.checkpoint import sweep
from deepcanon.engine.gradients import backward_together
from deepcanon.engine.precision import has_bf16
from deepcanon.errors import Abandoned, UsageError
from deepcanon.settings import Settings

if TYPE_CHECKING:
    from deepcanon.engine.sharding import Shards

__all__ = ["Batch", "Run"]


class Batch(NamedTuple):
    """Rows of a split: `x`, and `y` where the data have labels."""

    x: Any
    y: Any


class Run:
    """The engine's side of a recipe.

    Args:
        settings: the given settings; threads, precision and steps are settled.
        folder: of the run; None for a scratch instance.
        open_data: opens the data set on first use.
        batches_per_step: how many batches a step takes (critics, accumulation).
        child: trains or reads a trial (`deepcanon.verbs.child`); None where there can be none.
        say: prints a line.
        lend: loads a finished run (`deepcanon.verbs.load`); None where there can be none.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path | None = None,
        open_data: Callable[[], Any] | None = None,
        batches_per_step: int = 1,
        child: Callable[..., dict[str, Any]] | None = None,
        say: Callable[[str], None] = lambda line: None,
        lend: Callable[[Path], Any] | None = None,
    ):
        self._lend = lend
        self.heard: Callable[[], int] = lambda: 0  # the signal that was received, if any
        self.settings = settings
        self.folder = folder
        self.seed = settings.seed
        self.steps = settings.steps or 0
        self.step = 0
        self.device = devices.device_of(settings.device)
        self.rank = processes.rank()
        self.world = processes.world()
        self.shards: Shards | None = None  # where the processes share out the model
        self.stop_reason: str | None = None
        self._open_data = open_data
        self._data: Any = None
        self._orders: dict[tuple[str, int], Order] = {}
        self._held: dict[int, tuple[Any, Any]] = {}  # by its id: a split, and what of it is on the device
        self._batches_per_step = batches_per_step
        self._child = child
        self._scratch: tempfile.TemporaryDirectory | None = None  # of the trials of a run without a folder
        self.say = say

    def settle(self, settings: Settings) -> None:
        """Takes over settings whose steps are known: the recipe was made to be asked for them."""
        self.settings, self.steps = settings, settings.steps or 0

    @property
    def data(self) -> Any:
        """The data set, opened on first use."""
        if self._data is None:
            if self._open_data is None:
                raise UsageError("this verb needs the data of the run: give --data")
            self._data = self._open_data()
        return self._data

    @property
    def pictured(self) -> str:
        """The split that figures are of: validation, or training if there is no validation."""
        return "valid" if "valid" in self.data else "train"

    # Batches

    def rows(self, size: int) -> slice:
        """Which rows of a global batch of `size` belong to this process."""
        if size % self.world:
            raise UsageError(f"a batch of {size} cannot be divided among {self.world} processes: choose a multiple")
        return slice(self.rank, size, self.world)

    def batch(self, split: Any, size: int, stream: str = "order", part: int = 0) -> Batch:
        """This process's rows of the step's batch: one permutation of the split per epoch, every batch full.

        Args:
            split: a split of `data`.
            size: rows of the GLOBAL batch; a split that is smaller gives all its rows, some of them twice.
            stream: name of the order; different names are shuffled differently.
            part: which of the step's `batches_per_step` batches.

        Of a split that is drawn every batch holds new examples, from streams of the same names.
        """
        taken = self.examples(split, size, stream, part)
        return Batch(self.to(taken.x), self.to(taken.y))

    def examples(self, split: Any, size: int, stream: str = "order", part: int = 0) -> Any:
        """The rows that `batch` takes as a split, with all that is known of them (`parts`); not moved to the device."""
        if isinstance(split, DrawnSplit):
            first = (stream, part) == ("order", 0)
            return split.batch(self if first else Substreams(self, f"{stream}/{part}"), size)
        rows = self._in_order if split.ordered else self.indices
        here, chosen = self.held(split), rows(len(split), size, stream, part)
        taken = here.take(chosen if here is split else self.to(chosen))
        if not isinstance(split.x, Tensor):  # a streamed split decodes the next batch while this one is learned from
            split.prefetch(rows(len(split), size, stream, part + 1))
        return taken

    def indices(self, count: int, size: int, stream: str = "order", part: int = 0) -> Tensor:
        """What `batch` takes, as row numbers below `count`: for a recipe that keeps the rows itself."""
        key = (stream, count)
        if key not in self._orders:
            self._orders[key] = Order(count, self.seed, stream)
            if stream == "order" and size > count:
                self.say(f"each step takes {size:,} examples of {count:,}, some of them more than once")
        return self._orders[key].rows(self.step * self._batches_per_step + part, size)[self.rows(size)]

    def steps_of(self, epochs: float, batch: int, examples: int | None = None) -> int:
        """Steps of a number of passes over the training examples; a last batch that is not full is left out."""
        count = len(self.data["train"]) if examples is None else examples
        return round(epochs * max(1, count // batch))

    def _in_order(self, count: int, size: int, stream: str, part: int) -> Tensor:
        """Row numbers of the step's batch where a split keeps its order."""
        first = (self.step * self._batches_per_step + part) * size
        return ((first + torch.arange(size)) % count)[self.rows(size)]

    def to(self, value: Any) -> Any:
        """A tensor on the run's device, without waiting for it; any other value as it is."""
        return devices.moved(value, self.device) if isinstance(value, Tensor) and self.device.type != "cpu" else value

    def held(self, split: Any) -> Any:
        """The split on the run's device, where it stays, if it fits there; else itself."""
        if self.device.type == "cpu":
            return split
        if id(split) not in self._held:
            self._held[id(split)] = split, devices.held_on(split, self.device)
        return self._held[id(split)][1]

    # Random streams

    def generator(self, stream: str, device: torch.device | None = None) -> torch.Generator:
        """A generator seeded by (seed, step, stream), the same in every process; on the CPU if no device is given."""
        seed = stream_seed(self.seed, self.step, stream)
        return devices.generator(device or torch.device("cpu"), seed)

    def numpy(self, stream: str) -> np.random.Generator:
        """The same for NumPy."""
        return np.random.Generator(np.random.PCG64(stream_seed(self.seed, self.step, stream)))

    def randn(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        """This process's rows of standard normal noise of the global `shape`, drawn on the run's device."""
        random = self.generator(stream, self.device)
        return torch.randn(shape, generator=random, device=self.device)[self.rows(shape[0])]

    def rand(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        """This process's rows of uniform noise of the global `shape`, drawn on the run's device."""
        random = self.generator(stream, self.device)
        return torch.rand(shape, generator=random, device=self.device)[self.rows(shape[0])]

    def keep(self, stream: str, shape: tuple[int, ...], drop: float) -> Tensor:
        """This process's rows of a dropout mask of the global `shape`: 0 with probability `drop`, or 1 / (1 - drop)."""
        return (self.rand(stream, shape) >= drop) / (1 - drop)

    def dropped(self, x: Tensor, drop: Callable[[Tensor], Tensor]) -> Tensor:
        """Dropout of this process's rows by the masks that one process would draw for the global batch.

        Every process draws the whole mask from the default generator, which all seed alike, and takes its rows.

        Args:
            drop: what one process would apply to the whole batch.
        """
        size = (len(x) * self.world, *x.shape[1:])
        # torch draws a mask in the order of its input's memory (channels last, time before batch), so the ones have it.
        # Of a single row the step may equal that of another axis, which is then the outer one.
        order = sorted(range(x.ndim), key=lambda axis: (x.stride(axis), axis != 0), reverse=True)
        ones = torch.ones([size[axis] for axis in order], dtype=x.dtype, device=x.device)
        ones = ones.permute([order.index(axis) for axis in range(x.ndim)])
        return x * drop(ones)[self.rank :: self.world]

    # The update

    def autocast(self) -> contextlib.AbstractContextManager:
        """bf16 matrix products where the run's precision says so and the device has them."""
        if self.settings.precision == "bf16" and has_bf16(self.device.type):
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def backward(self, loss: Tensor, *modules: nn.Module, count: int | None = None) -> Tensor:
        """Adds the gradient of the loss over the GLOBAL batch to the parameters; call it before any clipping.

        Args:
            loss: mean over this process's rows.
            modules: whose gradients are averaged over the processes.
            count: what this process's mean was taken over (for example tokens) where that differs between processes.

        Returns:
            The mean over the global batch, detached.
        """
        if self.world == 1:
            loss.backward()
            return loss.detach()
        if self.shards:
            return self.shards.backward(loss, modules, count)
        parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        return backward_together(loss, parameters, count)

    def whole(self) -> contextlib.AbstractContextManager:
        """Within it the model has whole weights where the processes share them out; for what needs no gradients."""
        return self.shards.gathered() if self.shards else contextlib.nullcontext()

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes."""
        return processes.sum_over_processes(tensor)

    def sums(self, *tensors: Tensor) -> list[Tensor]:
        """The sums of several tensors over all processes, which need one exchange together."""
        return processes.sums_over_processes(tensors)

    def gather(self, value: Any) -> list[Any]:
        """A JSON value of every process, in the order of their ranks."""
        return processes.gather(value)

    # Other runs

    def borrow(self, folder: str | Path, name: str = "borrowed") -> Any:
        """A finished run as an input: its weights, facts and options, copied into this run's folder with their SHA-256.

        From then on the copy counts: the other run may be deleted, or train further.

        Args:
            folder: of the other run.
            name: of the copy, where a recipe borrows several.

        Returns:
            what `deepcanon.load` returns.

        Raises:
            UsageError: there is no such run, or the copy was altered.
        """
        if self._lend is None:
            raise UsageError("this run cannot borrow others")
        with processes.alone():
            return self._lend(self.borrowed(Path(folder), name))

    def borrowed(self, source: Path, name: str) -> Path:
        """This run's own copy of a finished run or of a file of weights; of a scratch instance, the source itself.

        Raises:
            UsageError: there is no such source, or the copy was altered.
        """
        if self.folder is None or not (self.folder / "facts").is_dir():  # a scratch instance
            return source
        mine = self.folder / "borrowed" / name
        if self.rank == 0 and not mine.is_dir():
            borrowed.copy(source, mine)
        processes.barrier()
        borrowed.check(mine)
        return mine if source.is_dir() or (mine / "facts").is_dir() else mine / borrowed.WEIGHTS

    # Trials

    def trial(
        self,
        index: int,
        stem: str,
        overrides: dict[str, Any],
        settings: dict[str, Any] | None = None,
        checkpoint: str = "last",
        scored: Sequence[str] = ("valid", "test"),
    ) -> dict[str, Any]:
        """A child run of another recipe in `trials/<index>/`, with checkpoints of its own: a signal loses no trial.

        Args:
            index: of the trial; one that is done is read, one that was begun is resumed.
            stem: the recipe to train.
            overrides: of its Config.
            settings: of its run (steps, minutes, seed ...); data, device, threads and precision are this run's unless
                they are given.
            checkpoint: the weights that are scored, "last" or "best".
            scored: the splits to read.

        Returns:
            {valid: metrics, test: metrics, train: metrics if it was read,
            curve: [[step, monitored metric]], curves: the same of every metric on validation, by name,
            loss: [[step, training loss]], failed}.
        """
        if self._child is None:
            raise UsageError("this run cannot train others")
        folder = self.trial_folder(index)
        mine = {name: getattr(self.settings, name) for name in ("data", "device", "threads", "precision", "skip_bad")}
        with processes.alone():
            sweep(folder)
            return self._child(folder, stem, overrides, {**mine, **(settings or {})}, checkpoint, scored)

    def finished_trial(self, index: int) -> Any:
        """What `deepcanon.load` returns of the trial `index`, or None where this run cannot load others."""
        folder = self.trial_folder(index)
        if self._lend is None or not folder.is_dir():
            return None
        with processes.alone():
            return self._lend(folder)

    def trial_folder(self, index: int) -> Path:
        """The folder of a trial, whether it was trained or not."""
        if self.folder is None and self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="deepcanon-")
        return (self.folder or Path(self._scratch.name if self._scratch else "")) / "trials" / str(index)

    def breathe(self) -> None:
        """To be called from time to time in an evaluation or figure that may take long: a signal ends it here.

        Raises:
            Abandoned: a signal was received.
        """
        if self.heard():
            raise Abandoned("a signal was received")

    def stop(self, reason: str) -> None:
        """Ends the training after this step."""
        self.stop_reason = reason
