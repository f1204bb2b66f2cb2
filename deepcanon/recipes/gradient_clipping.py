"""Plain recurrent networks on the adding problem, with and without clipping of the gradient's norm.

Task: the sum of two marked numbers in a sequence of 100 (Pascanu et al. 2013); tanh networks by SGD
with momentum, the same start and examples for every learning rate of both arms. Data: sequences.
Metrics: at how many rates an arm diverged (a loss that is not finite, or a smoothed loss above
twice its first value), and the mean squared error at the rate that was best on validation; always
answering 1 has 0.1667. Clipped, none diverges and the task is learned (0.031 with seed 0); without,
the large rates diverge, and the small ones learn late or are set back when the gradient explodes
(0.133). Two minutes on one core.

    deepcanon train gradient-clipping --limit 1 --learning-rates 0.005 0.05
"""

from dataclasses import dataclass

from deepcanon.options import Count, NonNegative, Positive, Sequences, Share
from deepcanon.targets import metric, target

SYSTEM = "foundations.gradient_clipping"
DATA = ("sequences",)
METRICS = {
    "clipped": metric("squared error of the clipped network of the best rate", "", "min"),
    "unclipped": metric("squared error of the unclipped network of the best rate", "", "min"),
    "difference": metric("unclipped minus clipped, each at its best rate"),
    "unclipped_same_rate": metric("unclipped, at the best rate of the clipped arm", "", "min"),
    "always_one": metric("squared error of the constant answer 1"),
    "*_rate": metric("learning rate of the arm that is best", split="valid"),
    "*_diverged": metric("learning rates at which the arm diverged", "rates", "min", split="train"),
    "*_loss": metric("smoothed squared error of the arm's best network", "", "min"),
}
TARGETS = (
    target("adding", "worst test/clipped_diverged == 0 +- 0", "X", "a bounded step, T = 100"),
    target("adding", "worst test/unclipped_diverged >= 1", "X", "Pascanu et al. 2013, section 2"),
    target("adding", "test/clipped <= 0.15", "P", "learned: below the 1/6 of always answering 1"),
    target("adding", "test/difference >= 0", "P", "without minus with, each at its best rate"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Sequences):
    hidden: Count = 32
    """Units of each network."""
    limit: Positive = 0.25
    """Largest norm of the gradient in the clipped arm."""
    learning_rates: tuple[Positive, ...] = (0.002, 0.005, 0.01, 0.1)
    """Learning rates; both arms train with all of them, side by side."""
    momentum: Share = 0.9
    """Share of the last update that is kept."""
    radius: NonNegative = 1.0
    """Initial spectral radius of the recurrent weights (a scaled orthogonal matrix)."""
    input_scale: NonNegative = 0.5
    """Initial standard deviation of the input weights."""
    batch: Count = 16
    """Sequences per step."""
    iterations: Count = 12_000
    """Steps, if none are given."""


PLAIN = Config(hidden=50, limit=1.0, learning_rates=(0.01,), momentum=0.0, iterations=50_000)
SMALL = Config(length=10, hidden=8, learning_rates=(0.01, 0.5), batch=4)
ADDING = {"data": "adding"}
PRESETS = {
    "smoke": (SMALL, {**ADDING, "steps": 30}),
    "default": (Config(length=50, iterations=6000), ADDING),
    "paper": (PLAIN, ADDING),
    "verify:adding": (Config(), ADDING),
}

import torch

from deepcanon import engine
from deepcanon.engine.figures import Line, Panels, Plot, Text
from deepcanon.errors import UsageError
from deepcanon.foundations.gradient_clipping import clipped, global_norm
from deepcanon.foundations.initialization import normal_, orthogonal_
from deepcanon.parts.tanh_networks import TanhNetworks

ARMS = ("clipped", "unclipped")
CURVES = ("norms", "losses", "counts", "smooth", "first")
BINS = 200  # points of a curve
LOST = 1e6  # stands for an error that is larger, or not finite


class Recipe(engine.Recipe[Config]):
    state = ("model", "velocity", *CURVES, "diverged", "stopped")
    parallel = "none: the networks are trained side by side already"

    @classmethod
    def learn(cls, config, data):
        if not config.learning_rates:
            raise UsageError("--learning-rates: give at least one")
        return {}

    def build(self):
        config, size, random = self.config, self.config.hidden, self.run.generator("init")
        self.rates = config.learning_rates * len(ARMS)  # of each network
        into = normal_(torch.empty(2, size), config.input_scale, random)
        recurrent = orthogonal_(torch.empty(size, size), config.radius, random)
        out = normal_(torch.empty(size, 1), 0.1 * size**-0.5, random)
        count = len(self.rates)
        self.model = TanhNetworks(count, into, recurrent, out).to(self.run.device)
        self.velocity = {name: torch.zeros_like(p) for name, p in self.model.named_parameters()}
        self.norms, self.losses, self.counts = (torch.zeros(BINS, count) for _ in range(3))
        self.smooth, self.first = torch.zeros(count), torch.zeros(count)
        self.diverged, self.stopped = [False] * count, [False] * count

    def plan(self):
        return self.config.iterations

    @torch.no_grad()
    def step(self, step):
        batch = self.run.batch(self.run.data["train"], self.config.batch)
        losses, gradients = self.model.gradients(*(t.to(self.model.W.dtype) for t in batch))
        losses, bin_ = losses.cpu(), step * BINS // self.run.steps
        for k, rate in enumerate(self.rates):
            if self.stopped[k]:
                continue
            mine = [gradient[k] for gradient in gradients.values()]
            norm = global_norm(mine)
            if not torch.isfinite(norm):  # nothing that could be clipped: this network is over
                self.stopped[k] = self.diverged[k] = True
                continue
            if k < len(self.config.learning_rates):
                mine = clipped(mine, self.config.limit).gradients
            for name, gradient in zip(gradients, mine, strict=True):
                velocity = self.velocity[name][k].mul_(self.config.momentum).add_(gradient)
                self.model.get_parameter(name)[k].sub_(velocity, alpha=rate)
            self.norms[bin_, k] = self.norms[bin_, k].maximum(norm.cpu())
            self.losses[bin_, k] += losses[k].clamp(max=LOST)
            self.counts[bin_, k] += 1
        self.follow(step, losses.float().nan_to_num(LOST, LOST).clamp(max=LOST))
        best = self.smooth.masked_fill(torch.tensor(self.stopped), LOST).view(2, -1).amin(1)
        return {f"{arm}_loss": loss for arm, loss in zip(ARMS, best, strict=True)}

    def follow(self, step, losses):
        """Smooths the losses over about 50 steps; above twice its first value one has diverged."""
        self.first = losses.clone() if step == 0 else self.first
        self.smooth = losses.clone() if step == 0 else 0.98 * self.smooth + 0.02 * losses
        above = (self.smooth > 2 * self.first).tolist()
        self.diverged = [before or now for before, now in zip(self.diverged, above, strict=True)]

    def errors(self, split):
        """Of each network [arms, rates], and of the constant answer 1."""
        rows = self.run.data[split]
        inputs, targets = (self.run.to(t).to(self.model.W.dtype) for t in (rows.x, rows.y))
        errors = (self.model(inputs) - targets).square().mean(1).cpu().nan_to_num(LOST, LOST)
        errors[torch.tensor(self.stopped)] = LOST
        return errors.clamp(max=LOST).view(2, -1), (targets - 1).square().mean()

    def evaluate(self, split):
        errors, chance = self.errors(split)
        best = self.errors("valid")[0].argmin(1).tolist()
        diverged = torch.tensor(self.diverged).view(2, -1).sum(1)
        found: dict = {}
        for i, arm in enumerate(ARMS):
            found |= {arm: errors[i, best[i]], f"{arm}_rate": self.rates[best[i]]}
            found[f"{arm}_diverged"] = diverged[i]
        found["difference"] = found["unclipped"] - found["clipped"]
        return {**found, "unclipped_same_rate": errors[1, best[0]], "always_one": chance}

    def figures(self):
        rates, limit = self.config.learning_rates, self.config.limit
        steps = (torch.arange(BINS) + 0.5) / BINS * self.run.steps
        means, plots = self.losses / self.counts, []  # NaN where a network took no step
        norm = ("largest norm before clipping", self.norms, {"limit": limit}, (0.1 * limit, 1e5))
        error = ("mean squared error", means, {"always answering 1": 1 / 6}, (1e-2, 10))
        for y, values, levels, span in (norm, error):
            for arm, curves in zip(ARMS, values.split(len(rates), 1), strict=True):
                named = zip(curves.T, rates, strict=True)
                lines = [Line(curve, steps, f"rate {rate:g}") for curve, rate in named]
                plots.append(Plot(lines, "step", y, arm, "y", levels=levels, y_range=span))
        said = "Norms and errors by rate: unclipped networks diverge, clipped ones keep learning."
        panels = Panels(plots, columns=2, caption=said)
        return {"clipping": panels, "table": Text(self.table(), "The last errors by arm and rate.")}

    def table(self):
        errors, chance = self.errors("valid")
        lines = [f"squared error on validation; always answering 1: {chance:.4f}"]
        named = zip(self.rates, errors.flatten(), strict=True)
        for k, (rate, error) in enumerate(named):
            word = "not finite" if self.stopped[k] else "diverged" if self.diverged[k] else ""
            arm = ARMS[k // len(self.config.learning_rates)]
            lines.append(f"{arm:>10}, rate {rate:<6g} {error:10.4g}  {word}")
        return "\n".join(lines) + "\n"
