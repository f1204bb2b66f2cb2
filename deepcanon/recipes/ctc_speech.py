"""Speech recognition by connectionist temporal classification, from transcripts without timing.

Task: transcribe recordings; the training transcripts do not say when a symbol is spoken. Data: a
folder of WAV files with a metadata.csv of file and transcript, or a .txt next to each;
`fsdd-strings`, three to five spoken digits end to end; `tone-strings`, which needs no files.
Metric: test/error, the edits per symbol (insertions, deletions and substitutions). Graves et al.
2006 have 30.5 % of phonemes on TIMIT, which is not free; no figure is published for strings of
digits. Ours on those: 0.9 to 3.0 % of the digits (three seeds) after a minute on one core; 89 to
97 % of the strings have no error.

    deepcanon train ctc-speech --data fsdd-strings
    deepcanon predict runs/ctc-speech my.wav
"""

from dataclasses import dataclass
from typing import Annotated

from deepcanon.options import (
    Count,
    Optimization,
    OptimizerName,
    Positive,
    Range,
    Schedule,
    Speech,
    Whole,
)
from deepcanon.targets import metric, target

SYSTEM = "sequence.ctc_speech"
DATA = ("speech",)
METRICS = {
    "nll": metric("mean negative log-likelihood of transcripts", "nats per symbol", "min"),
    "error": metric(
        "symbols put in, left out or replaced, over those that are said", "share", "min"
    ),
    "all_correct": metric("share of recordings without an error", "share", "max"),
}
TARGETS = (
    target(
        "digits", "worst test/error <= 0.10", "P", "speakers that are known, digits that are not"
    ),
    target("digits", "worst cpu_minutes <= 10", "P", "ten minutes of one core"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Speech, Optimization, Schedule):
    bands: Annotated[int, Range("[2, 256]")] = 40
    """Number of bands of the log mel energies."""
    frame: Positive = 0.025
    """Length of a frame in seconds."""
    hop: Positive = 0.01
    """Seconds from one frame to the next."""
    joined: Count = 3
    """Neighbouring frames that are joined into one step of the network."""
    hidden: Count = 96
    """LSTM units of each direction."""
    layers: Count = 2
    """Layers, each reading both directions of the one below."""
    batch: Count = 16
    """Recordings in a step, of about equal length."""
    epochs: Positive = 12.0
    """Passes over the recordings if no steps are given."""
    beam: Whole = 0
    """Width of the beam search (prefixes) when errors are counted; 0 takes the likeliest path.
    Answers always come from a beam search, of width 8 if this is 0."""
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 4e-3
    clip: Positive = 1.0
    """Largest global norm of the gradients."""


TINY = Config(bands=16, hidden=24, layers=1, batch=8, learning_rate=0.02)
PRESETS = {
    "smoke": (TINY, {"data": "tone-strings", "steps": 20, "threads": 1}),
    "default": (Config(), {"data": "tone-strings", "options": {"hidden": 48, "layers": 1}}),
    # One layer of 100 units in each direction; momentum and the noise on inputs are not repeated.
    "paper": (Config(hidden=100, layers=1, epochs=60.0), {"data": "fsdd-strings"}),
    "verify:digits": (Config(), {"data": "fsdd-strings", "steps": 2000, "evaluate_every": 500}),
}

import torch
import torch.nn.functional as F

from deepcanon.parts.clipping import clip_in_step
from deepcanon.sequence.ctc_speech import CTCSpeech
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled
from deepcanon.techniques.transcription import Transcriber


class Recipe(Transcriber[Config]):
    def build(self):
        config = self.config
        self.model = CTCSpeech(
            self.energies(),
            len(self.symbols),
            joined=config.joined,
            hidden=config.hidden,
            layers=config.layers,
        ).to(self.run.device)
        self.optimizer = optimizer_of(config, self.model)

    def nats(self, log_probs, y, steps):
        # torch's: equal to `ctc_nll`, a kernel instead of a loop over the steps.
        lengths = (y > 0).sum(1)
        along = log_probs.transpose(0, 1)
        return F.ctc_loss(along, y.clamp(min=0), steps, lengths, reduction="none")

    def step(self, step):
        config, run = self.config, self.run
        rate = config.learning_rate * scheduled(config, step, run.steps)
        set_rate(self.optimizer, rate)
        rows = run.data["train"].take(self.chosen())
        log_probs, steps = self.heard(rows)
        loss = self.nats(log_probs, run.to(rows.y + 1), steps).mean() / self.facts["symbols_each"]
        loss = run.backward(loss, self.model)
        norm = clip_in_step(self.optimizer, config.clip)
        self.optimizer.zero_grad()
        return {"loss": loss, "gradient_norm": norm, "learning_rate": torch.tensor(rate)}
