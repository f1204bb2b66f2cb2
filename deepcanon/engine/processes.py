"""One process or several: what torchrun's environment says, and the few collective operations that the engine needs."""

import os

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["any_process", "barrier", "join", "leave", "rank", "sum_over_processes", "world"]


def join() -> None:
    """Enters the process group that torchrun describes; without torchrun nothing happens."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def barrier() -> None:
    if world() > 1:
        dist.barrier()


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
