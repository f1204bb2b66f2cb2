"""Batch normalisation over several processes equals one process on the whole batch; a local one does not."""

import os

import pytest
import torch
from contract.gloo import in_two
from torch import nn

from deepcanon.engine.processes import alone
from deepcanon.parts.batch_norm import BatchNorm2d

CHANNELS, SIZES = 3, (5, 3)  # the processes hold batches of different size


def whole():
    generator = torch.Generator().manual_seed(0)
    shape = (sum(SIZES), CHANNELS, 4, 2)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))


def network(kind):
    torch.manual_seed(1)
    first = nn.Conv2d(CHANNELS, CHANNELS, 1, dtype=torch.float64)
    return nn.Sequential(first, kind(CHANNELS, dtype=torch.float64), nn.ReLU())


def gradients(module, x, weights):
    x = x.clone().requires_grad_()
    (module(x) * weights).sum().backward()
    return x.grad, [p.grad for p in module.parameters()]


def process(rank, port, folder, kind):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    begin = sum(SIZES[:rank])
    x, weights = (part[begin : begin + SIZES[rank]] for part in whole())
    module = network(kind)
    grad_x, grads = gradients(module, x, weights)
    for grad in grads:
        torch.distributed.all_reduce(grad)
    own, torchs = network(kind), network(nn.BatchNorm2d)
    with alone():  # as trials are trained: the other process may be anywhere
        if rank == 0:
            assert torch.equal(own(x), torchs(x))
    torch.save({"x": grad_x, "grads": grads, "state": module.state_dict()}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def run_two(folder, kind):
    in_two(process, str(folder), kind)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def worst(parts):
    """The largest difference between two processes and one, over gradients and buffers."""
    module = network(nn.BatchNorm2d)
    grad_x, grads = gradients(module, *whole())
    pairs = [(torch.cat([part["x"] for part in parts]), grad_x)]
    for part in parts:
        pairs += zip(part["grads"], grads, strict=True)
        pairs += ((part["state"][name], value) for name, value in module.state_dict().items())
    return max((mine - theirs).abs().max().item() for mine, theirs in pairs)


def test_two_processes_equal_one(tmp_path):
    assert worst(run_two(tmp_path, BatchNorm2d)) < 1e-12


def test_a_local_batch_norm_is_caught(tmp_path):
    assert worst(run_two(tmp_path, nn.BatchNorm2d)) > 1e-3


def test_input_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"expected \[batch, 3, height, width\], got \(2, 4, 5, 5\)"):
        BatchNorm2d(3)(torch.zeros(2, 4, 5, 5))
