"""Plain recurrent networks on the adding problem, with and without clipping of the gradient's global norm.

Task: the sum of two marked numbers in a sequence of 100 (Pascanu et al. 2013); tanh networks by SGD with momentum, the
same start and examples for every learning rate of both arms. Metrics: at how many rates an arm diverged (a loss that is
not finite, or a smoothed loss above twice where it began), and the mean squared error at the rate that was best on
validation; whoever always answers 1 has 0.1667. Clipped, none diverges and the task is learned (0.031 with seed 0);
without, the large rates diverge, and the small ones learn late or are thrown back when the gradient explodes (0.133).
Two minutes on one core.

    deepcanon train gradient-clipping --limit 1 --learning-rates 0.005 0.05
"""

from dataclasses import dataclass

SYSTEM = "foundations.gradient_clipping"
DATA = ("task",)
# fmt: off
TARGETS = (
    {"run": "adding", "metric": "test/clipped_diverged", "relation": "==", "value": 0, "tolerance": 0, "mark": "X",
     "source": "A15: T = 100, at every rate", "statistic": "worst"},
    {"run": "adding", "metric": "test/unclipped_diverged", "relation": ">=", "value": 1, "mark": "X",
     "source": "A15: T = 100, at one rate or more of those at which the clipped do not", "statistic": "worst"},
    {"run": "adding", "metric": "test/clipped", "relation": "<=", "value": 0.15, "mark": "P",
     "source": "A15: learned, below the 0.1667 of always answering 1"},
    {"run": "adding", "metric": "test/difference", "relation": ">=", "value": 0.0, "mark": "P",
     "source": "A15: error without minus with, each at its best rate"},
)
# fmt: on


@dataclass(frozen=True)
class Config:
    length: int = 100
    """Numbers in a sequence."""
    hidden: int = 32
    """Units of each network."""
    limit: float = 0.25
    """Largest norm of the gradient in the clipped arm."""
    learning_rates: tuple[float, ...] = (0.002, 0.005, 0.01, 0.1)
    """Rates that both arms train with, side by side."""
    momentum: float = 0.9
    """Share of the last update that is kept."""
    radius: float = 1.0
    """Spectral radius of the recurrent weights at the start (an orthogonal matrix times it)."""
    input_scale: float = 0.5
    """Standard deviation of the input weights at the start."""
    batch: int = 16
    """Sequences per step."""
    iterations: int = 12_000
    """Steps, where none are given."""


def smoke():
    return Config(length=10, hidden=8, learning_rates=(0.01, 0.5), batch=4), {"steps": 30}


def default():
    return Config(length=50, iterations=6000), {}


def paper():
    return Config(hidden=50, limit=1.0, learning_rates=(0.01,), momentum=0.0, iterations=50_000), {}


def verify():
    return {"adding": (Config(), {})}


import torch
from torch import nn

from deepcanon.engine.errors import UsageError
from deepcanon.foundations.gradient_clipping import adding_problem, clipped, global_norm
from deepcanon.foundations.initialization import normal_, orthogonal_

ARMS = ("clipped", "unclipped")
BINS, SEQUENCES = 200, 2000  # points of a curve; sequences of an evaluation


class Networks(nn.Module):
    """K tanh networks with one start, trained side by side: h_t = tanh(x_t U + h_{t-1} W + b), answer h_T v + c."""

    def __init__(self, count: int, config, random):
        super().__init__()
        size, root = config.hidden, config.hidden**-0.5
        starts = {
            "U": normal_(torch.empty(2, size), config.input_scale, random),
            "W": orthogonal_(torch.empty(size, size), config.radius, random),
            "b": torch.zeros(1, size), "v": normal_(torch.empty(size, 1), 0.1 * root, random), "c": torch.zeros(1, 1),
        }  # fmt: skip
        for name, start in starts.items():
            self.register_parameter(name, nn.Parameter(start.repeat(count, 1, 1)))

    def states(self, inputs):
        """h_0 ... h_T, [T + 1, K, B, H]."""
        steps = torch.einsum("bti,kih->tkbh", inputs, self.U) + self.b
        states = [torch.zeros_like(steps[0])]
        for step in steps:
            states.append(torch.baddbmm(step, states[-1], self.W).tanh())
        return torch.stack(states)

    def forward(self, inputs):
        return torch.baddbmm(self.c, self.states(inputs)[-1], self.v)[..., 0]

    @torch.no_grad()
    def gradients(self, inputs, targets):
        """(mean squared error of each network, its gradient for each parameter): backpropagation through time,
        written out, since the graph of autograd costs five times as much."""
        states = self.states(inputs)
        error = torch.baddbmm(self.c, states[-1], self.v)[..., 0] - targets
        change = 2 * error[..., None] / len(targets)
        back, slopes, sums = change @ self.v.mT, 1 - states[1:] ** 2, []
        for slope in slopes.flip(0):
            sums.append(back * slope)
            back = sums[-1] @ self.W.mT
        # [K, T B, H]: time and batch are summed over
        sums, before = (t.transpose(0, 1).flatten(1, 2) for t in (torch.stack(sums[::-1]), states[:-1]))
        found = {
            "U": inputs.transpose(0, 1).flatten(0, 1).T @ sums, "W": before.mT @ sums,
            "b": sums.sum(1, keepdim=True), "v": states[-1].mT @ change, "c": change.sum(1, keepdim=True),
        }  # fmt: skip
        return error.square().mean(1), found


class Recipe:
    state = ("model", "velocity", "norms", "losses", "counts", "smooth", "first", "diverged", "stopped")
    monitor = None
    splits = ("valid", "test")
    parallel = "none: the networks are trained side by side already"
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        if not config.learning_rates or min(config.learning_rates) <= 0 or config.limit <= 0 or config.length < 2:
            raise UsageError("learning rates and limit are positive, and two numbers at least are to be added")
        return {}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.rates = len(config.learning_rates)
        count = len(ARMS) * self.rates
        self.model = Networks(count, config, run.generator("init")).to(run.device)
        self.velocity = {name: torch.zeros_like(p) for name, p in self.model.named_parameters()}
        self.norms, self.losses = torch.zeros(BINS, count), torch.zeros(BINS, count)
        self.counts, self.smooth, self.first = torch.zeros(BINS, count), torch.zeros(count), torch.zeros(count)
        self.diverged, self.stopped = [False] * count, [False] * count

    def plan(self) -> int:
        return self.config.iterations

    def draw(self, stream, batch):
        problem = adding_problem(batch, self.config.length, self.run.generator(stream))
        return (self.run.to(t).to(self.model.W.dtype) for t in problem)

    @torch.no_grad()
    def step(self, step: int) -> dict:
        losses, gradients = self.model.gradients(*self.draw("sequences", self.config.batch))
        losses, bin_ = losses.cpu(), step * BINS // self.run.steps
        for k, rate in enumerate(self.config.learning_rates * len(ARMS)):
            if self.stopped[k]:
                continue
            mine = {name: gradient[k] for name, gradient in gradients.items()}
            norm = global_norm(list(mine.values()))
            if not torch.isfinite(norm):  # nothing that could be clipped: this network is over
                self.stopped[k] = self.diverged[k] = True
                continue
            if k < self.rates:
                mine = dict(zip(mine, clipped(list(mine.values()), self.config.limit).gradients, strict=True))
            for name, parameter in self.model.named_parameters():
                velocity = self.velocity[name][k].mul_(self.config.momentum).add_(mine[name])
                parameter[k].sub_(velocity, alpha=rate)
            self.norms[bin_, k] = max(self.norms[bin_, k].item(), norm.item())
            self.losses[bin_, k] += losses[k].clamp(max=1e6)
            self.counts[bin_, k] += 1
        self.follow(step, losses)
        best = torch.where(torch.tensor(self.stopped), 1e6, self.smooth).view(len(ARMS), -1).amin(1)
        return {f"{arm}_loss": loss for arm, loss in zip(ARMS, best, strict=True)}

    def follow(self, step, losses):
        """The loss smoothed over about 50 steps; a network whose curve exceeds twice its beginning has diverged."""
        losses = losses.float().nan_to_num(1e6, 1e6).clamp(max=1e6)
        self.first = losses.clone() if step == 0 else self.first
        self.smooth = losses.clone() if step == 0 else 0.98 * self.smooth + 0.02 * losses
        above = (self.smooth > 2 * self.first).tolist()
        self.diverged = [before or now for before, now in zip(self.diverged, above, strict=True)]

    def errors(self, split):
        inputs, targets = self.draw(f"{split} sequences", SEQUENCES)
        errors = (self.model(inputs) - targets).square().mean(1).cpu()
        stopped = torch.tensor(self.stopped)
        return errors.nan_to_num(1e6).clamp(max=1e6).masked_fill(stopped, 1e6), (targets - 1).square().mean()

    def evaluate(self, split: str) -> dict:
        found: dict = {}
        chosen, (errors, chance) = self.errors("valid")[0], self.errors(split)
        for i, arm in enumerate(ARMS):
            part = slice(i * self.rates, (i + 1) * self.rates)
            best = int(chosen[part].argmin())
            found |= {arm: errors[part][best], f"{arm}_rate": self.config.learning_rates[best],
                      f"{arm}_diverged": sum(self.diverged[part])}  # fmt: skip
        same = self.rates + self.config.learning_rates.index(found["clipped_rate"])
        found |= {"difference": found["unclipped"] - found["clipped"], "unclipped_same_rate": errors[same]}
        return {**found, "always_one": chance}

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 5.6), layout="constrained")
        grid = figure.subplots(2, len(ARMS), sharex=True, sharey="row")
        steps = (torch.arange(BINS) + 0.5) / BINS * self.run.steps
        for k, rate in enumerate(self.config.learning_rates * len(ARMS)):
            column, there = k // self.rates, self.counts[:, k] > 0
            look = {"color": f"C{k % self.rates}", "linewidth": 1, "label": f"rate {rate:g}"}
            mean = self.losses[there, k] / self.counts[there, k]
            grid[0][column].semilogy(steps[there], self.norms[there, k].clamp_min(1e-12), **look)
            grid[1][column].semilogy(steps[there], mean, **look)
            if self.stopped[k] and there.any():
                grid[1][column].plot(steps[there][-1], mean[-1], "x", color=look["color"])
        for axes in grid[1]:
            axes.axhline(1 / 6, color="0.5", linestyle=":", linewidth=1)
            axes.set(xlabel="step", ylim=(1e-2, 10))
        grid[0][0].axhline(self.config.limit, color="0.5", linestyle="--", linewidth=1)
        grid[0][0].set(
            ylim=(0.1 * self.config.limit, 1e5),
            title=f"clipped at {self.config.limit:g} (dashed)",
            ylabel="largest norm before clipping",
        )
        grid[0][1].set_title("not clipped")
        grid[1][0].set_ylabel("squared error (dotted: always 1)")
        grid[0][1].legend(fontsize=7)
        return {"clipping": figure, "table": self.table()}

    def table(self) -> str:
        errors, chance = self.errors("valid")
        lines = [f"squared error on validation; always answering 1: {chance:.4f}"]
        for k, rate in enumerate(self.config.learning_rates * len(ARMS)):
            word = "not finite" if self.stopped[k] else "diverged" if self.diverged[k] else ""
            lines.append(f"{ARMS[k // self.rates]:>10}, rate {rate:<6g} {errors[k]:10.4g}  {word}")
        return "\n".join(lines) + "\n"
