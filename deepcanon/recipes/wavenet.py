"""WaveNet: raw sound, sample by sample, by dilated causal convolutions over 8-bit mu-law codes.

Task: the next sample of recordings, of a WAV file or folders of them. Metric: test/bits, bits per
sample of the codes, each recording from its first sample on. No figure is published at this size;
an interpolated 6-gram of the codes, tuned on validation, has 5.03 on spoken digits, ours 4.28 to
4.30 after eight minutes on one core. `generate` writes WAV files, the report plays samples; with
`--conditional true` it learns what each class sounds like.

    deepcanon train wavenet --data fsdd
"""

from dataclasses import dataclass
from typing import Annotated

from deepcanon.options import Audio, Count, Optimization, OptimizerName, Positive, Range, Schedule
from deepcanon.targets import metric, target

SYSTEM = "sequence.wavenet"
DATA = ("audio",)
METRICS = {
    "nll": metric(
        "mean negative log-likelihood of the code of the next sample", "nats per sample", "min"
    ),
    "bits": metric("the same in bits", "bits per sample", "min"),
}
TARGETS = (
    target(
        "digits", "worst test/bits <= 5.03", "R", "tuned 6-gram of codes, benchmarks/wavenet.py"
    ),
)


@dataclass(frozen=True, kw_only=True)
class Config(Audio, Optimization, Schedule):
    levels: Annotated[int, Range("[4, 65536]")] = 256
    """Levels of the mu-law codes."""
    channels: Count = 32
    """Features of a layer."""
    skip_channels: Count = 64
    """Features that are summed over the layers."""
    layers: Count = 10
    """Layers of a stack: their dilations are 1, 2, 4, ..."""
    stacks: Count = 2
    """Stacks of such layers."""
    conditional: bool = False
    """Give the class of a recording to every layer."""
    batch: Count = 2
    """Pieces of recordings in a step, of about equal length."""
    window: Count = 4096
    """Maximum number of samples in a piece; at least as many as the network sees."""
    epochs: Positive = 3.0
    """Passes over the recordings if no steps are given."""
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 4e-3
    clip: Positive = 1.0
    """Largest global norm of the gradients."""
    seconds: Positive = 0.5
    """Length of the samples that are drawn at evaluations."""


TINY = Config(
    levels=16,
    channels=16,
    skip_channels=32,
    layers=6,
    stacks=1,
    window=512,
    learning_rate=0.01,
    seconds=0.02,
)
NOTES = {"conditional": True, "stacks": 1, "layers": 7, "batch": 4, "epochs": 12.0}
FSDD = {"data": "fsdd"}
# The paper states no sizes: dilations to 512 and 256 levels are its own, the rest is a guess.
LARGE = Config(channels=64, skip_channels=256, stacks=3, epochs=30.0, learning_rate=1e-3)
PRESETS = {
    "smoke": (TINY, {"data": "plucked-strings", "steps": 20, "threads": 1}),
    "default": (Config(), {"data": "plucked-strings", "options": NOTES}),
    "paper": (LARGE, FSDD),
    "verify:digits": (Config(), {**FSDD, "steps": 3000, "evaluate_every": 1000}),
}

import torch

from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.decoding import sample_sequence
from deepcanon.sequence.wavenet import WaveNet, code_nll, mu_law_decode, mu_law_encode
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled
from deepcanon.techniques.sound_models import SoundModel


class Recipe(SoundModel[Config]):
    state = ("model", "optimizer")

    def build(self):
        config = self.config
        self.model = WaveNet(
            config.levels,
            config.channels,
            skip_channels=config.skip_channels,
            dilations=[2**k for k in range(config.layers)] * config.stacks,
            classes=len(self.classes),
            device=self.run.device,
        )
        self.optimizer = optimizer_of(config, self.model)
        self.before = self.model.receptive_field

    def nats(self, x, counted, labels):
        codes = mu_law_encode(x, self.config.levels)
        first = codes.new_full((len(codes), 1), self.model.silence)
        logits = self.model(self.run.to(torch.cat([first, codes[:, :-1]], 1)), labels)
        return code_nll(logits, self.run.to(codes.where(counted, -1)), "none")

    def step(self, step):
        config, run = self.config, self.run
        rate = config.learning_rate * scheduled(config, step, run.steps)
        set_rate(self.optimizer, rate)
        chosen = self.chosen()
        # Per sample of a piece of mean length: long ones weigh more, as in what is measured.
        loss = self.losses("train", chosen).sum() / (len(chosen) * self.mean_length)
        loss = run.backward(loss, self.model)
        norm = clip_in_step(self.optimizer, config.clip)
        self.optimizer.zero_grad()
        return {"loss": loss, "gradient_norm": norm, "learning_rate": torch.tensor(rate)}

    def draw(self, labels, length, temperature, generator):
        start = self.run.to(torch.full((len(labels),), self.model.silence))
        known = labels if self.classes else None
        codes, _ = sample_sequence(
            lambda codes, state: self.model.step(codes, state, known),
            start,
            self.model.start(len(labels)),
            length,
            generator,
            temperature=temperature,
        )
        return mu_law_decode(codes, self.config.levels)
