"""One process or several: what torchrun's environment says, and the few collective operations that the engine needs."""

import atexit
import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from deepcanon.engine import devices

__all__ = ["alone", "any_process", "barrier", "gather", "join", "leave", "rank", "sum_over_processes", "world"]

_alone = False


def join() -> None:
    """Enters the process group that torchrun describes; without torchrun nothing happens."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group(devices.backend())
        # Its threads must have ended when the process does: else the C++ library aborts it now and then, exit code -6.
        atexit.register(leave)


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
