"""n-gram language model with modified Kneser-Ney smoothing, over words or characters: counted in one step.

Task: the next word or character of a text; own .txt files work. Metric: perplexity per token with sentence ends. Penn
Treebank, 5-gram: test 141.2 (Mikolov 2012; 141.17 recomputed independently); ours 141.19. Seconds on one core.

    deepcanon train ngram-lm --data ptb
"""

from dataclasses import dataclass, replace
from typing import Literal

SYSTEM = "sequence.ngram_lm"
DATA = ("text",)
TARGETS = (
    {"run": "ptb-5", "metric": "test/perplexity", "relation": "==", "value": 141.17, "tolerance": 0.1,
     "mark": "R", "source": "D02; 141.2 in Mikolov 2012"},
    {"run": "ptb-5", "metric": "test/valid_perplexity", "relation": "==", "value": 148.03, "tolerance": 0.1,
     "mark": "R", "source": "D02"},
    {"run": "ptb-5", "metric": "test/normalisation_error", "relation": "<=", "value": 1e-9,
     "mark": "X", "source": "D02: sums to 1 on 1,000 histories, seen and unseen"},
    {"run": "ptb-5", "metric": "cpu_seconds", "relation": "<=", "value": 5.0,
     "mark": "P", "source": "D02: counting and smoothing", "statistic": "worst"},
    {"run": "ptb-3", "metric": "test/perplexity", "relation": "==", "value": 148.3, "tolerance": 0.1,
     "mark": "R", "source": "D02"},
    {"run": "ptb-2", "metric": "test/perplexity", "relation": "==", "value": 185.7, "tolerance": 0.1,
     "mark": "R", "source": "D02"},
    {"run": "ptb-1", "metric": "test/perplexity", "relation": "==", "value": 639.3, "tolerance": 0.1,
     "mark": "R", "source": "D02"},
    {"run": "tinyshakespeare-7", "metric": "valid/nll", "relation": "==", "value": 1.517, "tolerance": 0.001,
     "mark": "R", "source": "D02"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    unit: Literal["words", "characters"] = "words"
    """What a token is; words stand between blanks, and each line is a sentence. Characters run on over lines."""
    order: int = 5
    """The longest n-gram."""
    discount: float = 0.0
    """One fixed discount for all counts (plain Kneser-Ney of 1995); 0: three an order, estimated."""
    minimum_count: int = 1
    """Rarer tokens become the unknown one."""
    vocabulary: int = 0
    """Most tokens to keep, by frequency; 0 keeps all."""
    sample: int = 60
    """Tokens of the text sample."""
    valid_share: float = 0.1
    """Share of the text, at its end, that is held out for validation."""
    test_share: float = 0.0
    """Share behind that for a test."""


def smoke():
    return Config(order=3, sample=20), {"data": "pydoc"}


def default():
    return Config(), {"data": "pydoc"}


def paper():
    return Config(), {"data": "ptb"}


def verify():
    runs = {f"ptb-{order}": (Config(order=order), {"data": "ptb"}) for order in (1, 2, 3, 5)}
    letters = replace(Config(), unit="characters", order=7)
    return {**runs, "tinyshakespeare-7": (letters, {"data": "tinyshakespeare"})}


import math

import torch

from deepcanon.data import DataError, Problem
from deepcanon.parts.vocabulary import Vocabulary, encode_once
from deepcanon.sequence.decoding import beam_search, sample_sequence
from deepcanon.sequence.ngram_lm import NgramLM

HISTORIES = 1_000


class Recipe:
    state = ("model",)
    monitor = ("valid/nll", "min")
    parallel = "none: counting a text of a million words takes a second"
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        text = data["train"].x
        vocabulary = Vocabulary.build(text, config.unit, config.minimum_count, config.vocabulary)
        if not len(encode_once(text, vocabulary)):
            raise DataError(Problem("", "", f"the text has no {config.unit}", "give a longer text"))
        return {"vocabulary": vocabulary.to_json()}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.vocabulary = Vocabulary.from_json(facts["vocabulary"])
        self.model = NgramLM(
            len(self.vocabulary), config.order, end=self.vocabulary.end,
            discounts=config.discount or "modified", device=run.device,
        )  # fmt: skip

    @property
    def preprocess(self):
        return self.vocabulary.encode

    def plan(self) -> int:
        return 1

    def step(self, step: int) -> dict:
        self.model.fit(self.run.to(encode_once(self.run.data["train"].x, self.vocabulary)))
        self.run.stop("one pass over the text: the counts are exact")
        return {f"ngrams_{order}": size for order, size in enumerate(self.model.sizes_, 1)}

    def evaluate(self, split: str) -> dict:
        nll = self._nll(split)
        result = {"nll": nll, "perplexity": math.exp(min(nll, 700.0))}
        if split == "test":
            if "valid" in self.run.data:
                result["valid_perplexity"] = math.exp(self._nll("valid"))
            tokens = encode_once(self.run.data[split].x, self.vocabulary).to(self.run.device)
            histories = max(1, self.config.order - 1)
            rows = min(HISTORIES // 2, len(tokens) // histories)
            seen = tokens[: rows * histories].view(rows, histories)
            drawn = torch.randint(len(self.vocabulary), seen.shape, generator=self.run.generator("histories"))
            sums = self.model.distribution(torch.cat([seen, drawn.to(seen)])).sum(1)
            result["normalisation_error"] = (sums - 1).abs().max()
        return result

    def _nll(self, split: str) -> float:
        tokens = encode_once(self.run.data[split].x, self.vocabulary).to(self.run.device)
        return -float(self.model(tokens[None]).mean())

    def figures(self) -> dict:
        return {"sample": self.generate("", 1, 1.0, 0, self.run.generator("sample"), self.config.sample)[0]["text"]}

    def generate(self, prompt, count, temperature, beam, generator, length=60, top_k=0, top_p=1.0, alpha=0.0):
        """Continues the prompt; with beam search, the `count` best continuations (of words: up to the sentence end)."""
        vocabulary, reach = self.vocabulary, max(1, self.config.order - 1)
        tokens = vocabulary.encode(prompt, closed=False).to(self.run.device)
        if not len(tokens):
            tokens = tokens.new_tensor([vocabulary.number.get("\n", 1) if vocabulary.end is None else vocabulary.end])

        def step(token, history):
            # The state is the history: the last tokens, from before the prompt up to the one just given.
            history = torch.cat([history, token[:, None]], 1)[:, -reach:]
            return self.model.distribution(history).log(), history

        before = tokens[None, :-1][:, -reach:]
        never = [vocabulary.unknown] if len(vocabulary) > 1 else []
        if beam:
            found = beam_search(
                step, tokens[-1:], before, beam=max(beam, count), length=length, end=vocabulary.end, alpha=alpha,
                forbidden=never,
            )  # fmt: skip
            drawn = [t[:n] for t, n in zip(found.tokens[0], found.lengths[0], strict=True)][:count]
            scores = found.scores[0]
        else:
            drawn, scores = sample_sequence(
                step, tokens[-1:].expand(count), before.expand(count, -1), length, generator,
                temperature=temperature, top_k=top_k, top_p=top_p, forbidden=never,
            )  # fmt: skip
        return [{"text": vocabulary.join(prompt, t), "score": float(s)} for t, s in zip(drawn, scores, strict=False)]

    def predict(self, inputs) -> list[dict]:
        """How well the model predicts each text: nats per token."""
        results = []
        for text in inputs:
            tokens = self.vocabulary.encode(text).to(self.run.device)
            nll = -float(self.model(tokens[None]).mean())
            results.append({"value": nll, "perplexity": math.exp(min(nll, 700.0)), "tokens": len(tokens)})
        return results
