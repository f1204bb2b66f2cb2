"""Two processes started from a test, whose weights are compared with those of one."""

import os
import socket

import pytest
import torch

from contract.recipes import check_same_model
from deepcanon.engine.run import Run


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def in_two(process, *asked):
    """Runs `process(rank, port, *asked)`, a function of a module, in two processes that may meet at the port."""
    torch.multiprocessing.spawn(process, (free_port(), *asked), nprocs=2)


def _process(rank, port, folder, averaged, final_weights):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    if not averaged:  # the planted bug: each process keeps the gradient of its own rows
        Run.sum = lambda self, value: value * self.world
        Run.sums = lambda self, *values: [value * self.world for value in values]
    torch.save(final_weights(), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def check_two_are_one(final_weights, folder, averaged):
    """The weights of two processes are those of one if gradients are averaged, and are not if they are not.

    Args:
        final_weights: trains and returns tensors by name; a function of a module, since other processes import it.
    """
    in_two(_process, str(folder), averaged, final_weights)
    one = final_weights()
    for rank in range(2):
        two = torch.load(folder / f"{rank}.pt", weights_only=True)
        if averaged:
            check_same_model(one, two)
        else:
            with pytest.raises(AssertionError):
                check_same_model(one, two)
