"""Depth against width twice: the theorem of the composed tents, and perceptrons of equal size on images or tables.

Task: (1) six composed tent maps are 64 linear pieces made by 12 hidden units; one hidden layer of 40 units, fitted anew
in every step, stays away from them; (2) classification by one and by three hidden layers of equal numbers of
parameters, hence of multiplications, each at its own best rate and initialisation. Metrics: pieces, errors and their
lower bounds; test errors of both and their difference. No paper gives (2) at this size; ours are in
docs/results/depth_versus_width.json. On the embedded digits two minutes on one core, on MNIST ten.

    deepcanon train depth-versus-width --data mnist --parameters 100000
"""

from dataclasses import dataclass

SYSTEM = "foundations.depth_versus_width"
DATA = ("images", "tables")
# fmt: off
TARGETS = (
    {"run": "mnist", "metric": "test/deep_pieces", "relation": "==", "value": 64, "tolerance": 0, "mark": "X",
     "source": "A20: six tents of two units", "statistic": "worst"},
    {"run": "mnist", "metric": "test/deep_units", "relation": "==", "value": 12, "tolerance": 0, "mark": "X",
     "source": "A20", "statistic": "worst"},
    {"run": "mnist", "metric": "test/wide_pieces", "relation": "<=", "value": 41, "mark": "X",
     "source": "A20: 40 units in one layer", "statistic": "worst"},
    {"run": "mnist", "metric": "test/wide_largest", "relation": ">=", "value": 0.5, "mark": "X",
     "source": "A20: arXiv:1602.04485; fewer than 64 pieces", "statistic": "worst"},
    {"run": "mnist", "metric": "test/wide_squared", "relation": ">=", "value": 0.00748, "mark": "X",
     "source": "A20: (64 - 41) / (48 * 64) of equation (5)", "statistic": "worst"},
    {"run": "mnist", "metric": "test/parameter_gap", "relation": "<=", "value": 0.01, "mark": "X",
     "source": "A20: equal parameters", "statistic": "worst"},
    {"run": "mnist", "metric": "test/compute_gap", "relation": "<=", "value": 0.01, "mark": "X",
     "source": "A20: equal multiplications", "statistic": "worst"},
    {"run": "mnist", "metric": "test/difference", "relation": ">=", "value": 0.0, "mark": "P",
     "source": "A20: error of 1 layer minus error of 3, mean of 5 seeds"},
)
# fmt: on


@dataclass(frozen=True)
class Config:
    tents: int = 6
    """Composed tent maps; the deep network has two units for each."""
    units: int = 40
    """Hidden units of the one layer that is fitted to them."""
    parameters: int = 100_000
    """Weights and biases of either perceptron, as near as a whole width comes."""
    layers: tuple[int, ...] = (1, 3)
    """Numbers of hidden layers that are compared; the differences are those to the first."""
    learning_rates: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2)
    """Peaks of the one-cycle schedule that each tries; the best on validation is taken."""
    initializations: tuple[str, ...] = ("he", "orthogonal")
    """Initialisations that each tries with every rate."""
    epochs: int = 15
    """Passes over the examples."""
    batch: int = 256
    """Examples per step."""
    seeds: int = 5
    """Trials of each perceptron after tuning."""
    size: int = 0
    """Images: side in pixels; 0 as they are."""
    channels: int = 0
    """Images: 1 grey, 3 colour; 0 as they are."""
    target: str = ""
    """Tables: the column with the class; the last if not given."""
    valid_share: float = 0.1
    """Share of the training data that is held out for validation."""
    test_share: float = 0.1
    """Share that is held out for the test where the data bring none."""


def smoke():
    few = Config(parameters=2000, learning_rates=(0.1,), initializations=("he",), epochs=1, batch=64, seeds=2)
    return few, {"data": "digits"}


def default():
    return Config(parameters=10_000, initializations=("he",), epochs=20, batch=64), {"data": "digits"}


def paper():
    return Config(tents=8, units=128), {"data": "mnist"}


def verify():
    return {"mnist": (Config(), {"data": "mnist", "precision": "fp32", "threads": 1})}


import torch
from torch import nn

from deepcanon.engine import require_classes
from deepcanon.engine.comparison import Comparison
from deepcanon.engine.errors import UsageError
from deepcanon.foundations.depth_versus_width import (
    TentNetwork,
    equal_width,
    least_squared_error,
    linear_pieces,
    multiplications,
    parameters,
)

CLASSES = "classifiers are compared: images in CLASS/ folders, or a table whose target holds names"
CHILD = ("epochs", "batch", "size", "channels", "target", "valid_share", "test_share")


class Recipe:
    state = ("comparison", "wide", "wide_error")
    monitor = None
    splits = ("test",)
    parallel = "trials"
    precisions = ("fp32", "bf16")

    @staticmethod
    def learn(config, data) -> dict:
        require_classes(data, CLASSES)
        if len(set(config.layers)) < 2 or min(config.layers) < 1 or config.tents > 12:
            raise UsageError("two different numbers of hidden layers at least, each 1 or more; at most 12 tents")
        return {"features": data["train"].x[0].numel()}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        inputs, outputs = facts["features"], len(facts["reader"]["classes"])
        widths = {depth: equal_width(inputs, outputs, depth, config.parameters) for depth in config.layers}
        self.sizes = {f"layers{d}": (inputs, *[width] * d, outputs) for d, width in widths.items()}
        common = {name: getattr(config, name) for name in CHILD}
        self.comparison = Comparison(
            run, "mlp",
            arms={arm: {**common, "hidden": sizes[1:-1]} for arm, sizes in self.sizes.items()},
            tune={"learning_rate": config.learning_rates, "initialization": config.initializations},
            seeds=config.seeds,
        )  # fmt: skip
        self.deep = TentNetwork(config.tents, dtype=torch.float64)
        self.wide = nn.Sequential(nn.Linear(1, config.units), nn.ReLU(), nn.Linear(config.units, 1)).double()
        self.wide_error = float("inf")
        self.grid = torch.linspace(0, 1, 32 * 2**config.tents + 1, dtype=torch.float64)[:, None]

    def plan(self) -> int:
        return self.comparison.trials

    def step(self, step: int) -> dict:
        """The next trial of the perceptrons, and a fit of the one wide layer from a start of its own."""
        found, error = self.fit()
        if error < self.wide_error:
            self.wide.load_state_dict(found.state_dict())
            self.wide_error = error
        return {**self.comparison.step(step), "wide_squared": self.wide_error}

    @torch.enable_grad()
    def fit(self):
        """Bends at a run of the right places (better than at random ones), the weights behind them by least squares,
        then all of it by L-BFGS."""
        goal, units, random = self.deep(self.grid).detach(), self.config.units, self.run.generator("bends")
        turns = 2**self.config.tents - 1
        first = int(torch.randint(max(1, turns - units + 2), (1,), generator=random))
        places = torch.rand(units, generator=random, dtype=torch.float64)
        places[0] = 0.0
        right = min(units - 1, turns - first)
        places[1 : right + 1] = (torch.arange(right) + first + 1) / (turns + 1)
        net = nn.Sequential(nn.Linear(1, units), nn.ReLU(), nn.Linear(units, 1)).double()
        with torch.no_grad():
            net[0].weight.fill_(1.0)
            net[0].bias.copy_(-places)
            features = torch.cat([net[:2](self.grid), torch.ones_like(self.grid)], 1)
            solution = torch.linalg.lstsq(features, goal, driver="gelsd").solution
            net[2].weight.copy_(solution[:-1].T)
            net[2].bias.copy_(solution[-1])
        optimizer = torch.optim.LBFGS(net.parameters(), max_iter=300, history_size=20, line_search_fn="strong_wolfe")

        def loss():
            optimizer.zero_grad()
            value = (net(self.grid) - goal).square().mean()
            value.backward()
            return value

        optimizer.step(loss)
        return net, float(loss().detach())

    def evaluate(self, split: str) -> dict:
        config, goal = self.config, self.deep(self.grid)
        counts = [parameters(sizes) for sizes in self.sizes.values()]
        work = [multiplications(sizes) for sizes in self.sizes.values()]
        gap = (self.wide(self.grid) - goal).abs().detach()
        return {
            "deep_pieces": linear_pieces(self.deep.layers), "deep_units": sum(self.deep.hidden),
            "wide_pieces": linear_pieces(self.wide), "wide_largest": gap.amax(), "wide_squared": gap.square().mean(),
            "wide_squared_bound": least_squared_error(config.tents, config.units + 1),
            "parameter_gap": max(counts) / min(counts) - 1, "compute_gap": max(work) / min(work) - 1,
            **self.comparison.verdict(),
        }  # fmt: skip

    def figures(self) -> dict:
        return {"tents": self.tents(), **self.comparison.figures(), "sizes": self.table()}

    def tents(self):
        from matplotlib.figure import Figure

        measured = self.evaluate("test")
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
        goal, wide = self.deep(self.grid).detach(), self.wide(self.grid).detach()
        upper.plot(self.grid, goal, color="tab:orange", linewidth=1)
        units, pieces = measured["deep_units"], measured["deep_pieces"]
        upper.set_title(f"{self.config.tents} layers of 2 units: {units} units, {pieces} linear pieces", fontsize=9)
        lower.plot(self.grid, goal, color="0.8", linewidth=1)
        lower.plot(self.grid, wide, color="tab:blue", linewidth=1)
        lower.set_title(
            f"best of {len(self.comparison.results)} fits of one layer of {self.config.units} units: "
            f"{measured['wide_pieces']} pieces, squared error {measured['wide_squared']:.4f} "
            f"(none is below {measured['wide_squared_bound']:.4f}), largest {measured['wide_largest']:.2f} (0.5)",
            fontsize=9,
        )
        lower.set(xlabel="x", ylim=(-0.3, 1.3))
        return figure

    def table(self) -> str:
        lines = [f"{'hidden layers':<24}{'parameters':>12}{'multiplications':>18}"]
        for sizes in self.sizes.values():
            hidden = " x ".join(map(str, sizes[1:-1]))
            lines.append(f"{hidden:<24}{parameters(sizes):>12,}{multiplications(sizes):>18,}")
        return "\n".join(lines) + "\n"
