"""Linear regression of a table's number (or of its classes, coded 0 and 1) by normal equations, descent or L-BFGS.

Task: the linear function of the columns with the least squared error, and the variance of the noise about it. Data: a
table whose target holds numbers; where it holds classes, one output for each class, 1 for its own rows and 0 for the
others. Metric: R^2 and mean squared error; scikit-learn's diabetes table 0.51775 and 2859.70 on all rows, sigma 53.476
(maximum likelihood: divided by n), the same from all three solvers to 1e-6. Seconds.

    deepcanon train linear-regression --data diabetes
"""

from dataclasses import dataclass
from typing import Literal

SYSTEM = "foundations.linear_regression"
DATA = ("tables",)
TARGETS = (
    {"run": "normal-equations", "metric": "train/r2", "relation": "==", "value": 0.51775, "tolerance": 5e-06,
     "mark": "R", "source": "A01, diabetes, all rows"},
    {"run": "normal-equations", "metric": "train/mse", "relation": "==", "value": 2859.70, "tolerance": 0.005,
     "mark": "R", "source": "A01, diabetes, all rows"},
    {"run": "normal-equations", "metric": "train/sigma", "relation": "==", "value": 53.476, "tolerance": 0.0005,
     "mark": "R", "source": "A01: the maximum of the likelihood divides by n"},
    {"run": "gradient-descent", "metric": "train/gap", "relation": "<=", "value": 1e-06,
     "mark": "X", "source": "A01: relative distance from the normal equations", "statistic": "worst"},
    {"run": "lbfgs", "metric": "train/gap", "relation": "<=", "value": 1e-06,
     "mark": "X", "source": "A01: relative distance from the normal equations", "statistic": "worst"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    solver: Literal["normal-equations", "gradient-descent", "lbfgs"] = "normal-equations"
    """The normal equations by QR, in one pass over batches; or descent on all rows at each step; or L-BFGS on them."""
    ridge: float = 0.0
    """Lambda: lambda / 2 times the squared weights is added to half the mean squared error; the bias is free."""
    standardize: bool = True
    """Give every column mean 0 and variance 1 first: the plain fit is the same, descent is faster, a ridge is fair."""
    batch: int = 10_000
    """Normal equations: rows whose factor is added in one step."""
    iterations: int = 20_000
    """Descent and L-BFGS: steps at most; they stop earlier where the gradient vanishes."""
    tolerance: float = 1e-9
    """Descent and L-BFGS: largest entry of the gradient, as a share of the first one's, at which they stop."""
    learning_rate: float = 0.0
    """Descent: step size; 0 takes 2 / (smallest + largest curvature), the best of all constant ones."""
    target: str = ""
    """The column to predict; the last if not given."""
    valid_share: float = 0.1
    """Share of the training data that is held out for validation."""
    test_share: float = 0.1
    """Share that is held out for the test where the data bring none."""


def smoke():
    return Config(), {"data": "diabetes"}


def default():
    return Config(), {"data": "diabetes"}


def paper():
    return Config(valid_share=0.0, test_share=0.0), {"data": "diabetes"}


def verify():
    return {
        solver: (Config(solver=solver, valid_share=0.0, test_share=0.0), {"data": "diabetes", "threads": 1})
        for solver in ("normal-equations", "gradient-descent", "lbfgs")
    }


import torch
from torch import nn

from deepcanon.engine import Export
from deepcanon.engine.errors import UsageError
from deepcanon.foundations.linear_regression import (
    LinearRegression,
    Triangle,
    linear_gradient,
    linear_objective,
    merge_triangles,
    triangle,
)
from deepcanon.parts.standardize import Standardize, channel_statistics


class Recipe:
    state = ("model", "seen", "linear", "optimizer", "first")
    monitor = None
    parallel = "statistics"
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        train = data["train"]
        if train.y is None:
            raise UsageError("linear regression needs targets: give data=(x, y)")
        if not bool(torch.isfinite(train.x).all()):
            raise UsageError("the table holds values that are not finite")
        shift, scale = torch.zeros(train.x.shape[1]), torch.ones(train.x.shape[1])
        if config.standardize:
            shift, scale = channel_statistics(part.x for part in train.chunks())
        x = Standardize(shift, scale).double()(train.x)
        ones = torch.cat([torch.ones(len(x), 1, dtype=x.dtype), x], 1)
        curvature = torch.linalg.eigvalsh(ones.T @ ones / len(x)) + config.ridge  # of half the mean squared error
        classes = data.describe().get("classes")
        return {
            "features": x.shape[1], "shift": shift, "scale": scale, "outputs": len(classes) if classes else 1,
            "rate": 2 / (curvature[0].clamp_min(0) + curvature[-1]).item(),
        }  # fmt: skip

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.classes = facts["reader"].get("classes")
        features, outputs, double = facts["features"], facts["outputs"], torch.float64
        self.preprocess = Standardize(facts["shift"], facts["scale"]).double().to(run.device)
        self.model = LinearRegression(ridge=config.ridge).to(run.device)
        nothing = (torch.zeros(outputs, features, dtype=double), torch.zeros(outputs, dtype=double))
        self._keep(*nothing, torch.ones(outputs, dtype=double), torch.zeros((), dtype=double))
        self.seen = tuple(triangle(torch.zeros(0, features), torch.zeros(0, outputs)))
        self.linear = nn.Linear(features, outputs, dtype=double, device=run.device)
        for parameter in self.linear.parameters():
            nn.init.zeros_(parameter)
        self.first = 0.0  # the largest entry of the first gradient
        self.optimizer = None
        if config.solver == "lbfgs":  # one iteration per call, so that a checkpoint fits between any two
            self.optimizer = torch.optim.LBFGS(
                self.linear.parameters(), lr=1, max_iter=1, max_eval=20, history_size=features + 1,
                tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe",
            )  # fmt: skip

    def _keep(self, weight, bias, variance, examples):
        if self.facts["outputs"] == 1 and not self.classes:
            weight, bias, variance = weight[0], bias[0], variance[0]
        self.model.coef_, self.model.intercept_ = weight.detach().clone(), bias.detach().clone()
        self.model.variance_, self.model.n_samples_seen_ = variance, examples
        self.model.to(self.run.device)

    def plan(self) -> int:
        if self.config.solver == "normal-equations":
            return -(-len(self.run.data["train"]) // self.config.batch)
        return self.config.iterations

    def targets(self, y):
        """Numbers as one column; classes as one column each, 1 for its own rows."""
        y = y.to(self.run.device)
        return (nn.functional.one_hot(y, len(self.classes)) if self.classes else y[:, None]).double()

    def rows(self, split, rows=slice(None)):
        return self.preprocess(split.x[rows].to(self.run.device)), self.targets(split.y[rows])

    def step(self, step: int) -> dict:
        config, run, train = self.config, self.run, self.run.data["train"]
        if config.solver == "normal-equations":
            self.factor(train, step)
        else:
            before = self.linear.weight.detach().clone()
            steepest = self.descend(train, config)
            self.first = self.first or steepest
            if steepest <= config.tolerance * self.first:
                run.stop(f"the gradient vanishes: its largest entry is {steepest:.1e}")
            elif torch.equal(before, self.linear.weight):
                run.stop(f"no step is seen to go down in float64: the gradient's largest entry is {steepest:.1e}")
            inputs, targets = self.rows(train)
            residual = targets - self.linear(inputs)
            count = torch.tensor(float(len(train)), dtype=torch.float64)
            self._keep(self.linear.weight, self.linear.bias, residual.detach().square().mean(0), count)
        loss = self.objective(*self.rows(train))
        return {"loss": loss, "sigma": self.model.variance_.mean().sqrt()}

    def factor(self, train, step):
        """One batch more into the factor of all rows; each process brings its own, and all solve the same."""
        run, size = self.run, self.config.batch
        if step * size < len(train):
            stop = min((step + 1) * size, len(train))
            part = triangle(*self.rows(train, slice(step * size + run.rank, stop, run.world)))
            slots = torch.zeros(run.world, *part.factor.shape, dtype=torch.float64, device=part.factor.device)
            slots[run.rank] = part.factor
            examples = torch.tensor([float(stop - step * size)] + [0.0] * (run.world - 1), dtype=torch.float64)
            parts = [Triangle(n, factor) for n, factor in zip(examples, run.sum(slots), strict=True)]
            self.seen = tuple(merge_triangles(Triangle(*(s.to(run.device) for s in self.seen)), *parts))
        if (step + 1) * size >= len(train):
            try:
                flat = self.model.coef_.ndim == 1
                self.model.fit_triangle(Triangle(*self.seen), self.facts["features"], flat=flat)
            except ValueError as error:
                raise UsageError(f"{error} (the columns are {', '.join(self.columns()[:12])})") from None
            run.stop("one pass over the data: the fit is exact")

    def descend(self, train, config):
        """One step of descent or of L-BFGS; the largest entry of the gradient before or at its end."""
        inputs, targets = self.rows(train, slice(self.run.rank, None, self.run.world))
        share, parameters = len(inputs) / len(train), (self.linear.weight, self.linear.bias)

        def closure():
            weight, bias = (p.detach() for p in parameters)
            gradients = linear_gradient(weight, bias, inputs, targets, ridge=config.ridge)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = self.run.sum(gradient * share)
            return self.run.sum(linear_objective(weight, bias, inputs, targets, ridge=config.ridge) * share)

        if config.solver == "lbfgs":
            self.optimizer.step(closure)
        else:
            closure()
            with torch.no_grad():
                for parameter in parameters:
                    parameter -= (config.learning_rate or self.facts["rate"]) * parameter.grad
        return max(parameter.grad.abs().max().item() for parameter in parameters)

    def objective(self, inputs, targets):
        weight = self.model.coef_.reshape(self.facts["outputs"], -1)
        return linear_objective(weight, self.model.intercept_.reshape(-1), inputs, targets, ridge=self.config.ridge)

    def evaluate(self, split: str) -> dict:
        inputs, targets = self.rows(self.run.data[split])
        means = self.model(inputs).reshape(len(targets), -1)
        rest, whole = (targets - means).square().sum(), (targets - targets.mean(0)).square().sum()
        variance = self.model.variance_.clamp_min(torch.finfo(torch.float64).tiny)
        nll = 0.5 * ((2 * torch.pi * variance).log() + (targets - means).square() / variance)
        result = {"mse": rest / targets.numel(), "nll": nll.mean(), "sigma": self.model.variance_.mean().sqrt()}
        if whole > 0:
            result["r2"] = 1 - rest / whole
        if self.classes:
            result["error"] = (means.argmax(1) != targets.argmax(1)).double().mean()
        if split == "train" and self.config.solver != "normal-equations":
            exact = LinearRegression(ridge=self.config.ridge).fit(inputs, targets)
            found, wanted = (torch.cat([m.coef_.flatten(), m.intercept_.flatten()]) for m in (self.model, exact))
            result["gap"] = (found - wanted).norm() / wanted.norm()
        return result

    def columns(self) -> list[str]:
        return self.facts["reader"]["columns"]

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        split = "valid" if "valid" in self.run.data else "train"
        inputs, targets = self.rows(self.run.data[split])
        means = self.model(inputs).reshape(len(targets), -1).cpu()
        residuals, means = (targets.cpu() - means).flatten(), means.flatten()
        sigma = self.model.variance_.mean().sqrt().item()
        fit, rest, bars = (Figure(figsize=(5, 3.6), layout="constrained") for _ in range(3))
        axes = fit.subplots()
        ends = torch.stack([means.min(), means.max()])
        axes.fill_between(ends, ends - 2 * sigma, ends + 2 * sigma, alpha=0.15, label="2 sigma")
        axes.plot(ends, ends, lw=1, label="predicted = true")
        axes.plot(means, means + residuals, ".", ms=4, alpha=0.6)
        axes.set(xlabel="predicted", ylabel=f"true ({split})")
        axes.legend()
        left, right = rest.subplots(1, 2)
        left.axhline(0, lw=1)
        left.plot(means, residuals, ".", ms=4, alpha=0.6)
        left.set(xlabel="predicted", ylabel="residual")
        grid = torch.linspace(-4 * sigma, 4 * sigma, 200) if sigma > 0 else torch.linspace(-1, 1, 200)
        right.hist(residuals.numpy(), bins=30, density=True, alpha=0.5)
        if sigma > 0:
            right.plot(grid, torch.exp(-0.5 * (grid / sigma) ** 2) / (sigma * (2 * torch.pi) ** 0.5))
        right.set(xlabel="residual", ylabel="density")
        weight = self.model.coef_.reshape(self.facts["outputs"], -1).cpu()
        largest = weight.abs().amax(0).argsort(descending=True)[:25].flip(0)
        axes = bars.subplots()
        for output, row in enumerate(weight):
            axes.plot(row[largest], range(len(largest)), "o", label=self.classes[output] if self.classes else None)
        axes.axvline(0, lw=1)
        axes.set_yticks(range(len(largest)), [self.columns()[i] for i in largest])
        axes.set_xlabel("weight of the standardised column" if self.config.standardize else "weight")
        if self.classes:
            axes.legend()
        return {"predicted-and-true": fit, "residuals": rest, "weights": bars}

    def predict(self, inputs) -> list[dict]:
        means = self.model(self.preprocess(inputs.to(self.run.device)))
        if self.classes:
            rows = [dict(zip(self.classes, row, strict=True)) for row in means.tolist()]
            return [{"label": max(row, key=row.__getitem__), "values": row} for row in rows]
        half = 1.96 * self.model.variance_.sqrt().item()
        return [{"value": value, "low": value - half, "high": value + half} for value in means.tolist()]

    def export(self):
        example = torch.zeros(2, self.facts["features"], device=self.run.device)
        about = {"task": "regress", "columns": self.columns(), "target": self.facts["reader"]["target"]}
        about |= {"sigma": self.model.variance_.sqrt().tolist(), "classes": self.classes}
        return Export(nn.Sequential(self.preprocess, self.model), (example,), ("columns",), ("value",), about)
