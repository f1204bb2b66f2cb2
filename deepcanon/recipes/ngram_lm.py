"""n-gram language model over words or characters: Kneser-Ney, Katz or add-k smoothing.

Task: the next word or character of a text; your own .txt files work, and ARPA files of other tools
(`--arpa`). Metric: perplexity per token, sentence ends included. Penn Treebank, 5-gram: test 141.2
(Mikolov 2012; 141.17 recomputed independently); ours 141.19. Counted in one step, seconds on one
core. `export --to model.arpa` writes what SRILM and KenLM read.

    deepcanon train ngram-lm --data ptb
"""

from dataclasses import dataclass, replace
from typing import Literal

from deepcanon.options import Count, LargeTokens, Pieces, Positive, Probability, Whole
from deepcanon.targets import LANGUAGE, metric, target

SYSTEM = "sequence.ngram_lm"
DATA = ("text",)
METRICS = {
    **LANGUAGE,
    "valid_perplexity": metric("perplexity of the validation text", "", "min", split="valid"),
    "normalisation_error": metric("largest |sum - 1| after 1,000 histories", better="min"),
    "quantization_loss": metric("nats per token more after quantising", "", "min", split="valid"),
    "ngrams_*": metric("different n-grams of this order in the training text"),
}
RECOMPUTED = "Chen and Goodman 1998 in NumPy (tests/oracles/ngram_lm.py)"
COMPARED = "Chen and Goodman 1998, figure 5: above Kneser-Ney for all sizes of text"
TARGETS = (
    target(
        "ptb-5", "test/perplexity == 141.17 +- 0.1", "R", f"{RECOMPUTED}; 141.2 in Mikolov 2012"
    ),
    target("ptb-5", "test/valid_perplexity == 148.03 +- 0.1", "R", RECOMPUTED),
    target("ptb-5", "test/normalisation_error <= 1e-09", "X", "1,000 histories, seen and unseen"),
    target("ptb-5", "worst cpu_seconds <= 5", "P", "counting and smoothing on one core"),
    target("ptb-3", "test/perplexity == 148.3 +- 0.1", "R", RECOMPUTED),
    target("ptb-2", "test/perplexity == 185.7 +- 0.1", "R", RECOMPUTED),
    target("ptb-1", "test/perplexity == 639.3 +- 0.1", "R", RECOMPUTED),
    target("ptb-katz", "test/normalisation_error <= 1e-09", "X", "back-off weights of Katz 1987"),
    target("ptb-3 - ptb-katz", "test/nll <= 0", "C", COMPARED),
    target("ptb-add", "test/normalisation_error <= 1e-09", "X", "V equal shares are added"),
    target("ptb-katz - ptb-add", "test/nll <= 0", "C", COMPARED),
    target("tinyshakespeare-3", "valid/nll == 2.038 +- 0.001", "R", RECOMPUTED),
    target("tinyshakespeare-5", "valid/nll == 1.561 +- 0.001", "R", RECOMPUTED),
    target("tinyshakespeare-7", "valid/nll == 1.517 +- 0.001", "R", RECOMPUTED),
)
BELONGS = {"discount": ("smoothing", ("kneser-ney",)), "added": ("smoothing", ("add-k",))}


@dataclass(frozen=True, kw_only=True)
class Config(LargeTokens, Pieces):
    unit: Literal["words", "characters", "pieces"] = "words"
    """Kind of token: words are separated by spaces and each line is a sentence; pieces come from
    byte-pair encoding. Characters and pieces continue over lines."""
    cache: Literal["auto", "off"] = "auto"
    order: Count = 5
    """The longest n-gram."""
    smoothing: Literal["kneser-ney", "katz", "add-k"] = "kneser-ney"
    """Interpolated Kneser-Ney, Katz's back-off, or a number that is added to each count."""
    discount: Probability = 0.0
    """Kneser-Ney: one fixed discount for all counts (1995); 0: three per order, estimated."""
    added: Positive = 0.01
    """Add-k: what is added to the count of every token."""
    arpa: str = ""
    """An ARPA file of another tool, possibly gzipped: its n-grams are used, the text is not
    counted."""
    memory: Whole = 0
    """Megabytes for sorting n-grams; more goes to disk. The model and some 40 bytes for each
    n-gram of one order come on top. 0: all is sorted in memory."""
    quantize: Literal[0, 4, 6, 8, 10, 12] = 0
    """Round to at most 2^BITS different probabilities, and weights, of each order; 8 takes a byte
    for each, 0: no rounding. The cost in nats is reported."""
    sample: Count = 60
    """Length in tokens of the sampled text."""


SMALL, LETTERS = Config(order=3, sample=20), Config(unit="characters")
KATZ, ADDED = Config(order=3, smoothing="katz"), Config(order=3, smoothing="add-k")
PTB, PLAYS = {"data": "ptb"}, {"data": "tinyshakespeare"}
PRESETS = {
    "smoke": (SMALL, {"data": "pydoc"}),
    "default": (Config(), {"data": "pydoc"}),
    "paper": (Config(), PTB),
    **{f"verify:ptb-{n}": (Config(order=n), PTB) for n in (1, 2, 3, 5)},
    "verify:ptb-katz": (KATZ, PTB),
    "verify:ptb-add": (ADDED, PTB),
    **{f"verify:tinyshakespeare-{n}": (replace(LETTERS, order=n), PLAYS) for n in (3, 5, 7)},
}

import torch

from deepcanon import engine
from deepcanon.data import arpa
from deepcanon.engine import Exports, TextExport
from deepcanon.engine.language import Primed, Speaks
from deepcanon.engine.vocabularies import text_facts, vocabulary_of
from deepcanon.parts.language_models import side_by_side
from deepcanon.sequence.ngram_lm import NgramLM
from deepcanon.techniques import counted_ngrams
from deepcanon.verb_options import TextSampling

HISTORIES, TOGETHER = 1_000, 8_192  # tokens that are looked up at once


@dataclass(frozen=True, kw_only=True)
class Words(TextSampling):
    length: Count = 60


class Recipe(Speaks, engine.Recipe[Config], Exports):
    state = ("model",)
    monitor = ("valid/nll", "min")
    parallel = "none: counting a text of a million words takes a second"
    deterministic = True
    asked = Words
    formats = ("arpa",)

    @classmethod
    def learn(cls, config, data):
        if config.arpa:
            return counted_ngrams.facts_of_arpa(config, (Config(), SMALL))
        counted_ngrams.refuse(config)
        return text_facts(config, data)[0]

    def build(self):
        config = self.config
        self.vocabulary = vocabulary_of(self.facts["vocabulary"])
        self.model = NgramLM(
            len(self.vocabulary),
            self.facts.get("order", config.order),
            end=self.vocabulary.end,
            smoothing=config.smoothing,
            discounts=config.discount or "modified",
            added=config.added,
            device=self.run.device,
        )

    def plan(self):
        return 1

    def step(self, step):
        if self.config.arpa:
            counted_ngrams.take_arpa(self.model, self.config.arpa, self.config.unit, self.run)
            self.run.stop("the n-grams of the ARPA file are taken")
        else:
            tokens, memory = self.tokens("train"), self.config.memory
            counted_ngrams.count(self.model, tokens, memory, self.run)
            self.run.stop("one pass over the text: the counts are exact")
        sizes = self.run.to(torch.tensor(self.model.sizes))
        found = {f"ngrams_{order}": size for order, size in enumerate(sizes, 1)}
        if self.config.quantize:
            loss = counted_ngrams.quantize(self.model, self.config.quantize, self)
            found |= {name: torch.tensor(value) for name, value in loss.items()}
        return found

    def nll(self, texts):
        found = [0.0] * len(texts)
        for places, rows, inside in side_by_side(texts, range(len(texts)), TOGETHER):
            total = torch.where(inside, -self.model(rows), 0.0).sum(1)
            for place, mean in zip(places, (total / inside.sum(1)).tolist(), strict=True):
                found[place] = mean
        return found

    def nll_of_each(self, tokens):
        return (-self.model(tokens[None])[0]).tolist()

    def evaluate(self, split):
        result = super().evaluate(split)
        if split == "test":
            if "valid" in self.run.data:
                result["valid_perplexity"] = super().evaluate("valid")["perplexity"]
            result["normalisation_error"] = (self.sums(self.tokens(split)) - 1).abs().max()
        return result

    def sums(self, tokens):
        """Of all probabilities after histories of the text, and after drawn ones."""
        size = max(1, self.model.order - 1)
        rows = min(HISTORIES // 2, len(tokens) // size)
        seen = self.run.to(tokens[: rows * size].view(rows, size))
        generator = self.run.generator("histories")
        drawn = torch.randint(len(self.vocabulary), seen.shape, generator=generator)
        return self.model.distribution(torch.cat([seen, drawn.to(seen)])).sum(1)

    def primed(self, tokens):
        reach = max(1, self.model.order - 1)

        def step(token, history):
            # The state is the history: the last tokens up to the one just given.
            history = torch.cat([history, token[:, None]], 1)[:, -reach:]
            return self.model.distribution(history).log(), history

        return Primed(step, tokens[None, :-1][:, -reach:], logits=False)

    def export(self):
        about = {"task": "language model", "order": self.model.order, "unit": self.vocabulary.unit}
        return TextExport(arpa.lines_of_arpa(self.vocabulary, self.model.ngrams()), about)
