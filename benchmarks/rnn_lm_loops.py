"""Three loops that train `rnn-lm`'s network, and the speed of one of them in a process of its own.

`Ours` is the recipe's step, driven as the engine drives it. `Plain` is the usual script: nn.Embedding, nn.LSTM,
nn.Linear in fp32, the optimizer as it is by default, the loss read in every step. `Tuned` is what a careful user makes
of it: bf16 autocast, a fused optimizer, the loss read never. All read the same windows of the same text, have the same
layers, rule, rate and limit of the norm, and can begin with the same weights.

How fast a step is depends on the state of the heap (`engine/memory.py`), so speeds are measured in fresh processes:

    python benchmarks/rnn_lm_loops.py ours|plain|tuned|tuned-kept MODEL      prints a line of JSON
"""

import functools
from typing import NamedTuple

import fresh
import torch
import torch.nn.functional as F
from torch import nn

from deepcanon.data import open_data
from deepcanon.engine.memory import keep_freed_memory
from deepcanon.engine.run import Run
from deepcanon.engine.training import make, seed_generators
from deepcanon.parts.recurrence import streams, window
from deepcanon.recipes import rnn_lm
from deepcanon.settings import Settings

CLIP = 5.0


class Shape(NamedTuple):
    """A model, its data and how it is trained; `steps` of a measurement."""

    data: str
    unit: str
    vocabulary: int  # most tokens that are kept; 0: all
    hidden: int  # of the embedding too
    layers: int
    batch: int
    window: int
    optimizer: str
    rate: float
    steps: int


SHAPES = {
    "small": Shape("ptb", "words", 10_000, 200, 2, 20, 20, "sgd", 1.0, 30),
    "medium": Shape("ptb", "words", 10_000, 650, 2, 20, 35, "sgd", 1.0, 4),
    "characters": Shape("tinyshakespeare", "characters", 0, 512, 1, 32, 64, "adamw", 1e-3, 10),
}


@functools.cache
def opened(shape):
    """Configuration, data and facts of the recipe."""
    config = rnn_lm.Config(
        unit=shape.unit, vocabulary=shape.vocabulary, hidden=shape.hidden, embedding=shape.hidden, layers=shape.layers,
        dropout=0.0, batch=shape.batch, window=shape.window, optimizer=shape.optimizer, learning_rate=shape.rate,
        schedule="constant", momentum=0.0, weight_decay=0.0, clip=CLIP,
    )  # fmt: skip
    data = open_data(("text",), shape.data, seed=0)
    return config, data, {**rnn_lm.Recipe.learn(config, data), "reader": data.describe()}


class Ours:
    """The recipe, driven as the engine drives it."""

    def __init__(self, shape, seed):
        config, data, facts = opened(shape)
        settings = Settings(data=shape.data, seed=seed, steps=10_000, threads=1, precision="bf16", device="cpu")
        self.run = Run(settings, None, lambda: data)
        self.recipe = make(rnn_lm.Recipe, config, facts, self.run)
        self.losses = []

    @property
    def weights(self):
        return self.recipe.model.state_dict()

    def steps(self, count):
        for _ in range(count):
            seed_generators(self.run.seed, self.run.step, "step/0")
            self.losses.append(self.recipe.step(self.run.step)["loss"])
            self.run.step += 1


class Network(nn.Module):
    """The usual script's model; its state dict is the recipe's."""

    def __init__(self, vocabulary, hidden, layers):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.recurrent = nn.LSTM(hidden, hidden, layers, batch_first=True)
        self.output = nn.Linear(hidden, vocabulary)

    def forward(self, x, state):
        h, state = self.recurrent(self.embedding(x), state)
        return self.output(h), state


class Plain:
    """The usual script.

    Args:
        weights: to begin with; the modules' own if not given.
    """

    fused, reads, half = False, True, False

    def __init__(self, shape, seed, weights=None):
        _, data, facts = opened(shape)
        torch.manual_seed(seed)
        vocabulary = rnn_lm.Vocabulary.from_json(facts["vocabulary"])
        self.vocabulary, self.shape = len(vocabulary), shape
        self.module = Network(self.vocabulary, shape.hidden, shape.layers)
        if weights is not None:
            self.module.load_state_dict(weights)
        parameters = self.module.parameters()
        if shape.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(parameters, shape.rate, fused=self.fused)
        else:
            self.optimizer = torch.optim.Adam(parameters, shape.rate, betas=(0.9, 0.99), fused=self.fused)
        self.x, self.y = streams(vocabulary.encode(data["train"].x), shape.batch)
        self.state, self.step, self.losses = None, 0, []

    def steps(self, count):
        for _ in range(count):
            here = window(self.step, self.x.shape[1], self.shape.window)
            x, y = self.x[:, here.start : here.stop], self.y[:, here.start : here.stop]
            self.optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
                logits, state = self.module(x, self.state)
                loss = F.cross_entropy(logits.reshape(-1, self.vocabulary), y.reshape(-1))
            loss.backward()
            nn.utils.clip_grad_norm_(self.module.parameters(), CLIP)
            self.optimizer.step()
            self.state = tuple(part.detach() for part in state)
            self.losses.append(loss.item() if self.reads else loss.detach())
            self.step += 1


class Tuned(Plain):
    """The careful user's."""

    fused, reads, half = True, False, True


LOOPS = {"ours": Ours, "plain": Plain, "tuned": Tuned, "tuned-kept": Tuned}


def speed(loop, name):
    """Milliseconds of CPU time a step, page faults a step, and milliseconds of them in the kernel."""
    if loop in ("ours", "tuned-kept"):
        keep_freed_memory()  # as `engine.training` does before a run
    shape = SHAPES[name]
    trainer = LOOPS[loop](shape, 0)
    return fresh.measured(trainer, max(3, shape.steps // 5), shape.steps)


def fresh_speed(loop, name):
    """`speed` in a process of its own."""
    return fresh.speed(__file__, loop, name)


if __name__ == "__main__":
    fresh.answer(speed)
