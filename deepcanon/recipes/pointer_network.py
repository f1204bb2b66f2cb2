"""Pointer network: hulls, tours and triangulations, answered by pointing at the points themselves.

Task: the corners of the hull of some points, a tour through them, or their Delaunay triangulation,
in order. Data: drawn sets (convex-hull, travelling-salesman, delaunay-triangulation), or your own
points in a CSV (columns x, y and set; --problem says what is asked). Metrics: share of polygons
that are right, whichever corner they start at, and of the area; polygons that cross themselves
count as wrong; length of tours relative to the shortest; share of the triangles. Training sets have
5 to 10 points; hulls are also tested with 20. Vinyals et al. 2015: 92 % of hulls at 5, 87 % at 10;
ours after six minutes on one core: 92.5 % and 78 %, 99.9 % of the area, 99.6 % of it at 20 points
(one seed). Tours are 1.010 times the shortest, 1.018 at 10 points, after 25 minutes (one seed). For
triangulations of 5 points the paper has 80.7 %, and 93 % of the triangles; ours after 16 minutes:
53 % and 81 % (one seed). The report draws the answers over the points.

    deepcanon train pointer-network
    deepcanon train pointer-network --data delaunay-triangulation
"""

from dataclasses import dataclass
from typing import Literal

from deepcanon.options import Count, Optimization, PointSets, Positive, Schedule
from deepcanon.targets import metric, target

SYSTEM = "sequence.pointer_network"
DATA = ("point_sets",)
METRICS = {
    "nll": metric("mean negative log-likelihood of the places pointed at", "nats per step", "min"),
    "accuracy": metric(
        "share of sets answered rightly, whichever point comes first", "share", "max"
    ),
    "invalid": metric(
        "share of answers that are no simple polygon, tour or list of triangles", "share", "min"
    ),
    "coverage": metric("share of the triangles that are named, mean over sets", "share", "max"),
    "area": metric("area of the polygons over that of the hulls, if valid", "share", "max"),
    "length": metric("length of the tours over the shortest, mean over sets", "ratio", "min"),
    "accuracy_*": metric("share of sets of that many points answered rightly", "share", "max"),
    "area_*": metric("share of the area, sets of that many points", "share", "max"),
    "coverage_*": metric("share of the triangles, sets of that many points", "share", "max"),
    "length_*": metric(
        "length of the tours over the shortest, sets of that many points", "ratio", "min"
    ),
}
OURS = "trained on 5 to 10 points, new sets in each step"
TOURS = "closer to the shortest than a walk to the nearest point left, 1.11 at 10 points"
FIVE = "five points; the figure of arXiv:1506.03134, section 4.3, not looked up again"
TARGETS = (
    target("hull", "test/accuracy_5 >= 0.9", "P", OURS),
    target("hull", "test/accuracy_10 >= 0.8", "P", OURS),
    target("hull", "test/area >= 0.995", "P", OURS),
    target("hull", "test/area_20 >= 0.98", "P", "sets twice as large as any in training"),
    target("hull", "worst cpu_minutes <= 15", "P", "fifteen minutes of one core"),
    target("tour", "test/length <= 1.02", "P", TOURS),
    target("tour", "test/length_10 <= 1.05", "P", TOURS),
    target("tour", "test/invalid <= 0.01", "P", "decoded freely: each point once"),
    target("delaunay", "test/coverage >= 0.93", "P", FIVE),
    target("delaunay", "test/accuracy >= 0.807", "P", FIVE),
)


@dataclass(frozen=True, kw_only=True)
class Config(PointSets, Optimization, Schedule):
    hidden: Count = 128
    """Units of encoder, decoder and pointer (the paper: 256 or 512)."""
    batch: Count = 128
    """Sets per step, all of one size."""
    updates: Count = 22_000
    """Steps, if none are given."""
    optimizer: Literal["sgd", "adamw"] = "adamw"
    learning_rate: Positive = 3e-3
    clip: Positive = 2.0
    """Largest global norm of the gradients."""


SMALL = Config(hidden=16, batch=16, learning_rate=1e-2)
PAPER = Config(hidden=512, optimizer="sgd", learning_rate=1.0, schedule="constant")
PRESETS = {
    "smoke": (SMALL, {"data": "convex-hull", "steps": 40, "threads": 1}),
    "default": (Config(), {"data": "convex-hull", "options": {"updates": 8000}}),
    "paper": (PAPER, {"data": "convex-hull"}),
    "verify:hull": (Config(), {"data": "convex-hull"}),
    "verify:tour": (Config(fewest=5, most=10), {"data": "travelling-salesman"}),
    "verify:delaunay": (Config(), {"data": "delaunay-triangulation"}),
}

from deepcanon import engine
from deepcanon.sequence.pointer_network import PointerNetwork, pointer_nll
from deepcanon.techniques.optimizers import optimizer_of
from deepcanon.techniques.polygons import PolygonAnswers, asked_of


class Recipe(PolygonAnswers, engine.Recipe[Config], engine.Predicts):
    state = ("model", "optimizer")
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    planned = "updates"

    def build(self):
        self.model = PointerNetwork(2, self.config.hidden, device=self.run.device)
        self.optimizer = optimizer_of(self.config, self.model)

    def step(self, step):
        points, answers = self.of_one_size()
        asked = asked_of(answers)
        points = self.run.to(points.to(self.model.start.dtype))
        answers = self.run.to(answers)
        return self.updated(step, pointer_nll(self.model(points, answers), answers), asked)
