"""Sequence-level training: a translator learns from the BLEU of whole sentences that it has drawn.

Task: translate sentences, as in `attention` and `seq2seq` (`--network`). Training starts with
cross-entropy; its last part uses MIXER: true words up to a boundary, which moves towards the
beginning, drawn words after it, and REINFORCE with a learned baseline; or the expected score of a
few candidates (`--method minimum-risk`); or, to compare, still cross-entropy. Metrics: those of
translators. Ranzato et al. 2016, German to English: 17.7 BLEU by cross-entropy, 20.7 by MIXER; ours
on Multi30k 30.3 and 31.1, while chrF falls from 49.3 to 47.9 (one seed).

    deepcanon train sequence-level-training --data my-pairs.tsv --method minimum-risk
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from deepcanon.model_options import TINY_TRANSLATION, OwnWordsTraining
from deepcanon.options import Count, Positive, Probability, Range
from deepcanon.targets import TRANSLATION, metric, target

SYSTEM = "sequence.sequence_level_training"
DATA = ("pairs",)
METRICS = {
    **TRANSLATION,
    "reward": metric(
        "mean BLEU of drawn sentences in training, each alone, from 0 to 1", "", "max"
    ),
}
TARGETS = (
    target("mixer - cross-entropy", "test/bleu >= 0.5", "P", "greedy, from one checkpoint"),
    target("mixer", "worst cpu_minutes <= 15", "P", "fifteen minutes of one core"),
)
BELONGS = {
    **dict.fromkeys(("more", "every", "mix"), ("method", ("mixer",))),
    **dict.fromkeys(("candidates", "sharpness"), ("method", ("minimum-risk",))),
}


@dataclass(frozen=True, kw_only=True)
class Config(OwnWordsTraining):
    method: Literal["mixer", "minimum-risk", "cross-entropy"] = "mixer"
    """The objective of the last part of the training."""
    whole: Probability = 0.25
    """Share of the training, its last part, that learns from whole sentences; 1: all of it, as
    suits a model that has learned already (--init-from)."""
    whole_rate: Positive = 2e-4
    """Learning rate of the last part, constant."""
    more: Count = 3
    """mixer: how many words at the end of each sentence are drawn at first; each move of the
    boundary adds as many."""
    every: Positive = 0.25
    """mixer: passes over the pairs between two moves of the boundary."""
    mix: Probability = 0.5
    """mixer: weight of REINFORCE; cross-entropy has the rest."""
    candidates: Annotated[int, Range("[2, inf)")] = 5
    """minimum-risk: sentences that are compared, the reference among them."""
    sharpness: Positive = 0.05
    """minimum-risk: exponent of their probabilities (alpha)."""


SMALL: dict[str, Any] = {
    "hidden": 64,
    "embedding": 48,
    "epochs": 12,
    "minimum_count": 1,
    "dropout": 0.1,
}
TINY = Config(**TINY_TRANSLATION, whole=0.9, whole_rate=1e-2, more=1, every=100.0)
CAPTIONS = Config(lower=True, epochs=5, beam=1)
PAPER: dict[str, Any] = {"optimizer": "sgd", "schedule": "constant", "learning_rate": 0.2}
PAPER |= {"batch": 32, "clip": 10.0, "epochs": 70, "whole": 45 / 70, "every": 5.0}
RUN = {"data": "multi30k", "precision": "auto", "evaluate_every": 900}
PRESETS = {
    "smoke": (TINY, {"data": "lexical-translation", "steps": 30, "threads": 1}),
    "default": (
        Config(),
        {
            "data": "lexical-translation",
            "options": SMALL | {"network": "location-aware", "batch": 50, "learning_rate": 4e-3},
        },
    ),
    "paper": (Config(dropout=0.0, whole_rate=0.2, **PAPER), {"data": "multi30k"}),
    "verify:mixer": (CAPTIONS, RUN),
    "verify:cross-entropy": (replace(CAPTIONS, method="cross-entropy"), RUN),
}

import torch

from deepcanon.engine.text_scores import has_sacrebleu
from deepcanon.parts.clipping import clip_in_step
from deepcanon.sequence.sequence_level_training import Baseline, mixer_terms, risk, tail_words
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.own_words import LONGER, OwnWords
from deepcanon.techniques.schedules import scheduled


class Recipe(OwnWords[Config]):
    state = ("model", "optimizer", "baseline", "baseline_optimizer")
    waits = "the reward of a sentence is counted on the host"

    def build(self):
        super().build()
        self.monitor = ("valid/bleu", "max") if has_sacrebleu() else ("valid/nll", "min")
        self.baseline = Baseline(self.config.hidden, device=self.run.device)
        self.baseline_optimizer = optimizer_of(self.config, self.baseline)

    @property
    def first(self):
        """The step at which the last part begins."""
        return round((1 - self.config.whole) * self.run.steps)

    def rate(self, step):
        c = self.config
        if step >= self.first:
            return c.whole_rate
        return c.learning_rate * scheduled(c, step, self.first)

    def step(self, step):
        if step < self.first or self.config.method == "cross-entropy":
            return super().step(step)
        config, run, rate = self.config, self.run, self.rate(step)
        (sources, targets, _), mine = self.taken(step), run.rows(config.batch)
        references = [
            row[: n - 1] for row, n in zip(*(v[mine].tolist() for v in targets), strict=True)
        ]
        given = [run.to(value[mine]) for value in (*sources, *targets)]
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad()
        with self.drawing():
            if config.method == "mixer":
                loss, reward = self.by_mixing(step, given, references)
            else:
                loss, reward = self.by_risk(given, references)
        norm = clip_in_step(self.optimizer, config.clip)
        found = {"loss": loss, "gradient_norm": norm, "reward": run.sum(reward) / run.world}
        return {**found, "learning_rate": torch.tensor(rate, dtype=torch.float64)}

    def by_mixing(self, step, given, references):
        """MIXER: backward of both losses and of the baseline's, whose update is made here."""
        c, run, (source, lengths, true, ends) = self.config, self.run, given
        every = c.every * run.steps_of(1, c.batch)
        heads = (ends - tail_words(step - self.first, every, c.more)).clamp(min=0)
        numbers = run.rand("own", (c.batch, true.shape[1] + LONGER + 1))
        written = self.written(source, lengths, true, heads, numbers)
        rewards, known = self.scored(written, references), self.baseline(written.states)
        terms = mixer_terms(written.log_probabilities, written.counts, heads, rewards, known)
        loss = (1 - c.mix) * terms.cross_entropy + c.mix * terms.reinforce
        self.baseline_optimizer.zero_grad()
        count = int(written.counts.sum())
        loss = run.backward(loss + terms.baseline, self.model, self.baseline, count=count)
        set_rate(self.baseline_optimizer, c.learning_rate)
        clip_in_step(self.baseline_optimizer, c.clip)
        return loss, rewards.mean()

    def by_risk(self, given, references):
        """Minimum risk: backward of the expected cost of the reference and of drawn sentences."""
        c, run, k = self.config, self.run, self.config.candidates
        source, lengths, true, ends = (value.repeat_interleave(k, 0) for value in given)
        first = torch.arange(len(ends), device=ends.device) % k == 0
        numbers = run.rand("own", (c.batch, k, true.shape[1] + LONGER + 1)).flatten(0, 1)
        written = self.written(source, lengths, true, torch.where(first, ends, 0), numbers)
        rewards = self.scored(written, [row for row in references for _ in range(k)]).view(-1, k)
        words, counts = written.words, written.counts
        real = torch.arange(words.shape[1], device=words.device) < counts[:, None]
        chances = torch.where(real, written.log_probabilities, 0.0).sum(1).view(-1, k)
        same = torch.where(real, words, -1).view(len(references), k, -1)
        equal = (same[:, :, None] == same[:, None]).all(3).tril(-1)
        loss = risk(chances, 1 - rewards, c.sharpness, ~equal.any(2))
        return run.backward(loss, self.model), rewards[:, 1:].mean()
