"""Linear regression on a table by normal equations, gradient descent or L-BFGS.

Task: the linear function of the columns with the least squared error, and the variance of the noise
about it. Data: a table whose target holds numbers; if it holds classes, one output for each, 1 for
its own rows and 0 for the others. Metric: R^2 and mean squared error; scikit-learn's diabetes table
0.51775 and 2859.70 on all rows, sigma 53.476, the same from all three solvers to 1e-6. Seconds.

    deepcanon train linear-regression --data diabetes
"""

from dataclasses import dataclass, replace
from typing import Literal

from deepcanon.options import Count, NonNegative, Tables
from deepcanon.targets import metric, target

SYSTEM = "foundations.linear_regression"
DATA = ("tables",)
METRICS = {
    "mse": metric("mean squared error of the predictions", "square of the target's unit", "min"),
    "r2": metric("share of the target's variance that the columns explain", "share", "max"),
    "nll": metric("mean negative log density of the target, normal noise", "nats", "min"),
    "sigma": metric("standard deviation of the noise on the training rows", split="train"),
    "error": metric("share of rows whose largest output is another class", "share", "min"),
    "gap": metric("relative distance of the weights from the normal equations'", "share", "min"),
}
PEER = "scikit-learn's LinearRegression on all of its diabetes table"
EXACT = "the minimum is unique: relative distance from the normal equations"
TARGETS = (
    target("normal-equations", "train/r2 == 0.51775 +- 5e-06", "R", PEER),
    target("normal-equations", "train/mse == 2859.70 +- 0.005", "R", PEER),
    target("normal-equations", "train/sigma == 53.476 +- 0.0005", "R", f"root mse of {PEER}"),
    target("gradient-descent", "worst train/gap <= 1e-06", "X", EXACT),
    target("lbfgs", "worst train/gap <= 1e-06", "X", EXACT),
)
BELONGS = {
    "batch": ("solver", ("normal-equations",)),
    "iterations": ("solver", ("gradient-descent", "lbfgs")),
    "tolerance": ("solver", ("gradient-descent", "lbfgs")),
    "learning_rate": ("solver", ("gradient-descent",)),
}


@dataclass(frozen=True, kw_only=True)
class Config(Tables):
    solver: Literal["normal-equations", "gradient-descent", "lbfgs"] = "normal-equations"
    """Normal equations by QR in one pass over batches; or descent or L-BFGS on all rows."""
    ridge: NonNegative = 0.0
    """Lambda: half of it times the squared weights is added to half the mean squared error."""
    standardize: bool = True
    """Standardise every column first: descent is faster, and a ridge treats columns alike."""
    batch: Count = 10_000
    """Normal equations: rows whose factor is added in one step."""
    iterations: Count = 20_000
    """Descent and L-BFGS: maximum number of steps; they stop if the gradient vanishes."""
    tolerance: NonNegative = 1e-9
    """Descent and L-BFGS: stop at this share of the first gradient's largest entry."""
    learning_rate: NonNegative = 0.0
    """Descent: step size; 0 takes 2 / (smallest + largest curvature), the best constant one."""


PAPER = (Config(valid_share=0.0, test_share=0.0), {"data": "diabetes"})
FULL, SETTINGS = PAPER[0], {"data": "diabetes", "threads": 1}
PRESETS = {
    "smoke": (Config(), {"data": "diabetes"}),
    "default": (Config(), {"data": "diabetes"}),
    "paper": PAPER,
    "verify:normal-equations": (FULL, SETTINGS),
    "verify:gradient-descent": (replace(FULL, solver="gradient-descent"), SETTINGS),
    "verify:lbfgs": (replace(FULL, solver="lbfgs"), SETTINGS),
}

import functools

import torch
from torch import nn

from deepcanon import engine
from deepcanon.engine.regressor import Regresses, Regressor
from deepcanon.engine.shown import weights
from deepcanon.errors import UsageError
from deepcanon.foundations.linear_regression import (
    LinearRegression,
    Triangle,
    linear_both,
    triangle,
)
from deepcanon.parts.optimizers import SGD
from deepcanon.parts.standardize import Columns, Standardize
from deepcanon.techniques import convex
from deepcanon.techniques.least_squares import least_squares_facts


class Recipe(Regresses, engine.Recipe[Config]):
    state = ("model", "seen", "linear", "optimizer", "first")
    parallel = "statistics"
    computed = ("objective",)
    wants = "numbers"
    deterministic = True

    @classmethod
    def learn(cls, config, data):
        return least_squares_facts(data, standardize=config.standardize, ridge=config.ridge)

    def build(self):
        config, facts, run = self.config, self.facts, self.run
        self.classes = facts["reader"].get("classes")
        features, outputs = facts["features"], len(self.classes) if self.classes else 1
        scaled, self.kept = Standardize(facts["shift"], facts["scale"]).double(), facts.get("kept")
        chosen = nn.Sequential(scaled, Columns(self.kept)) if self.kept else scaled
        self.preprocess = chosen.to(run.device)
        self.linear = nn.Linear(features, outputs, dtype=torch.float64, device=run.device)
        for parameter in self.linear.parameters():
            nn.init.zeros_(parameter)
        self.model = LinearRegression(ridge=config.ridge)
        self.keep(self.linear.bias.new_ones(outputs), 0)
        self.regressor = Regressor(run, self.model, self.preprocess, facts["reader"])
        self.seen = tuple(triangle(torch.zeros(0, features), torch.zeros(0, outputs)))
        self.first, self.optimizer = 0.0, None  # first: the largest entry of the first gradient
        if config.solver == "lbfgs":
            self.optimizer = convex.lbfgs(self.linear.parameters(), features + 1)
        self.objective = convex.Objective(run, self.linear, linear_both, ridge=config.ridge)
        self.train = functools.cache(lambda: self.rows(run.data["train"]))
        self.mine = functools.cache(lambda: [rows[run.rank :: run.world] for rows in self.train()])

    def keep(self, variance, examples):
        place, examples = (self.linear.weight, self.linear.bias), variance.new_tensor(examples)
        self.model.keep(*place, variance, examples, flat=not self.classes)

    def plan(self):
        if self.config.solver == "normal-equations":
            return -(-len(self.run.data["train"]) // self.config.batch)
        return self.config.iterations

    def rows(self, split, rows=slice(None)):
        x, y = split.x[rows], split.y[rows]
        return self.preprocess(self.run.to(x)), self.regressor.targets(y)

    def step(self, step):
        train = self.run.data["train"]
        if self.config.solver == "normal-equations":
            self.factor(train, step)
        else:
            self.descend(train)
        loss = self.model.objective(*self.train())
        return {"loss": loss, "sigma": self.model.variance_.mean().sqrt()}

    def factor(self, train, step):
        """Adds a batch to the factor of all rows: each process its own, and all solve the same."""
        run, (start, stop) = self.run, (step * self.config.batch, (step + 1) * self.config.batch)
        if start < len(train):
            part = triangle(*self.rows(train, slice(start + run.rank, stop, run.world)))
            self.seen = tuple(convex.add_triangle(run, Triangle(*self.seen), part))
        if stop >= len(train):
            flat, seen = not self.classes, Triangle(*self.seen)
            try:
                self.model.fit_triangle(seen, self.facts["features"], flat=flat)
            except ValueError as error:
                columns = ", ".join(self.columns()[:12])
                raise UsageError(f"{error} (the columns are {columns})") from None
            run.stop("one pass over the data: the fit is exact")

    def descend(self, train):
        """One step of descent or of L-BFGS on all rows."""
        config, run, linear = self.config, self.run, self.linear
        before = linear.weight.detach().clone()
        rate = config.learning_rate or self.facts["rate"]
        (x, y), optimizer = self.mine(), self.optimizer or SGD(linear.parameters(), rate)
        optimizer.step(self.objective.closure(convex.Rows(x, y, len(train))))
        gradient = convex.steepest(*linear.parameters()).item()
        self.first, at = self.first or gradient, f"the gradient's largest entry is {gradient:.1e}"
        if gradient <= config.tolerance * self.first:
            run.stop(f"the gradient vanishes: {at}")
        elif torch.equal(before, linear.weight):
            run.stop(f"no step decreases the loss in float64: {at}")
        inputs, targets = self.train()
        self.keep((targets - linear(inputs)).detach().square().mean(0), len(train))

    def evaluate(self, split):
        found = super().evaluate(split)
        if split == "train" and self.config.solver != "normal-equations":
            exact = LinearRegression(ridge=self.config.ridge).fit(*self.rows(self.run.data[split]))
            found["gap"] = self.model.distance(exact)
        return found

    def columns(self):
        names = self.facts["reader"]["columns"]
        return [names[place] for place in self.kept] if self.kept else names

    def figures(self):
        columns = self.columns()
        heights = convex.largest_weights(self.model.coef_, columns, self.classes)
        unit = "weight of the standardised column" if self.config.standardize else "weight"
        return {**self.regressor.figures(), "weights": weights(heights, unit)}
