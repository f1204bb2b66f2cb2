"""Perceptrons of at most 10,000 weights against the loops that people write in torch: CPU microseconds per step.

Three ways, on one thread, alternating round by round in one process:
    ours    the recipe's own step as the engine drives it: seeding, batch, schedule, update, the loss read as a number
    inner   the written-out update alone: rows taken by a permutation, gradient, optimizer
    peers   tuned: rows in memory taken by a permutation, fused AdamW, gradients set to None, the loss never read
            plain: a DataLoader of a TensorDataset, AdamW as torch gives it, loss.item() in each step

Equal quality: with one start, one order and one rate the losses of ours and the tuned peer are the same, for three
seeds. Nothing is claimed above 100,000 weights. The row of 85,002 weights gains by NumPy's BLAS as much as by fewer
calls: the script prints the rates of both libraries, which differ by processor. The floor is that of the faster one.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OMP_NUM_THREADS=1 python benchmarks/mlp.py
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

from record import cpu_seconds, gemm_rate, interleaved, ratio, record

from deepcanon.data.splits import Dataset, Split
from deepcanon.engine.by_hand import OneBlasThread
from deepcanon.engine.instances import make, seed_generators
from deepcanon.engine.run import Run
from deepcanon.parts.flat_perceptron import FlatPerceptron, cross_entropy_slopes
from deepcanon.recipes.mlp import Config, Recipe
from deepcanon.settings import Settings

RATE, STEPS, ROUNDS, COMPARED = 1e-3, 300, 9, 200
CASES = [  # widths, batch, target against the tuned peer
    ((20, 64, 64, 4), 32, 2.5),
    ((20, 64, 64, 4), 128, 2.0),
    ((64, 100, 10), 32, 2.5),
    ((64, 100, 10), 128, 2.0),
    ((64, 256, 256, 10), 128, 1.0),
]


def rows_of(sizes):
    """Digits, or a made-up table with as many columns and classes."""
    if sizes[0] == 64:
        x, y = load_digits(return_X_y=True)
        return torch.tensor(x), torch.tensor(y)
    generator = torch.Generator().manual_seed(0)
    x, way = (torch.randn(n, sizes[0], generator=generator, dtype=torch.float64) for n in (2000, sizes[-1]))
    return x, (x @ way.T + torch.randn(2000, sizes[-1], generator=generator)).argmax(1)


def standardized(x):
    return ((x - x.mean(0)) / x.std(0, correction=0).clamp(min=1e-9)).float()


class Ours:
    """The recipe, driven as the engine drives it."""

    def __init__(self, sizes, batch, seed=0, backward="auto"):
        x, y = rows_of(sizes)
        data = Dataset("tables", {"train": Split(x, y)}, {"classes": [str(i) for i in range(sizes[-1])]})
        options = {"optimizer": "adamw", "learning_rate": RATE, "schedule": "constant", "backward": backward}
        config = Config(hidden=sizes[1:-1], batch=batch, **options)
        settings = Settings(data="", seed=seed, steps=10**6, device="cpu", threads=1, precision="fp32")
        self.run = Run(settings, None, lambda: data)
        facts = {**Recipe.learn(config, data), "reader": data.describe()}
        self.recipe = make(Recipe, config, facts, self.run)

    def step(self):
        run = self.run
        seed_generators(run.seed, run.step, "step/0")
        loss = {name: float(value) for name, value in self.recipe.step(run.step).items()}["loss"]
        run.step += 1
        return loss


class Peer:
    """A loop by hand in torch."""

    def __init__(self, sizes, batch, model=None, order=None):
        x, y = rows_of(sizes)
        self.x, self.y, self.batch, self.model = standardized(x), y, batch, model or network(sizes)
        self.order, self.at = torch.randperm(len(x)) if order is None else order, 0
        self.optimizer = torch.optim.AdamW(self.model.parameters(), RATE, weight_decay=0.0, fused=True)

    def rows(self):
        if self.at + self.batch > len(self.order):
            self.at, self.order = 0, torch.randperm(len(self.x))
        rows = self.order[self.at : self.at + self.batch]
        self.at += self.batch
        return rows


class Tuned(Peer):
    def step(self):
        rows = self.rows()
        loss = nn.functional.cross_entropy(self.model(self.x[rows]), self.y[rows])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss


class Inner(Peer):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.flat = FlatPerceptron([layer for layer in self.model if isinstance(layer, nn.Linear)])
        self.columns, self.labels = self.x.numpy(), self.y.numpy()

    def step(self):
        rows = self.rows().numpy()
        labels = self.labels[rows]
        with OneBlasThread():
            loss = self.flat.gradient(self.columns.take(rows, 0), lambda z: cross_entropy_slopes(z, labels))
            self.flat.step(self.optimizer)
        return loss


class Plain(Peer):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), RATE)
        rows = torch.utils.data.TensorDataset(self.x, self.y)
        self.loader = torch.utils.data.DataLoader(rows, self.batch, shuffle=True, drop_last=True)
        self.batches = iter(())

    def step(self):
        x, y = next(self.batches, (None, None))
        if x is None:
            self.batches = iter(self.loader)
            x, y = next(self.batches)
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def network(sizes):
    layers = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def equal_quality(sizes, batch):
    """The largest relative gap of the losses of three seeds, ours and the tuned peer from one start in one order."""
    worst, last = 0.0, []
    for seed in range(3):
        ours = Ours(sizes, batch, seed)
        order = []
        for step in range(COMPARED):
            ours.run.step = step
            order.append(ours.run.indices(len(ours.run.data["train"]), batch))
        ours.run.step = 0
        model = network(sizes)
        model.load_state_dict({k.removeprefix("layers."): v for k, v in ours.recipe.model.state_dict().items()})
        peer = Tuned(sizes, batch, model, torch.cat(order))
        pairs = [(ours.step(), float(peer.step().detach())) for _ in range(COMPARED)]
        worst = max(worst, *(abs(a - b) / abs(b) for a, b in pairs))
        last.append(pairs[-1][0])
    return worst, last


def numpy_rate(n=256, repeats=30):
    """`gemm_rate` of NumPy."""
    a, b = (np.random.default_rng(0).normal(size=(n, n)).astype(np.float32) for _ in range(2))
    with OneBlasThread():
        return 2 * n**3 * repeats / cpu_seconds(lambda: [a @ b for _ in range(repeats)])


def floor_of(sizes, batch, rate):
    """Microseconds of the products alone: forward, and twice that backward, without the gradient of the inputs."""
    products = sum(a * b for a, b in pairwise(sizes))
    return 1e6 * 2 * batch * (3 * products - sizes[0] * sizes[1]) / rate


def per_step(step):
    return lambda: 1e6 * cpu_seconds(lambda: [step() for _ in range(STEPS)]) / STEPS


def median(values):
    return sorted(values)[len(values) // 2]


def main():
    torch.set_num_threads(1)
    rows = []
    measures = {"torch": lambda: gemm_rate(torch.float32, 256), "NumPy": numpy_rate}
    rates = {name: max(measure() for _ in range(9)) for name, measure in measures.items()}
    print(", ".join(f"{name} {rate / 1e9:.0f} GFLOP/s" for name, rate in rates.items()))
    for sizes, batch, target in CASES:
        gap, last = equal_quality(sizes, batch)
        assert gap < 1e-4, f"the losses differ by {gap:.2g}"
        torch.manual_seed(0)
        weights = sum(a * b + b for a, b in pairwise(sizes))
        steps = {
            "ours": Ours(sizes, batch).step,
            "tuned": Tuned(sizes, batch).step,
            "inner": Inner(sizes, batch).step,
            "plain": Plain(sizes, batch).step,
            "autograd": Ours(sizes, batch, backward="autograd").step,
        }
        for step in steps.values():
            [step() for _ in range(50)]
        found = interleaved({name: per_step(step) for name, step in steps.items()}, ROUNDS)
        name = "-".join(map(str, sizes))
        floor = floor_of(sizes, batch, max(rates.values()))
        quality = (
            f"losses of {COMPARED} steps equal to {gap:.0e} for three seeds, the last "
            f"{', '.join(f'{value:.3f}' for value in last)}"
        )
        alone = ratio(found["inner"], found["tuned"], larger_is_better=False)
        for peer in ("tuned", "plain") if batch == 32 else ("tuned",):
            rows.append({
                "peer": f"torch, {peer} loop", "version": torch.__version__,
                "unit": f"CPU-us per step of {name} ({weights:,} weights), batch {batch}",
                "ours": round(median(found["ours"]), 1), "peers": round(median(found[peer]), 1),
                "ratio": round(ratio(found["ours"], found[peer], larger_is_better=False), 2), "target": target,
                "floor": round(floor, 1), "quality": quality, "update_alone": round(median(found["inner"]), 1),
            })  # fmt: skip
        print(f"{name}, batch {batch}: the update alone {alone:.2f} times as quick as the tuned loop")
        print(f"{name}, batch {batch}: the recipe's step by autograd {median(found['autograd']):.1f} us")
    record("mlp", rows)


if __name__ == "__main__":
    main()
