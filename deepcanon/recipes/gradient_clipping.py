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

from deepcanon.options import Count, NonNegative, Positive, Sequences, Share, Some
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
    learning_rates: Some[Positive] = (0.002, 0.005, 0.01, 0.1)
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
    "default": (Config(length=50), {**ADDING, "options": {"iterations": 6000}}),
    "paper": (PLAIN, ADDING),
    "verify:adding": (Config(), ADDING),
}

import torch

from deepcanon import engine
from deepcanon.foundations.gradient_clipping import clipped, global_norm
from deepcanon.foundations.initialization import normal_, orthogonal_
from deepcanon.parts.tanh_networks import TanhNetworks
from deepcanon.techniques.courses import Courses
from deepcanon.techniques.sequence_tasks import require_numbers

ARMS = ("clipped", "unclipped")
CHANCE = {"always answering 1": 1 / 6}


class Recipe(engine.Recipe[Config]):
    state = ("model", "velocity", "courses")
    parallel = "none: the networks are trained side by side already"
    planned = "iterations"

    @classmethod
    def learn(cls, config, data):
        require_numbers(data)
        return {}

    def build(self):
        config, size, random = self.config, self.config.hidden, self.run.generator("init")
        self.rates = config.learning_rates * len(ARMS)  # of each network
        into = normal_(torch.empty(2, size), config.input_scale, random)
        recurrent = orthogonal_(torch.empty(size, size), config.radius, random)
        out = normal_(torch.empty(size, 1), 0.1 * size**-0.5, random)
        networks = TanhNetworks(len(self.rates), into, recurrent, out)
        self.model = networks.to(self.run.device)
        self.velocity = {name: torch.zeros_like(p) for name, p in self.model.named_parameters()}
        self.courses = Courses(ARMS, config.learning_rates)

    @torch.no_grad()
    def step(self, step):
        batch = self.run.batch(self.run.data["train"], self.config.batch)
        losses, gradients = self.model.gradients(*(t.to(self.model.W.dtype) for t in batch))
        losses = losses.cpu()
        for k, rate in enumerate(self.rates):
            if self.courses.stopped[k]:
                continue
            mine = [gradient[k] for gradient in gradients.values()]
            norm = global_norm(mine)
            if not torch.isfinite(norm):
                self.courses.stop(k)
                continue
            if k < len(self.config.learning_rates):
                mine = clipped(mine, self.config.limit).gradients
            for name, gradient in zip(gradients, mine, strict=True):
                velocity = self.velocity[name][k].mul_(self.config.momentum).add_(gradient)
                self.model.get_parameter(name)[k].sub_(velocity, alpha=rate)
            self.courses.add(step, self.run.steps, k, norm, losses[k])
        best = self.courses.follow(step, losses)
        return {f"{arm}_loss": loss for arm, loss in zip(ARMS, best, strict=True)}

    def errors(self, split):
        """Of each network [arms, rates], and of the constant answer 1."""
        rows = self.run.data[split]
        inputs, targets = (self.run.to(t).to(self.model.W.dtype) for t in (rows.x, rows.y))
        errors = (self.model(inputs) - targets).square().mean(1)
        return self.courses.errors(errors), (targets - 1).square().mean()

    def evaluate(self, split):
        errors, chance = self.errors(split)
        best = self.errors("valid")[0].argmin(1).tolist()
        diverged = self.courses.diverged.view(2, -1).sum(1)
        found: dict = {}
        for i, arm in enumerate(ARMS):
            found |= {arm: errors[i, best[i]], f"{arm}_rate": self.rates[best[i]]}
            found[f"{arm}_diverged"] = diverged[i]
        found["difference"] = found["unclipped"] - found["clipped"]
        return {**found, "unclipped_same_rate": errors[1, best[0]], "always_one": chance}

    def figures(self):
        panels = self.courses.figure(self.run.steps, self.config.limit, CHANCE)
        errors, chance = self.errors("valid")
        title = f"squared error on validation; always answering 1: {chance:.4f}"
        return {"clipping": panels, "table": self.courses.table(errors, title)}
