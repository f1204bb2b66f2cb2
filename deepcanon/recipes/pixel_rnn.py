"""PixelRNN and PixelCNN: the probability of pictures, pixel by pixel, and samples from it.

Task: a density of images, by masked convolutions (`cnn`) or an LSTM over rows or diagonals. Pixels
of two levels are drawn from their brightness in each step; --intensities 16 or 256 models grey and
colours. Metric: nats per picture, and bits per value. On sampled binary MNIST independent pixels
have 205.8, the PixelCNN 89.7 (one seed), those of the paper 79.2 to 81.3.

    deepcanon train pixel-rnn --data mnist --layer diagonal
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from deepcanon.options import (
    Batches,
    Count,
    Images,
    Optimization,
    OptimizerName,
    Positive,
    Range,
    Schedule,
    Whole,
)
from deepcanon.targets import metric, target

SYSTEM = "sequence.pixel_rnn"
DATA = ("images",)
METRICS = {
    "nll": metric("negative log-likelihood of a picture", "nats", "min"),
    "bits": metric("that for one pixel of one colour", "bits", "min"),
    "nll_independent": metric("that of independent pixels, from the training set", "nats", "min"),
}
PAPER = "van den Oord et al. 2016"
LADDER = "independent pixels 205.8, 500 mixed Bernoulli vectors 137.6, NADE 88.3"
TARGETS = (
    target("cnn", "test/nll <= 92", "P", f"81.3 when converged, {PAPER}; {LADDER}"),
    target("cnn", "worst cpu_seconds <= 600", "P", "ten minutes of one core"),
    target("diagonal", "test/nll <= 95", "P", f"80.75 when converged, {PAPER}"),
    target("diagonal", "worst cpu_seconds <= 900", "P", "a quarter of an hour of one core"),
    target("cnn", "test/nll_independent == 205.8 +- 0.5", "R", "frequencies of each pixel"),
)
BELONGS = {"binarize": ("intensities", (2,))}


@dataclass(frozen=True, kw_only=True)
class Config(Images, Batches, Optimization, Schedule):
    layer: Literal["cnn", "row", "diagonal"] = "cnn"
    """Residual layers: masked convolutions, an LSTM over rows, or one over diagonals, both ways."""
    layers: Count = 7
    """Residual layers."""
    features: Count = 16
    """Features of a layer; each colour has its share of them."""
    head: Whole = 0
    """Features before the logits; 0: twice as many as in a layer."""
    intensities: Annotated[int, Range("[2, 256]")] = 2
    """Levels of brightness of a pixel, for each colour; 256 is all of them."""
    binarize: Literal["sample", "threshold"] = "sample"
    """Two levels: drawn in each step with the brightness as probability, or cut at one half."""
    clip: Positive = 100.0
    """Largest global norm of the gradients."""
    sample: Whole = 16
    """Pictures that are drawn, and as many completed, at each evaluation; 0: none."""
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 2e-3
    batch: int = 32
    epochs: int = 5


TINY = Config(layers=1, features=4, sample=2, batch=16, binarize="threshold", learning_rate=1e-2)
ONE = Config(layer="diagonal", layers=1, features=32)
RUN = {"data": "mnist", "threads": 1, "evaluate_every": 100_000}
PRESETS = {
    "smoke": (TINY, {"data": "digits", "steps": 20}),
    "default": (Config(), {"data": "letters", "options": {"epochs": 1}}),
    "paper": (replace(ONE, epochs=50), {"data": "mnist"}),
    "verify:cnn": (Config(), {**RUN, "steps": 8000}),
    "verify:diagonal": (ONE, {**RUN, "steps": 3000}),
}

import math

import torch

from deepcanon import engine
from deepcanon.engine.export import raw_export
from deepcanon.engine.figures import Tiles
from deepcanon.engine.portions import in_portions
from deepcanon.engine.shown import samples, texts
from deepcanon.engine.visible import SEEDS
from deepcanon.errors import UsageError
from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.pixel_levels import PixelLevels, PixelLogits, independent_nats
from deepcanon.sequence.pixel_rnn import PixelRNN
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled
from deepcanon.verb_options import PictureSampling

MOST = 4096  # values of a picture up to which evaluations draw some: each takes a pass
DRAWN = "Pictures that the model draws pixel by pixel: strokes should hold together."
HALVES = "Upper halves of held-out pictures, completed by the model: strokes should continue."


class Recipe(engine.Recipe[Config], engine.Predicts, engine.Generates, engine.Exports):
    state = ("model", "optimizer")
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    asked = PictureSampling

    @classmethod
    def learn(cls, config, data):
        x = data["train"].x
        if config.features < x.shape[1]:
            raise UsageError(
                f"--features {config.features}: each of {x.shape[1]} colours needs one"
            )
        if config.intensities > 2:
            return {"shape": list(x.shape[1:])}
        levels = PixelLevels(2, drawn=config.binarize == "sample")
        chances = levels.mean_chances(part.x for part in data["train"].chunks())
        return {"shape": list(x.shape[1:]), "independent": chances}

    def build(self):
        config, run = self.config, self.run
        self.levels = PixelLevels(config.intensities, drawn=config.binarize == "sample")
        self.model = PixelRNN(
            self.facts["shape"][0],
            levels=config.intensities,
            features=config.features,
            layers=config.layers,
            layer=config.layer,
            head=config.head,
            device=run.device,
        )
        self.optimizer = optimizer_of(config, self.model, betas=(0.9, 0.99))

    def step(self, step):
        config, run = self.config, self.run
        raw = run.batch(run.data["train"], config.batch).x
        uniform = run.rand("levels", (config.batch, raw[0].numel()))
        nll = self.model.nll(self.levels(raw, uniform)).mean()
        nll = run.backward(nll, self.model)
        norm = clip_in_step(self.optimizer, config.clip)
        set_rate(self.optimizer, config.learning_rate * scheduled(config, step, run.steps))
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {"loss": nll, "gradient_norm": norm}

    def values(self, split):
        """Levels of a split's pictures, some at a time, the same in each call."""
        generator = torch.Generator().manual_seed(SEEDS[split])
        for part in self.run.data[split].chunks():
            yield self.levels(part.x, torch.rand(part.x.shape, generator=generator))

    def nats(self, values):
        found = [in_portions(lambda rows: self.model.nll(self.run.to(rows)), values).double().cpu()]
        if self.config.intensities == 2:
            found.append(independent_nats(values, self.facts["independent"]))
        return torch.stack(found, 1)

    def evaluate(self, split):
        nats = torch.cat([self.nats(values) for values in self.values(split)]).mean(0)
        found = dict(zip(("nll", "nll_independent"), nats, strict=False))
        return {**found, "bits": nats[0] / (math.prod(self.facts["shape"]) * math.log(2))}

    def figures(self):
        count, shape = self.config.sample, self.facts["shape"]
        if not count:
            return {}
        if math.prod(shape) > MOST:
            said = f"not drawn here, of more than {MOST:,} values: `deepcanon generate` draws some"
            return {"samples": texts([said])}
        generator = torch.Generator().manual_seed(0)
        empty = torch.zeros(count, *shape, dtype=torch.long)
        held = next(self.values(self.run.pictured))[:count]
        drawn, full = (
            self.levels.raw(self.model.complete(self.run.to(start), row, generator)).cpu()
            for start, row in ((empty, 0), (held, shape[1] // 2))
        )
        pairs = torch.stack([self.levels.raw(held), full], 1).flatten(0, 1).numpy()
        completed = Tiles(pairs, versions=["held out", "completed"], caption=HALVES)
        return {"samples": samples(drawn, DRAWN), "completions": completed}

    def predict(self, inputs):
        """Nats of each picture; two levels are cut in half here, not drawn."""
        nats = in_portions(lambda rows: self.model.nll(self.levels(self.run.to(rows))), inputs)
        return [{"value": value} for value in nats.tolist()]

    def generate(self, asked, generator):
        empty = self.run.to(torch.zeros(asked.count, *self.facts["shape"], dtype=torch.long))
        drawn = self.model.complete(empty, 0, generator, temperature=asked.temperature)
        return self.levels.raw(drawn).cpu()

    def export(self):
        form = "of the higher level" if self.config.intensities == 2 else "[N, levels, C, H, W]"
        about = {"task": "density", "levels": self.config.intensities, "logits": form}
        module, facts = PixelLogits(self.levels, self.model), self.facts
        return raw_export(
            module, facts["shape"], facts["reader"], self.run.device, ("logits",), about
        )
