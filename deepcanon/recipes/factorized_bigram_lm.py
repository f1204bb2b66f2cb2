"""Bigram language model as a matrix factorisation: the product of two words' vectors is a logit.

Task: the next word (or character) of a text; your own .txt files work. Metric: perplexity per
token, sentence ends included. Penn Treebank, test text: relative frequencies give unseen pairs
probability 0; Kneser-Ney bigrams have 185.7, rank 100 has 180.6, both mixed 173.2 (three seeds,
five and a half minutes on one core each).

    deepcanon train factorized-bigram-lm --data ptb
"""

from dataclasses import dataclass
from typing import Literal

from deepcanon.options import (
    Batches,
    CopiedWeights,
    Count,
    Optimization,
    OptimizerName,
    Pieces,
    Positive,
    Schedule,
    Share,
    Whole,
)
from deepcanon.targets import LANGUAGE, MIXED, target

SYSTEM = "sequence.factorized_bigram_lm"
DATA = ("text",)
METRICS = {**LANGUAGE, **MIXED}
TARGETS = (
    target("ptb", "test/perplexity <= 205", "P", "within 10.4 % of Kneser-Ney's bigrams, 185.7"),
    target("ptb", "test/ngram_perplexity == 185.7 +- 0.1", "R", "Chen and Goodman 1998 in NumPy"),
    target("ptb", "worst cpu_minutes <= 5", "P", "five minutes of one core"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Pieces, Batches, Optimization, Schedule, CopiedWeights):
    unit: Literal["words", "characters", "pieces"] = "words"
    """Kind of token: words are separated by spaces and each line is a sentence; pieces come from
    byte-pair encoding."""
    rank: Count = 100
    """Size of both vectors of a word."""
    dropout: Share = 0.2
    """Probability of dropping a value of the previous word's vector."""
    ngram: Whole = 2
    """Order of the Kneser-Ney model to compare with and to mix in; 0: none."""
    optimizer: OptimizerName = "adamw"
    learning_rate: Positive = 6e-3
    warmup: Share = 0.02
    clip: Positive = 1.0
    """Largest global norm of the gradients."""
    batch: Count = 500
    epochs: Count = 4
    sample: Count = 60
    """Length in tokens of the text that is sampled after each evaluation."""


SMALL = Config(rank=16, batch=100, sample=20)
PTB = {"data": "ptb", "threads": 1}
PRESETS = {
    "smoke": (SMALL, {"data": "pydoc", "steps": 30, "threads": 1}),
    "default": (Config(), {"data": "pydoc", "options": {"batch": 100}}),
    "paper": (Config(), PTB),
    "verify:ptb": (Config(), {**PTB, "evaluate_every": 4000}),
}

from deepcanon.sequence.factorized_bigram_lm import FactorizedBigramLM
from deepcanon.techniques.history_models import HistoryModel


class Recipe(HistoryModel[Config]):
    def network(self, size):
        options = {"dropout": self.config.dropout, "device": self.run.device}
        return FactorizedBigramLM(size, self.config.rank, **options)
