"""Poem machine: a character model writes poems; their form and what they copy are measured.

Task: quatrains of the Tang dynasty, or your own verse: a .txt with a blank line between poems, or a
folder with a file for each. Metrics: perplexity per character, ends of poems counted; for generated
poems the share in the form of real ones, and the share with a copied line. Data: Tang quatrains;
perplexity 113 with five characters per line and 90 with seven; Kneser-Ney of order 4 has 142 and
172 (of the best order 124 and 153). One and four minutes on one core.

    deepcanon train poem --data tang5
    deepcanon generate RUN --count 3
"""

from dataclasses import dataclass, replace
from typing import Literal

from deepcanon.options import (
    Batches,
    Count,
    Documents,
    InputDropout,
    Optimization,
    OptimizerName,
    Positive,
    Schedule,
    Share,
    SomeExamples,
    Whole,
)
from deepcanon.targets import LANGUAGE, metric, target

SYSTEM = "sequence.poem"
DATA = ("documents",)
METRICS = {
    **LANGUAGE,
    "kneser_ney": metric("perplexity of a Kneser-Ney model of the same poems", "per token", "min"),
    "ratio": metric("perplexity over that of the Kneser-Ney model", "", "min"),
    "legal": metric(
        "share of the written poems whose lines are as many and as long as in real ones",
        "share",
        "max",
    ),
    "copied": metric("share of the poems written with a line of the training set", "share", "min"),
    "longest_copy": metric(
        "characters in a row from a training poem, mean over those written", "characters", "min"
    ),
}
WRITTEN = "200 poems that are written, as Zhang and Lapata's task asks"
TARGETS = tuple(
    one
    for run in ("five", "seven")
    for one in (
        target(run, "test/ratio <= 1", "R", "Kneser-Ney of order 4 on the same poems"),
        target(run, "test/legal >= 0.95", "P", WRITTEN),
        target(run, "test/copied <= 0.05", "P", WRITTEN),
        target(run, "worst cpu_minutes <= 10", "P", "ten minutes of one core"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Config(Documents, SomeExamples, Batches, Optimization, Schedule, InputDropout):
    each: Literal["line", "paragraph"] = "paragraph"
    minimum_count: Count = 2
    """Rarer characters of the training poems become the unknown one."""
    hidden: Count = 256
    """Units of each recurrent layer."""
    layers: Count = 1
    """Recurrent layers."""
    embedding: Count = 256
    """Size of the vectors of the characters."""
    tied: bool = True
    """Use the vectors as output weights too (needs embedding = hidden)."""
    dropout: Share = 0.5
    """Share dropped of the hidden vectors."""
    input_dropout: Share = 0.3
    batch: Count = 64
    epochs: Count = 20
    optimizer: OptimizerName = "adamw"
    learning_rate: Positive = 4e-3
    clip: Positive = 1.0
    """Largest global norm of the gradients."""
    longest: Count = 1000
    """Maximum number of characters of a poem; longer ones are refused."""
    ngram: Whole = 4
    """Order of the Kneser-Ney model to compare with on the test poems; 0: none."""
    written: Count = 200
    """Poems to generate at an evaluation, to measure their form and what is copied."""


SMALL = Config(
    hidden=64,
    embedding=64,
    batch=8,
    learning_rate=2e-2,
    dropout=0.0,
    input_dropout=0.0,
    ngram=2,
    written=4,
)
FEW = {"train_examples": 300, "valid_share": 0.02, "test_share": 0.02}
PRESETS = {
    "smoke": (SMALL, {"data": "rt-polarity", "steps": 20, "threads": 1, "options": FEW}),
    "default": (Config(), {"data": "tang5"}),
    "paper": (replace(Config(), hidden=200, embedding=200, tied=False), {"data": "tang5"}),
    "verify:five": (Config(), {"data": "tang5"}),
    "verify:seven": (Config(), {"data": "tang7"}),
}

import torch
import torch.nn.functional as F

from deepcanon import engine
from deepcanon.data import DataError, Problem
from deepcanon.engine import Exports
from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.language_models import text_nll
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.sequence import poem, rnn_lm
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.recurrent_language import exported, primed_by
from deepcanon.techniques.schedules import scheduled
from deepcanon.techniques.verse import Verse


class Recipe(Verse, engine.Recipe[Config], Exports):
    state = ("model", "optimizer")
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    precisions = ("fp32", "bf16")

    @classmethod
    def learn(cls, config, data):
        for split, part in data.splits.items():
            for number, text in enumerate(part.x, 1):
                if len(text) > config.longest:
                    what = (
                        f"poem {number} of {split} has {len(text):,} characters: {text[:20]!r} ..."
                    )
                    raise DataError(
                        Problem("", "", what, "separate poems by blank lines, or raise --longest")
                    )
        text = "".join(one + poem.CLOSING for one in data["train"].x)
        vocabulary = Vocabulary.build(
            text, "characters", config.minimum_count, closing=poem.CLOSING
        )
        counts = vocabulary.encode(text).bincount(minlength=len(vocabulary)) + 1
        # Batches are as wide as the longest poem, so that every process drops the same places.
        wide = max(map(len, data["train"].x)) + 1
        return {"vocabulary": vocabulary.to_json(), "counts": counts, "wide": wide}

    def build(self):
        config, run = self.config, self.run
        self.vocabulary = Vocabulary.from_json(self.facts["vocabulary"])
        self.model = poem.PoemLM(
            len(self.vocabulary),
            config.hidden,
            closing=self.vocabulary.number[poem.CLOSING],
            embedding_size=config.embedding,
            layers=config.layers,
            dropout=config.dropout,
            input_dropout=config.input_dropout,
            tied=config.tied,
            device=run.device,
        )
        counts = torch.as_tensor(self.facts["counts"]).to(run.device)
        # The biases begin at the frequencies of the characters, which would be learned first.
        self.model.model.output.bias.data.copy_((counts / counts.sum()).log())
        self.optimizer = optimizer_of(config, self.model, betas=(0.9, 0.99))

    def step(self, step):
        config, run, wide = self.config, self.run, self.facts["wide"]
        rows = [self.closed(text) for text in run.examples(run.data["train"], config.batch).x]
        lengths = torch.tensor([len(row) for row in rows])
        targets = run.to(torch.stack([F.pad(row, (0, wide - len(row))) for row in rows]))
        inside = run.to(torch.arange(wide) < lengths[:, None])
        rate = config.learning_rate * scheduled(config, step, run.steps)
        set_rate(self.optimizer, rate)
        with run.autocast():
            loss = poem.poem_nll(self.model(targets[:, :-1]), targets, inside)
        loss = run.backward(loss, self.model, count=int(lengths.sum()))
        norm = clip_in_step(self.optimizer, config.clip)
        self.optimizer.zero_grad()
        rate = torch.tensor(rate, dtype=torch.float64)
        return {"loss": loss, "gradient_norm": norm, "learning_rate": rate}

    def nll(self, texts):
        with self.run.autocast():
            return text_nll(self.model.model, texts, rnn_lm.sequence_nll)

    def primed(self, tokens):
        return primed_by(self.model.model, tokens)

    def export(self):
        return exported(self.model.model, self.vocabulary)
