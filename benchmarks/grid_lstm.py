"""Grid LSTM against loops over its blocks: CPU seconds of a forward and backward pass.

    make bench NAME=grid_lstm

One thread, float32, tied and untied weights, 20 sequences of 18 steps in grids of two dimensions with six layers, and
20 vectors in grids of one dimension with 20 layers; hidden vectors of 64, 128 and 256; the variants alternating in one
process.
Peers, both with autograd:
    loop        each block concatenates the hidden vectors and takes one linear layer and four gates for each dimension
                (the form of most repositories; `GridLSTM(..., fast=False)`)
    tuned       one product a block for all dimensions, gates of all dimensions by the same operations
Quality: largest difference of outputs and of all gradients from the loop in float64, relative to the largest of them.
"""

import itertools

import torch
import torch.nn.functional as F
from record import cpu_seconds, interleaved, record, row_of_seconds
from torch import Tensor

from deepcanon.sequence import GridLSTM

BATCH, ROUNDS = 20, 5
SIZES = {64: 0.95, 128: 0.95, 256: 1.5}
GRIDS = {"two dimensions": (2, 6, (18,)), "one dimension": (1, 20, ())}  # dimensions, layers, sides
SEEN = 10


def ours(grid: GridLSTM, x: Tensor) -> Tensor:
    grid.fast = True
    return grid(x)[0]


def loop(grid: GridLSTM, x: Tensor) -> Tensor:
    grid.fast = False
    return grid(x)[0]


def tuned(grid: GridLSTM, x: Tensor) -> Tensor:
    """State vectors of all dimensions side by side: a product and one set of gates for each block."""
    size, dims = grid.hidden_size, grid.dims
    weight = grid.weight.unflatten(2, (4, size)).transpose(1, 2).flatten(1, 3)  # gates, then dimensions
    bias = grid.bias.unflatten(2, (4, size)).transpose(1, 2).flatten(1)
    depth = grid.project(x)
    steps = depth.unbind(1) if dims == 2 else [depth]
    zero = x.new_zeros(len(x), size)
    along = [(zero, zero)] * grid.depth
    outputs = []
    for step in steps:
        h, m = step.chunk(2, 1)
        for layer in range(grid.depth):
            kind = layer if len(weight) > 1 else 0
            hidden = torch.cat([along[layer][0], h], 1) if dims == 2 else h
            memory = torch.cat([along[layer][1], m], 1) if dims == 2 else m
            i, f, g, o = F.linear(hidden, weight[kind], bias[kind]).chunk(4, 1)
            memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
            hidden = (o.sigmoid() * memory).tanh()
            if dims == 2:
                (side, h), (kept, m) = hidden.chunk(2, 1), memory.chunk(2, 1)
                along[layer] = (side, kept)
            else:
                h, m = hidden, memory
        outputs.append(h)
    return torch.stack(outputs, 1) if dims == 2 else outputs[0]


VARIANTS = {"ours": ours, "loop": loop, "tuned": tuned}


def passed(name: str, grid: GridLSTM, x: Tensor) -> list[Tensor]:
    """Outputs, and the gradients of all parameters."""
    output = VARIANTS[name](grid, x)
    return [output.detach(), *torch.autograd.grad((output**2).sum(), list(grid.parameters()))]


def main():
    rows = []
    for (kind, (dims, depth, sides)), tied in itertools.product(GRIDS.items(), (True, False)):
        for size, target in SIZES.items():
            torch.manual_seed(0)
            grid = GridLSTM(SEEN, size, depth, dims, tied=tied)
            x = torch.randn(BATCH, *sides, SEEN)
            double = GridLSTM(SEEN, size, depth, dims, tied=tied, dtype=torch.float64)
            double.load_state_dict(grid.state_dict())
            exact = passed("loop", double, x.double())
            errors = {}
            for name in VARIANTS:
                pairs = zip(passed(name, grid, x), exact, strict=True)
                errors[name] = max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
            measure = {
                name: lambda name=name, given=(grid, x): cpu_seconds(lambda: passed(name, *given)) for name in VARIANTS
            }
            interleaved(measure, 1)  # memory is touched, kernels are chosen
            took = interleaved(measure, ROUNDS)
            for name in ("loop", "tuned"):
                tying = "tied" if tied else "untied"
                unit = f"CPU seconds, {kind}, {tying}, H = {size}, forward and backward"
                quality = f"largest relative error {errors['ours']:.1e}, theirs {errors[name]:.1e}"
                row = (f"torch, {name}", torch.__version__, unit, took["ours"], took[name], target, quality)
                rows.append(row_of_seconds(*row))
    record("grid_lstm", rows)


if __name__ == "__main__":
    main()
