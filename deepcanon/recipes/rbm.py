"""A restricted Boltzmann machine of images, of tables (Gaussian units), or of a task of its own.

Task: a density of the data, by CD or PCD. Data: images (a pixel is the probability of a 1), the number columns of a
table (standardised, Gaussian units), or none (`--data ""`): bars and stripes of 4 x 4 pixels, whose entropy is 3.379
nats, or with `--visible gaussian` eight Gaussians on a circle. Metrics: exact negative log-likelihood where a layer has
at most 20 units; on the test split also that by AIS, with three standard errors to each side (MNIST: docs/results).

    deepcanon train rbm --data mnist
"""

from dataclasses import dataclass
from typing import Literal

SYSTEM = "representation.rbm"
DATA = ("images", "tables", "task")
TARGETS = (
    {"run": "bars", "metric": "test/nll", "relation": "<=", "value": 3.6, "statistic": "worst",
     "mark": "X", "source": "B09: 4 x 4 bars and stripes, exact; their entropy is 3.379"},
    {"run": "bars", "metric": "test/ais_gap", "relation": "<=", "value": 0.1, "statistic": "worst",
     "mark": "X", "source": "B09: AIS against enumeration, nats"},
    {"run": "mixture", "metric": "test/gain", "relation": ">=", "value": 0.0, "statistic": "worst",
     "mark": "X", "source": "B09: exact density better than the best single Gaussian, nats"},
    {"run": "mixture", "metric": "test/ais_gap", "relation": "<=", "value": 0.1, "statistic": "worst",
     "mark": "X", "source": "B09: AIS against enumeration, nats"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    hidden: int = 500
    """Hidden units."""
    visible: Literal["auto", "bernoulli", "gaussian"] = "auto"
    """Visible units; auto: of tables Gaussian, of all else binary."""
    method: Literal["pcd", "cd"] = "pcd"
    """Samples of the model: chains that are kept across updates, or short ones from the data."""
    gibbs: int = 1
    """Gibbs steps of an update (k)."""
    binarize: Literal["sample", "threshold", "none"] = "sample"
    """Binary units: pixels are drawn anew at each step, cut at one half, or taken as probabilities."""
    sigma: float = 1.0
    """Gaussian units: their standard deviation, as a share of the data's."""
    learning_rate: float = 0.05
    """At the start; it falls linearly to zero."""
    gaussian_factor: float = 0.1
    """Gaussian units: the learning rate is multiplied by this (0.1 to 0.01)."""
    momentum: float = 0.5
    """Of the stochastic gradient."""
    decay: float = 0.0001
    """L2 penalty of the weights."""
    batch: int = 100
    """Examples per step, and chains of PCD."""
    epochs: int = 25
    """Passes over the training set, where no steps are given."""
    temperatures: int = 1000
    """Steps of AIS on the test split; 0 leaves it out."""
    mixing: int = 500
    """Gibbs steps from independent pixels to a sample that is shown."""
    size: int = 0
    """Images: side in pixels; 0 as they are."""
    channels: int = 0
    """Images: 1 grey, 3 colour; 0 as they are."""
    target: str = ""
    """Tables: the column that is not an input; the last if not given."""
    valid_share: float = 0.1
    """Share of the training data that is held out for validation."""
    test_share: float = 0.1
    """Share that is held out for the test where the data bring none."""


def smoke():
    return Config(hidden=24, batch=50, temperatures=50, mixing=20), {"data": "digits", "steps": 60}


def default():
    return Config(hidden=100, epochs=200), {"data": "digits"}


def paper():
    return Config(method="cd", gibbs=25, temperatures=14_500), {"data": "mnist"}


def verify():
    bars = Config(hidden=32, gibbs=5, decay=0.001, temperatures=10_000)
    mixture = Config(hidden=12, visible="gaussian", gibbs=5, sigma=0.35, temperatures=5_000)
    mnist = {"data": "mnist", "steps": 13_500, "evaluate_every": 13_500, "threads": 1}
    return {
        "bars": (bars, {"data": "", "steps": 20_000, "evaluate_every": 5_000, "threads": 1}),
        "mixture": (mixture, {"data": "", "steps": 5_000, "evaluate_every": 2_500, "threads": 1}),
        "mnist": (Config(temperatures=10_000), mnist),
    }


import math

import torch
from torch import nn

from deepcanon.engine import raw_export
from deepcanon.engine.errors import UsageError
from deepcanon.parts.standardize import Standardize, channel_statistics
from deepcanon.parts.tiles import side_by_side, signed_tiles
from deepcanon.representation.rbm import ENUMERABLE, RBM, annealed_log_partition

SIDE, PATTERNS = 4, 32  # of bars and stripes: pixels of a side; patterns, all equally likely, two of them twice
CENTRES, RADIUS, SPREAD = 8, 2.0, 0.4  # of the mixture: Gaussians on a circle, its radius, their standard deviation
POINTS, WEIGHTS = 10_000, 200  # points of the mixture that are measured; chains of AIS, a weight each


def bars_and_stripes():
    """The 32 patterns [32, 1, 4, 4] as pixels 0 and 255: which rows are on, and the same of columns."""
    lines = ((torch.arange(2**SIDE)[:, None] >> torch.arange(SIDE)) & 1).float()
    rows = lines[:, :, None].expand(-1, -1, SIDE)
    return 255 * torch.cat([rows, rows.mT])[:, None]


def on_the_circle(chosen, noise):
    """Points [N, 2] of the mixture from numbers in [0, 1) and normal noise."""
    angles = 2 * math.pi / CENTRES * (CENTRES * chosen).floor()
    return RADIUS * torch.stack([angles.cos(), angles.sin()], 1) + SPREAD * noise


class Recipe:
    state = ("model", "optimizer", "chains")
    monitor = None  # what can be measured cheaply does not say which weights are best: the last are taken
    parallel = "gradients"
    precisions = ("fp32", "bf16")
    splits = None

    @staticmethod
    def learn(config, data) -> dict:
        kind = data.describe()["kind"]
        gaussian = config.visible == "gaussian" or (config.visible == "auto" and kind == "tables")
        if kind == "tables" and not gaussian:
            raise UsageError("--visible bernoulli is for images: columns of a table are not in [0, 1]")
        if min(config.hidden, config.gibbs, config.batch) < 1 or not config.sigma > 0:
            raise UsageError("--hidden, --gibbs and --batch are at least 1, --sigma is above 0")
        if kind == "task":  # its moments are known
            shape, mean = ([2], torch.zeros(2)) if gaussian else ([1, SIDE, SIDE], torch.full((SIDE**2,), 0.5))
            scale = torch.full((shape[0],), math.sqrt(RADIUS**2 / 2 + SPREAD**2) if gaussian else 255.0)
            return {"shape": shape, "shift": 0 * scale, "scale": scale, "mean": mean, "gaussian": gaussian}
        train = data["train"]
        shape = list(train.x.shape[1:])
        pixels = torch.zeros(shape[0]), torch.full((shape[0],), 255.0)
        shift, scale = channel_statistics(part.x for part in train.chunks()) if gaussian else pixels
        inputs = nn.Sequential(Standardize(shift, scale), nn.Flatten())
        mean = sum(inputs(part.x).double().sum(0) for part in train.chunks()).float() / len(train)
        return {"shape": shape, "shift": shift, "scale": scale, "mean": mean, "gaussian": gaussian}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.task, self.gaussian = facts["reader"]["kind"] == "task", facts["gaussian"]
        self.splits = ("valid", "test") if self.task else None
        self.mean, self.pictures = torch.as_tensor(facts["mean"]), len(facts["shape"]) == 3
        self.base = self.mean if self.gaussian else self.mean.clamp(0.01, 0.99).logit()
        units = {"units": "gaussian", "sigma": config.sigma} if self.gaussian else {}
        self.model = RBM(len(self.mean), config.hidden, **units).to(run.device)
        with torch.no_grad():
            self.model.visible_bias.copy_(self.base)
        scaled = Standardize(torch.as_tensor(facts["shift"]), torch.as_tensor(facts["scale"]))
        self.preprocess = nn.Sequential(scaled, nn.Flatten()).to(run.device)
        self.chains = self.independent(config.batch, run.generator("chains"))[run.rows(config.batch)]
        others = [p for name, p in self.model.named_parameters() if name != "weight"]
        groups = [{"params": [self.model.weight], "weight_decay": config.decay}, {"params": others}]
        self.rate = config.learning_rate * (config.gaussian_factor if self.gaussian else 1)
        self.optimizer = torch.optim.SGD(groups, self.rate, config.momentum, fused=True)

    def plan(self) -> int:
        return self.config.epochs * max(1, (POINTS if self.task else len(self.run.data["train"])) // self.config.batch)

    def independent(self, count, generator):
        """Visible units that know nothing of each other: where chains begin."""
        noise = (torch.randn if self.gaussian else torch.rand)(count, len(self.mean), generator=generator)
        return (self.mean + noise if self.gaussian else (noise < self.mean).to(noise)).to(self.run.device)

    def batch(self, run, count):
        if not self.task:
            return run.batch(run.data["train"], count).x
        chosen = run.rand("task", (count,)).cpu()
        if self.gaussian:
            return on_the_circle(chosen, run.randn("noise", (count, 2)).cpu())
        return bars_and_stripes()[(PATTERNS * chosen).long()]

    def units(self, raw, uniform):
        """Raw values to visible units; `uniform` gives the noise that draws binary ones."""
        x, how = self.preprocess(raw.to(self.run.device)), self.config.binarize
        if self.gaussian or how == "none":
            return x
        return (x > (0.5 if how == "threshold" else uniform().to(x.device))).to(x)

    @torch.no_grad()
    def step(self, step: int) -> dict:
        config, run, model = self.config, self.run, self.model
        data = self.units(self.batch(run, config.batch), lambda: run.rand("pixels", (config.batch, len(self.mean))))
        cd, share, random = config.method == "cd", (run.rank, run.world), run.generator("gibbs")
        start = data if cd else self.chains.to(data)
        with run.autocast():
            chain = model.chain(start, config.gibbs, random, mean=cd and self.gaussian, share=share)
            hidden = chain.hidden if cd else model(data)
            slopes = model.slope(data, chain.visible, hidden)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * (1 - step / max(run.steps, step + 1))
        for parameter, slope in zip((model.weight, model.visible_bias, model.hidden_bias), slopes, strict=True):
            parameter.grad = slope if run.world == 1 else run.sum(slope) / run.world
        self.optimizer.step()
        self.chains = self.chains if cd else chain.visible
        error = {"error": run.sum((data - chain.mean).square().sum()) / config.batch} if cd else {}
        return {"active": run.sum(hidden.float().mean()) / run.world} | error

    @torch.no_grad()
    def reconstruct(self, x):
        return self.model.visible_mean(self.model(x))

    def rows(self, split, count=None):
        """Visible units of a split, with the same noise at each call; of bars and stripes every pattern."""
        random = torch.Generator().manual_seed(("train", "valid", "test").index(split))
        if not self.task:
            raw = self.run.data[split].x[slice(count)]
        elif self.gaussian:
            raw = on_the_circle(torch.rand(POINTS, generator=random), torch.randn(POINTS, 2, generator=random))
        else:
            raw = bars_and_stripes()
        return self.units(raw, lambda: torch.rand(len(raw), len(self.mean), generator=random))

    def energies(self, x):
        return torch.cat([self.model.free_energy(part) for part in x.split(2000)])

    def evaluate(self, split: str) -> dict:
        x, config = self.rows(split), self.config
        energy = self.energies(x).double().mean()
        found = {"free_energy": energy, "error": (x - self.reconstruct(x)).square().sum(1).mean()}
        if not self.task and split != "train":  # both rise and fall together until the machine learns by heart
            found["free_energy_gap"] = energy - self.energies(self.rows("train", len(x))).double().mean()
        if config.hidden <= ENUMERABLE or (len(self.mean) <= ENUMERABLE and not self.gaussian):
            found["nll"] = energy + self.model.log_partition()
        if self.task and self.gaussian:
            found["nll_gaussian"] = 0.5 * torch.logdet(2 * math.pi * math.e * torch.cov(x.double().T))  # its best fit
            found |= {"gain": found["nll_gaussian"] - found["nll"]} if "nll" in found else {}
        if split == "test" and config.temperatures:
            how = {"base": self.base, "temperatures": config.temperatures, "chains": WEIGHTS}
            ais = annealed_log_partition(*self.model.parts(), generator=self.run.generator("ais"), **how)
            found |= {f"nll_ais{n}": energy + z for n, z in zip(("", "_low", "_high"), ais, strict=True)}
            found |= {"ais_gap": (found["nll_ais"] - found["nll"]).abs()} if "nll" in found else {}
        return found

    def sample(self, count, generator, start=None):
        """Visible units after `mixing` steps; of binary ones the probabilities of the last step."""
        v = self.independent(count, generator) if start is None else start
        v = self.model.gibbs(v.to(self.model.weight), self.config.mixing, generator)
        return v if self.gaussian else self.reconstruct(v)

    def raw(self, x):
        """Standardised units back to raw values; pictures as pixels."""
        shift, scale = self.preprocess[0].shift, self.preprocess[0].scale
        ends = (-1, *[1] * (len(self.facts["shape"]) - 1))
        values = x.view(-1, *self.facts["shape"]) * scale.view(ends) + shift.view(ends)
        return values.round().clamp(0, 255).to(torch.uint8) if self.pictures else values

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        shown: dict = {}
        if self.pictures:
            shown["filters"] = signed_tiles(self.model.weight.T[:100], self.facts["shape"]).numpy()
            start, random = self.chains[:100] if self.config.method == "pcd" else None, torch.Generator().manual_seed(0)
            shown["chains"] = self.raw(self.sample(100, random, start)).cpu().numpy()
        if self.task and self.gaussian:  # the density over the plane
            line = torch.linspace(-2.2, 2.2, 111)
            energy = self.energies(torch.cartesian_prod(-line, line).flip(1).to(self.model.weight))
            shown["density"] = (energy.min() - energy).exp().view(111, 111).cpu().numpy()
        if self.task:
            return shown
        sets = {name: self.rows(name, 2000) for name in ("train", "valid") if name in self.run.data}
        if self.pictures:
            x = sets.get("valid", sets["train"])[:24]
            shown["reconstructions"] = side_by_side((x, self.reconstruct(x)), self.facts["shape"]).numpy()
        shown["free-energy"] = figure = Figure(figsize=(5, 3.2), layout="constrained")
        axes = figure.subplots()
        energies = [self.energies(rows).cpu().numpy() for rows in sets.values()]
        axes.hist(energies, 40, density=True, histtype="step", label=list(sets))
        axes.legend(title="free energy, nats")  # those of validation run away where it learns by heart
        return shown

    def encode(self, inputs):
        return torch.cat([self.model(self.preprocess(x.to(self.run.device))) for x in inputs.split(2000)])

    def predict(self, inputs) -> list[dict]:
        """The free energy of each input, low where data are likely."""
        return [{"value": float(e)} for e in self.energies(self.preprocess(inputs.to(self.run.device)))]

    def generate(self, prompt="", count=1, temperature=1.0, beam=0, generator=None, **options):
        if temperature != 1:
            raise UsageError("an RBM is sampled as it is: leave --temperature out")
        samples = self.raw(self.sample(count, generator)).cpu()
        if self.pictures:
            return samples
        return [{"text": " ".join(f"{v:.4f}" for v in row), "point": row} for row in samples.tolist()]

    def export(self):
        module, facts = nn.Sequential(self.preprocess, self.model), self.facts
        return raw_export(module, facts["shape"], facts["reader"], self.run.device, ("code",), {"task": "encode"})
