"""Loops that train `resnet`'s ResNet-20 on Fashion-MNIST, and the speed of one of them in a process of its own.

`Ours` is the recipe's step, driven as the engine drives it. `Plain` is the loop that people write: a Dataset that
normalises one image at a time, a DataLoader, fp32, torch's modules, the loss read at every step. `Tuned` is what a
careful user makes of it: the images in memory, batches by index, bf16 autocast, channels last, a fused optimizer, ReLU
in place, the loss never read. All have the same layers, initial weights, rule and schedule; none augments.

    python benchmarks/resnet_loops.py ours|plain|tuned|tuned-kept      prints a line of JSON
"""

import itertools

import fresh
import torch
import torch.nn.functional as F
from driven import Driven, PerImage
from torch import nn
from torch.utils.data import DataLoader

from deepcanon.data import open_data
from deepcanon.engine.memory import keep_freed_memory
from deepcanon.parts.schedules import one_cycle
from deepcanon.recipes import resnet

BATCH, RATE, DECAY, WARM, STEPS = 128, 0.2, 5e-4, 3, 10

data = open_data(("images",), "fashion-mnist", seed=0, options={"images": {"valid_share": 0.0}})
config = resnet.Config(batch=BATCH, learning_rate=RATE, weight_decay=DECAY, valid_share=0.0)
facts = {**resnet.Recipe.learn(config, data), "reader": data.describe()}
shift, scale = facts["shift"].view(1, 1, 1), facts["scale"].view(1, 1, 1)


class Block(nn.Module):
    """Two convolutions and a shortcut of zeros, by torch's modules."""

    def __init__(self, inputs, filters, stride, relu):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.stride, self.new, self.relu = stride, filters - inputs, relu

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.new:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
        return self.relu(out + x)


class Network(nn.Module):
    """ResNet-20; the names are those of `deepcanon.vision.ResNet`, so that both begin with the same weights."""

    def __init__(self, relu):
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), relu
        inputs, stages = 16, []
        for filters in (16, 32, 64):
            blocks = []
            for number in range(3):
                blocks.append(Block(inputs, filters, 2 if filters > 16 and not number else 1, relu))
                inputs = filters
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3 = stages
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Ours(Driven):
    """The recipe, driven as the engine drives it."""

    def __init__(self, seed, steps, rows):
        super().__init__(resnet.Recipe, config, facts, rows, data="fashion-mnist", seed=seed, steps=steps)


class Plain:
    """The loop that people write."""

    fused, relu, layout = False, staticmethod(F.relu), torch.contiguous_format

    def __init__(self, seed, steps, rows):
        torch.manual_seed(seed)
        self.module = Network(self.relu)
        self.module.load_state_dict(Ours(seed, steps, rows).module.state_dict())
        self.module.to(memory_format=self.layout)
        self.total, self.step, self.batches = steps, 0, self.fed(rows["train"])
        groups = [[p for p in self.module.parameters() if (p.ndim > 1) is decays] for decays in (True, False)]
        self.optimizer = torch.optim.SGD(
            [{"params": groups[0], "weight_decay": DECAY}, {"params": groups[1]}],
            lr=RATE, momentum=0.9, nesterov=True, fused=self.fused,
        )  # fmt: skip

    def fed(self, split):
        loader = DataLoader(PerImage(split, shift, scale), batch_size=BATCH, shuffle=True, drop_last=True)
        return itertools.chain.from_iterable(itertools.repeat(loader))

    def steps(self, count):
        for images, labels in itertools.islice(self.batches, count):
            for group in self.optimizer.param_groups:
                group["lr"] = RATE * one_cycle(self.step, self.total)
            self.optimizer.zero_grad()
            loss = self.loss(images, labels)
            loss.backward()
            self.optimizer.step()
            self.read(loss)
            self.step += 1

    def loss(self, images, labels):
        return F.cross_entropy(self.module(images), labels)

    def read(self, loss):
        return loss.item()


class Tuned(Plain):
    """The careful user's."""

    fused, relu, layout = True, staticmethod(F.relu_), torch.channels_last

    def fed(self, split):
        x, y = ((split.x.float() - shift) / scale).contiguous(memory_format=self.layout), split.y
        while True:
            for rows in torch.randperm(len(x)).split(BATCH):
                if len(rows) == BATCH:
                    yield x[rows], y[rows]

    def loss(self, images, labels):
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.module(images)
        return F.cross_entropy(logits.float(), labels)

    def read(self, loss):
        """Never."""


LOOPS = {"ours": Ours, "plain": Plain, "tuned": Tuned, "tuned-kept": Tuned}


def speed(loop):
    """Milliseconds of CPU time a step, page faults a step, and milliseconds of them in the kernel."""
    if loop in ("ours", "tuned-kept"):
        keep_freed_memory()  # as `engine.training` does before a run
    return fresh.measured(LOOPS[loop](0, 10_000, data), WARM, STEPS)


def fresh_speed(loop):
    """`speed` in a process of its own."""
    return fresh.speed(__file__, loop)


if __name__ == "__main__":
    fresh.answer(speed)
