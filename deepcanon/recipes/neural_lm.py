"""Neural n-gram language model: a feed-forward network predicts the next word from the last four.

Task: the next word (or character) of a text; your own .txt files work. Metric: perplexity per
token, sentence ends included, alone and mixed with Kneser-Ney (`--ngram`), the weight chosen on the
validation text. Penn Treebank, test text: 145.2 alone, 118.9 mixed; Kneser-Ney has 141.2. Brown:
0.79 of the n-gram model's perplexity; Bengio et al. 2003 have 252 mixed against 312 for the best
n-gram, 0.81.

    deepcanon train neural-lm --data ptb
"""

from dataclasses import dataclass, replace
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

SYSTEM = "sequence.neural_lm"
DATA = ("text",)
METRICS = {**LANGUAGE, **MIXED}
BENGIO = "Bengio 2003: 252 for the mixture, 312 for the best n-gram alone"
TARGETS = (
    target("ptb", "test/perplexity <= 165", "P", "5 words, vectors of 60, 100 hidden units"),
    target("ptb", "test/mixed_perplexity <= 128", "P", "Kneser-Ney alone has 141.2"),
    target("ptb", "worst cpu_minutes <= 12", "P", "twelve minutes of one core"),
    target("brown", "test/ratio <= 0.9", "P", BENGIO),
    target("brown", "worst cpu_minutes <= 12", "P", "twelve minutes of one core"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Pieces, Batches, Optimization, Schedule, CopiedWeights):
    unit: Literal["words", "characters", "pieces"] = "words"
    """Kind of token: words are separated by spaces and each line is a sentence; pieces come from
    byte-pair encoding."""
    order: Count = 5
    """Words of an n-gram: the last one is predicted from the others."""
    embedding: Count = 60
    """Size of the word vectors."""
    hidden: Count = 100
    """Hidden units."""
    direct: bool = False
    """Connect the word vectors directly to the output too."""
    dropout: Share = 0.1
    """Probability of dropping a value of the word vectors or a hidden unit."""
    ngram: Whole = 5
    """Order of the Kneser-Ney model that is mixed in on the test text; 0: none."""
    optimizer: OptimizerName = "adamw"
    learning_rate: Positive = 6e-3
    warmup: Share = 0.02
    clip: Positive = 1.0
    """Largest global norm of the gradients."""
    batch: Count = 500
    epochs: Count = 8
    sample: Count = 60
    """Length in tokens of the text that is sampled after each evaluation."""


SMALL = Config(embedding=16, hidden=32, batch=100, ngram=3, sample=20)
# Sizes of the paper's best network on this text; words seen three times or less are merged.
BROWN = Config(minimum_count=4, valid_share=0.172, test_share=0.139, epochs=6)
PTB = {"data": "ptb", "threads": 1}
PRESETS = {
    "smoke": (SMALL, {"data": "pydoc", "steps": 30, "threads": 1}),
    "default": (Config(), {"data": "pydoc", "options": {"batch": 100}}),
    "paper": (replace(BROWN, direct=True), {"data": "brown"}),
    "verify:ptb": (Config(), {**PTB, "evaluate_every": 6000}),
    "verify:brown": (BROWN, {"data": "brown", "threads": 1, "evaluate_every": 4000}),
}

from deepcanon.errors import UsageError
from deepcanon.sequence.neural_lm import NeuralLM
from deepcanon.techniques.history_models import HistoryModel


class Recipe(HistoryModel[Config]):
    @classmethod
    def learn(cls, config, data):
        if config.order < 2:
            raise UsageError("--order is 2 or more: a word is predicted from those before it")
        return super().learn(config, data)

    def network(self, size):
        config = self.config
        return NeuralLM(
            size,
            order=config.order,
            embedding_size=config.embedding,
            hidden_size=config.hidden,
            direct=config.direct,
            dropout=config.dropout,
            device=self.run.device,
        )
