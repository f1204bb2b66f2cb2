"""Sampled softmax against the full one on a language model of words, with and without correction.

Task: (1) the next word of a text, by the same recurrent network with the full softmax, with a
sampled one, and with a sampled one without the correction, each at its best learning rate, for the
same number of steps; all evaluated by the full softmax. (2) How far the gradient of the sampled
loss is from that of the full one, on average over samples, for more and more of 10,000 classes.
Metrics: test nats per word; perplexities over the full softmax's, ours on Penn Treebank 0.96, and
2.28 without the correction; the bias, and its slope over the number of samples in logarithms, -1 by
theory. Three minutes on one core with the embedded text, 20 with Penn Treebank. To train your own
model: `rnn-lm --unit words --samples 500`.

    deepcanon train sampled-softmax --data ptb --samples 500
"""

from dataclasses import dataclass, replace
from typing import Annotated

from deepcanon.options import Count, Positive, Range, Tokens, Tuning
from deepcanon.targets import metric, target, trial_metrics

SYSTEM = "sequence.sampled_softmax"
DATA = ("text",)
METRICS = {
    **trial_metrics("test nll", "nats per word", "min", "full", "sampled", "uncorrected"),
    "ratio_*_low": metric("lower end of its 95 % interval"),
    "ratio_*_high": metric("upper end of its 95 % interval"),
    "ratio_*": metric("perplexity of this arm over that of the full softmax", "", "min"),
    "slope_*": metric("slope of log bias over log samples, by this way of drawing"),
    "bias_all": metric("relative bias of the gradient if all classes are drawn", "", "min"),
}
TARGETS = (
    target("ptb", "test/ratio_sampled <= 1.05", "X", "the corrected gradient is nearly unbiased"),
    target("ptb", "test/ratio_uncorrected >= 1.15", "X", "frequent words come out too unlikely"),
    target("ptb", "test/slope_independent == -1 +- 0.2", "X", "bias of O(1 / m), m = 16 .. 4096"),
    target("ptb", "test/slope_stratified <= -0.8", "X", "at least as fast: no bias at m = V"),
    target("ptb", "test/bias_all <= 1e-10", "X", "with every class the loss is the full one"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Tokens, Tuning):
    samples: Count = 500
    """Words drawn in each step by the sampled arms (at most all of the vocabulary)."""
    hidden: Count = 200
    """Units of the recurrent layer, and size of the word vectors."""
    learning_rates: tuple[float, ...] = (0.003, 0.006, 0.012)
    epochs: Positive = 1.0
    """Passes over the text in each trial."""
    batch: Count = 32
    """Streams that the text is cut into."""
    window: Count = 35
    """Words through which gradients flow back."""
    classes: Annotated[int, Range("[32, inf)")] = 10_000
    """Classes of the generated task on which the bias is measured."""
    draws: Annotated[int, Range("[2, inf)")] = 200
    """Samples for each point of the bias's curve."""
    test_share: float = 0.1


FEW = Config(samples=50, hidden=16, learning_rates=(0.01,), epochs=0.02, seeds=2)
SMALL = {"samples": 200, "hidden": 100, "learning_rates": (0.005, 0.01, 0.02)}
PRESETS = {
    "smoke": (replace(FEW, vocabulary=300, classes=300, draws=20), {"data": "pydoc"}),
    "default": (Config(minimum_count=2), {"data": "pydoc", "options": SMALL}),
    "paper": (Config(samples=1000, epochs=10.0), {"data": "ptb"}),
    "verify:ptb": (Config(epochs=0.5), {"data": "ptb", "threads": 1}),
}

import math
from functools import cache

from deepcanon.engine import Experiment
from deepcanon.engine.figures import Line, Plot
from deepcanon.sequence.sampled_softmax import bias_of_a_task, log_log_slope

LOOKS = 4  # at the validation loss in each trial
FIRST, MOST = 16, 4096  # samples at both ends of the curve


@cache
def curves(classes, draws):
    """By both ways of drawing the relative bias of the gradient for each number of samples."""
    counts = [FIRST * 2**k for k in range(20) if FIRST * 2**k <= min(MOST, classes // 2)]
    independent = {m: bias_of_a_task(classes, m, False, draws) for m in counts}
    stratified = {m: bias_of_a_task(classes, m, True, draws) for m in (*counts, classes)}
    return {"independent": independent, "stratified": stratified}


class Recipe(Experiment[Config]):
    trains = "rnn_lm"
    shares = ("hidden", "batch", "window", "minimum_count", "vocabulary")
    metric = "nll"
    precisions = ("fp32", "bf16")

    @classmethod
    def learn(cls, config, data):
        lines = [line.split() for line in data["train"].x.split("\n") if line.strip()]
        tokens = sum(len(words) + 1 for words in lines)  # with the ends of sentences
        per_epoch = -(-tokens // (config.batch * config.window))
        return {"steps": max(1, round(config.epochs * per_epoch))}

    def arms(self):
        config = self.config
        full = {"unit": "words", "embedding": config.hidden, "frequency_bias": True}
        sampled = {**full, "samples": config.samples}
        return {"full": full, "sampled": sampled, "uncorrected": {**sampled, "correction": False}}

    def trial_settings(self):
        steps = self.facts["steps"]
        return {"steps": steps, "evaluate_every": -(-steps // LOOKS)}

    def findings(self):
        biases = curves(self.config.classes, self.config.draws)
        found = {f"slope_{name}": log_log_slope(curve) for name, curve in biases.items()}
        found["bias_all"] = biases["stratified"][self.config.classes]
        verdict = self.comparison.verdict()  # nats of the full softmax minus the arm's
        for arm in ("sampled", "uncorrected"):
            for end, nats in (("", "difference"), ("_low", "high"), ("_high", "low")):
                if f"{nats}_{arm}" in verdict:
                    found[f"ratio_{arm}{end}"] = math.exp(min(700.0, -verdict[f"{nats}_{arm}"]))
        return found

    def figures(self):
        biases, lines = curves(self.config.classes, self.config.draws), []
        for name, curve in biases.items():
            some = {m: bias for m, bias in curve.items() if m < self.config.classes}
            label = f"{name}, slope {log_log_slope(curve):.2f}"
            lines.append(Line(list(some.values()), list(some), label, style="o-"))
        theory = [some[FIRST] * FIRST / m for m in some]
        lines.append(Line(theory, list(some), "1 / samples", style=":", colour=-1))
        axes = "samples", "bias of the gradient, relative to its norm"
        said = "Bias by samples: a good sampler's falls at least as fast as 1 / samples."
        plot = Plot(lines, *axes, log="xy", ticks=list(some), caption=said)
        return {**super().figures(), "bias": plot}
