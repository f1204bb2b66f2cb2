"""DQN's update and its step against a tuned loop in torch, which does the same: CPU microseconds.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OMP_NUM_THREADS=1 python benchmarks/dqn_update.py

    update  the network from one batch of transitions at hand (four batches after another, a quarter of their time)
    step    the recipe's own step as the engine drives it: seeding, acting in eight environments, replay, four updates,
            the metrics read as numbers; the peer steps the same environments, and keeps its replay in tensors

The tuned peer takes the targets of all four batches from one product, gathers, sets gradients to None, clips with
foreach, and uses fused Adam; it never reads the loss. `benchmarks/dqn.py` compares with stable-baselines3.

Equal quality: from one start both make the same 200 updates; their weights stay equal, for three seeds.
"""

import copy
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

from record import cpu_seconds, interleaved, ratio, record

from deepcanon.engine.instances import make, seed_generators
from deepcanon.engine.run import Run
from deepcanon.environments.vector import SCALES, Environments
from deepcanon.recipes.dqn import Config, Recipe
from deepcanon.settings import Settings

ENVIRONMENT, CONFIG, ROUNDS = "CartPole-v1", Config(anneal=False), 9
UPDATES, STEPS, COMPARED = 100, 200, 50
PER = CONFIG.updates


def recipe_of(seed=0):
    run = Run(Settings(data=ENVIRONMENT, seed=seed, steps=10**6, device="cpu", threads=1, precision="fp32"))
    reader = {"id": ENVIRONMENT, "observation": [4], "actions": 2}
    return make(Recipe, CONFIG, {"scale": list(SCALES[ENVIRONMENT]), "reader": reader}, run)


def driven(recipe):
    run = recipe.run
    seed_generators(run.seed, run.step, "step/0")
    found = {name: float(value) for name, value in recipe.step(run.step).items()}
    run.step += 1
    return found


class Tuned:
    """The same network, update and agent in torch."""

    def __init__(self, model=None):
        c = CONFIG
        sizes = (4, *c.hidden)
        layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
        self.model = nn.Sequential(*layers, nn.Linear(sizes[-1], 2))
        if model is not None:
            for mine, other in zip(self.model.parameters(), model.parameters(), strict=True):
                mine.data.copy_(other.data)
        self.target = copy.deepcopy(self.model).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.model.parameters(), c.learning_rate, fused=True)
        self.environments, self.scale = Environments(ENVIRONMENT, c.environments, 0), torch.tensor(SCALES[ENVIRONMENT])
        size, kinds = c.replay_size, (torch.float32, torch.int64, torch.float32, torch.bool, torch.float32)
        shapes = ((size, 4), (size,), (size,), (size,), (size, 4))
        self.replay = [torch.zeros(shape, dtype=kind) for shape, kind in zip(shapes, kinds, strict=True)]
        self.written = self.updates = 0
        self.random = np.random.default_rng(0)

    def learn(self, observation, action, reward, terminated, successor):
        with torch.no_grad():
            future = self.target(successor).amax(1).masked_fill_(terminated, 0.0)
            goals = future.mul_(CONFIG.discount).add_(reward).chunk(PER)
        rows = zip(observation.chunk(PER), action.unsqueeze(1).chunk(PER), goals, strict=True)
        for o, a, goal in rows:
            loss = nn.functional.huber_loss(self.model(o).gather(1, a).squeeze(1), goal, delta=CONFIG.delta)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), CONFIG.gradient_clip, foreach=True)
            self.optimizer.step()
        self.updates += PER
        if self.updates % CONFIG.target_period < PER:
            for mine, other in zip(self.target.parameters(), self.model.parameters(), strict=True):
                mine.data.copy_(other.data)

    def step(self):
        c, environments = CONFIG, self.environments
        share = max(c.epsilon_end, 1 - environments.steps / c.explore)
        observation = torch.from_numpy(environments.observation) / self.scale
        with torch.no_grad():
            best = self.model(observation).argmax(1).numpy()
        random = self.random.integers(2, size=c.environments)
        action = np.where(self.random.random(c.environments) < share, random, best)
        result = environments.step(action)
        rows = torch.arange(self.written, self.written + c.environments) % c.replay_size
        successor = torch.from_numpy(result.successor) / self.scale
        given = (observation, *map(torch.from_numpy, (action, result.reward, result.terminated)), successor)
        for column, values in zip(self.replay, given, strict=True):
            column[rows] = values.to(column.dtype)
        self.written += c.environments
        if environments.steps >= c.warmup:
            chosen = torch.randint(min(self.written, c.replay_size), (PER * c.batch,))
            self.learn(*(column[chosen] for column in self.replay))


def transitions(random):
    n = PER * CONFIG.batch
    return {
        "observation": torch.from_numpy(random.normal(size=(n, 4)).astype(np.float32)),
        "action": torch.from_numpy(random.integers(2, size=n)),
        "reward": torch.ones(n),
        "terminated": torch.from_numpy(random.random(n) < 0.05),
        "successor": torch.from_numpy(random.normal(size=(n, 4)).astype(np.float32)),
    }


def equal_quality():
    """The largest gap between the weights of the recipe and of the peer, relative to the largest weight."""
    worst = 0.0
    for seed in range(3):
        recipe, random = recipe_of(seed), np.random.default_rng(seed)
        peer = Tuned(recipe.model)
        for _ in range(COMPARED):
            batches = transitions(random)
            recipe.learn_from(batches)
            peer.learn(**batches)
        for a, b in zip(recipe.model.parameters(), peer.model.parameters(), strict=True):
            worst = max(worst, float((a - b).detach().abs().max() / b.detach().abs().max()))
    return worst


def timed(work, count, per=1):
    return lambda: 1e6 * cpu_seconds(lambda: [work() for _ in range(count)]) / (count * per)


def compared(unit, variants, common, target):
    for measure in variants.values():
        measure()
    found = interleaved(variants, ROUNDS)
    middle = {side: round(sorted(values)[len(values) // 2], 1) for side, values in found.items()}
    return {
        **common, "peer": "torch, tuned loop", "unit": unit, "ours": middle["ours"], "peers": middle["tuned"],
        "ratio": round(ratio(found["ours"], found["tuned"], larger_is_better=False), 2), "target": target,
        "recipe_by_autograd": middle["autograd"],
    }  # fmt: skip


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    gap = equal_quality()
    assert gap < 1e-3, f"the weights differ by {gap:.2g}"
    quality = f"after {PER * COMPARED} equal updates the weights differ by {gap:.0e} of the largest, for three seeds"
    common = {"version": torch.__version__, "quality": quality}
    batches = transitions(np.random.default_rng(0))
    ours, torchs, tuned = recipe_of(), recipe_of(), Tuned()
    torchs.by_hand = False
    assert ours.by_hand
    variants = {
        "ours": timed(lambda: ours.learn_from(batches), UPDATES, PER),
        "tuned": timed(lambda: tuned.learn(**batches), UPDATES, PER),
        "autograd": timed(lambda: torchs.learn_from(batches), UPDATES, PER),
    }
    rows = [compared("CPU-us per update", variants, common, 2.5)]
    ours, torchs, tuned = recipe_of(), recipe_of(), Tuned()
    torchs.by_hand = False
    variants = {
        "ours": timed(lambda: driven(ours), STEPS),
        "tuned": timed(tuned.step, STEPS),
        "autograd": timed(lambda: driven(torchs), STEPS),
    }
    unit = f"CPU-us per step ({CONFIG.environments} environments, {PER} updates)"
    rows.append(compared(unit, variants, common, 2.5))
    record("dqn", rows)


if __name__ == "__main__":
    main()
