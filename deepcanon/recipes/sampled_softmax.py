"""Sampled softmax against the full one on a language model of words, with and without its correction.

Task: (1) the next word of a text, by the same recurrent network (output biases begin at the words' frequencies) with
the full softmax, with a sampled one, and with a sampled one without the correction, each at its best learning rate, for
the same number of steps; all judged by the full softmax. (2) How far the gradient of the sampled loss is from that of
the full one, on average over samples, for ever more of 10,000 classes. Metrics: test nats per word, perplexities as
ratios to the full softmax's; the bias and its slope over the number of samples in logarithms, -1 by theory. To train a
model of your own: `deepcanon train rnn-lm --unit words --samples 500`. On the embedded text three minutes on one core.

    deepcanon train sampled-softmax --data ptb --samples 500
"""

from dataclasses import dataclass

SYSTEM = "representation.sampled_softmax"
DATA = ("text",)
# fmt: off
TARGETS = (
    {"run": "ptb", "metric": "test/ratio_sampled", "relation": "<=", "value": 1.05, "mark": "X",
     "source": "B13: full-softmax perplexity after equal updates, sampled over full"},
    {"run": "ptb", "metric": "test/ratio_uncorrected", "relation": ">=", "value": 1.15, "mark": "X",
     "source": "B13: without the correction the gap is visible"},
    {"run": "ptb", "metric": "test/slope_independent", "relation": "==", "value": -1.0, "tolerance": 0.2, "mark": "X",
     "source": "B13: bias of the gradient about as 1 / m, m = 16 .. 4096 of 10,000, independent draws"},
    {"run": "ptb", "metric": "test/slope_stratified", "relation": "<=", "value": -0.8, "mark": "X",
     "source": "B13: the same of stratified draws, which fall at least as fast: at m = 10,000 nothing is left"},
    {"run": "ptb", "metric": "test/bias_all", "relation": "<=", "value": 1e-10, "mark": "X",
     "source": "B13: none where all classes are drawn"},
)
# fmt: on


@dataclass(frozen=True)
class Config:
    samples: int = 500
    """Words drawn in each step by the sampled arms (at most all of the vocabulary)."""
    hidden: int = 200
    """Units of the recurrent layer, and size of the word vectors."""
    learning_rates: tuple[float, ...] = (0.003, 0.006)
    """Peaks of the schedule that every arm tries; the best on validation is taken."""
    epochs: float = 1.0
    """Passes over the text in each trial."""
    batch: int = 32
    """Streams that the text is cut into."""
    window: int = 35
    """Words that gradients flow back over."""
    minimum_count: int = 1
    """Rarer words become the unknown one."""
    vocabulary: int = 0
    """Most words to keep, by frequency; 0 keeps all."""
    seeds: int = 3
    """Trials of each arm after tuning."""
    classes: int = 10_000
    """Classes of the drawn task on which the bias is measured."""
    draws: int = 200
    """Samples for each point of the bias's curve."""
    valid_share: float = 0.1
    """Share of the text, at its end, that is held out for validation."""
    test_share: float = 0.1
    """Share that is held out for the test where the data bring none."""


def smoke():
    few = Config(
        samples=50, hidden=16, learning_rates=(0.01,), epochs=0.02, vocabulary=300, seeds=2, classes=300, draws=20
    )
    return few, {"data": "pydoc"}


def default():
    return Config(samples=200, hidden=100, learning_rates=(0.005, 0.01), minimum_count=2), {"data": "pydoc"}


def paper():
    return Config(samples=1000, epochs=10.0), {"data": "ptb"}


def verify():
    return {"ptb": (Config(epochs=0.5), {"data": "ptb", "threads": 1})}


import math

import torch

from deepcanon.engine.comparison import Comparison
from deepcanon.engine.errors import UsageError
from deepcanon.representation.sampled_softmax import draw_classes, log_uniform, proposal

CHILD = ("hidden", "batch", "window", "minimum_count", "vocabulary", "valid_share", "test_share")
LOOKS = 4  # at the validation loss in each trial
FEATURES, ROWS, SPREAD = 16, 16, 0.3  # of the drawn task; SPREAD: of the scores around the logarithms of frequencies
FIRST, MOST, NOTHING = 16, 4096, 1e-12  # samples at both ends of the curve; a bias that is rounding


class Recipe:
    state = ("comparison",)
    monitor = None
    parallel = "trials"
    splits = ("test",)
    precisions = ("fp32", "bf16")

    @staticmethod
    def learn(config, data) -> dict:
        if config.samples < 1 or config.classes < 2 * FIRST or config.draws < 2:
            raise UsageError(f"--samples is 1 at least, --classes {2 * FIRST}, --draws 2")
        lines = [line.split() for line in data["train"].x.split("\n") if line.strip()]
        tokens = sum(len(words) + 1 for words in lines)  # with the ends of sentences
        per_epoch = -(-tokens // (config.batch * config.window))
        return {"steps": max(1, round(config.epochs * per_epoch))}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        common = {name: getattr(config, name) for name in CHILD}
        common |= {"unit": "words", "embedding": config.hidden, "frequency_bias": True}
        sampled = {**common, "samples": config.samples}
        self.comparison = Comparison(
            run, "rnn_lm",
            arms={"full": common, "sampled": sampled, "uncorrected": {**sampled, "correction": False}},
            tune={"learning_rate": config.learning_rates},
            seeds=config.seeds,
            metric="nll",
            settings={"steps": facts["steps"], "evaluate_every": -(-facts["steps"] // LOOKS)},
        )  # fmt: skip

    def plan(self) -> int:
        return self.comparison.trials

    def step(self, step: int) -> dict:
        return self.comparison.step(step)

    def evaluate(self, split: str) -> dict:
        found = self.comparison.verdict()
        for arm in ("sampled", "uncorrected"):
            if f"difference_{arm}" in found:  # of the full softmax's nats minus the arm's
                found[f"ratio_{arm}"] = math.exp(min(700.0, -found[f"difference_{arm}"]))
        curves = self.curves()
        found |= {f"slope_{name}": slope(curve) for name, curve in curves.items()}
        return found | {"bias_all": curves["stratified"][self.config.classes]}

    def curves(self) -> dict:
        """Of both ways of drawing the relative bias of the gradient for each number of samples."""
        classes, draws = self.config.classes, self.config.draws
        counts = [FIRST * 2**k for k in range(20) if FIRST * 2**k <= min(MOST, classes // 2)]
        every = {"independent": counts, "stratified": [*counts, classes]}
        return {
            name: {m: bias_of_a_task(classes, m, name == "stratified", draws) for m in sizes}
            for name, sizes in every.items()
        }

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.4, 3.8), layout="constrained")
        axes = figure.subplots()
        for name, curve in self.curves().items():
            some = {m: value for m, value in curve.items() if value > NOTHING}
            axes.plot(list(some), list(some.values()), "o-", label=f"{name}, slope {slope(curve):.2f}")
        axes.plot(list(some), [next(iter(some.values())) * FIRST / m for m in some], "k:", label="1 / samples")
        axes.set(xscale="log", yscale="log", xlabel="samples", ylabel="bias of the gradient, relative")
        axes.legend()
        return {**self.comparison.figures(), "bias": figure}


def bias_of_a_task(classes: int, samples: int, stratified: bool = True, draws: int = 200) -> float:
    """`bias` on a drawn task that is the same in every run: scores spread around the logarithms of a law of Zipf."""
    random, p = torch.Generator().manual_seed(0), log_uniform(classes)
    weight = SPREAD * torch.randn(classes, FEATURES, generator=random, dtype=torch.float64)
    hidden = torch.randn(ROWS, FEATURES, generator=random, dtype=torch.float64)
    logits = hidden @ weight.T + p.log()
    edges = logits.softmax(1).cumsum(1)
    targets = torch.searchsorted(edges, edges[:, -1:] * torch.rand(ROWS, 1, generator=random, dtype=torch.float64))
    return bias(logits, weight, targets[:, 0], proposal(p, samples, stratified), draws)


def bias(logits, weight, targets, source, draws: int) -> float:
    """The size of (mean gradient of the sampled loss minus that of the full one) over that of the full one, both with
    respect to the hidden vectors.

    With N = sum over drawn c != t of exp(o'_c) (w_c - w_t) and Z' the sum of the loss, the gradient is N / Z'. What is
    linear in their deviations from their means, which are known, has the mean zero and is taken off: without it the
    noise of a few hundred samples would hide the bias. The two halves of the samples are multiplied, so that what noise
    is left does not add to the size.
    """
    e = logits.softmax(1)  # exp(o_c), scaled so that the full sum is 1
    own = e.gather(1, targets[:, None])[:, 0]
    full = e @ weight - weight[targets]
    kept = own * (-source.log_counts[targets]).exp()  # the true class's term of Z'
    mean = kept + 1 - own  # of Z'
    halves = torch.zeros(2, *full.shape, dtype=torch.float64)
    random = torch.Generator().manual_seed(source.samples)
    for number in range(draws):
        drawn = draw_classes(source, random)
        parts = e[:, drawn.classes] * (-drawn.log_counts).exp()
        parts = parts.masked_fill(targets[:, None] == drawn.classes, 0.0)
        total = parts.sum(1)
        sums = parts @ weight[drawn.classes] - total[:, None] * weight[targets]
        off = ((total + kept) / mean - 1)[:, None]
        linear = (sums - full) / mean[:, None] - full / mean[:, None] * off
        halves[number % 2] += sums / (total + kept)[:, None] - linear - full
    first, second = halves[0] / (draws - draws // 2), halves[1] / (draws // 2)
    return float((first * second).sum().abs().sqrt() / full.norm())


def slope(curve: dict) -> float:
    """Of the least-squares line through the logarithms of the points, without the zero where all classes are drawn."""
    some = [(m, value) for m, value in curve.items() if value > NOTHING]
    x, y = torch.tensor(some, dtype=torch.float64).log().T
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())
