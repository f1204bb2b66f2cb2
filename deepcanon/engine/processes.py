"""One process or several: what torchrun's environment says, and the few collective operations that the engine needs."""

import atexit
import contextlib
import datetime
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from deepcanon.engine import devices
from deepcanon.errors import UsageError
from deepcanon.parts.batch_norm import by_itself

__all__ = [
    "alone", "any_process", "barrier", "gather", "join", "largest", "leave", "lost", "rank", "see_together",
    "sum_over_processes", "sums_over_processes", "world",
]  # fmt: skip

WAIT = "DEEPCANON_WAIT"
"""The variable that says for how many seconds a process waits for the others."""
SECONDS = 600
SEEN_WITHIN = 5.0
"""Seconds that a file system on a network may take to show a new file."""
GONE = "Connection closed by peer", "Connection reset by peer", "Timed out waiting", "Broken pipe", "Socket Timeout"

_alone = False


def join() -> None:
    """Enters the process group that torchrun describes; without torchrun nothing happens.

    Raises:
        UsageError: the variable `DEEPCANON_WAIT` is not a number of seconds.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group(devices.backend(), timeout=datetime.timedelta(seconds=patience()))
        # Its threads must have ended when the process does: else the C++ library aborts it now and then, exit code -6.
        atexit.register(leave)


def patience() -> float:
    """For how many seconds a process waits for the others before it takes them for lost."""
    asked = os.environ.get(WAIT, str(SECONDS))
    try:
        seconds = float(asked)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 1e6:
        raise UsageError(f"{WAIT}={asked}: give a number of seconds from 1 to 1000000")
    return seconds


def lost(error: BaseException) -> bool:
    """Whether the error says that another process no longer answers, or is gone."""
    if world() == 1 or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, dist.DistError) or any(word in str(error) for word in GONE)


def leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() and not _alone else 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() and not _alone else 1


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Inside this context the process is the only one: it trains its own trial, whatever the others do."""
    global _alone
    before, _alone = _alone, True
    try:
        with by_itself():
            yield
    finally:
        _alone = before


def barrier() -> None:
    """Waits for all processes: by a flag on the CPU, which every process group has."""
    any_process(0)


def sum_over_processes(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes, in a new tensor."""
    if world() == 1:
        return tensor
    total = tensor.detach().clone()
    dist.all_reduce(total)
    return total


def sums_over_processes(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The sums of several tensors over all processes, in one exchange for each type and device."""
    if world() == 1:
        return list(tensors)
    sums: dict[int, Tensor] = {}
    for kind in dict.fromkeys((tensor.dtype, tensor.device) for tensor in tensors):  # in one order everywhere
        chosen = [i for i, tensor in enumerate(tensors) if (tensor.dtype, tensor.device) == kind]
        flat = sum_over_processes(torch.cat([tensors[i].detach().flatten() for i in chosen]))
        parts = flat.split([tensors[i].numel() for i in chosen])
        sums.update((i, part.view(tensors[i].shape)) for i, part in zip(chosen, parts, strict=True))
    return [sums[i] for i in range(len(tensors))]


def largest(numbers: Sequence[float]) -> list[float]:
    """Of each number the largest of all processes."""
    if world() == 1:
        return list(numbers)
    found = torch.tensor(numbers, dtype=torch.float64)
    dist.all_reduce(found, op=dist.ReduceOp.MAX)
    return found.tolist()


def any_process(flag: int) -> int:
    """The largest flag of all processes: one of them was told to stop, so all do."""
    if world() == 1:
        return flag
    largest = torch.tensor(flag)
    dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    return int(largest)


def gather(value: Any) -> list[Any]:
    """A JSON value of every process, in the order of their ranks."""
    if world() == 1:
        return [value]
    mine = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
    lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(world())]
    dist.all_gather(lengths, torch.tensor([len(mine)]))
    longest = int(max(lengths))
    texts = [torch.zeros(longest, dtype=torch.uint8) for _ in range(world())]
    dist.all_gather(texts, torch.cat([mine, torch.zeros(longest - len(mine), dtype=torch.uint8)]))
    return [json.loads(bytes(t[: int(n)].tolist())) for t, n in zip(texts, lengths, strict=True)]


def see_together(folder: Path) -> None:
    """Waits until every process sees the folder that the first one made.

    Raises:
        UsageError: one does not: it is on a machine that does not share that file system.
    """
    if world() == 1:
        return
    mark = folder / gather(f".seen-{secrets.token_hex(8)}")[0]
    if rank() == 0:
        mark.touch()
    barrier()
    until = time.monotonic() + SEEN_WITHIN
    while not mark.exists() and time.monotonic() < until:
        time.sleep(0.1)
    seen = gather(mark.exists())
    if rank() == 0:
        mark.unlink()
    if blind := [str(number) for number, sees in enumerate(seen) if not sees]:
        what = f"process {', '.join(blind)} of {world()} does not see the folder {folder} of process 0"
        raise UsageError(f"{what}: give --out a place on a file system that all of them share")
