"""A map of images or of the rows of a table in the plane by t-SNE, coloured by class.

Task: points in the plane with the neighbourhoods of the data. Data: images (pixels in [0, 1]) or
the number columns of a table (standardised); all examples, or --points of them. Metrics of the
mapped points: KL divergence, share of points whose nearest neighbour in the map has their class,
trustworthiness of 5 neighbours; the 1,797 digits at perplexity 30: scikit-learn 0.754, 98.8 % and
0.995, ours 0.684, 98.9 % and 0.996. About a minute on one core.

From 2,000 points on, repulsion is interpolated on a grid and P is sparse (--method), so that a
step costs in proportion to the points; the KL divergence is then that of the sparse P. `encode`
places new inputs in the finished map, which stays as it is; a training point keeps its place.

    deepcanon train tsne --data digits
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from deepcanon.options import Count, Images, NonNegative, Positive, Range, Tables, Whole
from deepcanon.targets import metric, target

SYSTEM = "representation.tsne"
DATA = ("images", "tables")
METRICS = {
    "kl": metric("KL divergence of the neighbourhoods in the map", "nats", "min"),
    "neighbours": metric("points whose nearest one in the map has their class", "share", "max"),
    "neighbours_before": metric("the same among the inputs themselves", "share", "max"),
    "trustworthiness": metric("1 minus a penalty for false neighbours among 5", "", "max"),
}
PEER = "scikit-learn's TSNE, perplexity 30"
TARGETS = (
    target("digits", "train/kl <= 0.80", "R", f"{PEER}: 0.754"),
    target("digits", "train/neighbours >= 0.975", "R", f"{PEER}: 0.988, leaving one out"),
    target("digits", "train/trustworthiness >= 0.99", "P", f"{PEER}: 0.995"),
    target("digits", "worst cpu_minutes <= 2", "P", "two minutes of one core"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Tables):
    perplexity: Annotated[float, Range("[1, inf)")] = 30.0
    """Effective number of neighbours of each point."""
    points: Count = 100_000
    """Map at most this many examples, drawn from the training data."""
    method: Literal["auto", "exact", "interpolated"] = "auto"
    """Every pair repels, in quadratic time; or on a grid. auto: exact below 2,000 points."""
    measured: Count = 2_000
    """Measure trustworthiness and nearest neighbours on at most this many of the points."""
    iterations: Count = 1_000
    """Steps of the descent."""
    exaggeration: Positive = 12.0
    """Factor on the attraction in the first steps, so that clusters form early."""
    exaggerated: Whole = 250
    """Number of these first steps."""
    learning_rate: NonNegative = 0.0
    """Step size; 0 takes points / (4 exaggeration) at first, then points, at least 50."""
    init: Literal["pca", "random"] = "pca"
    """Start: the first two principal components, or noise."""
    standardize: bool = True
    """Tables: divide each column by its standard deviation."""
    thumbnails: bool = True
    """Images: draw a second map of the images themselves."""
    valid_share: float = 0.0
    """Share of the data that is left out of the map."""
    test_share: float = 0.0
    """A further share that is left out."""


EARLY = Config(exaggeration=4.0, exaggerated=50, learning_rate=100.0, init="random")
PRESETS = {
    "smoke": (Config(points=150, perplexity=10.0, exaggerated=10), {"data": "digits", "steps": 24}),
    "default": (Config(), {"data": "digits"}),
    "paper": (replace(EARLY, points=6_000, perplexity=40.0, method="exact"), {"data": "mnist"}),
    "verify:digits": (Config(), {"data": "digits", "precision": "fp32"}),
}

import functools

import torch
from torch import nn

from deepcanon import engine
from deepcanon.engine import Encodes
from deepcanon.engine.figures import Tiles
from deepcanon.engine.shown import embedding
from deepcanon.errors import UsageError
from deepcanon.parts.neighbourhoods import neighbour_accuracy, trustworthiness
from deepcanon.parts.standardize import Standardize, channel_statistics
from deepcanon.parts.tiles import scattered_tiles
from deepcanon.representation import tsne

WIDE = 512  # pixels of the map of thumbnails, at which pictures are shown without being shrunk
TOLD = 10  # steps between two costs of the interpolated form, which takes a third longer for one


class Recipe(engine.Recipe[Config], Encodes):
    state = ("model", "move", "gain")
    parallel = "none: every point pulls and pushes every other at each step"
    planned = "iterations"
    waits = "the size of the grid follows from how wide the map is"
    splits = ("train",)

    @classmethod
    def learn(cls, config, data):
        train = data["train"]
        chosen = torch.randperm(len(train))[: config.points].sort().values  # seeded by the run
        x = train.x[chosen]
        if len(x) < 3 or config.perplexity > len(x) - 1:
            raise UsageError(
                f"{len(x)} points: t-SNE needs three, and a --perplexity below their number"
            )
        facts = {"points": x, "labels": None if train.y is None else train.y[chosen]}
        facts["rows"] = chosen
        if data.kind == "images":
            return {**facts, "shift": torch.tensor(0.0), "scale": torch.tensor(255.0)}
        shift, scale = channel_statistics([x])
        scale = scale if config.standardize else torch.ones_like(scale)
        return {**facts, "shift": shift, "scale": scale}

    def build(self):
        config, facts, run = self.config, self.facts, self.run
        self.model = tsne.TSNE(
            perplexity=config.perplexity,
            max_iter=config.iterations,
            exaggeration=config.exaggeration,
            exaggerated=config.exaggerated,
            learning_rate=config.learning_rate or None,
            init=config.init,
            method=config.method,
            seed=run.seed,
        ).to(run.device)
        standardize = Standardize(facts["shift"], facts["scale"])
        self.preprocess = nn.Sequential(standardize, nn.Flatten()).to(run.device)
        points, dtype = self.preprocess(run.to(facts["points"])), torch.get_default_dtype()
        self.model.register_buffer("points_", points, persistent=False)  # they are facts
        start = self.model.begin(points)
        self.model.embedding_, self.move, self.gain = (part.to(dtype) for part in start)
        self.model.kl_divergence_ = torch.zeros((), dtype=torch.float64, device=run.device)
        self.affinities = functools.cache(self.compute_affinities)

    def begin(self):
        count = len(self.model.points_)
        self.run.say(f"{count:,} points: the {self.model.form(count)} form (--method)")

    def compute_affinities(self):
        """P of the points, and its constant in the divergence."""
        dtype = torch.get_default_dtype()
        p = self.model.affinities(self.model.points_, dtype)
        constant = tsne.entropy_term(p)
        return p.to(dtype) if isinstance(p, torch.Tensor) else p, constant

    def step(self, step):
        p, constant = self.affinities()
        now = tsne.Descent(self.model.embedding_, self.move, self.gain)
        now, cost = self.model.step(now, p, step, cost=step % TOLD == 0)
        self.model.embedding_, self.move, self.gain = now
        if cost is not None:  # before this step, and of the last that was told
            self.model.kl_divergence_ = constant + cost
        return {"loss": self.model.kl_divergence_}

    def evaluate(self, split):
        x, y, labels = self.model.points_, self.model.embedding_, self.facts["labels"]
        p, constant = self.affinities()
        found = {"kl": constant + tsne.tsne_gradient(y, p)[0]}
        sample = min(len(x), self.config.measured)
        rows = torch.arange(sample, device=x.device) * len(x) // sample  # spread over all
        if labels is not None and self.facts["reader"].get("classes"):
            labels = self.run.to(labels)
            found["neighbours"] = neighbour_accuracy(y, labels, rows)
            found["neighbours_before"] = neighbour_accuracy(x, labels, rows)
        near = min(5, (len(x) - 1) // 2)
        return {**found, "trustworthiness": trustworthiness(x, y, near, rows)}

    def figures(self):
        y, facts = self.model.embedding_.cpu(), self.facts
        axes = "first axis of the map", "second axis of the map"
        pictures = facts["points"] if facts["points"].ndim == 4 else None
        chart = embedding(y, axes, facts["labels"], facts["reader"], pictures)
        if not self.config.thumbnails or pictures is None:
            return {"map": chart}
        tiles = scattered_tiles(facts["points"], y, WIDE)
        return {"map": chart, "thumbnails": Tiles(tiles[None], caption=chart.caption)}

    def encode(self, inputs):
        """Places in the finished map."""
        return self.model.transform(self.preprocess(inputs.to(self.run.device)))
