"""A step of the adversarial pair of the recipe on digits against loops in torch: images per CPU second.

    make bench NAME=gan          (MNIST under $DEEPCANON_DATA, or it is downloaded)

Batch 64, the recipe's default widths and dropout, one thread, the variants alternating in one process.
    ours    the recipe's own step as the engine drives it: seeding, moving average of the generator, metrics as numbers
    plain   the loop of the tutorials in fp32: a DataLoader, Adam as torch gives it, loss.item() of both players
    tuned   rows in memory by a permutation, channels_last, fused Adam, bf16 where the processor has it, nothing read
The peers' players are the same layers with torch's own batch normalisation, and share the samples between both updates.
Quality: without dropout, with one start, one noise and one order of the digits, the losses of ours and the plain loop
in fp32 are the same to the share that is printed.
"""

import copy
import statistics

import torch
from record import cpu_seconds, interleaved, ratio, record
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.utils.data import DataLoader, TensorDataset

from deepcanon.data import open_data
from deepcanon.engine.instances import make, seed_generators
from deepcanon.engine.precision import has_bf16
from deepcanon.engine.run import Run
from deepcanon.parts.batch_norm import BatchNorm2d
from deepcanon.recipes.gan import Config, Recipe
from deepcanon.settings import Settings

STEPS, ROUNDS, COMPARED, TOLERANCE = 40, 7, 5, 1e-3
PRECISION = "bf16" if has_bf16("cpu") else "fp32"
TARGETS = {"plain": 1.5, "tuned": 1.0}


class Ours:
    def __init__(self, data, precision, **options):
        settings = Settings(data="mnist", seed=0, steps=10**6, threads=1, device="cpu", precision=precision)
        self.run = Run(settings, None, lambda: data)
        config = Config(decay=False, **options)
        facts = {**Recipe.learn(config, data), "reader": data.describe()}
        self.recipe = make(Recipe, config, facts, self.run)

    def step(self):
        run = self.run
        seed_generators(run.seed, run.step, "step/0")
        found = {name: float(value) for name, value in self.recipe.step(run.step).items()}
        run.step += 1
        return found["loss"], found["loss_generator"]


def by_torch(layers):
    """The layers of a player with torch's own batch normalisation, and the same weights."""
    made = []
    for layer in layers:
        if isinstance(layer, BatchNorm2d):
            kind = nn.BatchNorm2d if type(layer) is BatchNorm2d else nn.BatchNorm1d
            made.append(kind(len(layer.weight)))
        else:
            made.append(copy.deepcopy(layer))
    copied = nn.Sequential(*made)
    copied.load_state_dict(layers.state_dict(), strict=False)
    return copied


class Peer:
    def __init__(self, data, tuned, ours):
        model = ours.recipe.model
        self.tuned, self.noise, self.batch = tuned, ours.recipe.config.noise, ours.recipe.config.batch
        self.generator = nn.Sequential(by_torch(model.generator.layers), nn.Tanh())
        self.discriminator = by_torch(model.discriminator.layers)
        self.x = ours.recipe.preprocess(data["train"].x)
        options = {"lr": 1e-3, "betas": (0.5, 0.999), **({"fused": True} if tuned else {})}
        if tuned:
            self.x = self.x.contiguous(memory_format=torch.channels_last)
            for player in (self.generator, self.discriminator):
                player.to(memory_format=torch.channels_last)
        self.optimizers = [torch.optim.Adam(p.parameters(), **options) for p in (self.generator, self.discriminator)]
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=tuned and PRECISION == "bf16")
        self.batches = iter(())

    def rows(self):
        if self.tuned:
            chosen = next(self.batches, None)
            if chosen is None:
                self.batches = iter(torch.randperm(len(self.x)).split(self.batch)[:-1])
                chosen = next(self.batches)
            return self.x[chosen]
        found = next(self.batches, None)
        if found is None:
            loader = DataLoader(TensorDataset(self.x), self.batch, shuffle=True, drop_last=True)
            self.batches = iter(loader)
            found = next(self.batches)
        return found[0]

    def step(self, real=None, noise=None):
        real = self.rows() if real is None else real
        noise = torch.randn(self.batch, self.noise) if noise is None else noise
        of_generator, of_discriminator = self.optimizers
        ones, zeros = torch.ones(self.batch, 1), torch.zeros(self.batch, 1)
        with self.autocast:
            fake = self.generator(noise)
            of_real, of_fake = self.discriminator(real), self.discriminator(fake.detach())
        loss = bce(of_real.float(), ones) + bce(of_fake.float(), zeros)
        of_discriminator.zero_grad()
        loss.backward()
        of_discriminator.step()
        with self.autocast:
            judged = self.discriminator(fake)
        other = bce(judged.float(), ones)
        of_generator.zero_grad()
        other.backward()
        of_generator.step()
        return (loss, other) if self.tuned else (loss.item(), other.item())


def difference(data):
    """The largest relative difference of the losses in the first steps of ours and the plain loop."""
    ours = Ours(data, "fp32", dropout=0.0)
    peer, seen, run = Peer(data, False, ours), {}, ours.run
    batch, randn = run.batch, run.randn

    def kept_batch(*given):
        seen["x"] = batch(*given)
        return seen["x"]

    def kept_noise(*given):
        seen["noise"] = randn(*given)
        return seen["noise"]

    run.batch, run.randn = kept_batch, kept_noise
    worst = 0.0
    for _ in range(COMPARED):
        mine = ours.step()
        theirs = peer.step(ours.recipe.preprocess(seen["x"].x), seen["noise"])
        worst = max(worst, *(abs(a - b) / b for a, b in zip(mine, theirs, strict=True)))
    return worst


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = open_data(("images",), "mnist", options={"images": {"valid_share": 0.0}})
    gap = difference(data)
    print(f"losses of {COMPARED} steps differ by {gap:.1e}")
    assert gap <= TOLERANCE, "the ratio does not count: the losses differ"
    ours = {precision: Ours(data, precision) for precision in dict.fromkeys((PRECISION, "fp32"))}
    runs = {f"ours in {precision}": one for precision, one in ours.items()}
    for name in TARGETS:
        runs[name] = Peer(data, name == "tuned", Ours(data, "fp32"))
    rate = {
        name: lambda one=one: STEPS * 64 / cpu_seconds(lambda: [one.step() for _ in range(STEPS)])
        for name, one in runs.items()
    }
    interleaved(rate, 1)
    found, rows = interleaved(rate, ROUNDS), []
    words = {"plain": "PyTorch, plain loop in fp32", "tuned": f"PyTorch, tuned loop in {PRECISION}"}
    for precision in ours:
        for name, target in TARGETS.items():
            if name == "tuned" and precision != PRECISION:
                continue
            mine = found[f"ours in {precision}"]
            rows.append(
                {
                    "peer": words[name],
                    "version": torch.__version__,
                    "ours": statistics.median(mine),
                    "peers": statistics.median(found[name]),
                    "unit": f"images per CPU second, ours in {precision}",
                    "ratio": ratio(mine, found[name]),
                    "target": target,
                    "quality": f"losses of {COMPARED} steps of both players equal to {gap:.0e} in fp32",
                }
            )
    record("gan", rows)


if __name__ == "__main__":
    main()
