"""Generative adversarial network on a folder of images, or on the rows of a table.

Task: samples like the data, without labels. Data: images (grey or colour, of any size that halves,
such as --size 32) or number columns (standardised). Metrics: on labelled images with --score a
classifier judges the samples: the share of which it is sure, the classes among those, and the
Frechet distance in its features, next to that of two real sets; on gaussians-25 and gaussians-8,
whose centres are known, modes, share of good samples, reverse KL. Papers give no figures for these;
ours are in docs/results. MNIST: 8 minutes on one core, letters 2.

    deepcanon train gan --data mnist
"""

from dataclasses import dataclass, replace
from typing import Literal

from deepcanon.model_options import Adversarial
from deepcanon.options import Count, Images, Share, Tables, Whole
from deepcanon.targets import SAMPLES, metric, target

SYSTEM = "generative.gan"
DATA = ("images", "tables")
METRICS = {
    "value": metric("value of the game, -log 4 if real and fake cannot be told apart", "nats"),
    "train/loss_generator": metric("the generator's loss", "nats", "min"),
    "*_found": metric("share of the batch's real or fake examples classified correctly", "share"),
    **SAMPLES,
}
TARGETS = (
    target("mnist", "test/judge_accuracy >= 0.99", "P", "a judge that errs says nothing"),
    target("mnist", "test/confident >= 0.8", "P", "share of samples with p > 0.9"),
    target("mnist", "worst test/smallest_class >= 0.02", "P", "each class among the confident"),
    target("mnist", "test/class_kl <= 0.03", "P", "KL of the class histogram"),
    target("mnist", "test/frechet <= 60", "P", "judge's features; see frechet_floor"),
    target("mnist", "worst cpu_seconds <= 480", "P", "eight minutes of one core"),
    target("mnist-untrained", "worst test/passed == 0 +- 0", "X", "a generator after one step"),
    target("mnist-200-steps", "worst test/passed == 0 +- 0", "X", "a generator after 200 steps"),
    target("gaussians-25", "test/good >= 0.2", "P", "within 3 sigma; real data 1 - exp(-9/2)"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Tables, Adversarial):
    width: Count = 32
    """Channels of the largest feature map; each halving of the side doubles them."""
    generator_hidden: Whole = 256
    """Units of the generator's layer between noise and smallest map; 0 for none, as in DCGAN."""
    discriminator_hidden: Whole = 128
    """Units of the discriminator's layer between last map and logit; 0 for none, as in DCGAN."""
    dropout: Share = 0.3
    """Dropout after each nonlinearity of the discriminator of images."""
    hidden: Count = 128
    """Units of each hidden layer when the data are a table."""
    loss: Literal["non-saturating", "minimax"] = "non-saturating"
    """The generator's loss: equation (5) or (6)."""
    smoothing: Share = 0.0
    """One-sided label smoothing: the discriminator's target for data is 1 minus this."""
    batch_norm: bool = True
    """Batch normalisation in the discriminator too."""


SMALL = Config(width=4, generator_hidden=16, discriminator_hidden=8, dropout=0.0, hidden=16)
NET = Config(noise=100, width=64, generator_hidden=0, discriminator_hidden=0, dropout=0.0)
DCGAN = replace(NET, batch=128, learning_rate=2e-4, decay=False, average=0.0)
JUDGED = Config(score=True)
MNIST = {"data": "mnist", "steps": 9_500, "evaluate_every": 2_000}
POINTS = Config(noise=2, batch=256, discriminator_rate=2.0, samples=2_500)
PLANE = {"data": "gaussians-25", "steps": 10_000, "evaluate_every": 1_000, "precision": "fp32"}
PRESETS = {
    "smoke": (replace(SMALL, batch=16, samples=64), {"data": "digits", "steps": 30}),
    "default": (Config(), {"data": "letters", "steps": 3_000, "options": {"samples": 2_000}}),
    "paper": (DCGAN, {"data": "mnist", "steps": 10_000}),
    "verify:mnist": (JUDGED, MNIST),
    "verify:mnist-untrained": (JUDGED, {**MNIST, "steps": 1}),
    "verify:mnist-200-steps": (JUDGED, {**MNIST, "steps": 200}),
    "verify:gaussians-25": (POINTS, PLANE),
}

import copy

import torch

from deepcanon import engine
from deepcanon.engine.generator import Draws
from deepcanon.engine.portions import in_portions
from deepcanon.generative import gan
from deepcanon.parts.moving_average import follow
from deepcanon.parts.optimizers import Adam
from deepcanon.parts.standardize import Standardize
from deepcanon.techniques.optimizers import set_rate


class Recipe(Draws, engine.Recipe[Config]):
    state = ("model", "average", "optimizer_d", "optimizer_g")
    parallel = "gradients"
    float64 = False
    precisions = ("fp32", "bf16")

    def build(self):
        config, facts, device = self.config, self.facts, self.run.device
        self.model = gan.adversaries(
            self.shape,
            config.noise,
            width=config.width,
            generator_hidden=config.generator_hidden,
            discriminator_hidden=config.discriminator_hidden,
            dropout=config.dropout,
            batch_norm=config.batch_norm,
            hidden=config.hidden,
        )
        self.model.to(device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model.generator).requires_grad_(False)
        self.preprocess = Standardize(facts["shift"], facts["scale"]).to(device)
        options = {"lr": config.learning_rate, "betas": (config.beta1, 0.999), "fused": True}
        self.optimizer_d = Adam(self.model.discriminator.parameters(), **options)
        self.optimizer_g = Adam(self.model.generator.parameters(), **options)

    def plan(self):
        return 10_000

    def step(self, step):
        config, run, discriminator = self.config, self.run, self.model.discriminator
        rate = config.learning_rate * (1 - step / run.steps if config.decay else 1)
        set_rate(self.optimizer_g, rate)
        set_rate(self.optimizer_d, rate * config.discriminator_rate)
        real = self.preprocess(run.batch(run.data["train"], config.batch).x)
        if real.ndim == 4:
            real = real.contiguous(memory_format=torch.channels_last)
        # The discriminator's update: samples are constants, real and fake pass apart.
        with run.autocast():
            fake = self.model(run.randn("noise", (config.batch, config.noise)))
            of_real, of_fake = discriminator(real).float(), discriminator(fake.detach()).float()
        loss_d = gan.discriminator_loss(of_real, of_fake, smoothing=config.smoothing)  # (4)
        self.optimizer_d.zero_grad()
        loss_d = run.backward(loss_d, discriminator)
        self.optimizer_d.step()
        # The generator's update: the new discriminator looks at the same samples, which saves a
        # pass of the generator.
        discriminator.requires_grad_(False)
        with run.autocast():
            logits = discriminator(fake).float()
        loss_g = gan.generator_loss(logits, saturating=config.loss == "minimax")  # (5), (6)
        self.optimizer_g.zero_grad()
        loss_g = run.backward(loss_g, self.model.generator)
        self.optimizer_g.step()
        discriminator.requires_grad_(True)
        follow(self.average, self.model.generator, min(config.average, (step + 1) / (step + 10)))
        return {
            "loss": loss_d,
            "loss_generator": loss_g,
            "real_found": (of_real.detach() > 0).float().mean(),
            "fake_found": (of_fake.detach() <= 0).float().mean(),
        }

    def evaluate(self, split):
        real, size = self.run.data[split], (self.config.samples, self.config.noise)
        samples = self.drawn(torch.randn(size))
        few = [self.preprocess(rows[:2000].to(self.run.device)) for rows in (real.x, samples)]
        logits = [in_portions(self.model.discriminator, rows) for rows in few]
        return {"value": gan.game_value(*logits), **self.measured(samples, real)}
