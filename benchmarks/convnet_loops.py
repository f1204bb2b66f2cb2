"""Three loops that train `convnet`'s network on MNIST, and the speed of one of them in a process of its own.

`Ours` is the recipe's step, driven as the engine drives it. `Plain` is the loop of every tutorial: fp32, default AdamW,
the normalised images in memory. `Tuned` is what a careful user makes of it: bf16 autocast, channels last, fused AdamW,
batches by index, the loss read never. All have the same layers, rule and schedule.

How fast a step is depends on the state of the heap (`engine/memory.py`), so speeds are measured in fresh processes:

    python benchmarks/convnet_loops.py ours|plain|tuned|tuned-kept SHAPE      prints a line of JSON
"""

import fresh
import torch
import torch.nn.functional as F
from driven import Driven
from torch import nn

from deepcanon.data import open_data
from deepcanon.engine.memory import keep_freed_memory
from deepcanon.parts.schedules import one_cycle
from deepcanon.recipes import convnet

BATCH, RATE, STEPS = 64, 0.003, 150
SHAPES = {
    "32-64 network": {"filters": (32, 64), "kernel": 3, "hidden": 128},  # the recipe's default
    "32-64 network of 5 x 5 filters": {"filters": (32, 64), "kernel": 5, "hidden": 128},
    "lenet": {"filters": (6, 16), "kernel": 5, "hidden": 120},
}

data = open_data(("images",), "mnist", seed=0, options={"images": {"valid_share": 0.0}})
facts = {**convnet.Recipe.learn(convnet.Config(), data), "reader": data.describe()}
shift, scale = facts["shift"].view(1, 1, 1), facts["scale"].view(1, 1, 1)


class Network(nn.Sequential):
    """The layers of `deepcanon.vision.ConvNet` by torch's own modules."""

    def __init__(self, shape):
        first, second = shape["filters"]
        size, pad = shape["kernel"], shape["kernel"] // 2
        super().__init__(
            nn.Conv2d(1, first, size, padding=pad), nn.MaxPool2d(2), nn.ReLU(),
            nn.Conv2d(first, second, size, padding=pad), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(),
            nn.Linear(49 * second, shape["hidden"]), nn.ReLU(), nn.Linear(shape["hidden"], 10),
        )  # fmt: skip


class Ours(Driven):
    """The recipe, driven as the engine drives it."""

    def __init__(self, shape, seed, steps, rows):
        config = convnet.Config(**shape, batch=BATCH, dropout=0.0, valid_share=0.0)
        super().__init__(convnet.Recipe, config, facts, rows, data="mnist", seed=seed, steps=steps)


class Plain:
    """The tutorial's loop."""

    fused, reads, layout = False, True, torch.contiguous_format

    def __init__(self, shape, seed, steps, rows):
        torch.manual_seed(seed)
        self.module, self.total, self.step = Network(shape).to(memory_format=self.layout), steps, 0
        self.x = ((rows["train"].x.float() - shift) / scale).to(memory_format=self.layout)
        self.y = rows["train"].y
        self.optimizer = torch.optim.AdamW(self.module.parameters(), lr=RATE, weight_decay=0.0, fused=self.fused)
        self.order = torch.randperm(len(self.x))

    def steps(self, count):
        for _ in range(count):
            begin = self.step * BATCH % (len(self.x) - BATCH + 1)
            rows = self.order[begin : begin + BATCH]
            for group in self.optimizer.param_groups:
                group["lr"] = RATE * one_cycle(self.step, self.total)
            self.optimizer.zero_grad()
            loss = self.loss(self.x[rows], self.y[rows])
            loss.backward()
            self.optimizer.step()
            if self.reads:
                loss.item()
            self.step += 1

    def loss(self, x, y):
        return F.cross_entropy(self.module(x), y)


class Tuned(Plain):
    """The careful user's."""

    fused, reads, layout = True, False, torch.channels_last

    def loss(self, x, y):
        with torch.autocast("cpu", torch.bfloat16):
            return F.cross_entropy(self.module(x), y)


LOOPS = {"ours": Ours, "plain": Plain, "tuned": Tuned, "tuned-kept": Tuned}


def speed(loop, shape):
    """Milliseconds of CPU time a step, page faults a step, and milliseconds of them in the kernel."""
    if loop in ("ours", "tuned-kept"):
        keep_freed_memory()  # as `engine.training` does before a run
    trainer = LOOPS[loop](SHAPES[shape], 0, 10_000, data)
    return fresh.measured(trainer, 20, STEPS)


def fresh_speed(loop, shape):
    """`speed` in a process of its own."""
    return fresh.speed(__file__, loop, shape)


if __name__ == "__main__":
    fresh.answer(speed)
