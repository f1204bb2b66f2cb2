"""Recurrent language model over characters or words, by truncated backpropagation through time.

Task: the next character or word of a text; own .txt files work. Metric: valid/nll and perplexity
over the whole split with the state carried. Tiny Shakespeare, last 10 %: nanoGPT's readme gives
1.88 for 3 minutes of CPU and 1.4697 for its GPU run; ours 1.48 after 2.2 CPU minutes of one core,
below 1.46 after 5. Penn Treebank words: `--data ptb --unit words`.

    deepcanon train rnn-lm --data tinyshakespeare
"""

from dataclasses import dataclass, replace
from typing import Literal

from deepcanon.options import (
    CopiedWeights,
    Count,
    InputDropout,
    LargeTokens,
    Optimization,
    OptimizerName,
    Positive,
    Schedule,
    Whole,
)
from deepcanon.targets import LANGUAGE, target

SYSTEM = "sequence.rnn_lm"
DATA = ("text",)
METRICS = LANGUAGE
TARGETS = (
    target("short", "valid/nll <= 1.55", "P", "nanoGPT's readme has 1.88 for as much CPU time"),
    target("short", "worst cpu_minutes <= 3", "P", "as long as nanoGPT's CPU run"),
    target("long", "valid/nll <= 1.47", "C", "nanoGPT's readme, GPU 1.4697"),
    target("long", "worst cpu_minutes <= 15", "P", "a quarter of an hour of one core"),
)


@dataclass(frozen=True, kw_only=True)
class Config(LargeTokens, Optimization, Schedule, InputDropout, CopiedWeights):
    unit: Literal["characters", "words"] = "characters"
    """Unit of a token; words are separated by blanks, each line is a sentence."""
    cache: Literal["auto", "off"] = "auto"
    cell: Literal["lstm", "gru", "rnn"] = "lstm"
    """Kind of recurrent layer."""
    hidden: Count = 512
    """Units of each recurrent layer."""
    layers: Count = 1
    """Recurrent layers."""
    embedding: Whole = 64
    """Size of the token vectors; 0: one-hot inputs."""
    tied: bool = False
    """Use the embedding as output weights (needs embedding = hidden)."""
    dropout: float = 0.1
    batch: Count = 32
    """Streams that the text is cut into (fewer on a short text)."""
    window: Count = 64
    """Tokens that gradients flow back over."""
    epochs: Positive = 15.0
    """Passes over the text if no steps are given."""
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 6e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    clip: Positive = 1.0
    """Largest global norm of the gradients."""
    samples: Whole = 0
    """Sampled softmax: tokens drawn by frequency in each step; 0: the full softmax."""
    correction: bool = True
    """Sampled softmax: correct for how often a word is drawn; else frequent ones come out rare."""
    frequency_bias: bool = False
    """Start the output biases at the log frequencies; for words this saves an epoch."""
    sample: Count = 400
    """Tokens of the text sample after each evaluation."""


SMALL = Config(hidden=64, embedding=32, batch=8, window=32, learning_rate=1e-2, sample=40)
# char-rnn's own settings (Karpathy 2015), RMSProp replaced by AdamW.
NET = Config(hidden=128, layers=2, embedding=0, dropout=0.0, batch=50, window=50, epochs=50.0)
RUN = {"data": "tinyshakespeare"}
PRESETS = {
    "smoke": (SMALL, {"data": "pydoc", "steps": 30, "threads": 1}),
    "default": (Config(), {"data": "pydoc", "options": {"hidden": 256, "epochs": 8.0}}),
    "paper": (replace(NET, learning_rate=2e-3, weight_decay=0.0, clip=5.0), RUN),
    "verify:short": (Config(dropout=0.2), {**RUN, "steps": 1800, "evaluate_every": 600}),
    "verify:long": (Config(dropout=0.2), {**RUN, "steps": 4000, "evaluate_every": 1000}),
}

import torch
from torch import nn

from deepcanon import engine
from deepcanon.engine import Encodes, Exports
from deepcanon.engine.initial import Start
from deepcanon.engine.language import Primed, Speaks, step_export
from deepcanon.engine.vocabularies import vocabulary_facts
from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.language_models import text_nll
from deepcanon.parts.recurrence import detach, read_window, window
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.sequence import rnn_lm
from deepcanon.sequence.sampled_softmax import proposal
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled


class Recipe(Speaks, engine.Recipe[Config], Encodes, Exports):
    state = ("model", "optimizer", "carry")
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    precisions = ("fp32", "bf16")
    first = 1
    temperature = 0.8

    @classmethod
    def learn(cls, config, data):
        facts, vocabulary, tokens = vocabulary_facts(config, data, config.window + 1)
        # Short texts: fewer streams rather than windows that are mostly empty.
        streams = min(config.batch, (len(tokens) - 1) // config.window)
        facts["streams"] = streams
        if config.samples or config.frequency_bias:
            # One more of each: what never occurs may be asked for, and must be drawn now and then.
            facts["counts"] = tokens.bincount(minlength=len(vocabulary)) + 1
        return facts

    def build(self):
        config, facts, run = self.config, self.facts, self.run
        self.vocabulary = Vocabulary.from_json(facts["vocabulary"])
        self.model = rnn_lm.RecurrentLM(
            len(self.vocabulary),
            config.hidden,
            embedding_size=config.embedding,
            layers=config.layers,
            cell=getattr(nn, config.cell.upper()),
            dropout=config.dropout,
            input_dropout=config.input_dropout,
            tied=config.tied,
            device=run.device,
        )
        if initial := facts.get("initial"):
            self.start = Start(self.model, config, initial, self.model.of_symbols)
        slower = self.start.slower if self.start else ()
        self.optimizer = optimizer_of(
            config, self.model, betas=(0.9, 0.99), slower=slower, share=config.copied_rate
        )
        self.carry = None
        counts = torch.as_tensor(facts.get("counts", ())).to(run.device)
        if config.frequency_bias:
            self.model.output.bias.data.copy_((counts / counts.sum()).log())
        samples = min(config.samples, len(counts))
        self.source = proposal(counts, samples) if samples else None

    def plan(self):
        length = (len(self.tokens("train")) - 1) // self.facts["streams"]
        return max(1, round(self.config.epochs * -(-length // self.config.window)))

    def step(self, step):
        config, run = self.config, self.run
        tokens, streams = self.tokens("train"), self.facts["streams"]
        here = window(step, (len(tokens) - 1) // streams, config.window)
        x, y = map(run.to, read_window(tokens, streams, here, run.rows(streams)))
        rate = config.learning_rate * scheduled(config, step, run.steps)
        set_rate(self.optimizer, rate)
        state, noise = None if here.fresh else self.carry, run.generator("samples", run.device)
        with run.autocast():
            loss, state = rnn_lm.window_nll(
                self.model, x, y, state, self.source, noise, corrected=config.correction
            )
        self.carry = detach(state)
        loss = run.backward(loss, self.model)
        norm = clip_in_step(self.optimizer, config.clip)
        self.optimizer.zero_grad()
        rate = torch.tensor(rate, dtype=torch.float64)
        return {"loss": loss, "gradient_norm": norm, "learning_rate": rate}

    def nll(self, tokens):
        with self.run.autocast():
            return text_nll(self.model, tokens, rnn_lm.sequence_nll)

    def primed(self, tokens):
        state = self.model.start(1)
        if len(tokens) > 1:
            _, state = self.model(tokens[None, :-1], state)
        return Primed(self.model.step, state, state_axis=1)

    def encode(self, inputs):
        """The top layer's hidden vector after each text."""
        return torch.stack([self.model(self.read(text)[None])[1][0][-1, 0] for text in inputs])

    def export(self):
        state = [part.transpose(0, 1) for part in self.model.start(1)]
        return step_export(rnn_lm.StepCell(self.model), state, self.vocabulary)
